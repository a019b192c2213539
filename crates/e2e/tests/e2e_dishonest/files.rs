//! Files that people send each other.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::{BufMut as _, Bytes, BytesMut};
use crypto::Piece;
use e2e::Person;
use e2e::proxy::{Guest, Script, Stage, tricks};
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{ClientFrame, FetchPiece};

use crate::town::{Town, failure};

/// Of a file in three pieces.
const LEN: usize = 600_000;
const PIECE: u64 = Piece::SEALED_BYTES as u64;

/// Boris, to whom anna has sent a file and then another one of the same length.
struct Sent {
    town: Town,
    boris: Person,
    folder: tempfile::TempDir,
    /// The first message.
    message: String,
    /// Of its file.
    bytes: Vec<u8>,
}

impl Sent {
    fn new() -> Result<Self> {
        let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
        let folder = tempfile::tempdir()?;
        let numbers = 0..u32::try_from(LEN)? / 4;
        let bytes: Vec<u8> = numbers.flat_map(u32::to_be_bytes).collect();
        let contents = [("plan", bytes.clone()), ("photo", vec![7; LEN])];
        for (name, content) in contents {
            let file = folder.path().join(name);
            fs::write(&file, content)?;
            anna.run(&["attach", "boris", file.to_str().context("a path in UTF-8")?])?;
        }
        let lines = boris.run(&["history", "anna"])?;
        let file = lines.iter().find(|line| line["name"] == "plan");
        let message = file.and_then(|line| line["message_id"].as_str());
        Ok(Self {
            message: message.context("no file came")?.to_owned(),
            town,
            boris,
            folder,
            bytes,
        })
    }

    /// Saves the first file; where to.
    fn save(&self) -> (PathBuf, Result<()>) {
        let place = self.folder.path().join("saved");
        let to = place.to_str().unwrap_or_default().to_owned();
        let saved = self.boris.run(&["save", "anna", &self.message, &to]);
        (place, saved.map(drop))
    }

    /// With this server nothing comes to be there, and with an honest one the file does.
    fn assert_no_use(&self, script: Script) -> Result<()> {
        self.town.proxy.play(script);
        let (place, saved) = self.save();
        let failed = failure(saved);
        assert_eq!(failed.code, "file_damaged", "{failed}");
        let words = "this part of the file is not what its sender put there";
        assert!(failed.message.contains(words), "{failed}");
        assert!(!place.exists());

        self.town.proxy.play(Script::honest());
        let (place, saved) = self.save();
        saved?;
        assert!(fs::read(place)? == self.bytes, "another file was saved");
        Ok(())
    }
}

/// A server that understands something else when it is asked for a piece.
fn asks(mut otherwise: impl FnMut(&mut FetchPiece) + Send + 'static) -> Script {
    Script::honest().on_ask(move |_: &mut Stage, _: &Guest, mut frame: ClientFrame| {
        if let Some(Ask::FetchPiece(fetch)) = &mut frame.body {
            otherwise(fetch);
        }
        vec![frame.into()]
    })
}

/// A server that gives something else than what it has.
fn gives(instead: impl Fn(&Bytes) -> Bytes + Send + 'static) -> Script {
    Script::honest().on_answer(tricks::answer(move |_, said| {
        if let Say::Piece(piece) = said {
            piece.data = instead(&piece.data);
        }
    }))
}

#[test]
fn another_file_in_the_place_of_one() -> Result<()> {
    let sent = Sent::new()?;
    let another = sent.town.proxy.find(|(from, frame)| match frame.asked()? {
        Ask::PutPiece(put) if from.is("anna") => Some(put.blob.clone()),
        _ => None,
    })?;
    sent.assert_no_use(asks(move |fetch| fetch.blob = another.clone()))
}

#[test]
fn the_pieces_of_a_file_in_another_order() -> Result<()> {
    Sent::new()?.assert_no_use(asks(|fetch| {
        fetch.offset = match fetch.offset {
            PIECE => 0,
            0 => PIECE,
            last => last,
        };
    }))
}

#[test]
fn the_first_piece_of_a_file_over_and_over() -> Result<()> {
    Sent::new()?.assert_no_use(asks(|fetch| fetch.offset = 0))
}

#[test]
fn a_file_that_ends_too_soon() -> Result<()> {
    let sent = Sent::new()?;
    let last = Piece::sealed_size(LEN as u64) % PIECE;
    sent.assert_no_use(gives(move |piece| match piece.len() as u64 == last {
        true => Bytes::new(),
        false => piece.clone(),
    }))
}

#[test]
fn a_file_with_more_at_its_end() -> Result<()> {
    Sent::new()?.assert_no_use(gives(|piece| {
        let mut more = BytesMut::from(piece.clone());
        more.put_u8(0);
        more.into()
    }))
}

#[test]
fn a_file_that_it_garbled() -> Result<()> {
    Sent::new()?.assert_no_use(gives(|piece| piece.iter().map(|byte| byte ^ 1).collect()))
}
