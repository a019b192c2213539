//! Files on their way up and down: a few pieces at a time, so that a file of any size takes little memory, and from
//! where it broke off, whatever broke.

use std::collections::BTreeMap;

use bytes::Bytes;
use content::{Content, ExternalPart, Image, ImageFormat, Media, Message};
use crypto::{FileKey, Piece};
use types::{BlobId, Duration, Timestamp, wire};
use wire::client_frame::Body;
use wire::transfer_state::Way;

use crate::core::Core;
use crate::engine::Engine;
use crate::item::Kind;
use crate::link::Request;
use crate::session::will_pass;
use crate::transfer::{Run, Transfer, TransferId, TransferView, view};
use crate::{
    Answer, Command, CommandId, Effect, Error, Event, FileToSend, Target, commands, keys, outbox, say,
};

/// Pieces of one file on their way at once: enough to keep a line busy, and few enough not to hold up messages.
const WINDOW: usize = 4;
/// Pieces fetched between two moments when the driver is asked to have them on disk.
const SYNC_EVERY: u64 = 32;
/// How long to wait after a failure that may pass.
const RETRY: Duration = Duration::from_secs(5);

impl Engine {
    /// Begins what concerns files. `None` for any other command.
    pub(crate) fn run_on_files(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        match command {
            Command::SendFile { to, file } => Some(self.send_file(id, to, file)),
            Command::FetchFile { file, place } => Some(self.fetch_file(id, file, place.clone())),
            Command::StoreBlob { blob, size, place } => {
                Some(self.store_blob(id, (*blob, *size), place.clone()))
            }
            Command::FetchBlob { blob, size, place } => {
                let file = wire::FileRow {
                    blob: blob.to_bytes(),
                    size: *size,
                    ..wire::FileRow::default()
                };
                Some(self.fetch_file(id, &file, place.clone()))
            }
            Command::StopTransfer { blob } => {
                self.stop_transfers(|transfer| transfer.state.blob == blob.to_bytes());
                self.core.done(Some(id), Ok(Answer::Done));
                Some(Ok(()))
            }
            _ => None,
        }
    }

    /// Puts a file on its way up; its message follows once it is there.
    fn send_file(&mut self, command: CommandId, to: &Target, file: &FileToSend) -> Result<(), Error> {
        self.core.account()?;
        if Piece::sealed_size(file.size) > types::limits::BLOB_BYTES {
            return Err(Error::FileTooLarge {
                limit: types::limits::BLOB_BYTES,
            });
        }
        let conversation = commands::address(&mut self.core, &mut self.conversations, to)?;
        outbox::flush(&mut self.core, conversation)?;
        let conversation = conversation.id;
        let known = self.transfers.values_mut();
        if let Some(known) = known.into_iter().find(|known| known.carries(file, conversation)) {
            take_over(&mut self.core, known, command);
            return Ok(());
        }
        // What was on its way from there is not there any more.
        self.stop_transfers(|transfer| {
            transfer.conversation() == Some(conversation) && transfer.state.place == file.place
        });
        let key = FileKey::generate(&self.core.rng);
        let state = wire::TransferState {
            blob: self.core.rng.bytes::<16>().to_vec().into(),
            key: key.as_bytes().to_vec().into(),
            size: file.size,
            modified_ns: file.modified_ns,
            place: file.place.clone(),
            way: Some(Way::Upload(wire::Upload {
                conversation: conversation.to_bytes(),
                name: file.name.clone(),
                media_type: file.media_type.clone(),
                media: Some(file.media.clone()),
            })),
        };
        self.begin_transfer(state, command)
    }

    /// Fetches a file that somebody sent.
    fn fetch_file(&mut self, command: CommandId, file: &wire::FileRow, place: String) -> Result<(), Error> {
        self.core.account()?;
        let state = wire::TransferState {
            blob: file.blob.clone(),
            key: file.key.clone(),
            size: file.size,
            place,
            way: Some(Way::Download(0)),
            ..wire::TransferState::default()
        };
        self.begin_transfer(state, command)
    }

    fn store_blob(
        &mut self,
        command: CommandId,
        (blob, size): (BlobId, u64),
        place: String,
    ) -> Result<(), Error> {
        self.core.account()?;
        let state = wire::TransferState {
            blob: blob.to_bytes(),
            size,
            place,
            way: Some(Way::Store(true)),
            ..wire::TransferState::default()
        };
        self.begin_transfer(state, command)
    }

