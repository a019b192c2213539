//! Key packages: published, counted, claimed, and none of them ever twice.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::collections::BTreeSet;

use bytes::Bytes;
use common::{Town, failure, packages};
use delivery::testing::{NOW, Person, SUITE, ready};
use directory::Claims;
use prost::Message;
use storage::memory::Fault;
use storage::{Logs, ReadLimits};
use types::wire::entry_body::Content;
use types::wire::{KeyPackagesUsed, RefusalCode};
use types::{Duration, LogId, Suite, limits, wire};

const BORIS: &str = "boris@city.example";

fn anna_and_boris() -> (Person, Person) {
    (Person::new("anna", 1), Person::new("boris", 2))
}

/// What a mailbox says about key packages.
fn notices(town: &Town, person: &Person) -> Vec<KeyPackagesUsed> {
    let everything = ReadLimits {
        entries: 1_000,
        bytes: 1 << 20,
    };
    let page = ready(town.logs.read(LogId::Mailbox(person.device_id()), 0, everything)).unwrap();
    let bodies = page
        .entries
        .into_iter()
        .map(|entry| wire::EntryBody::decode(entry.body).unwrap());
    bodies
        .filter_map(|body| match body.content {
            Some(Content::KeyPackagesUsed(used)) => Some(used),
            _ => None,
        })
        .collect()
}

#[test]
fn one_time_packages_go_in_order_and_the_last_resort_one_stays() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    let (one_time, last_resort) = (packages(&boris, 2), boris.key_package(true));
    assert_eq!(town.publish(&boris, &one_time, Some(&last_resort)), (2, true));
    for package in &one_time {
        let claimed = town.claim_one(&anna, BORIS);
        assert_eq!((&claimed.key_package, claimed.last_resort), (package, false));
        assert_eq!(claimed.device_id, boris.device_id().to_bytes());
    }
    for _ in 0..3 {
        let claimed = town.claim_one(&anna, BORIS);
        assert_eq!((&claimed.key_package, claimed.last_resort), (&last_resort, true));
    }
    let stock = ready(town.directory.stock(NOW, boris.device_id())).unwrap();
    let stock: Vec<_> = stock
        .iter()
        .map(|stock| (stock.suite, stock.one_time, stock.last_resort))
        .collect();
    assert_eq!(
        stock,
        [
            (u32::from(Suite::Hybrid.code()), 0, false),
            (u32::from(Suite::Classical.code()), 0, false)
        ]
    );
    let fresh = boris.key_package(true);
    assert_eq!(town.publish(&boris, &[], Some(&fresh)), (0, true));
    assert_eq!(town.claim_one(&anna, BORIS).key_package, fresh);
}

#[test]
fn the_owner_is_told_once_when_little_is_left_and_once_of_the_last_resort() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    let half = limits::KEY_PACKAGE_STOCK / 2;
    town.publish(
        &boris,
        &packages(&boris, half + 2),
        Some(&boris.key_package(true)),
    );
    assert_eq!(town.claim(&anna, BORIS).notified, []);
    assert_eq!(town.claim(&anna, BORIS).notified, [boris.device_id()]);
    let told = |one_time_left: usize, last_resort_used| KeyPackagesUsed {
        suite: SUITE.code().into(),
        one_time_left: u32::try_from(one_time_left).unwrap(),
        last_resort_used,
    };
    assert_eq!(notices(&town, &boris), [told(half, false)]);
    for _ in 0..half {
        assert_eq!(town.claim(&anna, BORIS).notified, []);
    }
    assert_eq!(town.claim(&anna, BORIS).notified, [boris.device_id()]);
    assert_eq!(town.claim(&anna, BORIS).notified, []);
    assert_eq!(notices(&town, &boris), [told(half, false), told(0, true)]);

    // A refill begins it anew, even with a last-resort package that was there before.
    town.publish(&boris, &packages(&boris, half + 1), None);
    assert_eq!(town.claim(&anna, BORIS).notified, [boris.device_id()]);
    assert_eq!(notices(&town, &boris).len(), 3);
}

