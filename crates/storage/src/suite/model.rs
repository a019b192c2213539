//! Random batches against a model so plain that it is right by inspection.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::StoredEntry;

#[derive(Clone, Debug)]
enum Step {
    /// Submitted together, then awaited in order.
    Commits(Vec<Batch>),
    PutLazily(u8, Option<u8>),
    Trim(LogId, Seq),
    Reopen,
}

#[derive(Default)]
struct Model {
    entries: Vec<(LogId, StoredEntry)>,
    trimmed: Vec<(LogId, Seq)>,
    cells: Vec<(Key, Bytes)>,
}

impl Model {
    fn trimmed(&self, log: LogId) -> Seq {
        self.trimmed
            .iter()
            .filter(|(name, _)| *name == log)
            .map(|(_, seq)| *seq)
            .max()
            .unwrap_or(0)
    }

    fn head(&self, log: LogId) -> Seq {
        let seqs = self
            .entries
            .iter()
            .filter(|(name, _)| *name == log)
            .map(|(_, entry)| entry.seq);
        seqs.max().unwrap_or(0).max(self.trimmed(log))
    }

    fn seq_of(&self, append: &Append) -> Option<Seq> {
        let same =
            |(log, entry): &&(LogId, StoredEntry)| *log == append.log && entry.entry_id == append.entry_id;
        self.entries.iter().find(same).map(|(_, entry)| entry.seq)
    }

    fn cell(&self, key: &Key) -> Option<Bytes> {
        self.cells
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    }

    fn set(&mut self, key: Key, value: Option<Bytes>) {
        self.cells.retain(|(name, _)| *name != key);
        self.cells.extend(value.map(|value| (key, value)));
    }

    fn commit(&mut self, batch: &Batch) -> Outcome {
        if let Some(seq) = batch.appends.first().and_then(|append| self.seq_of(append)) {
            return Outcome::Repeated { seq };
        }
        for (check, Check::Cell { key, value }) in batch.checks.iter().enumerate() {
            let found = self.cell(key);
            if found != *value {
                return Outcome::Failed { check, found };
            }
        }
        let mut seqs = vec![];
        for append in &batch.appends {
            let known = self.seq_of(append);
            let seq = known.unwrap_or(self.head(append.log) + 1);
            seqs.push(seq);
            if known.is_none() {
                let body = append.body.resolve(&seqs);
                self.entries.push((
                    append.log,
                    StoredEntry {
                        seq,
                        entry_id: append.entry_id,
                        body,
                    },
                ));
            }
        }
        for (key, value) in &batch.cells {
            self.set(key.clone(), value.as_ref().map(|value| value.resolve(&seqs)));
        }
        Outcome::Committed { seqs }
    }

    fn trim(&mut self, log: LogId, up_to: Seq) {
        self.trimmed.push((log, up_to.min(self.head(log))));
        self.entries
            .retain(|(name, entry)| *name != log || entry.seq > up_to);
    }

    fn page(&self, log: LogId) -> Page {
        let entries = self
            .entries
            .iter()
            .filter(|(name, _)| *name == log)
            .map(|(_, entry)| entry.clone());
        Page {
            entries: entries.collect(),
            first: self.trimmed(log) + 1,
            head: self.head(log),
        }
    }

    fn listing(&self) -> Vec<crate::Cell> {
        let mut cells = self.cells.clone();
        cells.sort();
        cells
            .into_iter()
            .map(|(key, value)| crate::Cell { key, value })
            .collect()
    }
}

// Few names, so that they collide.
fn any_log() -> impl Strategy<Value = LogId> {
    prop_oneof![(0..3_u8).prop_map(conversation), (0..2_u8).prop_map(mailbox)]
}

fn any_key() -> impl Strategy<Value = Key> + Clone {
    (0..4_u8).prop_map(|key| Bytes::from(vec![key]))
}

fn any_value(appends: usize) -> impl Strategy<Value = Value> {
    let plain = (0..3_u8).prop_map(|byte| Value::Plain(vec![byte; usize::from(byte)].into()));
    let index = 0..appends.max(1);
    (plain, index, any::<bool>()).prop_map(move |(plain, append, with_seq)| match plain {
        Value::Plain(prefix) if with_seq && appends > 0 => Value::WithSeq { prefix, append },
        plain => plain,
    })
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let small_value =
        proptest::option::of((0..3_u8).prop_map(|byte| Bytes::from(vec![byte; usize::from(byte)])));
    let check = (any_key(), small_value).prop_map(|(key, value)| Check::Cell { key, value });
    let append = |index| {
        (any_log(), 0..12_u64, any_value(index + 1)).prop_map(|(log, id, body)| Append {
            log,
            entry_id: entry_id(id),
            body,
        })
    };
    (0..4_usize).prop_flat_map(move |count| {
        let appends: Vec<_> = (0..count).map(append).collect();
        let cells = proptest::collection::vec((any_key(), proptest::option::of(any_value(count))), 0..3);
        (proptest::collection::vec(check.clone(), 0..2), appends, cells).prop_map(
            |(checks, appends, cells)| Batch {
                checks,
                appends,
                cells,
            },
        )
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(any_batch(), 1..6).prop_map(Step::Commits),
        2 => (0..4_u8, proptest::option::of(0..3_u8)).prop_map(|(key, value)| Step::PutLazily(key, value)),
        2 => (any_log(), 0..8_u64).prop_map(|(log, up_to)| Step::Trim(log, up_to)),
        1 => Just(Step::Reopen),
    ]
}

fn run<B: Backend>(steps: &[Step]) {
    let place = B::place();
    let (mut logs, _) = B::open(&place);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commits(batches) => {
                let submitted: Vec<_> = batches.iter().map(|batch| logs.commit(batch.clone())).collect();
                for (batch, answer) in batches.iter().zip(submitted) {
                    assert_eq!(block_on(answer).unwrap(), model.commit(batch), "{batch:?}");
                }
            }
            Step::PutLazily(key, value) => {
                let (key, value) = (Bytes::from(vec![*key]), value.map(|byte| Bytes::from(vec![byte])));
                logs.put_lazily(vec![(key.clone(), value.clone())]).unwrap();
                model.set(key, value);
            }
            Step::Trim(log, up_to) => {
                trim(&logs, *log, *up_to);
                model.trim(*log, *up_to);
            }
            Step::Reopen => {
                drop(logs);
                (logs, _) = B::open(&place);
            }
        }
        check(&logs, &model);
    }
}

fn check(logs: &impl Logs, model: &Model) {
    for log in (0..3).map(conversation).chain((0..2).map(mailbox)) {
        assert_eq!(read(logs, log, 0, EVERYTHING), model.page(log), "{log:?}");
    }
    assert_eq!(block_on(logs.cells(b"", usize::MAX)).unwrap(), model.listing());
}

/// Whatever is submitted, the store does what the model does.
pub fn random_batches_match_a_model<B: Backend>() {
    let config = Config {
        cases: 48,
        source_file: Some(file!()),
        ..Config::default()
    };
    let steps = proptest::collection::vec(any_step(), 1..24);
    TestRunner::new(config)
        .run(&steps, |steps| {
            run::<B>(&steps);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
