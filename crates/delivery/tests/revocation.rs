//! Devices that are revoked: what is still accepted, from them and where they are.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use bytes::Bytes;
use common::{Service, Town, commit_of, log_of, missed, take_in, update};
use delivery::Sender;
use delivery::testing::{NOW, Person, Slow, ready, settle};
use mls::{Change, Group, Policy};
use storage::memory::MemoryLogs;
use storage::{Batch, Logs, ReadLimits};
use types::wire::{self, RefusalCode, submit};
use types::{DeviceId, LogId, Refusal};

/// Olga at two devices, and Adam at one; all three in a group of Olga's.
struct Talk<L = MemoryLogs> {
    town: Town<L>,
    people: [Person; 3],
    groups: Vec<Group>,
}

const OLGA: usize = 0;
const ADAM: usize = 1;
/// Olga's, and about to be lost.
const PHONE: usize = 2;

impl Talk {
    fn new() -> Self {
        Self::over(|logs| logs)
    }
}

impl<L: Logs> Talk<L> {
    fn over(store: impl FnOnce(MemoryLogs) -> L) -> Self {
        let olga = Person::new("olga", 1);
        let phone = olga.at_another_device(2, 11);
        let people = [olga, Person::new("adam", 2), phone];
        let town = Town::over(&people.each_ref(), store);
        let groups = town.conversation(&people.each_ref());
        Self { town, people, groups }
    }

    fn delivery(&self) -> &Service<L> {
        &self.town.delivery
    }

    fn phone(&self) -> DeviceId {
        self.people[PHONE].device_id()
    }

    fn log(&self) -> LogId {
        log_of(&self.groups[0])
    }

    fn lock_out(&self) {
        lock_out(&self.town.logs, &self.people[PHONE]);
    }

    fn mark(&self) {
        settle(self.delivery().mark_revoked(&[self.phone()])).unwrap();
    }

    fn revoke(&self) {
        self.lock_out();
        self.mark();
    }

    /// Says something that nobody needs to read.
    fn say(&mut self, who: usize) -> wire::Submit {
        let said = self.people[who].submit_text(&mut self.groups[who], "x");
        self.groups[who].save().unwrap();
        said
    }

    /// A commit by which somebody removes the phone, showing why.
    fn removal(&mut self, who: usize) -> wire::Submit {
        let group = &mut self.groups[who];
        let phone = self.people[PHONE].device_id();
        let members = group.members();
        let leaf = members.iter().find(|member| member.device_id == phone).unwrap();
        let list = self.people[OLGA]
            .someone
            .list(3, &[self.people[OLGA].device_id()], NOW);
        let evidence = wire::Revocation {
            device_lists: vec![list],
            successions: Vec::new(),
        };
        let changes = [Change::Remove(leaf.leaf), Change::Evidence(evidence)];
        let bundle = group.commit(&changes, NOW).unwrap();
        self.people[who].submit_commit(group.id(), bundle)
    }

    fn marked(&self) -> Vec<u8> {
        let key = [b"revoked-in/", &self.groups[0].id().as_bytes()[..]].concat();
        ready(self.town.logs.cell(&key))
            .unwrap()
            .unwrap_or_default()
            .into()
    }

    /// In flight: judged, and not yet applied.
    fn begin(&self, who: usize, submit: &wire::Submit) -> delivery::Outcome {
        let sender = Sender {
            device: self.people[who].device_id(),
            given: None,
        };
        ready(self.delivery().submit(NOW, sender, submit.clone()))
    }
}

fn lock_out(logs: &MemoryLogs, device: &Person) {
    let batch = Batch {
        cells: delivery::lockout(Some(&device.address), &[device.device_id()]),
        ..Batch::default()
    };
    ready(logs.commit(batch)).unwrap();
}

fn names_olga(refusal: Refusal) {
    assert_eq!(refusal.code, RefusalCode::RevokedMembers);
    assert!(refusal.message.contains("olga@city.example"));
    assert_eq!(refusal.into_wire().addresses, ["olga@city.example"]);
}

#[test]
fn a_revoked_device_submits_nothing_and_is_let_in_nowhere() {
    let mut talk = Talk::new();
    let said = talk.say(PHONE);
    let earlier = talk.town.accepted(&talk.people[PHONE], &said);
    let (message, commit) = (
        talk.say(PHONE),
        update(&talk.people[PHONE], &mut talk.groups[PHONE]),
    );
    talk.groups[PHONE].clear_pending();
    let leave = talk.groups[PHONE].propose_leave().unwrap();
    let leave = talk.people[PHONE].submit(
        talk.groups[PHONE].id(),
        1,
        submit::Content::Proposal(leave.into()),
    );
    let (_, begin) = talk.people[PHONE].begin(&Policy::direct(), &[]);
    let found = ready(talk.delivery().fetch_group(talk.phone(), talk.groups[0].id())).unwrap();
    let (_, come_back) = talk.people[PHONE].come_in(&found);
    talk.lock_out();
    assert!(ready(talk.delivery().is_revoked(talk.phone())).unwrap());
    for submit in [&message, &commit, &leave, &begin, &come_back] {
        talk.town
            .refused(&talk.people[PHONE], submit, RefusalCode::DeviceRevoked);
    }
    let repeated = talk.town.submit(&talk.people[PHONE], &said).unwrap();
    assert_eq!((repeated.seq, repeated.repeated), (earlier, true));

    let add = [Change::Add(talk.people[PHONE].key_package(false))];
    let (_, begin) = talk.people[ADAM].begin(&Policy::direct(), &add);
    talk.town
        .refused(&talk.people[ADAM], &begin, RefusalCode::ForgedCertificate);
}

