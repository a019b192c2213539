//! The bounded queue between callers and the writer. Its order is the order of everything.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use storage::{Batch, Check, Error, Outcome, Seq, Value};
use tokio::sync::oneshot;
use types::LogId;

use super::view::{CellChange, View};

/// Most jobs that may wait.
const WAITING_JOBS: usize = 16 << 10;
/// Most bytes that may wait; one batch may be larger when nothing else waits.
const WAITING_BYTES: usize = 64 << 20;
/// Most jobs in one group.
const GROUP_JOBS: usize = 1 << 10;
/// A group is closed once it has this many bytes.
const GROUP_BYTES: usize = 4 << 20;

pub(super) type Answer<T> = oneshot::Sender<Result<T, Error>>;

pub(super) enum Job {
    Commit { batch: Batch, answer: Answer<Outcome> },
    PutLazily { cells: Vec<CellChange>, number: u64 },
    Trim(Trim),
}

pub(super) struct Trim {
    pub(super) log: LogId,
    pub(super) up_to: Seq,
    pub(super) answer: Answer<()>,
}

/// What the writer does next.
pub(super) enum Work {
    /// Commits and lazy puts, to be written at once.
    Group(Vec<Job>),
    Trim(Trim),
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, usize)>,
    bytes: usize,
    puts: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn commit(&self, batch: Batch, answer: Answer<Outcome>) -> Result<(), Error> {
        let bytes = bytes_of(&batch);
        self.push(bytes, |_| Job::Commit { batch, answer })
    }

    pub(super) fn trim(&self, trim: Trim) -> Result<(), Error> {
        self.push(0, |_| Job::Trim(trim))
    }

    /// Queues cells and shows them to readers in one step, so that readers and the writer agree on the order.
    pub(super) fn put_lazily(&self, cells: Vec<CellChange>, view: &View) -> Result<(), Error> {
        let bytes = cells
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, bytes::Bytes::len))
            .sum();
        self.push(bytes, |number| {
            view.put_lazily(&cells, number);
            Job::PutLazily { cells, number }
        })
    }

    /// Lets the rest of a trim wait its turn. It was admitted once, so it is never refused.
    pub(super) fn requeue(&self, trim: Trim) {
        self.state().jobs.push_back((Job::Trim(trim), 0));
    }

    /// Waits for work. `None` once the queue is closed and everything in it was handed out.
    pub(super) fn next(&self) -> Option<Work> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self.arrived.wait(state).expect("no holder of this lock panics");
        }
        Some(state.take())
    }

    /// Refuses jobs from now on. What waits is still handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// Refuses jobs from now on, and drops what waits: their callers are told [`Error::Closed`].
    pub(super) fn abandon(&self) {
        self.close();
        self.state().jobs.clear();
    }

    fn push(&self, bytes: usize, job: impl FnOnce(u64) -> Job) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Closed);
        }
        let too_many_bytes = state.bytes + bytes > WAITING_BYTES && !state.jobs.is_empty();
        if state.jobs.len() >= WAITING_JOBS || too_many_bytes {
            return Err(Error::Overloaded);
        }
        state.puts += 1;
        state.bytes += bytes;
        let job = job(state.puts);
        state.jobs.push_back((job, bytes));
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn take(&mut self) -> Work {
        let mut group = Vec::new();
        let mut group_bytes = 0;
        while let Some((job, bytes)) = self.jobs.pop_front() {
            match job {
                Job::Trim(trim) if group.is_empty() => return Work::Trim(trim),
                // A trim reads what was written before it, so the group before it comes first.
                Job::Trim(trim) => {
                    self.jobs.push_front((Job::Trim(trim), bytes));
                    break;
                }
                job => group.push(job),
            }
            self.bytes -= bytes;
            group_bytes += bytes;
            if group.len() == GROUP_JOBS || group_bytes >= GROUP_BYTES {
                break;
            }
        }
        Work::Group(group)
    }
}