    fn begin_transfer(&mut self, state: wire::TransferState, command: CommandId) -> Result<(), Error> {
        let transfer = Transfer::new(state, Some(command)).ok_or(Error::Damaged("the key of a file"))?;
        let name = transfer.name();
        if let Some(known) = self.transfers.get_mut(&name) {
            if known.state.place == transfer.state.place {
                take_over(&mut self.core, known, command);
                return Ok(());
            }
            // It is wanted elsewhere now.
            self.stop_transfers(|transfer| transfer.name() == name);
        }
        self.core.journal.put(keys::transfer(&name), &transfer.state);
        self.transfers.insert(name, transfer);
        self.run_transfers();
        Ok(())
    }

    /// Begins whatever does not run, when there is a connection.
    pub(crate) fn run_transfers(&mut self) {
        if !self.core.link.is_online() {
            return;
        }
        let now = self.core.now;
        let waits =
            |transfer: &Transfer| transfer.run.is_none() && transfer.retry_at.is_none_or(|at| at <= now);
        let names = self.transfers.iter().filter(|(_, transfer)| waits(transfer));
        let names: Vec<Vec<u8>> = names.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.last_transfer += 1;
            let Some(transfer) = self.transfers.get_mut(&name) else {
                continue;
            };
            let done = match &transfer.state.way {
                Some(Way::Download(_)) => Some(transfer.piece_at(transfer.arrived)),
                _ => None,
            };
            transfer.retry_at = None;
            transfer.run = Some(Run {
                id: self.last_transfer,
                begun: done.is_some(),
                next: done.unwrap_or(0),
                to_write: done.unwrap_or(0),
                ..Run::default()
            });
            match done {
                Some(_) => ask_for_pieces(&mut self.core, transfer),
                None if transfer.is_dropped() => {
                    let drop = wire::KeepBlobs {
                        drop: vec![transfer.state.blob.clone()],
                        ..wire::KeepBlobs::default()
                    };
                    let request = Request::Transfer(self.last_transfer, 0);
                    self.core.request(request, Body::KeepBlobs(drop));
                }
                None => {
                    let stat = wire::StatBlob {
                        blob: transfer.state.blob.clone(),
                    };
                    let request = Request::Transfer(self.last_transfer, 0);
                    self.core.request(request, Body::StatBlob(stat));
                }
            }
        }
    }

    /// What hangs on the connection begins anew with the next one.
    pub(crate) fn reset_transfers(&mut self) {
        for transfer in self.transfers.values_mut() {
            transfer.run = None;
        }
    }

    /// When a transfer is to be tried again.
    pub(crate) fn transfers_wakeup(&self) -> Option<Timestamp> {
        self.transfers
            .values()
            .filter_map(|transfer| transfer.retry_at)
            .min()
    }

    /// The server says how much of a file is there.
    pub(crate) fn blob_state(
        &mut self,
        (id, number): (TransferId, u64),
        state: &wire::BlobState,
    ) -> Result<(), Error> {
        let now = self.core.now;
        let Some((name, transfer)) = running(&mut self.transfers, id) else {
            return Ok(());
        };
        let to = transfer.conversation();
        if to.is_some_and(|to| commands::find(&mut self.conversations, to).is_err()) {
            // Nobody would ever be told of it.
            self.transfer_failed(&name, Error::Ended);
            return Ok(());
        }
        if state.stored >= transfer.sealed_size() && state.size > 0 {
            return self.uploaded(&name);
        }
        transfer.arrived = state.stored;
        let piece = Piece::SEALED_BYTES as u64;
        let (view, expected) = (view(transfer, state.stored), (number + 1) * piece);
        let Some(run) = &mut transfer.run else {
            return Ok(());
        };
        if !run.begun {
            (run.begun, run.next) = (true, state.stored / piece);
            run.skip = usize::try_from(state.stored % piece).unwrap_or(0);
        } else if state.stored < expected {
            // The server did not take the piece: some that came before it were lost in a crash.
            transfer.run = None;
            transfer.retry_at = Some(now);
            return Ok(());
        } else {
            run.in_flight = run.in_flight.saturating_sub(1);
        }
        read_pieces(&mut self.core, transfer);
        self.core.event(Event::Transfer(view));
        Ok(())
    }

    /// The driver read a piece of a file that is to be sent.
    pub(crate) fn file_read(&mut self, id: TransferId, number: u64, read: Option<&[u8]>) {
        let Some((name, transfer)) = running(&mut self.transfers, id) else {
            return;
        };
        let piece = transfer.piece(number);
        match read {
            Some(plaintext) if plaintext.len() == piece.len => {
                let skip = transfer
                    .run
                    .as_mut()
                    .map_or(0, |run| std::mem::take(&mut run.skip));
                let sealed = transfer.seal(number, plaintext);
                let put = wire::PutPiece {
                    blob: transfer.state.blob.clone(),
                    offset: piece.sealed_offset + skip as u64,
                    data: sealed.slice(skip.min(sealed.len())..),
                    size: transfer.sealed_size(),
                };
                self.core
                    .request(Request::Transfer(id, number), Body::PutPiece(put));
            }
            _ => {
                let place = transfer.state.place.clone();
                self.transfer_failed(&name, Error::FileChanged(place));
            }
        }
    }

    /// The server gave a piece.
    pub(crate) fn piece(&mut self, id: TransferId, number: u64, data: Bytes) {
        let Some((name, transfer)) = running(&mut self.transfers, id) else {
            return;
        };
        let Some(run) = &mut transfer.run else { return };
        run.early.insert(number, data);
        while let Some(sealed) = transfer
            .run
            .as_mut()
            .and_then(|run| run.early.remove(&run.to_write))
        {
            let number = transfer.run.as_ref().map_or(0, |run| run.to_write);
            let piece = transfer.piece(number);
            let plaintext = match transfer.open(number, &sealed) {
                Ok(plaintext) => plaintext,
                Err(error) => return self.transfer_failed(&name, error),
            };
            let is_last = number + 1 == transfer.pieces();
            self.core.journal.effect(Effect::WriteFile {
                transfer: id,
                place: transfer.state.place.clone(),
                offset: piece.offset,
                bytes: plaintext,
                sync: is_last || (number + 1) % SYNC_EVERY == 0,
                is_last,
            });
            if let Some(run) = &mut transfer.run {
                run.to_write += 1;
            }
        }
    }

    /// The driver has bytes of a file that is fetched in place, and on disk when it was asked for that.
    pub(crate) fn file_written(&mut self, id: TransferId, written: Option<u64>, synced: bool) {
        let Some((name, transfer)) = running(&mut self.transfers, id) else {
            return;
        };
        let Some(done) = written else {
            if transfer.arrived > 0 {
                // What was there before may be gone; a disk that refuses will do so again.
                transfer.state.way = Some(Way::Download(0));
                transfer.arrived = 0;
                transfer.run = None;
                self.core.journal.put(keys::transfer(&name), &transfer.state);
                return self.run_transfers();
            }
            let place = transfer.state.place.clone();
            return self.transfer_failed(&name, Error::FileUnwritten(place));
        };
        transfer.arrived = done;
        if synced {
            transfer.state.way = Some(Way::Download(done));
            self.core.journal.put(keys::transfer(&name), &transfer.state);
        }
        let view = view(transfer, done);
        if let Some(run) = &mut transfer.run {
            run.in_flight = run.in_flight.saturating_sub(1);
        }
        if done < transfer.state.size {
            ask_for_pieces(&mut self.core, transfer);
        } else if synced {
            let place = transfer.state.place.clone();
            self.transfer_over(&name, Ok(Answer::Fetched { place }));
        }
        self.core.event(Event::Transfer(view));
    }

    /// The server refused a piece.
    pub(crate) fn transfer_refused(&mut self, id: TransferId, refusal: wire::Refusal) {
        let now = self.core.now;
        let Some((name, transfer)) = running(&mut self.transfers, id) else {
            return;
        };
        if will_pass(refusal.code()) {
            let wait = Duration::from_millis(refusal.retry_after_ms).max(RETRY);
            transfer.retry_at = Some(now.after(wait));
            transfer.run = None;
        } else if transfer.is_dropped() {
            // It goes by itself in the end.
            self.transfer_over(&name, Ok(Answer::Done));
        } else {
            self.transfer_failed(&name, Error::Refused(refusal));
        }
    }

    /// The file is up: its message goes into the outbox, and with it whoever waits.
    fn uploaded(&mut self, name: &[u8]) -> Result<(), Error> {
        let Some(transfer) = self.transfers.remove(name) else {
            return Ok(());
        };
        self.core.journal.delete(keys::transfer(name));
        let done = view(&transfer, transfer.sealed_size());
        self.core.event(Event::Transfer(done));
        let Some(Way::Upload(upload)) = &transfer.state.way else {
            self.core.done(transfer.command, Ok(Answer::Done));
            return Ok(());
        };
        let to = transfer.conversation();
        let Some(conversation) = to.and_then(|to| self.conversations.get_mut(&to)) else {
            self.core.done(transfer.command, Err(Error::Ended));
            return Ok(());
        };
        let file = wire::FileRow {
            blob: transfer.state.blob.clone(),
            key: transfer.state.key.clone(),
            size: transfer.state.size,
            name: upload.name.clone(),
            media_type: upload.media_type.clone(),
            ..wire::FileRow::default()
        };
        let media = upload.media.clone().unwrap_or_default();
        let content = message(self.core.rng.bytes(), &timeline::file::pack(&file), &media);
        let content = say::stamped(conversation, content, self.core.now).encode();
        self.core
            .enqueue(conversation, Kind::Message(content.into()), transfer.command);
        outbox::flush(&mut self.core, conversation)
    }

    /// Files on their way, with their blobs.
    pub fn transfers(&self) -> Vec<(BlobId, TransferView)> {
        let wanted = self.transfers.values().filter(|transfer| !transfer.is_dropped());
        let views = wanted.filter_map(|transfer| {
            let blob = BlobId::try_from(transfer.state.blob.as_ref()).ok()?;
            Some((blob, view(transfer, transfer.arrived)))
        });
        views.collect()
    }
}

