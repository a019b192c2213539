//! Seeds that run with every test. More by hand: `cargo xtask sim --seeds 100 --from 1000`.

use sim::{Scenario, World};

fn check(seeds: std::ops::Range<u64>, scenario: Scenario) {
    let (mut total, mut rejoins) = ((0, 0, 0), 0);
    for seed in seeds {
        match World::run(seed, scenario) {
            Ok(report) => {
                rejoins += report.rejoins;
                total = (
                    total.0 + report.acknowledged,
                    total.1 + report.crashes,
                    total.2 + report.conversations,
                );
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(total.0 > 0 && total.2 > 0, "nothing happened: {total:?}");
    assert_eq!(scenario.faults, total.1 > 0, "faults: {total:?}");
    // A device that comes in by itself may be brought in at the same time, or crash before it knows, and comes in again.
    let may_rejoin = scenario.spares > 0;
    assert!(
        rejoins == 0 || may_rejoin,
        "no device has a reason to lose the thread"
    );
}

#[test]
fn a_calm_world_keeps_its_promises() {
    check(
        0..4,
        Scenario {
            devices: 4,
            spares: 0,
            operations: 60,
            faults: false,
        },
    );
}

#[test]
fn a_world_of_faults_keeps_its_promises() {
    check(
        100..200,
        Scenario {
            devices: 5,
            spares: 0,
            operations: 200,
            faults: true,
        },
    );
}

#[test]
fn devices_come_and_go_and_promises_are_kept() {
    check(
        300..320,
        Scenario {
            devices: 3,
            spares: 3,
            operations: 120,
            faults: false,
        },
    );
    check(
        400..440,
        Scenario {
            devices: 4,
            spares: 3,
            operations: 200,
            faults: true,
        },
    );
}

#[test]
fn one_seed_gives_one_hash_of_all_bytes() {
    let run = |seed| {
        World::run(
            seed,
            Scenario {
                devices: 4,
                spares: 0,
                operations: 80,
                faults: true,
            },
        )
        .unwrap()
    };
    let (first, again, other) = (run(7), run(7), run(8));
    assert_eq!(first, again);
    assert_ne!(first.wire_hash, other.wire_hash);
    assert!(first.frames > 100, "{first:?}");
}

#[test]
fn a_fresh_group_fills_its_tree_within_a_day() {
    // One more than the hybrid suite takes, so that sizes are those of large groups.
    let people = types::limits::HYBRID_MEMBERS + 1;
    let commits = World::quiet_day(11, people).unwrap();
    let updates = &commits[1..];
    assert_eq!(
        updates.len(),
        people - 1,
        "whoever joined renews their keys once: {commits:?}"
    );
    let (first, last) = (updates[0], updates[updates.len() - 1]);
    assert!(last * 3 < first, "commits shrink as the tree fills: {commits:?}");
}
