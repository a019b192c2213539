//! Accounts with several devices: who comes in by itself, and what it may read.

mod common;

use common::{Town, log_of, missed, seqs, take_in, update};
use delivery::testing::{Person, ready};
use mls::Policy;
use types::wire::{self, RefusalCode};
use types::{ConversationId, LogId};

/// Olga at two devices, and Adam at one.
fn devices() -> [Person; 3] {
    let olga = Person::new("olga", 1);
    let phone = olga.at_another_device(2, 11);
    [olga, Person::new("adam", 2), phone]
}

fn fetch(town: &Town, person: &Person, id: ConversationId) -> Result<wire::Group, RefusalCode> {
    let found = ready(town.delivery.fetch_group(person.device_id(), id));
    found.map_err(|refusal| refusal.code)
}

#[test]
fn another_device_of_a_member_comes_in_by_itself_and_reads_from_there_on() {
    let [olga, adam, phone] = devices();
    let town = Town::of(&[&olga, &adam, &phone]);
    let mut groups = town.conversation(&[&olga, &adam]);
    let (id, log) = (groups[0].id(), log_of(&groups[0]));
    let before = adam.submit_text(&mut groups[1], "before");
    town.accepted(&adam, &before);
    town.refused(&phone, &before, RefusalCode::NotAMember);
    assert_eq!(
        town.read(phone.device_id(), log, 0).unwrap_err().code,
        RefusalCode::NotAMember
    );

    let (made, come_in) = phone.come_in(&fetch(&town, &phone, id).unwrap());
    let mut spoilt = come_in.clone();
    common::commit_of(&mut spoilt).welcomes.push(wire::WelcomeFor {
        device_id: phone.device_id().to_bytes(),
        welcome: "x".into(),
    });
    town.refused(&phone, &spoilt, RefusalCode::InvalidCommit);
    town.refused(&adam, &come_in, RefusalCode::NotPermitted);
    assert_eq!(town.accepted(&phone, &come_in), 3);
    assert_eq!(town.welcomes(&phone), [], "nothing but the log tells it");
    groups.push(phone.device.adopt(&made).unwrap());

    for (at, person) in [&olga, &adam].into_iter().enumerate() {
        let entries = town.read(person.device_id(), log, [1, 2][at]).unwrap().entries;
        take_in(&mut groups[at], &entries);
    }
    let hello = adam.submit_text(&mut groups[1], "hello, both of you");
    town.accepted(&adam, &hello);
    let reading = town.read(phone.device_id(), log, 0).unwrap();
    assert_eq!(seqs(&reading), [4], "what was said before is not for it");
    assert_eq!(take_in(&mut groups[2], &reading.entries), ["hello, both of you"]);
    let answer = phone.submit_text(&mut groups[2], "hello");
    town.accepted(&phone, &answer);
}

#[test]
fn who_comes_too_late_is_told_so_though_it_may_read_nothing_yet() {
    let [olga, adam, phone] = devices();
    let town = Town::of(&[&olga, &adam, &phone]);
    let mut groups = town.conversation(&[&olga, &adam]);
    let (_, late) = phone.come_in(&fetch(&town, &phone, groups[0].id()).unwrap());
    town.accepted(&adam, &update(&adam, &mut groups[1]));
    let (epoch, entries) = missed(town.refused(&phone, &late, RefusalCode::StaleEpoch));
    assert_eq!((epoch, entries.len()), (2, 0));
    let (_, again) = phone.come_in(&fetch(&town, &phone, groups[0].id()).unwrap());
    assert_eq!(town.accepted(&phone, &again), 3);
}

#[test]
fn strangers_do_not_come_in_nor_devices_that_nobody_knows() {
    let [olga, adam, phone] = devices();
    let vera = Person::new("vera", 4);
    let town = Town::of(&[&olga, &adam, &vera]);
    let groups = town.conversation(&[&olga, &adam]);
    let id = groups[0].id();
    assert_eq!(fetch(&town, &vera, id), Err(RefusalCode::NotAMember));
    assert_eq!(fetch(&town, &phone, id), Err(RefusalCode::NotAMember));
    let nowhere = olga.rng.conversation_id();
    assert_eq!(
        fetch(&town, &phone, nowhere),
        Err(RefusalCode::UnknownConversation)
    );

    // With what somebody else has told it.
    let found = fetch(&town, &olga, id).unwrap();
    let (_, come_in) = phone.come_in(&found);
    town.refused(&phone, &come_in, RefusalCode::NotAMember);
    town.people.add(&phone);
    town.accepted(&phone, &come_in);
}

#[test]
fn an_impostor_with_the_address_of_a_member_does_not_come_in() {
    let [olga, adam, _] = devices();
    let impostor = olga.impostor(9);
    let town = Town::of(&[&olga, &adam, &impostor]);
    let groups = town.conversation(&[&olga, &adam]);
    // The registry would have to be deceived, too; then the keys in the group speak.
    let found = fetch(&town, &impostor, groups[0].id()).unwrap();
    let mut impostor = impostor;
    impostor.device.break_rules();
    let (_, come_in) = impostor.come_in(&found);
    town.refused(&impostor, &come_in, RefusalCode::NotPermitted);
}

#[test]
fn an_accounts_own_conversation_has_an_id_that_is_nobody_elses() {
    let [olga, adam, phone] = devices();
    let town = Town::of(&[&olga, &adam, &phone]);
    let own = crypto::account_conversation(&olga.address);
    for (policy, id) in [
        (Policy::account(), olga.rng.conversation_id()),
        (Policy::account(), crypto::account_conversation(&adam.address)),
        (Policy::group(olga.address.clone()), own),
        (Policy::direct(), crypto::account_conversation(&adam.address)),
    ] {
        let (_, begin) = olga.begin_under(id, &policy);
        town.refused(&olga, &begin, RefusalCode::NotPermitted);
    }
    let (_, squat) = adam.begin_under(own, &Policy::account());
    town.refused(&adam, &squat, RefusalCode::NotPermitted);
    let (group, begin) = olga.begin_under(own, &Policy::account());
    town.accepted(&olga, &begin);
    let (made, come_in) = phone.come_in(&fetch(&town, &phone, own).unwrap());
    town.accepted(&phone, &come_in);
    let mut theirs = phone.device.adopt(&made).unwrap();
    let news = phone.submit_text(&mut theirs, "read");
    town.accepted(&phone, &news);
    assert_eq!(log_of(&group), LogId::Conversation(own));
    assert_eq!(fetch(&town, &adam, own), Err(RefusalCode::NotAMember));
}

#[test]
fn a_new_certificate_is_compared_with_the_registry_like_a_new_leaf() {
    let [mut olga, adam, _] = devices();
    let town = Town::of(&[&olga, &adam]);
    let groups = town.conversation(&[&olga, &adam]);
    let found = fetch(&town, &olga, groups[0].id()).unwrap();
    let _succession = olga.someone.succeed(2, &olga.rng, delivery::testing::NOW);
    let renewed = olga
        .someone
        .certify((olga.key.clone(), true), 2, delivery::testing::NOW);
    let olga = olga.recertified(renewed);
    let (_, come_back) = olga.come_in(&found);
    town.refused(&olga, &come_back, RefusalCode::ForgedCertificate);
    town.people.add(&olga);
    town.accepted(&olga, &come_back);
}
