//! One suite for every backend: what the traits promise, as tests.
//!
//! A backend implements [`Backend`] in its tests and says `storage::suite!(ItsName);`, which makes one `#[test]` of
//! each check.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests, only of somebody else's crate"
)]

pub mod blobs;
pub mod cells;
pub mod logs;
pub mod model;
pub mod records;
pub mod trims;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use bytes::Bytes;
use types::{ConversationId, DeviceId, EntryId, LogId};

use crate::{Append, Batch, Check, Key, Logs, Outcome, Page, ReadLimits, Records, Seq, Value};

/// A backend as the suite sees it: something that can be closed and opened again in the same place.
pub trait Backend {
    /// Where a store is kept; it is cleared away when dropped.
    type Place;
    /// Its logs.
    type Logs: Logs;
    /// Its records.
    type Records: Records;

    /// A new place with nothing in it.
    fn place() -> Self::Place;

    /// Opens the store in this place, making it when it is not there. What was opened before is dropped by then.
    fn open(place: &Self::Place) -> (Self::Logs, Self::Records);
}

/// Makes a `#[test]` of each check of the suite, for the [`Backend`] named.
#[macro_export]
macro_rules! suite {
    ($backend:ident) => {
        $crate::suite!(@tests $backend;
            logs: seqs_run_from_one_without_gaps, a_batch_is_applied_as_a_whole, bodies_can_carry_seqs,
                a_repeated_id_answers_with_its_seq, a_repeated_later_id_keeps_its_seq,
                one_of_two_equal_batches_is_repeated, malformed_batches_are_refused,
                a_dropped_future_does_not_stop_its_batch, reads_respect_their_limits, pages_tell_first_and_head,
                reopening_keeps_everything, the_incarnation_stays;
            trims: trimmed_entries_are_forgotten, a_long_log_can_be_trimmed, trimmed_ids_can_be_appended_again;
            cells: a_failed_check_changes_nothing, checks_see_the_batch_before, cells_can_carry_seqs,
                cells_are_listed_by_prefix, deleted_cells_are_gone, lazy_cells_are_seen_at_once,
                lazy_cells_keep_their_place_among_batches, malformed_keys_are_refused;
            records: accounts_are_kept, handles_are_taken_once, confusable_handles_are_refused,
                a_device_has_one_account, the_unknown_is_none, reopening_keeps_records,
                a_change_is_made_once_and_as_a_whole, a_change_that_is_refused_changes_nothing,
                the_last_time_a_device_was_seen_is_kept, a_deleted_account_leaves_its_name_behind,
                changes_and_deletions_survive_reopening;
            model: random_batches_match_a_model;
        );
    };
    (@tests $backend:ident; $($module:ident: $($check:ident),*;)*) => {
        $(mod $module {
            $(#[test]
            fn $check() {
                $crate::suite::$module::$check::<super::$backend>();
            })*
        })*
    };
}

/// Waits for a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

const EVERYTHING: ReadLimits = ReadLimits {
    entries: usize::MAX,
    bytes: usize::MAX,
};

fn conversation(name: u8) -> LogId {
    LogId::Conversation(ConversationId::new([name; 16]))
}

fn mailbox(name: u8) -> LogId {
    LogId::Mailbox(DeviceId::new([name; 16]))
}

fn entry_id(number: u64) -> EntryId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EntryId::new(bytes)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn plain(value: &str) -> Value {
    Value::Plain(text(value))
}

fn append(log: LogId, id: u64, body: &str) -> Append {
    Append {
        log,
        entry_id: entry_id(id),
        body: plain(body),
    }
}

fn appends(appends: Vec<Append>) -> Batch {
    Batch {
        appends,
        ..Batch::default()
    }
}

fn set(key: &str, value: &str) -> (Key, Option<Value>) {
    (text(key), Some(plain(value)))
}

/// Commits and gives the seqs; anything but `Committed` fails the test.
fn committed(logs: &impl Logs, batch: Batch) -> Vec<Seq> {
    match block_on(logs.commit(batch)).expect("the store commits") {
        Outcome::Committed { seqs } => seqs,
        refused => panic!("refused: {refused:?}"),
    }
}

/// Appends entries with the ids and bodies 1 to `count`, in one batch.
fn fill(logs: &impl Logs, log: LogId, count: u64) {
    committed(
        logs,
        appends((1..=count).map(|id| append(log, id, &id.to_string())).collect()),
    );
}

fn read(logs: &impl Logs, log: LogId, after: Seq, limits: ReadLimits) -> Page {
    block_on(logs.read(log, after, limits)).expect("the store reads")
}

fn seqs(page: &Page) -> Vec<Seq> {
    page.entries.iter().map(|entry| entry.seq).collect()
}

fn bodies(logs: &impl Logs, log: LogId) -> Vec<Bytes> {
    read(logs, log, 0, EVERYTHING)
        .entries
        .into_iter()
        .map(|entry| entry.body)
        .collect()
}

fn cell(logs: &impl Logs, key: &str) -> Option<Bytes> {
    block_on(logs.cell(key.as_bytes())).expect("the store reads")
}

fn trim(logs: &impl Logs, log: LogId, up_to: Seq) {
    block_on(logs.trim(log, up_to)).expect("the store trims");
}
