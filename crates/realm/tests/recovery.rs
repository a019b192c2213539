//! Coming back by the recovery words, and going for good.

mod common;

use bytes::Bytes;
use common::{Client, ORIGIN, Town, log_of, seqs};
use crypto::{DeletionProof, RecoveryKey, RecoveryProof};
use delivery::testing::{NOW, Person};
use mls::Change;
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};

fn fetch_recovery(client: &Client<'_>, words: &RecoveryKey) -> Asked {
    let address = &client.person.address;
    let proof = RecoveryProof {
        realm: &address.realm,
        handle: &address.handle,
        nonce: &client.nonce,
    };
    Asked::FetchRecovery(wire::FetchRecovery {
        address: address.to_string(),
        signature: proof.sign(words),
    })
}

fn delete(client: &Client<'_>) -> Asked {
    let address = &client.person.address;
    let proof = DeletionProof {
        realm: &address.realm,
        handle: &address.handle,
        nonce: &client.nonce,
    };
    Asked::DeleteAccount(wire::DeleteAccount {
        signature: proof.sign(&client.person.someone.account),
    })
}

fn removed(client: &Client<'_>) -> Option<RefusalCode> {
    match client.session.removed()?.body {
        Some(Body::Refusal(refusal)) => Some(refusal.code()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_has_the_words_takes_the_account_back_with_all_that_it_is_in() {
    let (mut anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let thief = Person::new("anna", 1);
    let (mut lost, mut b) = (town.newcomer(&thief), town.newcomer(&boris));
    lost.publish(1);
    let mut group = b.begin_group(&[&anna]);
    let log = log_of(&group);

    let mut client = town.connect(&anna);
    let other_words = RecoveryKey::generate(&boris.rng);
    let wrong = fetch_recovery(&client, &other_words);
    client.refused(wrong, RefusalCode::BadSignature);
    let Ok(Body::Recovery(recovery)) = client.ask(fetch_recovery(&client, &anna.someone.recovery)) else {
        panic!("no recovery")
    };
    assert_eq!(recovery.sealed_account_key, [7; 60][..]);
    assert_eq!(recovery.account.unwrap().device_list, Some(anna.device_list()));

    // Another account key, since the old one may be in wrong hands, and one new device.
    let succession = anna.someone.succeed(2, &anna.rng, NOW);
    let laptop = anna.at_another_device(2, 11);
    let change = wire::ChangeDevices {
        device_list: Some(anna.someone.list(2, &[laptop.device_id()], NOW)),
        device_certificates: vec![laptop.signed.clone()],
        succession: Some(succession.clone()),
        sealed_account_key: Bytes::from_static(&[8; 60]),
    };
    let mut client = town.connect(&laptop);
    client.ask(Asked::ChangeDevices(change)).unwrap();
    assert_eq!(removed(&lost), Some(RefusalCode::DeviceRevoked));
    client.log_in();

    let message = boris.submit_text(&mut group, "hello");
    b.refused(Asked::Submit(message), RefusalCode::RevokedMembers);
    let fetch = wire::FetchGroup {
        conversation: group.id().to_bytes(),
        ..wire::FetchGroup::default()
    };
    let Ok(Body::Group(found)) = client.ask(Asked::FetchGroup(fetch)) else {
        panic!("no group")
    };
    let (made, come_in) = laptop.come_in(&found);
    let seq = client.submit(&come_in).unwrap();
    let mut theirs = laptop.device.adopt(&made).unwrap();
    let members = theirs.members();
    let old = members
        .iter()
        .find(|member| member.device_id == thief.device_id());
    let bundle = theirs.commit(&[Change::Remove(old.unwrap().leaf)], NOW).unwrap();
    client.submit(&laptop.submit_commit(theirs.id(), bundle)).unwrap();
    theirs.apply_pending().unwrap();
    client.subscribe(log, seq).unwrap();
    client
        .submit(&laptop.submit_text(&mut theirs, "it is me"))
        .unwrap();
    assert_eq!(seqs(&client.pump_all(), log), [seq + 1, seq + 2]);
}

#[test]
fn recovery_is_for_those_who_are_not_logged_in_and_know_the_account() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let asked = fetch_recovery(&a, &anna.someone.recovery);
    a.refused(asked, RefusalCode::NotPermitted);
    let mut b = town.connect(&boris);
    let asked = fetch_recovery(&b, &boris.someone.recovery);
    b.refused(asked, RefusalCode::UnknownAccount);
    let mut other = town.connect(&anna);
    let Asked::FetchRecovery(mut replayed) = fetch_recovery(&a, &anna.someone.recovery) else {
        panic!("no request")
    };
    other.refused(Asked::FetchRecovery(replayed.clone()), RefusalCode::BadSignature);
    replayed.address = "anna".into();
    other.refused(Asked::FetchRecovery(replayed), RefusalCode::Malformed);
}

#[test]
fn a_deleted_account_is_gone_and_stands_in_nobodys_way() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    let other = town.login(&anna);
    a.publish(1);
    let mut group = b.begin_group(&[&anna]);
    let blob = Bytes::from_static(&[3; 16]);
    let put = wire::PutPiece {
        blob: blob.clone(),
        offset: 0,
        data: "sealed".into(),
        size: 6,
    };
    a.ask(Asked::PutPiece(put)).unwrap();

    let Asked::DeleteAccount(mut wrong) = delete(&a) else {
        panic!("no request")
    };
    wrong.signature = Bytes::from_static(&[0; 64]);
    a.refused(Asked::DeleteAccount(wrong), RefusalCode::BadSignature);
    let mut stranger = town.connect(&anna);
    let asked = delete(&stranger);
    stranger.refused(asked, RefusalCode::NotLoggedIn);
    assert_eq!((removed(&a), removed(&other)), (None, None));

    let asked = delete(&a);
    assert_eq!(a.ask(asked), Ok(Body::AccountDeleted(wire::AccountDeleted {})));
    for gone in [&a, &other] {
        assert_eq!(removed(gone), Some(RefusalCode::AccountDeleted));
    }
    let mut back = town.connect(&anna);
    let login = back.login_for(ORIGIN, NOW);
    back.refused(Asked::Login(login), RefusalCode::AccountDeleted);
    let asked = fetch_recovery(&back, &anna.someone.recovery);
    back.refused(asked, RefusalCode::AccountDeleted);
    let register = anna.register(&back.nonce);
    back.refused(Asked::Register(register), RefusalCode::HandleTaken);

    // Its leaf is still there, and marks nothing.
    b.submit(&boris.submit_text(&mut group, "she is gone")).unwrap();
    let fetch = wire::FetchPiece {
        blob,
        offset: 0,
        length: 6,
    };
    b.refused(Asked::FetchPiece(fetch), RefusalCode::UnknownBlob);
    let look_up = wire::LookUpAccounts {
        addresses: vec![anna.address.to_string()],
    };
    let Ok(Body::Accounts(found)) = b.ask(Asked::LookUpAccounts(look_up)) else {
        panic!("no accounts")
    };
    assert_eq!(found.accounts[0].device_list, None);
}

#[test]
fn what_an_account_removed_before_it_was_deleted_stands_in_nobodys_way_either() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    let change = |number, devices: &[&Person], new: &[&Person]| {
        let ids: Vec<_> = devices.iter().map(|device| device.device_id()).collect();
        Asked::ChangeDevices(wire::ChangeDevices {
            device_list: Some(anna.someone.list(number, &ids, NOW)),
            device_certificates: new.iter().map(|new| new.signed.clone()).collect(),
            ..wire::ChangeDevices::default()
        })
    };
    a.ask(change(2, &[&anna, &phone], &[&phone])).unwrap();
    a.publish(1);
    town.login(&phone).publish(1);
    let mut group = b.begin_group(&[&anna]);
    a.ask(change(3, &[&anna], &[])).unwrap();
    let message = boris.submit_text(&mut group, "anna?");
    b.refused(Asked::Submit(message.clone()), RefusalCode::RevokedMembers);
    let asked = delete(&a);
    a.ask(asked).unwrap();
    b.submit(&message).unwrap();
    let mut back = town.connect(&phone);
    let login = back.login_for(ORIGIN, NOW);
    back.refused(Asked::Login(login), RefusalCode::AccountDeleted);
}
