//! `cargo xtask bench mls [--json]`: what MLS costs at 2, 50, 256 and 1,000 members, in both ciphersuites.
//!
//! Expected, from the parts: an X25519 agreement costs about 40 µs and an X-Wing one about 120 µs, so a first commit
//! to 1,000 members (as many encryptions, blank tree) about 0.1 s and 0.3 s on top of checking 1,000 certificates and
//! leaf signatures (2 × 50 µs each); an update in a fresh tree about as many encryptions again. X-Wing adds 1,088
//! bytes to each ciphertext of the path and 2.4 kB to each leaf.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::time::{Duration, Instant};

use crypto::Rng;
use crypto::testing::Someone;
use mls::{Change, Device, Group, JoinWith, Policy, PublicGroup};
use types::{Address, ConversationId, Suite, Timestamp};

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const MEMBERS: [usize; 4] = [2, 50, 256, 1_000];
/// Members, spread over the tree, that renew their keys before a populated tree is measured.
const RENEWED: usize = 32;

fn main() {
    let json = std::env::args().any(|arg| arg == "--json");
    if !json {
        println!("times in ms, sizes in bytes; populated: after {RENEWED} members renewed their keys");
        println!("{}", Row::HEADER);
    }
    for suite in Suite::ALL {
        for members in MEMBERS {
            let row = measure(suite, members);
            println!("{}", if json { row.json() } else { row.text() });
        }
    }
}

struct Row {
    suite: Suite,
    members: usize,
    values: Vec<(&'static str, f64)>,
}

impl Row {
    const HEADER: &'static str = "suite      members  create  commit_b  welcome_b  tree_b    join  update  update_b  \
                                  process  pop_update_b  encrypt  message_b  decrypt   key_package_b";

    fn text(&self) -> String {
        let name = format!("{:?}", self.suite);
        let values: Vec<String> = self
            .values
            .iter()
            .map(|(name, value)| {
                if name.ends_with("_b") {
                    format!("{value:>9.0}")
                } else {
                    format!("{value:>8.2}")
                }
            })
            .collect();
        format!("{name:<10} {:>7} {}", self.members, values.join(" "))
    }

    fn json(&self) -> String {
        let values: Vec<String> = self
            .values
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value:.3}"))
            .collect();
        format!(
            "{{\"bench\":\"mls\",\"suite\":\"{:?}\",\"members\":{},{}}}",
            self.suite,
            self.members,
            values.join(",")
        )
    }
}

fn measure(suite: Suite, members: usize) -> Row {
    let people: Vec<Person> = (0..members).map(Person::new).collect();
    let packages: Vec<Change> = people[1..]
        .iter()
        .map(|person| person.key_package(suite))
        .collect();
    let Change::Add(package) = people[0].key_package(suite) else {
        unreachable!("a key package is an add")
    };

    let policy = Policy::group(people[0].address.clone());
    let mut group = people[0]
        .device
        .create(ConversationId::new([7; 16]), suite, &policy, NOW)
        .unwrap();
    let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
    let (create, bundle) = timed(|| {
        let bundle = group.commit(&packages, NOW).unwrap();
        group.apply_pending().unwrap();
        bundle
    });
    public.apply(&bundle.commit, NOW).unwrap();
    let tree = public.ratchet_tree().unwrap();

    // A few joiners stand for all: those that renew, the first of which is measured.
    let step = (members - 1).div_ceil(RENEWED).max(1);
    let mut join = Duration::MAX;
    let mut joined: Vec<Group> = Vec::new();
    for index in (1..members).step_by(step) {
        let with = JoinWith {
            message: &bundle.welcomes[index - 1].1,
            ratchet_tree: &tree,
        };
        let (took, (member, _)) = timed(|| people[index].device.join(with).unwrap());
        join = join.min(took);
        joined.push(member);
    }

    let (update, commit) = timed(|| joined[0].commit(&[], NOW).unwrap());
    let (process, _) = timed(|| group.process(&commit.commit, NOW).unwrap());
    joined
        .iter_mut()
        .for_each(|member| drop(member.process(&commit.commit, NOW).unwrap()));
    for index in 1..joined.len() {
        let commit = joined[index].commit(&[], NOW).unwrap();
        group.process(&commit.commit, NOW).unwrap();
        joined
            .iter_mut()
            .for_each(|member| drop(member.process(&commit.commit, NOW).unwrap()));
    }
    let populated = joined[0].commit(&[], NOW).unwrap();
    joined[0].clear_pending();

    let text = [b'x'; 200];
    let (encrypt, message) = least(|| group.encrypt(&text).unwrap());
    let mut messages: Vec<Vec<u8>> = (0..ROUNDS).map(|_| group.encrypt(&text).unwrap()).collect();
    let (decrypt, _) = least(|| {
        joined[0]
            .process(&messages.pop().unwrap_or_default(), NOW)
            .is_ok()
    });

    Row {
        suite,
        members,
        values: vec![
            ("create_ms", ms(create)),
            ("commit_b", size(&bundle.commit)),
            ("welcome_b", size(&bundle.welcomes[0].1)),
            ("tree_b", size(&tree)),
            ("join_ms", ms(join)),
            ("update_ms", ms(update)),
            ("update_b", size(&commit.commit)),
            ("process_ms", ms(process)),
            ("populated_update_b", size(&populated.commit)),
            ("encrypt_ms", ms(encrypt)),
            ("message_b", size(&message)),
            ("decrypt_ms", ms(decrypt)),
            ("key_package_b", package.len() as f64),
        ],
    }
}

const ROUNDS: usize = 20;

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn least<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut best = timed(&mut work);
    for _ in 1..ROUNDS {
        let next = timed(&mut work);
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn size(bytes: &[u8]) -> f64 {
    bytes.len() as f64
}

struct Person {
    address: Address,
    device: Device,
}

impl Person {
    fn new(index: usize) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        let rng = Rng::from_seed(seed);
        let address: Address = format!("person{index}@city.example").parse().unwrap();
        let device = Someone::new(&address.to_string(), &rng, NOW).device;
        Self {
            address,
            device: Device::new(&device.signed, &device.certificate, &device.key, rng, []),
        }
    }

    fn key_package(&self, suite: Suite) -> Change {
        Change::Add(
            self.device
                .generate_key_package(suite, false, NOW)
                .unwrap()
                .into(),
        )
    }
}
