//! Devices come and go.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use bytes::Bytes;
use common::{Town, change, failure, packages};
use crypto::testing::{SomeDevice, Someone};
use crypto::{DeviceKey, Rng};
use delivery::testing::{NOW, Person, ready, settle};
use directory::{Changed, Standing};
use prost::Message;
use storage::memory::Fault;
use storage::{DeviceRecord, Logs, Records};
use types::wire::RefusalCode;
use types::{DeviceId, Duration, limits, wire};

const ANNA: &str = "anna@city.example";

/// Anna with her first device, and another one that stands in lists from number 2 on.
fn anna_and_phone() -> (Person, SomeDevice) {
    let anna = Person::new("anna", 1);
    let phone = another(&anna);
    (anna, phone)
}

fn another(person: &Person) -> SomeDevice {
    person.someone.another_device(2, &person.rng, NOW)
}

fn standing(town: &Town, device: DeviceId) -> Option<Standing> {
    ready(town.directory.standing(device)).unwrap()
}

#[test]
fn a_device_comes_and_another_goes() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let changed = |number, added: &[DeviceId], removed: &[DeviceId]| Changed {
        address: anna.address.clone(),
        number,
        added: added.to_vec(),
        removed: removed.to_vec(),
    };
    let request = change(&anna.someone, 2, &[first, &phone], &[&phone]);
    assert_eq!(town.change(&request).unwrap(), changed(2, &[phone.id()], &[]));
    let account = town.look_up(&anna);
    assert_eq!(account.device_list, request.device_list);
    assert_eq!(
        account.device_certificates,
        [first.signed.clone(), phone.signed.clone()]
    );
    assert_eq!(account.successions, []);
    let listed = Some(Standing::Listed(Box::new(phone.certificate.clone())));
    assert_eq!(standing(&town, phone.id()), listed);

    let request = change(&anna.someone, 3, &[&phone], &[]);
    assert_eq!(town.change(&request).unwrap(), changed(3, &[], &[first.id()]));
    assert_eq!(
        town.look_up(&anna).device_certificates,
        std::slice::from_ref(&phone.signed)
    );
    let revoked = Standing::Revoked {
        address: anna.address.clone(),
    };
    assert_eq!(standing(&town, first.id()), Some(revoked));
    let record = ready(town.records.device(first.id())).unwrap().unwrap();
    assert!(record.certificate.is_empty(), "whose it was is enough to know");
    assert_eq!(ready(town.directory.device(first.id())).unwrap(), None);
    assert_eq!(standing(&town, phone.id()), listed);
    assert_eq!(standing(&town, DeviceId::new([0; 16])), None);
}

#[test]
fn a_verdict_changes_nothing() {
    let (anna, phone) = anna_and_phone();
    let town = Town::of(&[&anna]);
    let before = format!("{:?} {:?}", town.records, town.logs);
    let request = change(&anna.someone, 2, &[&phone], &[&phone]);
    let checked = ready(town.directory.check_devices(&request)).unwrap();
    assert_eq!(checked.changed().removed, [anna.device_id()]);
    assert!(!checked.is_repeated());
    assert_eq!(format!("{:?} {:?}", town.records, town.logs), before);
}

#[test]
fn a_removed_device_has_no_key_packages_and_brings_no_more() {
    let (anna, phone) = anna_and_phone();
    let boris = Person::new("boris", 2);
    let town = Town::of(&[&anna, &boris]);
    town.publish(&anna, &packages(&anna, 3), Some(&anna.key_package(true)));
    town.publish(&boris, &packages(&boris, 1), None);
    town.change(&change(&anna.someone, 2, &[&phone], &[&phone]))
        .unwrap();
    assert_eq!(cells_of(&town, anna.device_id()), 0);
    assert_ne!(cells_of(&town, boris.device_id()), 0);
    assert_eq!(
        failure(town.claim(&boris, ANNA)).code(),
        RefusalCode::NoKeyPackage
    );

    let refusal = town
        .publish_at(NOW, &anna, &packages(&anna, 1), None)
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::DeviceRevoked);
    assert!(
        refusal
            .message
            .starts_with("This device was removed from anna@city.example")
    );
    assert_eq!(cells_of(&town, anna.device_id()), 0);
}