#[test]
fn nothing_is_said_until_the_device_is_removed() {
    let mut talk = Talk::new();
    let before = talk.say(ADAM);
    let seq = talk.town.accepted(&talk.people[ADAM], &before);
    talk.revoke();
    talk.mark();
    assert_eq!(talk.marked(), talk.phone().as_bytes());
    let message = talk.say(ADAM);
    let refusal = talk
        .town
        .refused(&talk.people[ADAM], &message, RefusalCode::RevokedMembers);
    names_olga(refusal);
    assert_eq!(
        talk.town.submit(&talk.people[ADAM], &before).unwrap().seq,
        seq,
        "what was accepted before is answered as before"
    );

    // A commit that leaves the device there is accepted, unless something is said with it.
    let commit = update(&talk.people[OLGA], &mut talk.groups[OLGA]);
    let mut saying = commit.clone();
    commit_of(&mut saying).application = {
        talk.groups[OLGA].apply_pending().unwrap();
        talk.groups[OLGA].encrypt(b"x").unwrap().into()
    };
    commit_of(&mut saying).application_entry_id = talk.people[OLGA].rng.entry_id().to_bytes();
    let refusal = talk
        .town
        .refused(&talk.people[OLGA], &saying, RefusalCode::RevokedMembers);
    names_olga(refusal);
    let seq = talk.town.accepted(&talk.people[OLGA], &commit);
    let entries = talk
        .town
        .read(talk.people[ADAM].device_id(), talk.log(), seq - 1)
        .unwrap()
        .entries;
    take_in(&mut talk.groups[ADAM], &entries);

    // With the removal something may be said again.
    let mut removal = talk.removal(ADAM);
    talk.groups[ADAM].apply_pending().unwrap();
    commit_of(&mut removal).application = talk.groups[ADAM].encrypt(b"among us").unwrap().into();
    commit_of(&mut removal).application_entry_id = talk.people[ADAM].rng.entry_id().to_bytes();
    talk.town.accepted(&talk.people[ADAM], &removal);
    assert_eq!(talk.marked(), []);
    let message = talk.say(ADAM);
    talk.town.accepted(&talk.people[ADAM], &message);
}

#[test]
fn a_message_and_a_mark_that_cross_come_one_after_the_other() {
    let mut talk = Talk::over(Slow);
    let message = talk.say(ADAM);
    talk.lock_out();
    let sending = talk.begin(ADAM, &message);
    talk.mark();
    names_olga(settle(sending).unwrap_err());

    // The removal takes the mark away, whatever was judged meanwhile.
    let removal = talk.removal(ADAM);
    let removing = talk.begin(ADAM, &removal);
    settle(removing).unwrap();
    assert_eq!(talk.marked(), []);
}

#[test]
fn a_removal_and_a_mark_that_cross_leave_no_mark_behind() {
    let mut talk = Talk::over(Slow);
    let removal = talk.removal(OLGA);
    talk.lock_out();
    // Judged when there was no mark: it would not take one away.
    let removing = talk.begin(OLGA, &removal);
    talk.mark();
    let (epoch, entries) = missed(settle(removing).unwrap_err());
    assert_eq!((epoch, entries.len()), (1, 0), "made anew, it is accepted");
    talk.groups[OLGA].clear_pending();
    let again = talk.removal(OLGA);
    talk.town.accepted(&talk.people[OLGA], &again);
    assert_eq!(talk.marked(), []);

    // The other way round there is nothing to mark.
    let mut talk = Talk::over(Slow);
    let removal = talk.removal(OLGA);
    talk.lock_out();
    talk.town.accepted(&talk.people[OLGA], &removal);
    talk.mark();
    assert_eq!(talk.marked(), []);
}

#[test]
fn who_is_revoked_while_its_own_submit_is_in_flight_is_not_heard() {
    let mut talk = Talk::over(Slow);
    let message = talk.say(PHONE);
    let sending = talk.begin(PHONE, &message);
    talk.lock_out();
    let refusal = settle(sending).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::DeviceRevoked);
    assert!(refusal.message.contains("olga@city.example"));
}

