//! Meetings: two connections that share a code come to a place that only they know, and what one of them says is passed
//! on to the other, sealed. All of it is in memory: a code that was lost with the server is shown anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use delivery::Ringer;
use types::wire::RefusalCode;
use types::{Refusal, Timestamp, limits, wire};

use crate::lock;

/// Where two devices meet: follows from the code.
pub(crate) type Place = [u8; 16];

/// The meetings of a realm.
#[derive(Default)]
pub(crate) struct Meetings(Mutex<Places>);

#[derive(Default)]
struct Places {
    meetings: BTreeMap<Place, Meeting>,
    /// In the order in which they expire.
    ends: BTreeSet<(Timestamp, Place)>,
}

/// Once two have met there it keeps its place until it expires, whatever became of it: a code is good once.
struct Meeting {
    expires: Timestamp,
    sides: [Side; 2],
    /// One of the two is gone.
    over: bool,
}

#[derive(Default)]
struct Side {
    /// Rings the connection on this side, once there is one.
    ringer: Option<Ringer>,
    /// What it has not heard yet.
    waiting: VecDeque<Bytes>,
}

/// A connection's seat at a meeting. Dropping it ends the meeting for the other one, too.
pub(crate) struct Seat {
    meetings: Arc<Meetings>,
    place: Place,
    expires: Timestamp,
    side: usize,
}

/// What there is to hear.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// In the order in which it was said.
    pub(crate) said: Vec<Bytes>,
    /// There will be nothing more.
    pub(crate) over: bool,
}

const OPENER: usize = 0;
const JOINER: usize = 1;

impl Meetings {
    /// Opens a place, or comes to one that is open.
    pub(crate) fn meet(
        self: &Arc<Self>,
        now: Timestamp,
        asked: &wire::Meet,
        ringer: Ringer,
    ) -> Result<Seat, Refusal> {
        let place = place(&asked.place)?;
        let mut places = lock(&self.0);
        places.forget_expired(now);
        let (side, expires) = match asked.open {
            true => (OPENER, places.open(now, place, ringer)?),
            false => (JOINER, places.join(place, ringer)?),
        };
        Ok(Seat {
            meetings: Arc::clone(self),
            place,
            expires,
            side,
        })
    }
}

impl Seat {
    /// Until when the place is kept.
    pub(crate) fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Passes something on to the other one, who may be still to come.
    pub(crate) fn say(&self, now: Timestamp, sealed: Bytes) -> Result<(), Refusal> {
        if sealed.is_empty() {
            return Err(Refusal::malformed("there is nothing in what is said"));
        }
        if sealed.len() > limits::MEETING_BYTES {
            return Err(Refusal::too_large(
                "What is said at a meeting",
                limits::MEETING_BYTES,
                "bytes",
            ));
        }
        let mut places = lock(&self.meetings.0);
        let meeting = places
            .of(self)
            .filter(|meeting| now < meeting.expires && !meeting.over);
        let other = &mut meeting.ok_or_else(expired)?.sides[1 - self.side];
        if other.waiting.len() >= limits::MEETING_MESSAGES {
            return Err(Refusal::overloaded());
        }
        other.waiting.push_back(sealed);
        other.ring();
        Ok(())
    }

    /// What the other one said since this was last asked.
    pub(crate) fn hear(&self, now: Timestamp) -> Heard {
        let mut places = lock(&self.meetings.0);
        match places.of(self).filter(|meeting| now < meeting.expires) {
            Some(meeting) => Heard {
                said: meeting.sides[self.side].waiting.drain(..).collect(),
                over: meeting.over,
            },
            None => Heard {
                said: Vec::new(),
                over: true,
            },
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = lock(&self.meetings.0);
        let Some(meeting) = places.of(self) else { return };
        if meeting.sides.iter().flat_map(|side| &side.ringer).count() < 2 && !meeting.over {
            // Nobody came, so nothing was used.
            return places.forget(self.place);
        }
        meeting.over = true;
        meeting.sides[self.side] = Side::default();
        let other = &mut meeting.sides[1 - self.side];
        other.ring();
        // What it said is heard all the same, but by somebody who came before it went.
        if other.ringer.is_none() {
            other.waiting = VecDeque::new();
        }
    }
}

impl Places {
    fn open(&mut self, now: Timestamp, place: Place, ringer: Ringer) -> Result<Timestamp, Refusal> {
        if self.meetings.contains_key(&place) {
            return Err(used());
        }
        if self.meetings.len() >= limits::MEETINGS {
            return Err(Refusal::overloaded());
        }
        let expires = now.after(limits::MEETING);
        let mut sides = [Side::default(), Side::default()];
        sides[OPENER].ringer = Some(ringer);
        let meeting = Meeting {
            expires,
            sides,
            over: false,
        };
        self.meetings.insert(place, meeting);
        self.ends.insert((expires, place));
        Ok(expires)
    }

    fn join(&mut self, place: Place, ringer: Ringer) -> Result<Timestamp, Refusal> {
        let meeting = self.meetings.get_mut(&place).ok_or_else(expired)?;
        let joiner = &mut meeting.sides[JOINER];
        if meeting.over || joiner.ringer.is_some() {
            return Err(used());
        }
        joiner.ringer = Some(ringer);
        // What the opener said before waits.
        if !joiner.waiting.is_empty() {
            joiner.ring();
        }
        Ok(meeting.expires)
    }

    /// The meeting that a seat is at, unless the place was forgotten, and maybe opened anew, meanwhile.
    fn of(&mut self, seat: &Seat) -> Option<&mut Meeting> {
        let meeting = self.meetings.get_mut(&seat.place);
        meeting.filter(|meeting| meeting.expires == seat.expires)
    }

    fn forget(&mut self, place: Place) {
        if let Some(meeting) = self.meetings.remove(&place) {
            self.ends.remove(&(meeting.expires, place));
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((expires, place)) = self.ends.first().copied()
            && expires <= now
        {
            self.ends.pop_first();
            self.meetings.remove(&place);
        }
    }
}

impl Side {
    fn ring(&self) {
        if let Some(ringer) = &self.ringer {
            ringer.ring();
        }
    }
}

/// A place's name, as the wire carries it.
pub(crate) fn place(bytes: &[u8]) -> Result<Place, Refusal> {
    let place = bytes.try_into();
    place.map_err(|_| Refusal::malformed("the place of a meeting must be 16 bytes long"))
}

/// Nobody is there.
pub(crate) fn expired() -> Refusal {
    Refusal::new(
        RefusalCode::LinkExpired,
        "This code is not good, or not any more: a code lives for ten minutes. Show a new one on the other device.",
    )
}

fn used() -> Refusal {
    Refusal::new(
        RefusalCode::LinkUsed,
        "This code was used already. A code links one device, once; show a new one.",
    )
}

#[cfg(test)]
mod tests;
