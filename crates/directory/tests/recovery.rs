//! What the recovery words open, and how another account key takes over.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use common::{NONCE, Town, change, failure, packages, succeed};
use crypto::testing::{SomeDevice, Someone};
use crypto::{AccountKey, IssueSuccession, RecoveryKey, RecoveryProof, Succession};
use delivery::testing::{NOW, Person, SUITE, ready, settle};
use directory::Standing;
use mls::Device;
use storage::memory::Fault;
use types::wire::RefusalCode;
use types::{Handle, Realm, wire};

const ANNA: &str = "anna@city.example";

fn proof(key: &RecoveryKey, handle: &Handle, nonce: &[u8]) -> Bytes {
    let realm: &Realm = &"city.example".parse().unwrap();
    RecoveryProof { realm, handle, nonce }.sign(key)
}

fn fetch(person: &Person) -> wire::FetchRecovery {
    wire::FetchRecovery {
        address: person.address.to_string(),
        signature: proof(&person.someone.recovery, &person.address.handle, &NONCE),
    }
}

#[test]
fn the_words_open_the_account() {
    let anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let recovery = ready(town.directory.recovery(&NONCE, &fetch(&anna))).unwrap();
    assert_eq!(recovery.account, Some(town.look_up(&anna)));
    assert_eq!(
        recovery.sealed_account_key,
        anna.register(&NONCE).sealed_account_key
    );
}

#[test]
fn nothing_else_does() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::of(&[&anna, &boris]);
    let check = |address: &str, signature: Bytes, code| {
        let address = address.to_owned();
        let request = wire::FetchRecovery { address, signature };
        let refusal = ready(town.directory.recovery(&NONCE, &request)).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        refusal.message
    };
    let (handle, words) = (&anna.address.handle, &anna.someone.recovery);
    let bad = RefusalCode::BadSignature;
    let message = check(
        "anna@city.example",
        proof(&boris.someone.recovery, handle, &NONCE),
        bad,
    );
    assert_eq!(
        message,
        "These recovery words belong to another account, or a word is wrong."
    );
    check(ANNA, Bytes::new(), bad);
    // For another connection, and for another account.
    check(ANNA, proof(words, handle, &[1; 32]), bad);
    check(
        "anna@city.example",
        proof(words, &boris.address.handle, &NONCE),
        bad,
    );
    let signature = proof(words, handle, &NONCE);
    check("boris@city.example", signature.clone(), bad);
    for address in ["nobody@city.example", "anna@town.example"] {
        check(address, signature.clone(), RefusalCode::UnknownAccount);
    }
    check("anna", signature, RefusalCode::Malformed);
}

#[test]
fn another_key_takes_over_with_devices_that_it_certified() {
    let mut anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let first = anna.someone.device.clone();
    let phone = anna.someone.another_device(2, &anna.rng, NOW);
    town.change(&change(&anna.someone, 2, &[&first, &phone], &[&phone]))
        .unwrap();

    // The first device was lost; the words make a new one, and the phone stays.
    let rng = anna.rng.clone();
    let new = anna.someone.another_device(3, &rng, NOW);
    let (request, devices) = succeed(&mut anna.someone, 3, &[&phone, &new], &rng);
    let changed = town.change(&request).unwrap();
    assert_eq!(
        (changed.added, changed.removed),
        (vec![new.id()], vec![first.id()])
    );
    let account = town.look_up(&anna);
    assert_eq!(account.successions, anna.someone.successions);
    assert_eq!(
        account.device_certificates,
        devices
            .iter()
            .map(|device| device.signed.clone())
            .collect::<Vec<_>>()
    );
    let found = ready(town.directory.standing(phone.id())).unwrap();
    assert_eq!(
        found,
        Some(Standing::Listed(Box::new(devices[0].certificate.clone())))
    );
    let recovery = ready(town.directory.recovery(&NONCE, &fetch(&anna))).unwrap();
    assert_eq!(recovery.sealed_account_key, request.sealed_account_key);
    assert_eq!(recovery.account, Some(account));

    // From now on the new key changes devices, and the sealed key stays.
    let request = change(&anna.someone, 4, &[&devices[1]], &[]);
    assert_eq!(town.change(&request).unwrap().removed, [phone.id()]);
    let (second, _) = succeed(&mut anna.someone, 5, &[&devices[1]], &rng);
    town.change(&second).unwrap();
    assert_eq!(town.look_up(&anna).successions, anna.someone.successions);
    assert_eq!(anna.someone.successions.len(), 2);
}