/// Cells that speak of a device.
fn cells_of(town: &Town, device: DeviceId) -> usize {
    let kinds = [
        "key-packages/",
        "key-package/",
        "key-package-seen/",
        "last-resort/",
    ];
    let count = |kind: &str| {
        let prefix = [kind.as_bytes(), device.as_bytes()].concat();
        ready(town.logs.cells(&prefix, usize::MAX)).unwrap().len()
    };
    kinds.into_iter().map(count).sum()
}

#[test]
fn what_a_crash_left_on_the_shelf_goes_when_the_change_is_repeated() {
    let (anna, phone) = anna_and_phone();
    let town = Town::of(&[&anna]);
    town.publish(&anna, &packages(&anna, 3), None);
    let request = change(&anna.someone, 2, &[&phone], &[&phone]);
    town.logs.set_fault(Fault::LoseBatch);
    assert_eq!(town.change(&request).unwrap_err().code, RefusalCode::StoreFailed);
    assert_ne!(cells_of(&town, anna.device_id()), 0);
    assert_eq!(town.look_up(&anna).device_list, request.device_list);
    town.change(&request).unwrap();
    assert_eq!(cells_of(&town, anna.device_id()), 0);
}

#[test]
fn the_same_change_twice_is_one() {
    let (anna, phone) = anna_and_phone();
    let town = Town::of(&[&anna]);
    let request = change(&anna.someone, 2, &[&phone], &[&phone]);
    town.change(&request).unwrap();
    let before = format!("{:?}", town.records);
    let checked = ready(town.directory.check_devices(&request)).unwrap();
    assert!(checked.is_repeated());
    let changed = settle(town.directory.apply_devices(checked)).unwrap();
    assert_eq!(
        (changed.number, &changed.added[..], &changed.removed[..]),
        (2, &[][..], &[][..])
    );
    assert_eq!(format!("{:?}", town.records), before);

    // Not any more, once there is a newer one.
    town.change(&change(&anna.someone, 3, &[&phone], &[])).unwrap();
    town.no_change(&request, RefusalCode::StaleDeviceList);
}

#[test]
fn lists_come_one_after_the_other() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    for number in [1, 3, u64::MAX] {
        let message = town.no_change(
            &change(&anna.someone, number, &[first, &phone], &[&phone]),
            RefusalCode::StaleDeviceList,
        );
        assert_eq!(
            message,
            "The devices of anna@city.example were changed meanwhile. Look the account up and try again."
        );
    }
}

#[test]
fn of_two_changes_at_once_one_is_made() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let tablet = another(&anna);
    let [one, other] = [&phone, &tablet]
        .map(|device| change(&anna.someone, 2, &[first, device], &[device]))
        .map(|request| ready(town.directory.check_devices(&request)).unwrap());
    settle(town.directory.apply_devices(one)).unwrap();
    let refusal = settle(town.directory.apply_devices(other)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StaleDeviceList);
    assert_eq!(standing(&town, tablet.id()), None);
    assert_eq!(town.look_up(&anna).device_certificates.len(), 2);
}

#[test]
fn a_list_is_the_accounts_own() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let good = change(&anna.someone, 2, &[first, &phone], &[&phone]);
    let check = |spoil: &dyn Fn(&mut wire::ChangeDevices), code| {
        let mut request = good.clone();
        spoil(&mut request);
        town.no_change(&request, code)
    };
    check(&|request| request.device_list = None, RefusalCode::Malformed);
    check(
        &|request| request.device_list.as_mut().unwrap().signature = Bytes::from_static(&[0; 64]),
        RefusalCode::ForgedCertificate,
    );
    let by = |someone: &Someone| Some(someone.list(2, &[first.id(), phone.id()], NOW));
    // By somebody who calls herself Anna: her recovery words are others.
    let impostor = anna.impostor(9).someone;
    check(
        &|request| request.device_list = by(&impostor),
        RefusalCode::ForgedCertificate,
    );
    // Whoever has the words still needs a succession for another key.
    let mut with_the_words = anna.impostor(8).someone;
    with_the_words.recovery = anna.someone.recovery.clone();
    let message = check(
        &|request| request.device_list = by(&with_the_words),
        RefusalCode::BadSignature,
    );
    assert!(
        message.contains("not signed by the present account key"),
        "{message}"
    );
    for address in ["nobody@city.example", "anna@town.example"] {
        let stranger = Someone::new(address, &anna.rng, NOW);
        let message = check(
            &|request| request.device_list = by(&stranger),
            RefusalCode::UnknownAccount,
        );
        assert_eq!(
            message,
            format!("There is no account {address} here. Check how it is written.")
        );
    }
    town.change(&good).unwrap();
}

