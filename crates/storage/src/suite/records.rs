//! What records promise.

use types::{Handle, Timestamp};

use super::*;
use crate::{AccountRecord, Changed, DeviceRecord, Error, Inserted};

fn handle(name: &str) -> Handle {
    name.parse().expect("a handle")
}

fn account(name: &str, skeleton: &str) -> AccountRecord {
    AccountRecord {
        handle: handle(name),
        skeleton: skeleton.to_owned(),
        account_key: text("account key"),
        device_list: text(&format!("devices of {name}")),
        sealed_account_key: Bytes::from_static(&[0, 255, 0]),
        created: Timestamp::from_ms(1_700_000_000_000),
    }
}

fn device(name: &str, number: u8) -> DeviceRecord {
    DeviceRecord {
        device_id: DeviceId::new([number; 16]),
        handle: handle(name),
        certificate: text(&format!("certificate of {name}")),
        last_seen: None,
    }
}

fn insert(records: &impl Records, name: &str, skeleton: &str, number: u8) -> Result<Inserted, Error> {
    block_on(records.insert_account(account(name, skeleton), device(name, number)))
}

/// The account after its second device list.
fn changed(name: &str) -> AccountRecord {
    AccountRecord {
        account_key: text("another key"),
        device_list: text(&format!("other devices of {name}")),
        sealed_account_key: text("another sealed key"),
        ..account(name, name)
    }
}

fn change(
    records: &impl Records,
    list: &str,
    account: AccountRecord,
    devices: &[DeviceRecord],
) -> Result<Changed, Error> {
    block_on(records.change_account(text(list), account, devices.to_vec()))
}

fn delete(records: &impl Records, name: &str, list: &str) -> Changed {
    block_on(records.delete_account(&handle(name), text(list))).unwrap()
}

/// The account with this name, and its devices.
fn kept(records: &impl Records, name: &str) -> (Option<AccountRecord>, Vec<DeviceRecord>) {
    let account = block_on(records.account(&handle(name))).unwrap();
    (account, block_on(records.devices(&handle(name))).unwrap())
}

/// What went in comes out, by handle and by device.
pub fn accounts_are_kept<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    for (name, number) in [("alice", 1), ("мария", 2), ("bob", 3)] {
        assert_eq!(insert(&records, name, name, number).unwrap(), Inserted::Done);
    }
    for (name, number) in [("alice", 1), ("мария", 2), ("bob", 3)] {
        assert_eq!(
            block_on(records.account(&handle(name))).unwrap(),
            Some(account(name, name))
        );
        assert_eq!(
            block_on(records.devices(&handle(name))).unwrap(),
            [device(name, number)]
        );
        assert_eq!(
            block_on(records.device(DeviceId::new([number; 16]))).unwrap(),
            Some(device(name, number))
        );
    }
    assert_eq!(block_on(records.account_count()).unwrap(), 3);
}

/// The second account of a name changes nothing, though it brings a skeleton and a device of its own.
pub fn handles_are_taken_once<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    assert_eq!(insert(&records, "alice", "alice", 1).unwrap(), Inserted::Done);
    assert_eq!(insert(&records, "alice", "other", 2).unwrap(), Inserted::Taken);
    assert_eq!(
        block_on(records.account(&handle("alice"))).unwrap(),
        Some(account("alice", "alice"))
    );
    assert_eq!(block_on(records.device(DeviceId::new([2; 16]))).unwrap(), None);
    assert_eq!(block_on(records.account_count()).unwrap(), 1);
}

/// A handle that looks like another is refused, and the other is named (UTS #39).
pub fn confusable_handles_are_refused<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    assert_eq!(insert(&records, "paypa1", "paypal", 1).unwrap(), Inserted::Done);
    let confusable = Inserted::Confusable {
        with: handle("paypa1"),
    };
    assert_eq!(insert(&records, "paypal", "paypal", 2).unwrap(), confusable);
    assert_eq!(block_on(records.account(&handle("paypal"))).unwrap(), None);
    assert_eq!(block_on(records.device(DeviceId::new([2; 16]))).unwrap(), None);
}

