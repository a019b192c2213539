//! An account's devices, what they were told, and the server that keeps their backup. Programs end between any two steps.

use std::collections::{BTreeMap, BTreeSet};

use backup::{
    Era, Frame, Holdings, Manifest, Place, Plan, Range, Replacement, Row, SegmentWriter, Span, Tally, Unlock,
    Write, Written, plan, validate,
};
use bytes::Bytes;
use types::{BlobId, ConversationId, Duration, Timestamp, wire};

use super::{Account, now, restore, text};

/// What the server keeps.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) blobs: BTreeMap<BlobId, Vec<u8>>,
    manifest: Option<(u64, Bytes)>,
}

/// What a device keeps.
#[derive(Clone, Default)]
pub(crate) struct Device {
    /// Its lines; nothing is left of those that were erased but their places.
    lines: BTreeMap<Place, Option<wire::TimelineRow>>,
    spans: Vec<Span>,
    gone: Vec<Place>,
    /// Rows that were erased, of which it has not learnt yet.
    to_learn: Vec<Place>,
}

pub(crate) struct World {
    pub(crate) account: Account,
    pub(crate) server: Server,
    pub(crate) devices: Vec<Device>,
    pub(crate) now: Timestamp,
    incarnation: u64,
    heads: BTreeMap<ConversationId, u64>,
    said: BTreeMap<Place, wire::TimelineRow>,
    /// Lines that a device backed up, and rows that it said are gone, in manifests that the server took.
    safe: BTreeSet<Place>,
    buried: BTreeSet<Place>,
}

/// Where a program ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    Never,
    /// With so many new blobs at the server.
    AfterBlobs(usize),
    /// The manifest is there, and the device does not know.
    AfterManifest,
}