#[test]
fn certificates_are_those_of_the_devices_that_come() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let tablet = another(&anna);
    let good = change(&anna.someone, 2, &[first, &phone], &[&phone]);
    let check = |certificates: &[&wire::SignedDeviceCertificate]| {
        let request = wire::ChangeDevices {
            device_certificates: certificates.iter().copied().cloned().collect(),
            ..good.clone()
        };
        town.no_change(&request, RefusalCode::ForgedCertificate)
    };
    for certificates in [
        &[][..],
        &[&tablet.signed],
        &[&phone.signed, &phone.signed],
        &[&phone.signed, &first.signed],
        &[&phone.signed, &tablet.signed],
    ] {
        let message = check(certificates);
        assert!(message.contains("one for each new device"), "{message}");
    }
    // One of two is there twice.
    let both = change(&anna.someone, 2, &[first, &phone, &tablet], &[&phone, &phone]);
    town.no_change(&both, RefusalCode::ForgedCertificate);

    let forged = wire::SignedDeviceCertificate {
        signature: Bytes::from_static(&[0; 64]),
        ..phone.signed.clone()
    };
    check(&[&forged]);
    let certify = |someone: &Someone, list_number| {
        someone
            .certify((phone.key.clone(), false), list_number, NOW)
            .signed
    };
    let mut someone = anna.impostor(9).someone;
    let contains = |message: String, part: &str| assert!(message.contains(part), "{message}");
    contains(check(&[&certify(&someone, 2)]), "different account keys");
    someone.account = anna.someone.account.clone();
    contains(check(&[&certify(&someone, 2)]), "different recovery keys");
    someone.recovery = anna.someone.recovery.clone();
    someone.address = "boris@city.example".parse().unwrap();
    contains(check(&[&certify(&someone, 2)]), "another address");
    contains(check(&[&certify(&anna.someone, 3)]), "still to come");

    // A list that was made anew, since another one came first, may take a certificate as it is.
    let earlier = certify(&anna.someone, 1);
    let request = wire::ChangeDevices {
        device_certificates: vec![earlier],
        ..good.clone()
    };
    town.change(&request).unwrap();
}

#[test]
fn a_device_has_one_account_and_does_not_come_back() {
    let (anna, phone) = anna_and_phone();
    let boris = Person::new("boris", 2);
    let (town, first) = (Town::of(&[&anna, &boris]), &anna.someone.device);
    let certify = |key: &DeviceKey, number| anna.someone.certify((key.clone(), false), number, NOW);
    let boriss = certify(&boris.key, 2);
    let request = change(&anna.someone, 2, &[first, &boriss], &[&boriss]);
    let message = town.no_change(&request, RefusalCode::NotPermitted);
    assert!(message.contains("belongs to an account already"), "{message}");

    town.change(&change(&anna.someone, 2, &[&phone], &[&phone]))
        .unwrap();
    let again = certify(&first.key, 3);
    let request = change(&anna.someone, 3, &[&phone, &again], &[&again]);
    let message = town.no_change(&request, RefusalCode::NotPermitted);
    assert!(message.contains("cannot come back"), "{message}");
    // Nor to anybody else.
    let annas = boris.someone.certify((first.key.clone(), false), 2, NOW);
    let request = change(&boris.someone, 2, &[&boris.someone.device, &annas], &[&annas]);
    town.no_change(&request, RefusalCode::NotPermitted);
}

#[test]
fn a_device_that_two_accounts_claim_at_once_goes_to_one() {
    let (anna, phone) = anna_and_phone();
    let boris = Person::new("boris", 2);
    let town = Town::of(&[&anna, &boris]);
    let his = boris.someone.certify((phone.key.clone(), false), 2, NOW);
    let [one, other] = [(&anna, &phone), (&boris, &his)].map(|(person, new)| {
        let request = change(&person.someone, 2, &[&person.someone.device, new], &[new]);
        ready(town.directory.check_devices(&request)).unwrap()
    });
    settle(town.directory.apply_devices(one)).unwrap();
    let refusal = settle(town.directory.apply_devices(other)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotPermitted);
    assert_eq!(town.look_up(&boris).device_certificates.len(), 1);
}

