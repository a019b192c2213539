//! Changes to accounts that span both stores: noted in the logs first, and taken out again when every part of them is
//! done. What a crash leaves half done is found here and finished; each part may be done again.

use bytes::Bytes;
use prost::Message;
use storage::{Batch, Blobs, Check, Key, Logs, Outcome, Records, Value};
use types::wire::RefusalCode;
use types::{Address, DeviceId, Handle, Refusal, wire};

use crate::Realm;

/// What the keys of [`Note`]s begin with; the handle follows.
const NOTES: &[u8] = b"device-change/";
/// Notes looked at in one piece of housekeeping.
const NOTES_PER_CALL: usize = 16;

/// A change that was found to be in order and is being carried out. There is one of an account at a time, and its
/// verdict holds until it is done: none is noted that was judged by what another has changed since.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Note {
    /// Devices that are locked out: the batch with this note did it.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) removed: Vec<Bytes>,
    /// The change, unless it is a deletion.
    #[prost(message, optional, tag = "2")]
    pub(crate) change: Option<wire::ChangeDevices>,
    /// The deletion, unless it is a change.
    #[prost(message, optional, tag = "3")]
    pub(crate) deletion: Option<Deletion>,
    /// When it was noted, in milliseconds since the Unix epoch.
    #[prost(uint64, tag = "4")]
    pub(crate) noted_ms: u64,
}

/// A deletion, with what its signature is verified by.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Deletion {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) nonce: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) device: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) asked: Option<wire::DeleteAccount>,
}

/// How many changes of an account were noted so far. Read it before judging.
pub(crate) struct Turn(Option<Bytes>);

impl Note {
    pub(crate) fn removed(&self) -> Result<Vec<DeviceId>, Refusal> {
        let ids = self.removed.iter().map(|id| DeviceId::try_from(id.as_ref()));
        ids.collect::<Result<_, _>>().map_err(|_| damaged())
    }
}

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    /// Finishes what is under way for an account; what is judged from then on is judged by what came of that.
    pub(crate) async fn turn(&self, handle: &Handle) -> Result<Turn, Refusal> {
        if let Some(note) = self.logs.cell(&note_key(handle)).await? {
            // Whoever asked for it is told what came of it.
            if let Err(refusal) = self.finish(handle, note).await
                && is_ours(&refusal)
            {
                return Err(refusal);
            }
        }
        Ok(Turn(self.logs.cell(&turn_key(handle)).await?))
    }

    /// Notes a change, which locks out the devices that go with it, and does the rest; whether it got its turn. Otherwise
    /// another came first.
    pub(crate) async fn carry_out(&self, handle: &Handle, turn: Turn, note: &Note) -> Result<bool, Refusal> {
        let address = self.address(handle);
        let owner = note.deletion.is_none().then_some(&address);
        let locked_out = delivery::lockout(owner, &note.removed()?);
        let bytes = Bytes::from(note.encode_to_vec());
        let next = turn.next()?;
        let check = |key, value| Check::Cell { key, value };
        let batch = Batch {
            checks: vec![check(note_key(handle), None), check(turn_key(handle), turn.0)],
            cells: [
                (note_key(handle), Some(Value::Plain(bytes.clone()))),
                (turn_key(handle), Some(Value::Plain(next))),
            ]
            .into_iter()
            .chain(locked_out)
            .collect(),
            ..Batch::default()
        };
        match self.logs.commit(batch).await? {
            Outcome::Committed { .. } => self.finish(handle, bytes).await.map(|()| true),
            Outcome::Failed { .. } | Outcome::Repeated { .. } => Ok(false),
        }
    }

    /// Finishes some of what a crash, or the store, kept from being finished.
    pub(crate) async fn finish_some(&self) -> Result<(), Refusal> {
        let mut finished = Ok(());
        for cell in self.logs.cells(NOTES, NOTES_PER_CALL).await? {
            let handle = std::str::from_utf8(&cell.key[NOTES.len()..]).ok();
            let done = match handle.and_then(|handle| handle.parse().ok()) {
                Some(handle) => self.finish(&handle, cell.value).await,
                None => Err(damaged()),
            };
            finished = finished.and(done);
        }
        finished
    }

    /// Does every part of what was noted that is not done yet, and takes the note out.
    async fn finish(&self, handle: &Handle, bytes: Bytes) -> Result<(), Refusal> {
        let note = Note::decode(bytes.clone()).map_err(|_| damaged())?;
        let address = self.address(handle);
        let done = match (&note.change, &note.deletion) {
            (Some(change), _) => self.finish_change(&address, &note, change).await,
            (None, Some(deletion)) => self.finish_deletion(&address, &note.removed()?, deletion).await,
            (None, None) => Err(damaged()),
        };
        // What cannot be done is not tried for ever; what the store would not do is.
        if !done.as_ref().is_err_and(is_ours) {
            let batch = Batch {
                checks: vec![Check::Cell {
                    key: note_key(handle),
                    value: Some(bytes),
                }],
                cells: vec![(note_key(handle), None)],
                ..Batch::default()
            };
            self.logs.commit(batch).await?;
        }
        done
    }
}

impl<L, R, B> Realm<L, R, B> {
    fn address(&self, handle: &Handle) -> Address {
        Address {
            handle: handle.clone(),
            realm: self.settings.name.clone(),
        }
    }
}

impl Turn {
    fn next(&self) -> Result<Bytes, Refusal> {
        let turn = self.0.as_deref().map_or(Ok([0; 8]), TryFrom::try_from);
        let turn = u64::from_le_bytes(turn.map_err(|_| damaged())?);
        Ok(Bytes::copy_from_slice(&turn.saturating_add(1).to_le_bytes()))
    }
}

/// The store stood in the way, and may not the next time.
pub(crate) fn is_ours(refusal: &Refusal) -> bool {
    matches!(
        refusal.code,
        RefusalCode::StoreFailed | RefusalCode::DiskFull | RefusalCode::Overloaded
    )
}

fn note_key(handle: &Handle) -> Key {
    [NOTES, handle.as_str().as_bytes()].concat().into()
}

fn turn_key(handle: &Handle) -> Key {
    [b"device-changes/", handle.as_str().as_bytes()].concat().into()
}

fn damaged() -> Refusal {
    storage::Error::Damaged("a change of an account cannot be read".to_owned()).into()
}