#[test]
fn nothing_is_handed_out_twice_whatever_happens() {
    let (anna, boris) = anna_and_boris();
    let mut town = Town::of(&[&anna, &boris]);
    let mut handed_out: BTreeSet<Bytes> = BTreeSet::new();
    let mut sent: Vec<Bytes> = Vec::new();
    for round in 0..30 {
        let fault = [Fault::None, Fault::LoseBatch, Fault::LoseAnswer][round % 3];
        let mut new = packages(&boris, 2);
        // A device that misses the answer sends the same again, twice in one request even.
        sent.append(&mut new);
        let again = [&sent[..], &sent[sent.len() - 1..]].concat();
        town.logs.set_fault(fault);
        let _ = town.publish_at(NOW, &boris, &again, None);
        town.logs.set_fault(Fault::None);
        town.publish_at(NOW, &boris, &again, None).unwrap();

        town.logs.set_fault(fault);
        let claims = town.claim(&anna, BORIS);
        town.restart();
        let more = town.claim(&anna, BORIS);
        for claimed in [claims, more]
            .into_iter()
            .flat_map(|claims| claims.answer.key_packages)
        {
            assert!(handed_out.insert(claimed.key_package), "round {round}");
        }
    }
    assert!(handed_out.len() >= 40);
}

#[test]
fn claims_at_the_same_time_get_different_packages() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    town.publish(&boris, &packages(&boris, 3), Some(&boris.key_package(true)));
    // One request that names the same account again and again: all of them are judged before any is on disk.
    let claims = town.claim_at(NOW, &anna, &[BORIS; 5]);
    let (last_resort, one_time): (Vec<_>, Vec<_>) = claims
        .answer
        .key_packages
        .into_iter()
        .partition(|claimed| claimed.last_resort);
    let one_time: BTreeSet<Bytes> = one_time.into_iter().map(|claimed| claimed.key_package).collect();
    assert_eq!((one_time.len(), last_resort.len()), (3, 2));
}

#[test]
fn what_has_expired_is_passed_over_and_cleared_away() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    let (old, old_last_resort) = (packages(&boris, 3), boris.key_package(true));
    town.publish(&boris, &old, Some(&old_last_resort));
    let later = NOW.after(limits::KEY_PACKAGE_LIFETIME + Duration::from_secs(60));
    let stock = ready(town.directory.stock(later, boris.device_id())).unwrap();
    assert!(
        stock
            .iter()
            .all(|stock| stock.one_time == 0 && !stock.last_resort)
    );
    let refusal = failure(town.claim_at(later, &anna, &[BORIS]));
    assert_eq!(refusal.code(), RefusalCode::NoKeyPackage);

    let fresh: Bytes = boris
        .device
        .generate_key_package(SUITE, false, later)
        .unwrap()
        .into();
    let stock = town
        .publish_at(later, &boris, std::slice::from_ref(&fresh), None)
        .unwrap();
    assert_eq!(stock.one_time, 1);
    assert_eq!(ready(town.logs.cells(b"key-package/", 10)).unwrap().len(), 1);
    assert_eq!(ready(town.logs.cells(b"key-package-seen/", 10)).unwrap().len(), 1);
    assert_eq!(
        town.claim_at(later, &anna, &[BORIS]).answer.key_packages[0].key_package,
        fresh
    );
    let expired = town.publish_at(later, &boris, &old, None).unwrap_err();
    assert_eq!(expired.code, RefusalCode::BadKeyPackage);
}

#[test]
fn only_good_packages_of_ones_own_are_taken_in() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    let check = |package: Bytes, code| {
        let before = format!("{:?}", town.logs);
        assert_eq!(
            town.publish_at(NOW, &boris, &[package], None).unwrap_err().code,
            code
        );
        assert_eq!(format!("{:?}", town.logs), before);
    };
    check(anna.key_package(false), RefusalCode::BadKeyPackage);
    check(boris.impostor(7).key_package(false), RefusalCode::BadKeyPackage);
    check(Bytes::from_static(b"garbage"), RefusalCode::BadKeyPackage);
    check(
        vec![0; limits::KEY_PACKAGE_BYTES + 1].into(),
        RefusalCode::TooLarge,
    );
    let other_suite = boris
        .device
        .generate_key_package(Suite::Hybrid, false, NOW)
        .unwrap();
    check(other_suite.into(), RefusalCode::BadKeyPackage);

    let most = limits::KEY_PACKAGE_STOCK_MAX;
    let many = packages(&boris, most + 1);
    assert_eq!(
        town.publish_at(NOW, &boris, &many, None).unwrap_err().code,
        RefusalCode::TooLarge
    );
    assert_eq!(
        town.publish(&boris, &many[..most], None).0,
        u32::try_from(most).unwrap()
    );
    let refusal = town
        .publish_at(NOW, &boris, &many[most..], None)
        .unwrap_err()
        .into_wire();
    assert_eq!(
        (refusal.code(), refusal.limit),
        (RefusalCode::TooLarge, most as u64)
    );

    let stranger = Person::new("vera", 3);
    let refusal = town
        .publish_at(NOW, &stranger, &packages(&stranger, 1), None)
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::UnknownDevice);
}