/// A device cannot be two people's.
pub fn a_device_has_one_account<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    assert_eq!(insert(&records, "alice", "alice", 1).unwrap(), Inserted::Done);
    assert!(matches!(
        insert(&records, "bob", "bob", 1),
        Err(Error::DeviceTaken)
    ));
    let answer = block_on(records.insert_account(account("carol", "carol"), device("dave", 2)));
    assert!(matches!(answer, Err(Error::Malformed(_))));
    assert_eq!(block_on(records.account_count()).unwrap(), 1);
    assert_eq!(
        block_on(records.device(DeviceId::new([1; 16]))).unwrap(),
        Some(device("alice", 1))
    );
}

/// Nothing is not an error.
pub fn the_unknown_is_none<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    assert_eq!(block_on(records.account(&handle("alice"))).unwrap(), None);
    assert_eq!(block_on(records.devices(&handle("alice"))).unwrap(), []);
    assert_eq!(block_on(records.device(DeviceId::new([1; 16]))).unwrap(), None);
    assert_eq!(block_on(records.account_count()).unwrap(), 0);
}

/// Answered is kept.
pub fn reopening_keeps_records<B: Backend>() {
    let place = B::place();
    for number in 1..=3 {
        let (_logs, records) = B::open(&place);
        assert_eq!(block_on(records.account_count()).unwrap(), u64::from(number) - 1);
        let name = format!("person{number}");
        assert_eq!(insert(&records, &name, &name, number).unwrap(), Inserted::Done);
        assert_eq!(
            block_on(records.account(&handle("person1"))).unwrap(),
            Some(account("person1", "person1"))
        );
        assert_eq!(
            insert(&records, "person1", "person1", 9).unwrap(),
            Inserted::Taken
        );
    }
}

/// A change takes the place of the list that it names: made again, it is stale. Devices keep their order.
pub fn a_change_is_made_once_and_as_a_whole<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    insert(&records, "alice", "alice", 2).unwrap();
    insert(&records, "bob", "bob", 3).unwrap();
    let renewed = DeviceRecord {
        certificate: text("another certificate"),
        ..device("alice", 2)
    };
    let devices = [device("alice", 1), renewed.clone()];
    let outcomes = [Changed::Done, Changed::Stale];
    for outcome in outcomes {
        let answer = change(&records, "devices of alice", changed("alice"), &devices);
        assert_eq!(answer.unwrap(), outcome);
        let (account, devices) = kept(&records, "alice");
        assert_eq!(account, Some(changed("alice")));
        assert_eq!(devices, [renewed.clone(), device("alice", 1)]);
    }
    let bob = (Some(account("bob", "bob")), vec![device("bob", 3)]);
    assert_eq!(kept(&records, "bob"), bob, "nobody else is touched");

    // Devices that a change does not name stay; handle, skeleton and day stay too.
    let other = AccountRecord {
        skeleton: "other".to_owned(),
        created: Timestamp::from_ms(0),
        ..account("alice", "alice")
    };
    let answer = change(&records, "other devices of alice", other, &[]);
    assert_eq!(answer.unwrap(), Changed::Done);
    let (found, devices) = kept(&records, "alice");
    assert_eq!(found, Some(account("alice", "alice")));
    assert_eq!(devices.len(), 2);
}

/// A change is for one account, which is there and has the list that was changed.
pub fn a_change_that_is_refused_changes_nothing<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    insert(&records, "alice", "alice", 1).unwrap();
    insert(&records, "bob", "bob", 2).unwrap();
    let list = "devices of alice";
    let check = |list: &str, account, devices: &[DeviceRecord]| {
        let answer = change(&records, list, account, devices);
        for (name, number) in [("alice", 1), ("bob", 2)] {
            assert_eq!(
                kept(&records, name),
                (Some(self::account(name, name)), vec![device(name, number)])
            );
        }
        assert_eq!(block_on(records.device(DeviceId::new([3; 16]))).unwrap(), None);
        answer
    };
    let new = device("alice", 3);
    assert_eq!(
        check("devices of bob", changed("alice"), std::slice::from_ref(&new)).unwrap(),
        Changed::Stale
    );
    assert_eq!(check(list, changed("carol"), &[]).unwrap(), Changed::Stale);
    let answer = check(list, changed("alice"), &[new.clone(), device("alice", 2)]);
    assert!(matches!(answer, Err(Error::DeviceTaken)), "bob has it");
    let answer = check(list, changed("alice"), &[new, device("bob", 4)]);
    assert!(matches!(answer, Err(Error::Malformed(_))));
}