/// The message that points to a file, with what is told of it beforehand as far as that is within the limits.
fn message(salt: [u8; 16], part: &ExternalPart, media: &wire::FileMedia) -> Content {
    let thumbnail = (!media.thumbnail.is_empty()).then_some(Image {
        format: ImageFormat::Jpeg,
        bytes: &media.thumbnail,
    });
    let media = Media {
        width: media.width,
        height: media.height,
        duration_ms: media.duration_ms,
        waveform: &media.waveform,
        blur: &media.blur,
        thumbnail,
    };
    let said = Message {
        files: vec![content::File { part, media }],
        ..Message::default()
    };
    Content::message(salt, &said).unwrap_or_else(|_| Content::file(salt, part.clone()))
}

/// Whoever asks now is told when the file is there.
fn take_over(core: &mut Core, known: &mut Transfer, command: CommandId) {
    let before = known.command.replace(command);
    core.done(before, Err(Error::Busy));
}

pub(crate) fn running(
    transfers: &mut BTreeMap<Vec<u8>, Transfer>,
    id: TransferId,
) -> Option<(Vec<u8>, &mut Transfer)> {
    let is_it = |transfer: &Transfer| transfer.run.as_ref().is_some_and(|run| run.id == id);
    let found = transfers.iter_mut().find(|(_, transfer)| is_it(transfer));
    found.map(|(name, transfer)| (name.clone(), transfer))
}

