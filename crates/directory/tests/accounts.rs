//! Registering, and being looked up.

mod common;

use bytes::Bytes;
use common::{NONCE, Town};
use crypto::RegisterProof;
use crypto::testing::Someone;
use delivery::testing::{NOW, Person, ready};
use types::wire::RefusalCode;
use types::{DeviceId, limits, wire};

#[test]
fn an_account_is_had_as_it_was_registered() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("мария", 2));
    let town = Town::of(&[&anna, &boris]);
    let asked = [
        "anna@city.example",
        "мария@city.example",
        "nobody@city.example",
        "anna@town.example",
        "?",
    ];
    let request = wire::LookUpAccounts {
        addresses: asked.map(String::from).to_vec(),
    };
    let accounts = ready(town.directory.look_up(&request)).unwrap().accounts;
    assert_eq!(
        accounts
            .iter()
            .map(|account| account.address.as_str())
            .collect::<Vec<_>>(),
        asked
    );
    assert_eq!(accounts[0].device_list, Some(anna.device_list()));
    assert_eq!(
        accounts[0].device_certificates,
        std::slice::from_ref(&anna.signed)
    );
    assert_eq!(accounts[1].device_certificates, [boris.signed]);
    assert!(accounts[2..].iter().all(|account| account.device_list.is_none()));

    let found = ready(town.directory.device(anna.device_id())).unwrap();
    assert_eq!(found, Some(anna.certificate));
    assert_eq!(
        ready(town.directory.device(DeviceId::new([0; 16]))).unwrap(),
        None
    );

    let many = wire::LookUpAccounts {
        addresses: vec![String::new(); limits::ADDRESSES_PER_REQUEST + 1],
    };
    let refusal = ready(town.directory.look_up(&many)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::TooLarge);
}

#[test]
fn handles_that_cannot_be_had() {
    let town = Town::of(&[&Person::new("anna", 1), &Person::new("соре", 2)]);
    let message = town.refused(&Person::new("anna", 3).register(&NONCE), RefusalCode::HandleTaken);
    assert_eq!(message, "anna is taken. Choose another name.");
    let message = town.refused(
        &Person::new("an.na", 3).register(&NONCE),
        RefusalCode::HandleConfusable,
    );
    assert_eq!(
        message,
        "an.na looks like anna, which is taken. Choose a name that nobody can take for it."
    );
    let message = town.refused(
        &Person::new("cope", 3).register(&NONCE),
        RefusalCode::HandleConfusable,
    );
    assert!(message.contains("cope looks like соре"), "{message}");
    for handle in ["al", "-anna", "an na", "раypal", &"x".repeat(33), ""] {
        let mut request = Person::new("someone", 3).register(&NONCE);
        request.handle = handle.into();
        town.refused(&request, RefusalCode::HandleMalformed);
    }
}

#[test]
fn a_handle_is_had_in_its_normal_form() {
    let town = Town::of(&[]);
    let mut request = Person::new("anna", 1).register(&NONCE);
    request.handle = "ＡNNA".into();
    assert_eq!(town.register(&request).unwrap().to_string(), "anna@city.example");
}

#[test]
fn registering_twice_is_registering_once() {
    let anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    assert_eq!(town.register(&anna.register(&NONCE)).unwrap(), anna.address);

    // The same device under another name.
    let mut other = Person::new("someone", 2);
    other.signed = other.someone.certify((anna.key.clone(), true), 1, NOW).signed;
    other.certificate = crypto::DeviceCertificate::verify(&other.signed).unwrap();
    town.refused(&other.register(&NONCE), RefusalCode::NotPermitted);
}

#[test]
fn everything_that_is_shown_must_belong_together() {
    let (anna, eve) = (Person::new("anna", 1), Person::new("eve", 2));
    let town = Town::of(&[]);
    let check = |spoil: &dyn Fn(&mut wire::Register), code| {
        let mut request = anna.register(&NONCE);
        spoil(&mut request);
        town.refused(&request, code);
    };
    let list = |number, devices: &[DeviceId]| Some(anna.someone.list(number, devices, NOW));
    let forged = RefusalCode::ForgedCertificate;
    check(
        &|request| request.device_certificate.as_mut().unwrap().signature = Bytes::from_static(&[0; 64]),
        forged,
    );
    check(
        &|request| request.device_certificate = Some(eve.signed.clone()),
        forged,
    );
    check(
        &|request| request.device_certificate = Some(anna.impostor(9).signed),
        forged,
    );
    check(
        &|request| request.device_list = Some(anna.impostor(9).device_list()),
        RefusalCode::BadSignature,
    );
    check(
        &|request| request.device_list = list(2, &[anna.device_id()]),
        forged,
    );
    check(
        &|request| request.device_list = list(1, &[eve.device_id()]),
        forged,
    );
    check(
        &|request| request.device_list = list(1, &[anna.device_id(), eve.device_id()]),
        forged,
    );
    check(&|request| request.device_list = None, RefusalCode::Malformed);
    check(
        &|request| request.device_certificate = None,
        RefusalCode::Malformed,
    );
    check(
        &|request| request.sealed_account_key = vec![0; 513].into(),
        RefusalCode::TooLarge,
    );
    check(
        &|request| request.signature = Bytes::new(),
        RefusalCode::BadSignature,
    );
    // By other recovery words, from a later list, and as if there had been another key before.
    let certify = |someone: &Someone, list_number| {
        Some(someone.certify((anna.key.clone(), true), list_number, NOW).signed)
    };
    let mut someone = Person::new("anna", 1).someone;
    someone.recovery = eve.someone.recovery.clone();
    check(
        &|request| request.device_certificate = certify(&someone, 1),
        forged,
    );
    check(
        &|request| request.device_certificate = certify(&anna.someone, 2),
        forged,
    );
    let mut someone = Person::new("anna", 1).someone;
    someone.succeed(1, &anna.rng, NOW);
    check(
        &|request| {
            request.device_certificate = certify(&someone, 1);
            request.device_list = Some(someone.list(1, &[anna.device_id()], NOW));
            let proof = RegisterProof {
                realm: &anna.address.realm,
                handle: &anna.address.handle,
                nonce: &NONCE,
            };
            request.signature = proof.sign(&someone.account);
        },
        forged,
    );
    // Signed for another connection.
    check(
        &|request| {
            let proof = RegisterProof {
                realm: &anna.address.realm,
                handle: &anna.address.handle,
                nonce: &[1; 32],
            };
            request.signature = proof.sign(&anna.someone.account);
        },
        RefusalCode::BadSignature,
    );
    // Good for another handle.
    check(
        &|request| request.handle = "else".into(),
        RefusalCode::BadSignature,
    );
}
