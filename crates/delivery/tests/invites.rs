//! Who comes in by an invite, as the server counts.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Town, log_of, take_in};
use crypto::InviteKey;
use delivery::testing::{NOW, Person, ready};
use mls::{Change, Group, Invite, JoinWith};
use types::wire::{self, RefusalCode, submit};
use types::{Duration, Refusal, Timestamp};

struct Yard {
    town: Town,
    people: [Person; 4],
    groups: Vec<Group>,
    key: InviteKey,
}

/// A group of olga alone with adam, which nina and vera may come into.
fn yard(change: impl FnOnce(&mut Invite)) -> Yard {
    let people = [("olga", 1), ("adam", 2), ("nina", 3), ("vera", 4)];
    let people = people.map(|(name, seed)| Person::new(name, seed));
    let town = Town::of(&people.each_ref());
    let groups = town.conversation(&[&people[0], &people[1]]);
    let key = InviteKey::generate(&people[0].rng);
    let mut yard = Yard {
        town,
        people,
        groups,
        key,
    };
    let mut invite = Invite {
        key: yard.key.public(),
        expires: Some(after(60)),
        max_uses: Some(1),
        approval: false,
        made_by: yard.people[0].address.clone(),
    };
    change(&mut invite);
    yard.set(vec![invite]);
    yard
}

fn after(secs: u64) -> Timestamp {
    NOW.after(Duration::from_secs(secs))
}

impl Yard {
    fn set(&mut self, invites: Vec<Invite>) {
        let mut policy = self.groups[0].policy().unwrap();
        policy.invites = invites;
        let bundle = self.groups[0].commit(&[Change::Policy(policy)], NOW).unwrap();
        let submit = self.people[0].submit_commit(self.groups[0].id(), bundle);
        let seq = self.town.accepted(&self.people[0], &submit);
        let log = log_of(&self.groups[0]);
        let reading = self.town.read(self.people[0].device_id(), log, seq - 1).unwrap();
        take_in(&mut self.groups[0], &reading.entries);
    }

    fn fetch(&self, now: Timestamp, who: usize) -> Result<wire::Group, Refusal> {
        let invited = (self.groups[0].id(), self.key.public());
        let device = self.people[who].device_id();
        ready(self.town.delivery.fetch_group_by_invite(now, device, invited))
    }

    /// What somebody submits who was given this.
    fn comes_in(&self, who: usize, offer: &wire::Group) -> wire::Submit {
        let with = JoinWith {
            message: &offer.group_info,
            ratchet_tree: &offer.ratchet_tree,
        };
        let person = &self.people[who];
        let rejoin = person.device.join_by_invite(with, &self.key, NOW).unwrap();
        wire::Submit {
            conversation: self.groups[0].id().to_bytes(),
            entry_id: person.rng.entry_id().to_bytes(),
            epoch: rejoin.epoch,
            content: Some(submit::Content::Commit(wire::Commit {
                commit: rejoin.commit.into(),
                group_info: rejoin.group_info.into(),
                ..wire::Commit::default()
            })),
            ..wire::Submit::default()
        }
    }
}

fn code(outcome: Result<wire::Group, Refusal>) -> RefusalCode {
    outcome.unwrap_err().code
}

#[test]
fn an_invite_lets_in_as_many_as_it_may() {
    let yard = yard(|_| {});
    let offer = yard.fetch(NOW, 2).unwrap();
    assert_eq!(offer, yard.fetch(NOW, 3).unwrap());
    yard.town.accepted(&yard.people[2], &yard.comes_in(2, &offer));
    // Who was slower learns that it moved on, and then that it is used up.
    let late = yard.comes_in(3, &offer);
    yard.town.refused(&yard.people[3], &late, RefusalCode::StaleEpoch);
    assert_eq!(code(yard.fetch(NOW, 3)), RefusalCode::InviteUsedUp);
    // Who came in, and does not know yet, may come again.
    let again = yard.fetch(NOW, 2).unwrap();
    yard.town.accepted(&yard.people[2], &yard.comes_in(2, &again));
    // Somebody who has what an invite that is used up would have given is let in by nobody.
    let late = yard.comes_in(3, &yard.fetch(NOW, 2).unwrap());
    yard.town
        .refused(&yard.people[3], &late, RefusalCode::InviteUsedUp);
}

#[test]
fn an_invite_ends_with_its_time() {
    let yard = yard(|_| {});
    let offer = yard.fetch(after(59), 2).unwrap();
    assert_eq!(code(yard.fetch(after(60), 2)), RefusalCode::InviteExpired);
    let late = yard.comes_in(2, &offer);
    let refused = yard.town.submit_at(after(60), &yard.people[2], &late);
    assert_eq!(refused.unwrap_err().code, RefusalCode::InviteExpired);
    assert!(yard.town.submit_at(after(59), &yard.people[2], &late).is_ok());
}

#[test]
fn what_was_counted_goes_with_the_invite() {
    let mut yard = yard(|_| {});
    let offer = yard.fetch(NOW, 2).unwrap();
    yard.town.accepted(&yard.people[2], &yard.comes_in(2, &offer));
    let log = log_of(&yard.groups[0]);
    let reading = yard.town.read(yard.people[0].device_id(), log, 0).unwrap();
    let newest = reading.entries.last().cloned();
    take_in(&mut yard.groups[0], newest.as_slice());
    assert!(format!("{:?}", yard.town.logs).contains("invite/"));
    yard.set(Vec::new());
    assert!(!format!("{:?}", yard.town.logs).contains("invite/"));
    assert_eq!(code(yard.fetch(NOW, 3)), RefusalCode::InviteUnknown);
}

#[test]
fn by_an_invite_that_takes_an_approval_nobody_comes_in() {
    let yard = yard(|invite| invite.approval = true);
    assert_eq!(code(yard.fetch(NOW, 2)), RefusalCode::ApprovalNeeded);
}
