//! Appends of 1 KiB, each caller waiting until its own is on disk, beside what fjall does by itself with the same keys,
//! bytes and group sizes: `cargo run --release -p storage-embedded --example bench -- [--json]`.
//!
//! Expected, before measuring, on two cores with a disk that syncs 5,800 times a second (0.17 ms):
//!
//! - 1 caller: a sync and two wake-ups of a thread, 0.25 ms: 4,000 appends/s.
//! - 16 callers: groups of 8 to 16, a sync each: 35,000/s, p99 2 ms.
//! - 64 callers: no longer the disk but the processor: 15 us for fjall to take 1 KiB, 3 us for the entry's id as a
//!   second item, 2 us to look the id up, 2 us to wake the caller: 45,000/s, p99 5 ms.
//! - 256 callers: the same work in larger groups: 50,000/s.
//!
//! fjall alone, one thread, the same items: a fifth more where the disk rules, half more where the processor does.
//!
//! Found, in the quiet runs of a shared machine: 5,000, 24,000, 50,000 and 65,000/s, with a p99 of 0.3, 2, 8 and
//! 28 ms; fjall alone 8,100, 32,000, 63,000 and 78,000. The disk syncs sooner than expected, and 16 callers split into
//! two groups that take turns; a quarter is lost to waking callers and looking up ids. The p99 is fjall's flushes and
//! compactions on two cores.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "a bench prints what it found")]
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use storage::{Append, Batch, Incarnation, Logs, Outcome, Value};
use storage_embedded::{EmbeddedLogs, Options, open};
use types::{DeviceId, EntryId, LogId};

const BODY: usize = 1024;
const CALLERS: [(usize, usize); 4] = [(1, 5_000), (16, 8_000), (64, 4_000), (256, 1_500)];

struct Measured {
    callers: usize,
    appends_per_s: f64,
    p50: Duration,
    p99: Duration,
    group: f64,
    engine_per_s: f64,
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    if !json {
        println!("callers  appends/s  p50 ms  p99 ms  batches/sync  fjall alone/s");
    }
    for (callers, appends) in CALLERS {
        let measured = measure(callers, appends);
        if json {
            print_json(&measured)
        } else {
            print_row(&measured)
        }
    }
}

fn measure(callers: usize, appends: usize) -> Measured {
    // Beside the build, since a temporary directory may be in memory.
    let dir = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
    let (logs, ..) = open(&dir.path().join("store"), &Options::new(Incarnation(1))).unwrap();
    let logs = Arc::new(logs);
    let started = Instant::now();
    let mut latencies = run_callers(&logs, callers, appends);
    let took = started.elapsed();
    let stats = logs.stats();
    drop(logs);
    latencies.sort_unstable();
    let total = latencies.len();
    let group = stats.batches as f64 / stats.groups as f64;
    Measured {
        callers,
        appends_per_s: total as f64 / took.as_secs_f64(),
        p50: latencies[total / 2],
        p99: latencies[total * 99 / 100],
        group,
        engine_per_s: engine_alone(&dir.path().join("engine"), callers, total, group.round() as usize),
    }
}

#[tokio::main]
async fn run_callers(logs: &Arc<EmbeddedLogs>, callers: usize, appends: usize) -> Vec<Duration> {
    let tasks: Vec<_> = (0..callers)
        .map(|caller| tokio::spawn(run_caller(Arc::clone(logs), caller, appends)))
        .collect();
    let mut latencies = vec![];
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    latencies
}

async fn run_caller(logs: Arc<EmbeddedLogs>, caller: usize, appends: usize) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(appends);
    for number in 0..appends {
        let append = Append {
            log: LogId::Mailbox(DeviceId::new(name(caller))),
            entry_id: EntryId::new(entry_id(caller, number)),
            body: Value::Plain(body(caller, number)),
        };
        let started = Instant::now();
        let outcome = logs
            .commit(Batch {
                appends: vec![append],
                ..Batch::default()
            })
            .await
            .unwrap();
        latencies.push(started.elapsed());
        assert!(matches!(outcome, Outcome::Committed { .. }));
    }
    latencies
}

/// The same items in groups of the same size, with nobody to wait, to decide or to be woken.
fn engine_alone(path: &Path, callers: usize, total: usize, group: usize) -> f64 {
    let db = Database::builder(path)
        .max_journaling_size(128 << 20)
        .worker_threads(2)
        .open()
        .unwrap();
    let keyspace = |name, memtable| {
        db.keyspace(name, || {
            KeyspaceCreateOptions::default().max_memtable_size(memtable)
        })
        .unwrap()
    };
    let (entries, ids) = (keyspace("entries", 32 << 20), keyspace("ids", 8 << 20));
    let started = Instant::now();
    let mut written = 0;
    while written < total {
        let mut batch = db.batch().durability(Some(PersistMode::SyncData));
        for index in written..(written + group).min(total) {
            let (caller, number) = (index % callers, index / callers);
            let (log, id) = ([&[2][..], &name(caller)].concat(), entry_id(caller, number));
            let seq = number as u64 + 1;
            batch.insert(
                &entries,
                [&log[..], &seq.to_be_bytes()].concat(),
                [&id[..], &body(caller, number)].concat(),
            );
            batch.insert(&ids, [&log[..], &id].concat(), seq.to_le_bytes());
        }
        batch.commit().unwrap();
        written += group;
    }
    total as f64 / started.elapsed().as_secs_f64()
}

fn name(caller: usize) -> [u8; 16] {
    (caller as u128).to_be_bytes()
}

/// As scattered as a drawn one, and never the same twice.
fn entry_id(caller: usize, number: usize) -> [u8; 16] {
    let number = ((caller as u128) << 64 | number as u128) + 1;
    number
        .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
        .to_be_bytes()
}

fn body(caller: usize, number: usize) -> Bytes {
    entry_id(caller, number).repeat(BODY / 16).into()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn print_row(measured: &Measured) {
    let Measured {
        callers,
        appends_per_s,
        p50,
        p99,
        group,
        engine_per_s,
    } = measured;
    let (p50, p99) = (ms(*p50), ms(*p99));
    println!("{callers:7}  {appends_per_s:9.0}  {p50:6.2}  {p99:6.2}  {group:12.1}  {engine_per_s:13.0}");
}

fn print_json(measured: &Measured) {
    let line = serde_json::json!({
        "callers": measured.callers,
        "appends_per_s": measured.appends_per_s.round(),
        "p50_ms": ms(measured.p50),
        "p99_ms": ms(measured.p99),
        "batches_per_sync": measured.group,
        "engine_per_s": measured.engine_per_s.round(),
    });
    println!("{line}");
}