#[test]
fn the_key_before_has_nothing_more_to_say() {
    let (mut anna, old) = (Person::new("anna", 1), Person::new("anna", 1));
    let town = Town::of(&[&anna]);
    let rng = anna.rng.clone();
    let first = anna.someone.device.clone();
    let (request, _) = succeed(&mut anna.someone, 2, &[&first], &rng);
    town.change(&request).unwrap();
    town.no_change(
        &change(&old.someone, 2, &[&first], &[]),
        RefusalCode::StaleDeviceList,
    );
    town.no_change(
        &change(&old.someone, 3, &[&first], &[]),
        RefusalCode::BadSignature,
    );
}

#[test]
fn a_succession_is_in_order() {
    let (anna, thief) = (Person::new("anna", 1), Person::new("anna", 9));
    let town = Town::of(&[&anna]);
    let first = &anna.someone.device;
    let check = |take_over: &dyn Fn(&mut Someone) -> wire::ChangeDevices, code| {
        let mut someone = Person::new("anna", 1).someone;
        town.no_change(&take_over(&mut someone), code)
    };
    let rng = &anna.rng;
    let spoilt = |spoil: &dyn Fn(&mut wire::ChangeDevices), code| {
        check(
            &|someone| {
                let (mut request, _) = succeed(someone, 2, &[first], rng);
                spoil(&mut request);
                request
            },
            code,
        )
    };
    let (forged, bad) = (RefusalCode::ForgedCertificate, RefusalCode::BadSignature);

    // By other words.
    let message = check(
        &|someone| {
            let words = std::mem::replace(&mut someone.recovery, thief.someone.recovery.clone());
            let succession = someone.succeed(2, rng, NOW);
            someone.recovery = words;
            wire::ChangeDevices {
                succession: Some(succession),
                ..change(someone, 2, &[first], &[first])
            }
        },
        bad,
    );
    assert!(
        message.contains("recovery words belong to another account"),
        "{message}"
    );
    // The new key does not agree.
    spoilt(
        &|request| {
            let succession = request.succession.as_mut().unwrap();
            succession.new_signature = succession.signature.clone();
        },
        bad,
    );
    // From a key that the account does not have.
    let message = check(
        &|someone| {
            someone.account = AccountKey::generate(rng);
            succeed(someone, 2, &[first], rng).0
        },
        forged,
    );
    assert!(message.contains("does not lead from"), "{message}");
    // For another list, and for another key than the list's.
    check(
        &|someone| {
            let (mut request, _) = succeed(someone, 3, &[first], rng);
            request.device_list = Some(someone.list(2, &[first.id()], NOW));
            request
        },
        forged,
    );
    spoilt(
        &|request| request.device_list = Some(anna.someone.list(2, &[first.id()], NOW)),
        forged,
    );
    // Without the sealed key, or with one that is too long; or with one and no succession.
    spoilt(
        &|request| request.sealed_account_key = Bytes::new(),
        RefusalCode::Malformed,
    );
    spoilt(
        &|request| request.sealed_account_key = vec![0; 513].into(),
        RefusalCode::TooLarge,
    );
    let mut request = change(&anna.someone, 2, &[first], &[]);
    request.sealed_account_key = Bytes::from_static(b"sealed");
    town.no_change(&request, RefusalCode::Malformed);
}

#[test]
fn every_device_gets_a_certificate_under_a_new_key() {
    let anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let first = &anna.someone.device;
    let phone = anna.someone.another_device(2, &anna.rng, NOW);
    town.change(&change(&anna.someone, 2, &[first, &phone], &[&phone]))
        .unwrap();
    let mut someone = Person::new("anna", 1).someone;
    let (good, devices) = succeed(&mut someone, 3, &[first, &phone], &anna.rng);
    let check = |certificates: Vec<wire::SignedDeviceCertificate>, part: &str| {
        let request = wire::ChangeDevices {
            device_certificates: certificates,
            ..good.clone()
        };
        let message = town.no_change(&request, RefusalCode::ForgedCertificate);
        assert!(message.contains(part), "{message}");
    };
    let [one, other] = [0, 1].map(|index: usize| devices[index].signed.clone());
    check(vec![one.clone()], "each device under a new account key");
    check(vec![one.clone(), phone.signed.clone()], "different account keys");
    let untold = wire::SignedDeviceCertificate {
        successions: Vec::new(),
        ..other
    };
    check(vec![one, untold], "another story");
    town.change(&good).unwrap();
}

