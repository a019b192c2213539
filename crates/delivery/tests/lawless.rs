//! Commits that an honest client would not make: refused by the server, with nothing changed.

mod common;

use common::{Town, log_of, update};
use delivery::testing::Person;
use mls::{Change, Policy, Role};
use types::limits;
use types::wire::RefusalCode;

fn lawless(name: &str, seed: u8) -> Person {
    let mut person = Person::new(name, seed);
    person.device.break_rules();
    person
}

#[test]
fn who_is_not_an_admin_adds_removes_and_promotes_nobody() {
    let people = [Person::new("olga", 1), lawless("nina", 2), Person::new("mike", 3)];
    let vera = Person::new("vera", 4);
    let town = Town::of(&[&people[0], &people[1], &people[2], &vera]);
    let mut groups = town.conversation(&people.each_ref());
    let mut crowned = groups[0].policy().unwrap();
    crowned.grants.insert(people[1].address.clone(), Role::Owner);
    for change in [
        Change::Add(vera.key_package(false)),
        Change::Remove(2),
        Change::Policy(crowned),
    ] {
        let bundle = groups[1]
            .commit(std::slice::from_ref(&change), delivery::testing::NOW)
            .unwrap();
        let submit = people[1].submit_commit(groups[1].id(), bundle);
        let refusal = town.refused(&people[1], &submit, RefusalCode::NotPermitted);
        assert!(refusal.message.contains("Only"), "{}", refusal.message);
        groups[1].clear_pending();
    }
    assert_eq!(
        town.read(people[0].device_id(), log_of(&groups[0]), 0)
            .unwrap()
            .head,
        1,
        "nothing was appended"
    );
    let update = update(&people[0], &mut groups[0]);
    assert_eq!(
        town.accepted(&people[0], &update),
        2,
        "and the conversation goes on"
    );
}

#[test]
fn a_group_holds_a_thousand_people_and_not_one_more() {
    let founder = lawless("olga", 1);
    let crowd: Vec<Person> = (0..limits::CONVERSATION_MEMBERS)
        .map(|index| {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&(index as u64 + 100).to_le_bytes());
            Person::from_rng(&format!("person{index}"), crypto::Rng::from_seed(seed))
        })
        .collect();
    let everybody: Vec<&Person> = [&founder].into_iter().chain(&crowd).collect();
    let town = Town::of(&everybody);
    let adds: Vec<Change> = crowd
        .iter()
        .map(|person| Change::Add(person.key_package(false)))
        .collect();
    let policy = Policy::group(founder.address.clone());
    let (_, submit) = founder.begin(&policy, &adds);
    let refusal = town.refused(&founder, &submit, RefusalCode::GroupFull);
    assert!(refusal.message.contains("1000 people"), "{}", refusal.message);

    let (_, submit) = founder.begin(&policy, &adds[1..]);
    assert_eq!(town.accepted(&founder, &submit), 1, "a thousand are welcome");
}
