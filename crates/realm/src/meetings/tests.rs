use delivery::{Doorbell, Hub};
use futures_util::FutureExt;
use types::Duration;

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

struct Guest {
    seat: Seat,
    bell: Doorbell,
}

impl Guest {
    fn rang(&self) -> bool {
        let rang = self.bell.rang().now_or_never().is_some();
        self.bell.take();
        rang
    }

    fn hears(&self, said: &[&'static [u8]], over: bool) {
        let said = said.iter().map(|said| Bytes::from_static(said)).collect();
        assert_eq!(self.seat.hear(NOW), Heard { said, over });
    }

    fn say(&self, sealed: &'static [u8]) -> Result<(), RefusalCode> {
        let said = self.seat.say(NOW, Bytes::from_static(sealed));
        said.map_err(|refusal| refusal.code)
    }
}

fn come(meetings: &Arc<Meetings>, now: Timestamp, place: Place, open: bool) -> Result<Guest, RefusalCode> {
    let bell = Hub::default().doorbell();
    let asked = wire::Meet {
        place: place.to_vec().into(),
        open,
    };
    let seat = meetings.meet(now, &asked, bell.ringer());
    seat.map(|seat| Guest { seat, bell })
        .map_err(|refusal| refusal.code)
}

fn refused(meetings: &Arc<Meetings>, now: Timestamp, place: Place, open: bool) -> RefusalCode {
    come(meetings, now, place, open).err().unwrap()
}

#[test]
fn what_one_says_the_other_hears_even_when_it_was_said_before_they_came() {
    let meetings = Arc::default();
    let opener = come(&meetings, NOW, [1; 16], true).unwrap();
    assert_eq!(opener.seat.expires(), NOW.after(limits::MEETING));
    opener.say(b"are you there?").unwrap();
    let joiner = come(&meetings, NOW, [1; 16], false).unwrap();
    assert!(joiner.rang() && !opener.rang());
    joiner.hears(&[b"are you there?"], false);
    joiner.say(b"yes").unwrap();
    joiner.say(b"here").unwrap();
    assert!(opener.rang());
    opener.hears(&[b"yes", b"here"], false);
    opener.hears(&[], false);
}

#[test]
fn a_place_is_good_once_and_for_ten_minutes() {
    let meetings = Arc::default();
    assert_eq!(refused(&meetings, NOW, [1; 16], false), RefusalCode::LinkExpired);
    let opener = come(&meetings, NOW, [1; 16], true).unwrap();
    assert_eq!(refused(&meetings, NOW, [1; 16], true), RefusalCode::LinkUsed);
    let joiner = come(&meetings, NOW, [1; 16], false).unwrap();
    assert_eq!(refused(&meetings, NOW, [1; 16], false), RefusalCode::LinkUsed);
    drop((opener, joiner));
    let last = NOW.after(limits::MEETING - Duration::from_millis(1));
    assert_eq!(refused(&meetings, last, [1; 16], false), RefusalCode::LinkUsed);
    assert_eq!(refused(&meetings, last, [1; 16], true), RefusalCode::LinkUsed);

    let end = NOW.after(limits::MEETING);
    assert_eq!(refused(&meetings, end, [1; 16], false), RefusalCode::LinkExpired);
    come(&meetings, end, [1; 16], true).unwrap();
}

#[test]
fn who_stayed_too_long_is_at_no_later_meeting() {
    let meetings = Arc::default();
    let early = come(&meetings, NOW, [1; 16], true).unwrap();
    let end = NOW.after(limits::MEETING);
    assert_eq!(
        early.seat.hear(end),
        Heard {
            said: Vec::new(),
            over: true
        }
    );
    let late = early.seat.say(end, Bytes::from_static(b"late"));
    assert_eq!(late.unwrap_err().code, RefusalCode::LinkExpired);
    let anew = come(&meetings, end, [1; 16], true).unwrap();
    drop(early);
    assert!(!anew.seat.hear(end).over);
    come(&meetings, end, [1; 16], false).unwrap();
}

#[test]
fn when_one_goes_the_other_hears_the_rest_and_that_it_is_over() {
    let meetings = Arc::default();
    let opener = come(&meetings, NOW, [1; 16], true).unwrap();
    let joiner = come(&meetings, NOW, [1; 16], false).unwrap();
    opener.say(b"good luck").unwrap();
    joiner.bell.take();
    drop(opener);
    assert!(joiner.rang());
    joiner.hears(&[b"good luck"], true);
    assert_eq!(joiner.say(b"wait"), Err(RefusalCode::LinkExpired));

    let alone = come(&meetings, NOW, [2; 16], true).unwrap();
    alone.say(b"hello?").unwrap();
    drop(alone);
    assert_eq!(
        refused(&meetings, NOW, [2; 16], false),
        RefusalCode::LinkExpired,
        "nobody came, and nothing is kept of it"
    );
}

#[test]
fn there_are_limits() {
    let meetings = Arc::default();
    let opener = come(&meetings, NOW, [1; 16], true).unwrap();
    assert_eq!(opener.say(b""), Err(RefusalCode::Malformed));
    let large = Bytes::from(vec![0; limits::MEETING_BYTES + 1]);
    let refusal = opener.seat.say(NOW, large.clone()).unwrap_err().into_wire();
    assert_eq!((refusal.code(), refusal.limit), (RefusalCode::TooLarge, 8 << 10));
    opener.seat.say(NOW, large.slice(1..)).unwrap();
    for _ in 1..limits::MEETING_MESSAGES {
        opener.say(b"x").unwrap();
    }
    assert_eq!(opener.say(b"x"), Err(RefusalCode::Overloaded));

    let nobody = Hub::default().doorbell();
    let short = wire::Meet::default();
    let refusal = meetings.meet(NOW, &short, nobody.ringer()).err().unwrap();
    assert_eq!(refusal.code, RefusalCode::Malformed);
    let seats: Vec<_> = (1..limits::MEETINGS)
        .map(|number| {
            let mut place = [0; 16];
            place[..8].copy_from_slice(&(number as u64).to_be_bytes());
            come(&meetings, NOW, place, true).unwrap()
        })
        .collect();
    assert_eq!(refused(&meetings, NOW, [9; 16], true), RefusalCode::Overloaded);
    drop(seats);
    // Whoever opens places and goes leaves them to others.
    come(&meetings, NOW, [9; 16], true).unwrap();
}