#[test]
fn no_key_comes_back() {
    let mut anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let (rng, first) = (anna.rng.clone(), anna.someone.device.clone());
    let before = anna.someone.account.clone();
    let (request, _) = succeed(&mut anna.someone, 2, &[&first], &rng);
    town.change(&request).unwrap();
    let back = Succession::sign(
        &anna.someone.recovery,
        &before,
        &IssueSuccession {
            address: &anna.address,
            old_key: anna.someone.account.public(),
            list_number: 3,
            issued: NOW,
        },
    );
    anna.someone.account = before;
    let request = wire::ChangeDevices {
        succession: Some(back),
        sealed_account_key: Bytes::from_static(b"sealed"),
        ..change(&anna.someone, 3, &[&first], &[&first])
    };
    let message = town.no_change(&request, RefusalCode::ForgedCertificate);
    assert!(message.contains("had this account key before"), "{message}");
}

/// Certificates tell the whole story and travel in key packages, so it must end somewhere; not soon.
#[test]
fn an_account_has_many_keys_but_not_without_end() {
    let mut anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let (rng, first) = (anna.rng.clone(), anna.someone.device.clone());
    for number in 2.. {
        let (request, _) = succeed(&mut anna.someone, number, &[&first], &rng);
        if let Err(refusal) = town.change(&request) {
            assert_eq!(refusal.code, RefusalCode::TooLarge, "{refusal:?}");
            assert!(number > 16, "only {number} keys");
            break;
        }
        assert!(number < 100, "there is no end");
    }
}

/// Anna after another key took over, with the same device under it.
fn renewed(anna: &Person, device: &SomeDevice) -> Person {
    let mut renewed = Person::new("anna", 1);
    renewed.device = Device::new(
        &device.signed,
        &device.certificate,
        &device.key,
        anna.rng.clone(),
        [],
    );
    renewed
}

#[test]
fn key_packages_under_the_key_before_are_not_handed_out() {
    let (mut anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::of(&[&anna, &boris]);
    town.publish(&anna, &packages(&anna, 2), Some(&anna.key_package(true)));
    let (rng, first) = (anna.rng.clone(), anna.someone.device.clone());
    let (request, devices) = succeed(&mut anna.someone, 2, &[&first], &rng);

    // A crash between the records and the key packages is mended by the repetition.
    town.logs.set_fault(Fault::LoseBatch);
    town.change(&request).unwrap_err();
    assert_eq!(town.claim(&boris, ANNA).answer.key_packages.len(), 1);
    town.change(&request).unwrap();
    assert_eq!(
        failure(town.claim(&boris, ANNA)).code(),
        RefusalCode::NoKeyPackage
    );

    let refusal = town
        .publish_at(NOW, &anna, &packages(&anna, 1), None)
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::BadKeyPackage);
    let renewed = renewed(&anna, &devices[0]);
    let fresh = packages(&renewed, 1);
    assert_eq!(town.publish(&renewed, &fresh, None), (1, false));
    // A later change of devices leaves them alone.
    town.change(&change(&anna.someone, 3, &[&devices[0]], &[]))
        .unwrap();
    assert_eq!(town.claim_one(&boris, ANNA).key_package, fresh[0]);
}

#[test]
fn a_publication_does_not_overtake_another_key() {
    let mut anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let (rng, first) = (anna.rng.clone(), anna.someone.device.clone());
    let publication = wire::PublishKeyPackages {
        suite: SUITE.code().into(),
        one_time: packages(&anna, 1),
        last_resort: Bytes::new(),
    };
    let (request, _) = succeed(&mut anna.someone, 2, &[&first], &rng);
    let mut publishing = pin!(town.directory.publish(NOW, first.id(), &publication));
    let begun = publishing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(begun.is_pending());
    town.change(&request).unwrap();
    assert_eq!(settle(publishing).unwrap_err().code, RefusalCode::BadKeyPackage);
    let stock = ready(town.directory.stock(NOW, first.id())).unwrap();
    assert!(stock.iter().all(|stock| stock.one_time == 0), "{stock:?}");
}