#[test]
fn what_cannot_be_served_is_said_and_the_rest_is_served() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    town.publish(&boris, &packages(&boris, 1), None);
    town.publish(&anna, &packages(&anna, 1), None);
    let asked = [
        "nobody@city.example",
        BORIS,
        "boris@town.example",
        "anna@city.example",
    ];
    let Claims { answer, notified } = town.claim_at(NOW, &anna, &asked);
    // Her own device needs none.
    assert_eq!(answer.key_packages.len(), 1);
    assert_eq!(answer.key_packages[0].address, BORIS);
    assert_eq!(notified, [boris.device_id()]);
    let failed: Vec<_> = answer
        .failures
        .iter()
        .map(|failure| failure.address.as_str())
        .collect();
    assert_eq!(failed, [asked[0], asked[2]]);
    let refusal = failure(town.claim(&anna, BORIS));
    assert_eq!(refusal.code(), RefusalCode::NoKeyPackage);

    let mut request = wire::ClaimKeyPackages {
        suite: 77,
        addresses: Vec::new(),
    };
    let claimer = directory::Claimer {
        address: anna.address.clone(),
        device: anna.device_id(),
    };
    let refused = || {
        ready(town.directory.claim(NOW, &claimer, &request))
            .unwrap_err()
            .code
    };
    assert_eq!(refused(), RefusalCode::Malformed);
    request.suite = SUITE.code().into();
    request.addresses = vec![BORIS.into(); limits::ADDRESSES_PER_REQUEST + 1];
    assert_eq!(
        ready(town.directory.claim(NOW, &claimer, &request))
            .unwrap_err()
            .code,
        RefusalCode::TooLarge
    );
}

#[test]
fn an_account_that_many_claim_from_is_served_from_the_last_resort() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    town.publish(
        &boris,
        &packages(&boris, limits::KEY_PACKAGE_STOCK_MAX),
        Some(&boris.key_package(true)),
    );
    let limit = limits::CLAIMS_PER_TARGET as usize;
    let claims = town.claim_at(NOW, &anna, &vec![BORIS; limit - 1]);
    assert!(
        claims
            .answer
            .key_packages
            .iter()
            .all(|claimed| !claimed.last_resort)
    );
    assert!(!town.claim_one(&anna, BORIS).last_resort);
    town.publish(&boris, &packages(&boris, 10), None);
    assert!(town.claim_one(&anna, BORIS).last_resort);
    let later = NOW.after(Duration::from_secs(60));
    assert!(!town.claim_at(later, &anna, &[BORIS]).answer.key_packages[0].last_resort);
}

#[test]
fn a_claimer_is_held_back_after_a_while() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    town.publish(&boris, &[], Some(&boris.key_package(true)));
    let per_hour = limits::CLAIMS_PER_CLAIMER as usize;
    for _ in 0..per_hour / limits::ADDRESSES_PER_REQUEST {
        let claims = town.claim_at(NOW, &anna, &vec![BORIS; limits::ADDRESSES_PER_REQUEST]);
        assert_eq!(claims.answer.failures, []);
    }
    let refusal = failure(town.claim(&anna, BORIS));
    assert_eq!(refusal.code(), RefusalCode::RateLimited);
    assert!(refusal.retry_after_ms > 0);
    let later = NOW.after(Duration::from_millis(refusal.retry_after_ms));
    assert_eq!(town.claim_at(later, &anna, &[BORIS]).answer.key_packages.len(), 1);
}

#[test]
fn a_full_disk_hands_nothing_out() {
    let (anna, boris) = anna_and_boris();
    let town = Town::of(&[&anna, &boris]);
    town.publish(&boris, &packages(&boris, 1), None);
    town.logs.fail_with_disk_full(true);
    assert_eq!(failure(town.claim(&anna, BORIS)).code(), RefusalCode::DiskFull);
    let refusal = town
        .publish_at(NOW, &boris, &packages(&boris, 1), None)
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::DiskFull);
    town.logs.fail_with_disk_full(false);
    town.claim_one(&anna, BORIS);
}
