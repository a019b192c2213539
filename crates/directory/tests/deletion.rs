//! Accounts that are deleted, and what is left of them.

mod common;

use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use common::{NONCE, Town, change, failure, packages, succeed};
use crypto::{AccountKey, DeletionProof};
use delivery::testing::{NOW, Person, ready, settle};
use types::wire::RefusalCode;
use types::{DeviceId, Refusal, wire};

fn request(person: &Person, key: &AccountKey, nonce: &[u8]) -> wire::DeleteAccount {
    let proof = DeletionProof {
        realm: &person.address.realm,
        handle: &person.address.handle,
        nonce,
    };
    wire::DeleteAccount {
        signature: proof.sign(key),
    }
}

fn delete(town: &Town, person: &Person) -> Result<Vec<DeviceId>, Refusal> {
    let request = request(person, &person.someone.account, &NONCE);
    settle(
        town.directory
            .delete_account(&NONCE, person.device_id(), &request),
    )
}

#[test]
fn nothing_is_left_but_the_name() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::of(&[&anna, &boris]);
    let first = &anna.someone.device;
    let devices = [0, 1].map(|_| anna.someone.another_device(2, &anna.rng, NOW));
    let [phone, tablet] = &devices;
    town.change(&change(
        &anna.someone,
        2,
        &[first, phone, tablet],
        &[phone, tablet],
    ))
    .unwrap();
    town.change(&change(&anna.someone, 3, &[first, phone], &[]))
        .unwrap();
    town.publish(&anna, &packages(&anna, 2), Some(&anna.key_package(true)));
    assert_eq!(delete(&town, &anna).unwrap(), [first.id(), phone.id()]);

    assert_eq!(town.look_up(&anna).device_list, None);
    assert!(!ready(town.directory.exists(&anna.address)).unwrap());
    assert!(ready(town.directory.is_deleted(&anna.address)).unwrap());
    assert!(!ready(town.directory.is_deleted(&boris.address)).unwrap());
    for device in [first, phone, tablet] {
        assert_eq!(ready(town.directory.standing(device.id())).unwrap(), None);
    }
    let claims = town.claim(&boris, "anna@city.example");
    assert_eq!(failure(claims).code(), RefusalCode::UnknownAccount);
    let kept = format!("{:?} {:?}", town.records, town.logs);
    let id = format!("{:?}", first.id());
    assert!(!kept.contains(&id), "{id} in {kept}");

    let again = Person::new("anna", 3);
    let message = town.refused(&again.register(&NONCE), RefusalCode::HandleTaken);
    assert_eq!(message, "anna is taken. Choose another name.");
    town.refused(
        &Person::new("an.na", 3).register(&NONCE),
        RefusalCode::HandleConfusable,
    );
    town.refused(&anna.register(&NONCE), RefusalCode::HandleTaken);
    assert_eq!(town.look_up(&boris).device_certificates.len(), 1);
}

#[test]
fn whoever_asks_for_a_deleted_account_is_told() {
    let anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    delete(&town, &anna).unwrap();
    let message = town.no_change(
        &change(&anna.someone, 2, &[&anna.someone.device], &[]),
        RefusalCode::AccountDeleted,
    );
    assert!(message.contains("anna@city.example was deleted"), "{message}");
    let fetch = wire::FetchRecovery {
        address: anna.address.to_string(),
        signature: Bytes::new(),
    };
    let refusal = ready(town.directory.recovery(&NONCE, &fetch)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::AccountDeleted);
    let refusal = ready(town.directory.devices_seen(&anna.address)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::AccountDeleted);
    // Its devices are nobody's.
    assert_eq!(delete(&town, &anna).unwrap_err().code, RefusalCode::UnknownDevice);
}

#[test]
fn only_a_listed_device_with_the_present_key_deletes() {
    let (mut anna, old) = (Person::new("anna", 1), Person::new("anna", 1));
    let boris = Person::new("boris", 2);
    let town = Town::of(&[&anna, &boris]);
    let rng = anna.rng.clone();
    let (first, phone) = (
        anna.someone.device.clone(),
        anna.someone.another_device(2, &rng, NOW),
    );
    let (succession, _) = succeed(&mut anna.someone, 2, &[&phone], &rng);
    town.change(&succession).unwrap();
    let check = |device: DeviceId, key: &AccountKey, nonce: &[u8], code| {
        let before = format!("{:?}", town.records);
        let request = request(&anna, key, nonce);
        let refusal = settle(town.directory.delete_account(&NONCE, device, &request)).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        let refusal = ready(town.directory.check_deletion(&NONCE, device, &request)).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert_eq!(format!("{:?}", town.records), before);
    };
    let key = &anna.someone.account;
    let bad = RefusalCode::BadSignature;
    check(phone.id(), &old.someone.account, &NONCE, bad);
    check(phone.id(), key, &[1; 32], bad);
    check(boris.device_id(), key, &NONCE, bad);
    check(first.id(), key, &NONCE, RefusalCode::DeviceRevoked);
    check(DeviceId::new([0; 16]), key, &NONCE, RefusalCode::UnknownDevice);

    let request = request(&anna, key, &NONCE);
    let verdict = ready(town.directory.check_deletion(&NONCE, phone.id(), &request));
    assert_eq!(verdict.unwrap(), [phone.id()]);
    assert!(
        ready(town.directory.exists(&anna.address)).unwrap(),
        "a verdict changes nothing"
    );
    let gone = settle(town.directory.delete_account(&NONCE, phone.id(), &request)).unwrap();
    assert_eq!(gone, [phone.id()]);
}

#[test]
fn a_deletion_waits_for_no_change_and_overtakes_none() {
    let anna = Person::new("anna", 1);
    let phone = anna.someone.another_device(2, &anna.rng, NOW);
    let town = Town::of(&[&anna]);
    town.publish(&anna, &packages(&anna, 1), None);
    // While its key packages are thrown away, another device takes over.
    let request = request(&anna, &anna.someone.account, &NONCE);
    let mut deletion = pin!(town.directory.delete_account(&NONCE, anna.device_id(), &request));
    let first = deletion.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(first.is_pending());
    town.change(&change(&anna.someone, 2, &[&phone], &[&phone]))
        .unwrap();
    let refusal = settle(deletion).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StaleDeviceList);
    assert_eq!(town.look_up(&anna).device_certificates, [phone.signed]);
}

#[test]
fn a_change_that_was_judged_before_a_deletion_is_stale() {
    let anna = Person::new("anna", 1);
    let phone = anna.someone.another_device(2, &anna.rng, NOW);
    let town = Town::of(&[&anna]);
    let request = change(&anna.someone, 2, &[&phone], &[&phone]);
    let checked = ready(town.directory.check_devices(&request)).unwrap();
    delete(&town, &anna).unwrap();
    let refusal = settle(town.directory.apply_devices(checked)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StaleDeviceList);
    assert!(!ready(town.directory.exists(&anna.address)).unwrap());
}