/// Asks the driver for the next pieces of a file that goes up.
fn read_pieces(core: &mut Core, transfer: &mut Transfer) {
    let pieces = transfer.pieces();
    while let Some(run) = transfer
        .run
        .as_mut()
        .filter(|run| run.in_flight < WINDOW && run.next < pieces)
    {
        let (id, number) = (run.id, run.next);
        run.next += 1;
        run.in_flight += 1;
        let piece = transfer.piece(number);
        core.journal.effect(Effect::ReadFile {
            transfer: id,
            place: transfer.state.place.clone(),
            number,
            offset: piece.offset,
            len: piece.len,
            size: transfer.state.size,
            modified_ns: transfer.state.modified_ns,
        });
    }
}

/// Asks the server for the next pieces of a file that comes down.
fn ask_for_pieces(core: &mut Core, transfer: &mut Transfer) {
    let pieces = transfer.pieces();
    while let Some(run) = transfer
        .run
        .as_mut()
        .filter(|run| run.in_flight < WINDOW && run.next < pieces)
    {
        let (id, number) = (run.id, run.next);
        run.next += 1;
        run.in_flight += 1;
        let piece = transfer.piece(number);
        let fetch = wire::FetchPiece {
            blob: transfer.state.blob.clone(),
            offset: piece.sealed_offset,
            length: u32::try_from(Piece::SEALED_BYTES).unwrap_or(u32::MAX),
        };
        core.request(Request::Transfer(id, number), Body::FetchPiece(fetch));
    }
}