#[test]
fn there_are_only_so_many_devices() {
    let anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let new: Vec<_> = (0..limits::DEVICES).map(|_| another(&anna)).collect();
    let new: Vec<_> = new.iter().collect();
    let all = [&[&anna.someone.device], &new[..]].concat();
    let message = town.no_change(&change(&anna.someone, 2, &all, &new), RefusalCode::TooLarge);
    assert_eq!(message, "An account may have at most 16 devices.");
    let twice = [new[0], new[0]];
    town.no_change(
        &change(&anna.someone, 2, &twice, &[new[0]]),
        RefusalCode::Malformed,
    );
    town.change(&change(&anna.someone, 2, &new, &new)).unwrap();
}

#[test]
fn there_were_only_so_many_devices_ever() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let record = ready(town.records.account(&anna.address.handle))
        .unwrap()
        .unwrap();
    let removed = (1..limits::DEVICES_EVER).map(|number| DeviceRecord {
        device_id: DeviceId::new((number as u128).to_be_bytes()),
        handle: anna.address.handle.clone(),
        certificate: Bytes::new(),
        last_seen: None,
    });
    let list = record.device_list.clone();
    ready(town.records.change_account(list, record, removed.collect())).unwrap();
    let request = change(&anna.someone, 2, &[first, &phone], &[&phone]);
    let message = town.no_change(&request, RefusalCode::TooLarge);
    assert!(message.contains("at most 1000 devices"), "{message}");
    town.change(&change(&anna.someone, 2, &[first], &[])).unwrap();
}

#[test]
fn what_is_kept_has_its_limits() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    let mut request = change(&anna.someone, 2, &[first, &phone], &[&phone]);
    let long = Bytes::from(vec![0; 6 << 10]);
    request.device_certificates[0].signature = long.clone();
    let message = town.no_change(&request, RefusalCode::TooLarge);
    assert_eq!(message, "A device certificate may have at most 5120 bytes.");
    request.device_list.as_mut().unwrap().signature = long.clone();
    let message = town.no_change(&request, RefusalCode::TooLarge);
    assert_eq!(message, "A device list may have at most 2048 bytes.");

    let boris = Person::new("boris", 2);
    let mut registration = boris.register(&common::NONCE);
    registration.device_certificate.as_mut().unwrap().signature = long.clone();
    town.refused(&registration, RefusalCode::TooLarge);
    registration = boris.register(&common::NONCE);
    registration.device_list.as_mut().unwrap().signature = long;
    town.refused(&registration, RefusalCode::TooLarge);
}

/// The longest list that an address allows is within the limit, with room to spare.
#[test]
fn a_full_list_under_the_longest_address_fits() {
    let address = format!("{}@{}", "ж".repeat(limits::HANDLE_CHARS_MAX), realm_of_253());
    let someone = Someone::new(&address, &Rng::from_seed([1; 32]), NOW);
    let ids: Vec<_> = (0..limits::DEVICES)
        .map(|number| DeviceId::new([number as u8; 16]))
        .collect();
    assert!(someone.list(u64::MAX, &ids, NOW).encoded_len() < 1 << 10);
}

fn realm_of_253() -> String {
    let label = "x".repeat(63);
    [&label[..], &label, &label, &label[2..]].join(".")
}

#[test]
fn devices_are_seen_to_the_hour() {
    let (anna, phone) = anna_and_phone();
    let (town, first) = (Town::of(&[&anna]), &anna.someone.device);
    town.change(&change(&anna.someone, 2, &[&phone, first], &[&phone]))
        .unwrap();
    let check = |expected: [u64; 2]| {
        let devices = [phone.id(), first.id()].into_iter().zip(expected);
        let expected: Vec<_> = devices
            .map(|(id, last_seen_ms)| wire::DeviceSeen {
                device_id: id.to_bytes(),
                last_seen_ms,
            })
            .collect();
        assert_eq!(
            ready(town.directory.devices_seen(&anna.address)).unwrap(),
            expected
        );
    };
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let at = |time| ready(town.directory.seen(time, first.id())).unwrap();
    // The tests take place on the hour.
    check([0, 0]);
    at(NOW.after(59 * minute));
    check([0, NOW.as_ms()]);
    at(NOW.after(hour + 7 * minute));
    check([0, NOW.after(hour).as_ms()]);
    at(NOW);
    check([0, NOW.after(hour).as_ms()]);
    ready(town.directory.seen(NOW, DeviceId::new([0; 16]))).unwrap();

    let nobody = "nobody@city.example".parse().unwrap();
    let refusal = ready(town.directory.devices_seen(&nobody)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::UnknownAccount);
}