#[test]
fn who_is_revoked_while_it_is_brought_in_does_not_come_in() {
    let olga = Person::new("olga", 1);
    let (adam, phone) = (Person::new("adam", 2), olga.at_another_device(2, 11));
    let town = Town::over(&[&olga, &adam, &phone], Slow);
    let mut groups = town.conversation(&[&olga, &adam]);
    let adding = {
        let add = Change::Add(phone.key_package(false));
        let bundle = groups[0].commit(&[add], NOW).unwrap();
        olga.submit_commit(groups[0].id(), bundle)
    };
    let (_, beginning) = adam.begin(&Policy::direct(), &[Change::Add(phone.key_package(false))]);
    let found = ready(town.delivery.fetch_group(phone.device_id(), groups[0].id())).unwrap();
    let (_, coming) = phone.come_in(&found);
    let begin = |person: &Person, submit: &wire::Submit| {
        let sender = Sender {
            device: person.device_id(),
            given: None,
        };
        ready(town.delivery.submit(NOW, sender, submit.clone()))
    };
    let in_flight = [
        begin(&olga, &adding),
        begin(&adam, &beginning),
        begin(&phone, &coming),
    ];
    lock_out(&town.logs, &phone);
    let codes = in_flight.map(|outcome| settle(outcome).unwrap_err().code);
    assert_eq!(
        codes,
        [
            RefusalCode::StaleEpoch,
            RefusalCode::ForgedCertificate,
            RefusalCode::DeviceRevoked
        ]
    );
    groups[0].clear_pending();
    assert_eq!(
        town.submit(&olga, &adding).unwrap_err().code,
        RefusalCode::ForgedCertificate
    );
    settle(town.delivery.mark_revoked(&[phone.device_id()])).unwrap();
    let message = adam.submit_text(&mut groups[1], "hello");
    town.accepted(&adam, &message);
}

#[test]
fn every_conversation_is_marked_however_many_there_are() {
    let talk = Talk::new();
    let [olga, _, phone] = &talk.people;
    let mut others: Vec<Group> = (0..150)
        .map(|_| {
            let (group, begin) = phone.begin(&Policy::group(olga.address.clone()), &[]);
            talk.town.accepted(phone, &begin);
            group
        })
        .collect();
    talk.revoke();
    let key = |group: &Group| [b"revoked-in/", &group.id().as_bytes()[..]].concat();
    others.extend(talk.groups.into_iter().take(1));
    for group in &others {
        let marks = ready(talk.town.logs.cell(&key(group))).unwrap();
        assert_eq!(marks, Some(phone.device_id().to_bytes()));
    }
}

#[test]
fn two_devices_are_marked_side_by_side_and_go_one_by_one() {
    let mut talk = Talk::new();
    let tablet = talk.people[OLGA].at_another_device(2, 12);
    talk.town.people.add(&tablet);
    let found = ready(
        talk.delivery()
            .fetch_group(tablet.device_id(), talk.groups[0].id()),
    )
    .unwrap();
    let (_, come_in) = tablet.come_in(&found);
    let seq = talk.town.accepted(&tablet, &come_in);
    let entries = talk
        .town
        .read(talk.people[ADAM].device_id(), talk.log(), seq - 1)
        .unwrap()
        .entries;
    take_in(&mut talk.groups[ADAM], &entries);
    let both = [talk.phone(), tablet.device_id()];
    talk.lock_out();
    lock_out(&talk.town.logs, &tablet);
    ready(talk.delivery().mark_revoked(&both)).unwrap();
    assert_eq!(talk.marked().len(), 32);
    let removal = talk.removal(ADAM);
    talk.town.accepted(&talk.people[ADAM], &removal);
    assert_eq!(talk.marked(), tablet.device_id().as_bytes());
}

#[test]
fn a_revoked_device_holds_nothing_back() {
    let mut talk = Talk::new();
    for _ in 0..3 {
        let said = talk.say(ADAM);
        talk.town.accepted(&talk.people[ADAM], &said);
    }
    let mailbox = LogId::Mailbox(talk.phone());
    let cursor = |who: usize, log, seq| {
        let device = talk.people[who].device_id();
        talk.delivery().set_cursor(device, log, seq).unwrap();
    };
    cursor(OLGA, talk.log(), 4);
    cursor(ADAM, talk.log(), 4);
    cursor(PHONE, mailbox, 0);
    let first = |log| {
        let one = ReadLimits { entries: 1, bytes: 0 };
        ready(talk.town.logs.read(log, 0, one)).unwrap().first
    };
    let trim = || (0..32).for_each(|_| ready(talk.delivery().trim(NOW)).unwrap());
    trim();
    assert_eq!(
        (first(talk.log()), first(mailbox)),
        (2, 1),
        "the phone has read nothing"
    );
    talk.lock_out();
    trim();
    assert_eq!((first(talk.log()), first(mailbox)), (5, 2));
    for prefix in [&b"mailbox/"[..], b"cursor/mailbox/"] {
        let left = ready(talk.town.logs.cells(prefix, 10)).unwrap();
        let phone = talk.phone();
        let of_phone = |key: &Bytes| key.windows(16).any(|part| part == phone.as_bytes());
        assert!(!left.iter().any(|cell| of_phone(&cell.key)), "{left:?}");
    }
}