impl World {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            account: Account::new(42),
            server: Server::default(),
            devices: vec![Device::default(); devices],
            now: now(),
            incarnation: 1,
            heads: BTreeMap::new(),
            said: BTreeMap::new(),
            safe: BTreeSet::new(),
            buried: BTreeSet::new(),
        }
    }

    /// Entries come into a conversation's log, of which some give lines; these devices read them, and the others miss them.
    pub(crate) fn say(&mut self, conversation: u8, gives_line: &[bool], hear: impl Fn(usize) -> bool) {
        let conversation = super::conversation(conversation);
        let head = self.heads.entry(conversation).or_default();
        let first = *head + 1;
        for gives_line in gives_line {
            *head += 1;
            let place = Place {
                conversation,
                incarnation: self.incarnation,
                seq: *head,
                entry_id: self.account.rng.entry_id(),
            };
            if *gives_line {
                let row = text(place, &format!("what {place:?} says"));
                let hearers = (0..).zip(&mut self.devices).filter(|(at, _)| hear(*at));
                hearers.for_each(|(_, device)| drop(device.lines.insert(place, Some(row.clone()))));
                self.said.insert(place, row);
            }
        }
        let span = Span {
            conversation,
            incarnation: self.incarnation,
            first,
            last: *head,
        };
        let hearers = (0..).zip(&mut self.devices).filter(|(at, _)| hear(*at));
        hearers.for_each(|(_, device)| device.spans.push(span));
    }

    /// A row is erased on the devices that learn of it; those that never had it are told of it, too, or not.
    pub(crate) fn erase(&mut self, at: usize, tell_all: bool, learns: impl Fn(usize) -> bool) {
        let Some(place) = self.said.keys().nth(at % self.said.len().max(1)).copied() else {
            return;
        };
        for (at, device) in self.devices.iter_mut().enumerate() {
            if tell_all || device.lines.contains_key(&place) {
                device.to_learn.push(place);
            }
            if learns(at) {
                device.catch_up();
            }
        }
    }

    /// The server is restored from a backup of its own: its logs are shorter again.
    pub(crate) fn restart(&mut self) {
        self.incarnation += 1;
        self.heads.values_mut().for_each(|head| *head /= 2);
    }

    pub(crate) fn manifest(&self) -> Manifest {
        self.open(self.account.unlock())
    }

    fn open(&self, unlock: Unlock<'_>) -> Manifest {
        let manifest = self.server.manifest.as_ref();
        manifest.map_or_else(Manifest::default, |(number, sealed)| {
            Manifest::open(sealed, *number, unlock).unwrap()
        })
    }

    pub(crate) fn plan(&self, device: usize) -> Plan {
        let device = &self.devices[device];
        let held = Holdings {
            spans: &device.spans,
            gone: &device.gone,
            cards_changed: false,
            tally: &mut |span| Some(device.tally(span)),
        };
        plan(&self.manifest(), held, self.now).unwrap()
    }

    /// A device brings the backup up to date; true if it came to the end of it.
    pub(crate) fn back_up(&mut self, device: usize, begin_era: bool, crash: Crash) -> bool {
        self.now = self.now.after(Duration::from_secs(1));
        let (old, plan) = (self.manifest(), self.plan(device));
        self.carry_out(device, &old, plan, begin_era, crash)
    }

    /// Two devices begin at the same time; the first one's manifest is not taken, and it begins anew.
    pub(crate) fn race(&mut self, first: usize, second: usize) {
        let (old, plan) = (self.manifest(), self.plan(first));
        self.back_up(second, false, Crash::Never);
        if plan.is_empty() || self.manifest().number == old.number {
            return;
        }
        assert!(!self.carry_out(first, &old, plan, false, Crash::Never));
        self.back_up(first, false, Crash::Never);
    }

    fn carry_out(&mut self, at: usize, old: &Manifest, plan: Plan, begin_era: bool, crash: Crash) -> bool {
        let told: BTreeSet<Place> = plan.told.iter().copied().collect();
        if plan.is_empty() && !begin_era {
            self.devices[at].gone.retain(|place| !told.contains(place));
            return true;
        }
        let era = if begin_era {
            Era::begin(old.era + 1, &self.account.words.backup_key(), &self.account.rng).unwrap()
        } else {
            self.account.era.clone()
        };
        let mut written = Vec::new();
        let cards = Write::default();
        for write in plan.writes.iter().chain(plan.cards.then_some(&cards)) {
            if matches!(crash, Crash::AfterBlobs(blobs) if blobs == written.len()) {
                return false;
            }
            written.push(self.write(at, &era, write));
        }
        let cards = plan.cards.then(|| written.pop()).flatten();
        let Replacement { manifest, drops } = plan.replace(old, written, cards).unwrap();
        let sealed = manifest.seal(&era, &self.account.rng, self.now).unwrap();
        if !self.server.put_manifest(manifest.number, sealed) {
            return false;
        }
        self.account.era = era;
        self.taken(at, old, &manifest, &told);
        if matches!(crash, Crash::AfterManifest) {
            return false;
        }
        drops.iter().for_each(|blob| drop(self.server.blobs.remove(blob)));
        self.devices[at].gone.retain(|place| !told.contains(place));
        true
    }

    fn write(&mut self, at: usize, era: &Era, write: &Write) -> Written {
        let mut sealed = Vec::new();
        let mut writer = SegmentWriter::new(era, write, &self.account.rng, self.now, &mut sealed);
        if write.ranges.is_empty() {
            let contact = wire::ContactCard {
                address: "boris@town.example".to_owned(),
                ..wire::ContactCard::default()
            };
            let card = super::card(wire::account_change::Change::Contact(contact));
            writer.push(&card, &mut sealed).unwrap();
        }
        let lines = &self.devices[at].lines;
        for (place, row) in lines.iter().filter(|(place, _)| contain(&write.ranges, place)) {
            writer.push(&frame(place, row.as_ref()), &mut sealed).unwrap();
        }
        let written = writer.finish(&mut sealed);
        self.server.blobs.insert(written.segment.id, sealed);
        written
    }

    /// The server took a manifest of this device.
    fn taken(&mut self, at: usize, old: &Manifest, new: &Manifest, told: &BTreeSet<Place>) {
        let device = &self.devices[at];
        for segment in new.segments.iter().filter(|segment| segment.number == new.number) {
            let lines = device.lines.keys();
            self.safe
                .extend(lines.filter(|place| contain(&segment.ranges, place)));
        }
        self.buried.extend(told);
        for Range { span, .. } in ranges(old) {
            for seq in span.first..=span.last {
                let is_covered = ranges(new).any(|Range { span: other, .. }| {
                    (other.conversation, other.incarnation) == (span.conversation, span.incarnation)
                        && (other.first..=other.last).contains(&seq)
                });
                assert!(is_covered, "{seq} of {span:?} is not covered any more");
            }
        }
        if ranges(new).all(|range| device.tally(&range.span) == range.tally) {
            assert_eq!(new.compacted, self.now, "it could write everything anew");
        }
        if new.compacted == self.now {
            let mut without_stones = new.clone();
            without_stones.tombstones.clear();
            let frames = self.restore(&without_stones);
            assert!(
                frames.iter().all(|frame| !self.is_buried(frame)),
                "it is still there"
            );
        }
    }

    fn is_buried(&self, frame: &Frame) -> bool {
        matches!(frame, Frame::Row(row) if self.buried.contains(&row.place()))
    }

    fn restore(&self, manifest: &Manifest) -> Vec<Frame> {
        let words = Unlock::Words(&self.account.words);
        restore(manifest, words, 1 << 18, |blob| {
            self.server.blobs.get(&blob).map(Vec::as_slice)
        })
        .unwrap()
    }

    /// The words bring back all that was backed up, once, and nothing that was erased.
    pub(crate) fn check(&self) {
        let words = Unlock::Words(&self.account.words);
        let manifest = self.open(words);
        let mut lines = BTreeMap::new();
        for frame in self.restore(&manifest) {
            assert!(!self.is_buried(&frame), "it came back: {frame:?}");
            if let Frame::Row(row) = &frame {
                assert_eq!(Some(row.row()), self.said.get(&row.place()));
            }
            if let Some(place) = super::place_of(&frame) {
                assert_eq!(lines.insert(place, frame), None, "{place:?} is there twice");
            }
        }
        let lost: Vec<_> = self
            .safe
            .iter()
            .filter(|place| !lines.contains_key(place))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let report = validate(&manifest, words, |blob| self.server.blobs.get(&blob).cloned());
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.rows + report.erased, lines.len() as u64);
    }

    /// How many of the lines that were said come back as rows.
    pub(crate) fn rows(&self) -> usize {
        let frames = self.restore(&self.open(Unlock::Words(&self.account.words)));
        frames
            .iter()
            .filter(|frame| matches!(frame, Frame::Row(_)))
            .count()
    }
}