/// About what a batch occupies while it waits.
fn bytes_of(batch: &Batch) -> usize {
    let value = |value: &Value| match value {
        Value::Plain(bytes) => bytes.len(),
        Value::WithSeq { prefix, .. } => prefix.len() + 8,
    };
    let appends = batch
        .appends
        .iter()
        .map(|append| size_of_val(append) + value(&append.body))
        .sum::<usize>();
    let cells = batch
        .cells
        .iter()
        .map(|(key, cell)| key.len() + cell.as_ref().map_or(0, value))
        .sum::<usize>();
    let checks = batch
        .checks
        .iter()
        .map(|Check::Cell { key, value }| key.len() + value.as_ref().map_or(0, |v| v.len()));
    appends + cells + checks.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use storage::Append;
    use types::{DeviceId, EntryId};

    use super::*;

    const LOG: LogId = LogId::Mailbox(DeviceId::new([1; 16]));

    fn commit(queue: &Queue, len: usize) -> Result<(), Error> {
        let append = Append {
            log: LOG,
            entry_id: EntryId::new([0; 16]),
            body: Value::Plain(vec![0; len].into()),
        };
        queue.commit(
            Batch {
                appends: vec![append],
                ..Batch::default()
            },
            oneshot::channel().0,
        )
    }

    fn trim(queue: &Queue) {
        queue
            .trim(Trim {
                log: LOG,
                up_to: 1,
                answer: oneshot::channel().0,
            })
            .unwrap();
    }

    /// Sizes of the groups handed out; a trim is zero.
    fn handed_out(queue: &Queue) -> Vec<usize> {
        queue.close();
        std::iter::from_fn(|| queue.next())
            .map(|work| match work {
                Work::Group(jobs) => jobs.len(),
                Work::Trim(_) => 0,
            })
            .collect()
    }

    #[test]
    fn too_many_jobs_are_refused_until_some_are_taken() {
        let queue = Queue::default();
        for _ in 0..WAITING_JOBS {
            commit(&queue, 0).unwrap();
        }
        assert!(matches!(commit(&queue, 0), Err(Error::Overloaded)));
        assert!(matches!(queue.next(), Some(Work::Group(group)) if group.len() == GROUP_JOBS));
        commit(&queue, 0).unwrap();
        assert_eq!(
            handed_out(&queue).iter().sum::<usize>(),
            WAITING_JOBS - GROUP_JOBS + 1
        );
        assert_eq!(queue.state().bytes, 0);
        assert!(matches!(commit(&queue, 0), Err(Error::Closed)));
    }

    #[test]
    fn too_many_bytes_are_refused_but_one_large_batch_is_not() {
        let queue = Queue::default();
        commit(&queue, WAITING_BYTES + 1).unwrap();
        assert!(matches!(commit(&queue, 1), Err(Error::Overloaded)));
        assert!(matches!(queue.next(), Some(Work::Group(group)) if group.len() == 1));
        commit(&queue, GROUP_BYTES).unwrap();
        commit(&queue, 1).unwrap();
        assert_eq!(handed_out(&queue), [1, 1]);
    }

    #[test]
    fn a_trim_stands_between_groups() {
        let queue = Queue::default();
        trim(&queue);
        commit(&queue, 1).unwrap();
        commit(&queue, 1).unwrap();
        trim(&queue);
        trim(&queue);
        commit(&queue, 1).unwrap();
        assert_eq!(handed_out(&queue), [0, 2, 0, 0, 1]);
    }

    #[test]
    fn what_waits_is_told_when_the_queue_is_abandoned() {
        let queue = Queue::default();
        let (answer, mut answered) = oneshot::channel();
        queue.commit(Batch::default(), answer).unwrap();
        queue.abandon();
        assert!(answered.try_recv().is_err());
        assert!(queue.next().is_none());
    }
}
