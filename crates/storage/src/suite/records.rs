//! What records promise.

use types::{Handle, Timestamp};

use super::*;
use crate::{AccountRecord, DeviceRecord, Error, Inserted};

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
    }
}

fn insert(records: &impl Records, name: &str, skeleton: &str, number: u8) -> Result<Inserted, Error> {
    block_on(records.insert_account(account(name, skeleton), device(name, number)))
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