impl Server {
    fn put_manifest(&mut self, number: u64, sealed: Bytes) -> bool {
        let present = self.manifest.as_ref().map_or(0, |(number, _)| *number);
        let is_next = number == present + 1;
        if is_next {
            self.manifest = Some((number, sealed));
        }
        is_next
    }
}

impl Device {
    /// Learns what was erased.
    pub(crate) fn catch_up(&mut self) {
        for place in self.to_learn.drain(..) {
            if self
                .lines
                .get_mut(&place)
                .is_none_or(|line| line.take().is_some())
            {
                self.gone.push(place);
            }
        }
    }

    fn tally(&self, span: &Span) -> Tally {
        self.lines.keys().filter(|place| span.contains(place)).collect()
    }
}

fn ranges(manifest: &Manifest) -> impl Iterator<Item = &Range> {
    manifest.segments.iter().flat_map(|segment| &segment.ranges)
}

fn contain(ranges: &[Range], place: &Place) -> bool {
    ranges.iter().any(|range| range.span.contains(place))
}

fn frame(place: &Place, row: Option<&wire::TimelineRow>) -> Frame {
    match row {
        Some(row) => Frame::Row(Row::new(place.incarnation, row.clone()).unwrap()),
        None => Frame::Erased(*place),
    }
}