/// The time is the device's, and a new certificate does not touch it.
pub fn the_last_time_a_device_was_seen_is_kept<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    insert(&records, "alice", "alice", 1).unwrap();
    let seen = |number: u8, ms| {
        block_on(records.device_seen(DeviceId::new([number; 16]), Timestamp::from_ms(ms))).unwrap();
        kept(&records, "alice").1[0].last_seen
    };
    assert_eq!(seen(1, 7), Some(Timestamp::from_ms(7)));
    assert_eq!(seen(9, 8), Some(Timestamp::from_ms(7)), "no device of anybody");
    let answer = change(
        &records,
        "devices of alice",
        changed("alice"),
        &[device("alice", 1)],
    );
    assert_eq!(answer.unwrap(), Changed::Done);
    let kept = kept(&records, "alice").1[0].last_seen;
    assert_eq!(
        kept,
        Some(Timestamp::from_ms(7)),
        "the certificate is another one"
    );
    assert_eq!(seen(1, 9), Some(Timestamp::from_ms(9)));
}

/// Nobody gets the name of a deleted account, nor one that looks like it; its devices are nobody's.
pub fn a_deleted_account_leaves_its_name_behind<B: Backend>() {
    let place = B::place();
    let (_logs, records) = B::open(&place);
    insert(&records, "paypa1", "paypal", 1).unwrap();
    insert(&records, "bob", "bob", 2).unwrap();
    let deleted = || block_on(records.is_deleted(&handle("paypa1"))).unwrap();
    assert_eq!(delete(&records, "paypa1", "an older list"), Changed::Stale);
    assert_eq!(delete(&records, "carol", "devices of carol"), Changed::Stale);
    assert!(!deleted());
    assert_eq!(delete(&records, "paypa1", "devices of paypa1"), Changed::Done);
    assert!(deleted());
    assert_eq!(delete(&records, "paypa1", "devices of paypa1"), Changed::Stale);

    assert_eq!(kept(&records, "paypa1"), (None, vec![]));
    assert_eq!(block_on(records.account_count()).unwrap(), 1);
    assert_eq!(kept(&records, "bob").1, [device("bob", 2)]);
    assert!(!block_on(records.is_deleted(&handle("bob"))).unwrap());
    assert_eq!(insert(&records, "paypa1", "paypal", 3).unwrap(), Inserted::Taken);
    assert_eq!(insert(&records, "paypa1", "other", 3).unwrap(), Inserted::Taken);
    let confusable = Inserted::Confusable {
        with: handle("paypa1"),
    };
    assert_eq!(insert(&records, "paypal", "paypal", 3).unwrap(), confusable);
    let answer = change(&records, "devices of paypa1", changed("paypa1"), &[]);
    assert_eq!(answer.unwrap(), Changed::Stale);
    assert_eq!(insert(&records, "carol", "carol", 1).unwrap(), Inserted::Done);
}

/// Answered is kept: changes, times and deletions as well.
pub fn changes_and_deletions_survive_reopening<B: Backend>() {
    let place = B::place();
    let at = Timestamp::from_ms(7);
    {
        let (_logs, records) = B::open(&place);
        insert(&records, "alice", "alice", 1).unwrap();
        insert(&records, "bob", "bob", 2).unwrap();
        let new = [device("alice", 3)];
        change(&records, "devices of alice", changed("alice"), &new).unwrap();
        block_on(records.device_seen(DeviceId::new([3; 16]), at)).unwrap();
        assert_eq!(delete(&records, "bob", "devices of bob"), Changed::Done);
    }
    let (_logs, records) = B::open(&place);
    let seen = DeviceRecord {
        last_seen: Some(at),
        ..device("alice", 3)
    };
    let alice = (Some(changed("alice")), vec![device("alice", 1), seen]);
    assert_eq!(kept(&records, "alice"), alice);
    assert_eq!(kept(&records, "bob"), (None, vec![]));
    assert!(block_on(records.is_deleted(&handle("bob"))).unwrap());
    assert_eq!(insert(&records, "bob", "other", 4).unwrap(), Inserted::Taken);
}
