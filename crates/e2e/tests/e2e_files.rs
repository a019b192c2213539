//! What becomes of files that are interrupted, changed, refused or not wanted any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Cutter, Failed, Person, Server};
use serde_json::Value;

/// Of a file that takes a while.
const LEN: usize = 24 << 20;
/// Longer than it takes, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Town {
    folder: tempfile::TempDir,
    line: Cutter,
    anna: Person,
    boris: Person,
    // Until it is dropped.
    _server: Server,
}

impl Town {
    fn new(quota: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start_on(folder.path(), "127.0.0.1:0", &["--blob-quota", quota])?;
        // It never breaks, and tells how much it has carried.
        let line = Cutter::start(server.url(), u64::MAX)?;
        let town = Self {
            anna: Person::register_at(line.url(), folder.path(), "anna")?,
            boris: Person::register_at(line.url(), folder.path(), "boris")?,
            folder,
            line,
            _server: server,
        };
        // Without backups, what is kept at the server is what they send.
        for person in [&town.anna, &town.boris] {
            person.run(&["backup", "off", "--yes"])?;
        }
        Ok(town)
    }

    fn write(&self, name: &str, byte: u8, len: usize) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, vec![byte; len])?;
        Ok(path)
    }

    /// Anna begins to send a file, and is killed when half of it has passed.
    fn begin(&self, to: &str, file: &Path) -> Result<()> {
        let before = self.line.carried();
        let half = before.up + before.down + LEN as u64 / 2;
        self.line.hold_at(Some(half));
        let mut attach = self.anna.start(&["attach", to, text(file)?])?;
        let carried = self.line.wait(half, PATIENCE);
        attach.kill()?;
        attach.wait()?;
        self.line.hold_at(None);
        assert!(carried.up + carried.down >= half, "it did not begin: {carried:?}");
        assert_eq!(under_way(&self.anna)?.len(), 1);
        Ok(())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

fn failed<T>(result: Result<T>) -> Failed {
    match result {
        Ok(_) => panic!("that was done"),
        Err(error) => error.downcast().expect("a command failed"),
    }
}

fn files(person: &Person, more: &[&str]) -> Result<Value> {
    let lines = person.run(&[&["files"], more].concat())?;
    let files = lines.into_iter().find(|line| line["event"] == "files");
    files.context("no list of files")
}

fn under_way(person: &Person) -> Result<Vec<Value>> {
    let files = files(person, &["--offline"])?;
    Ok(files["under_way"].as_array().context("a list")?.clone())
}

fn used(person: &Person) -> Result<u64> {
    files(person, &[])?["used_bytes"]
        .as_u64()
        .context("what it takes")
}

#[test]
fn a_file_that_was_changed_on_the_way_begins_anew() -> Result<()> {
    let town = Town::new("100000000")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin("boris", &file)?;
    // As long as before.
    town.write("plan", 2, LEN)?;
    town.anna.run(&["attach", "boris", text(&file)?])?;
    assert_eq!(under_way(&town.anna)?.len(), 0);

    let lines = town.boris.run(&["inbox"])?;
    let sent: Vec<_> = lines.iter().filter(|line| line["event"] == "file").collect();
    assert_eq!(sent.len(), 1, "{lines:?}");
    let (message, saved) = (sent[0]["message_id"].as_str(), town.folder.path().join("saved"));
    town.boris
        .run(&["save", "anna", message.context("an id")?, text(&saved)?])?;
    assert!(fs::read(saved)? == vec![2; LEN], "a mixture was saved");
    assert!(
        used(&town.anna)? < LEN as u64 * 3 / 2,
        "what was sent first was dropped"
    );
    Ok(())
}

#[test]
fn what_is_not_wanted_any_more_is_dropped() -> Result<()> {
    let town = Town::new("100000000")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin("boris", &file)?;
    assert!(
        used(&town.anna)? > LEN as u64,
        "all of it is claimed at the beginning"
    );
    let left = files(&town.anna, &["--stop", text(&file)?])?;
    assert_eq!(left["under_way"].as_array().map(Vec::len), Some(0), "{left}");
    assert_eq!(used(&town.anna)?, 0);
    let again = failed(files(&town.anna, &["--stop", text(&file)?]));
    assert_eq!(again.code, "no_file", "{again}");
    Ok(())
}

#[test]
fn a_file_for_a_conversation_that_was_left_is_dropped() -> Result<()> {
    let town = Town::new("100000000")?;
    let made = town.anna.run(&["group", "create", "Shed", "boris"])?;
    let group = made.iter().find_map(|line| line["conversation"].as_str());
    let group = group.context("a group has an id")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin(group, &file)?;
    town.boris.run(&["inbox"])?;
    town.boris
        .run(&["group", "promote", group, "anna", "--owner"])
        .ok();
    town.anna.run(&["group", "promote", group, "boris", "--owner"])?;
    let left = town.anna.run_aloud(&["group", "leave", group])?;
    let refused = failed(town.anna.run(&["attach", group, text(&file)?]));
    assert_eq!(refused.code, "ended", "{refused}");
    assert_eq!(under_way(&town.anna)?.len(), 0, "{left:?}");
    assert_eq!(used(&town.anna)?, 0);
    Ok(())
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() -> Result<()> {
    let town = Town::new("1000000")?;
    let check = |len: u64, code: &str, words: &str| -> Result<()> {
        let path = town.folder.path().join("large");
        fs::File::create(&path)?.set_len(len)?;
        let before = town.line.carried();
        let refused = failed(town.anna.run(&["attach", "boris", text(&path)?]));
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.message.contains(words), "{refused}");
        let sent = town.line.carried().up - before.up;
        assert!(sent < 3 << 20, "{sent} bytes were sent in vain");
        assert_eq!(under_way(&town.anna)?.len(), 0);
        assert_eq!(used(&town.anna)?, 0);
        Ok(())
    };
    // Three times what the account may keep, and more than anybody may.
    check(3 << 30, "quota_exceeded", "this server keeps for an account")?;
    check((4 << 30) + 1, "file_too_large", "at most 4294967296 bytes")
}

/// Where a picture was taken, and by whom.
const TELLING: &[u8] = b"59.9343N 30.3351E, by Anna";

/// A JPEG that tells more than it shows.
fn telling_picture() -> Result<Vec<u8>> {
    let pixels = image::RgbImage::from_fn(640, 480, |x, y| {
        image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 90])
    });
    let mut plain = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut plain, image::ImageFormat::Jpeg)?;
    let plain = plain.into_inner();
    let len = u16::try_from(TELLING.len() + 2)?.to_be_bytes();
    Ok([&plain[..2], &[0xFF, 0xFE], &len, TELLING, &plain[2..]].concat())
}

/// A voice note of a second, louder towards its end.
fn note() -> Vec<u8> {
    let page = |granule: u64, packets: &[Vec<u8>]| {
        let mut page = b"OggS\0\0".to_vec();
        page.extend(granule.to_le_bytes());
        page.extend([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        page.extend(u8::try_from(packets.len()));
        page.extend(packets.iter().flat_map(|packet| u8::try_from(packet.len())));
        [page, packets.concat()].concat()
    };
    let head = b"OpusHead\x01\x01\0\0\x80\xBB\0\0\0\0\0".to_vec();
    // Twenty milliseconds each.
    let packets: Vec<Vec<u8>> = (0..50).map(|at| [vec![0x78], vec![0; at * 4]].concat()).collect();
    [
        page(0, &[head]),
        page(0, &[b"OpusTags".to_vec()]),
        page(48_000, &packets),
    ]
    .concat()
}

/// What boris was told of the last file that came, and the file.
fn received(town: &Town, name: &str) -> Result<(Value, Vec<u8>)> {
    let lines = town.boris.run(&["inbox"])?;
    let told = lines
        .into_iter()
        .rfind(|line| line["event"] == "file")
        .context("no file came")?;
    let (message, saved) = (told["message_id"].as_str(), town.folder.path().join(name));
    town.boris
        .run(&["save", "anna", message.context("an id")?, text(&saved)?])?;
    Ok((told, fs::read(saved)?))
}

fn tells(file: &[u8]) -> bool {
    file.windows(TELLING.len()).any(|window| window == TELLING)
}

#[test]
fn pictures_and_voice_notes_are_told_before_they_are_fetched() -> Result<()> {
    let town = Town::new("100000000")?;
    let (picture, voice) = (
        town.folder.path().join("garden.jpg"),
        town.folder.path().join("note.ogg"),
    );
    let original = telling_picture()?;
    fs::write(&picture, &original)?;
    fs::write(&voice, note())?;

    town.anna.run(&["attach", "boris", text(&picture)?])?;
    let (told, file) = received(&town, "stripped")?;
    assert_eq!(
        (&told["name"], &told["width"], &told["height"]),
        (&"garden.jpg".into(), &640.into(), &480.into())
    );
    assert_eq!(
        (told["thumbnail"].as_bool(), told["blur"].as_str().map(str::len)),
        (Some(true), Some(28))
    );
    assert!(
        tells(&original) && !tells(&file),
        "it still tells where it was taken"
    );
    assert!(
        image::load_from_memory(&file)? == image::load_from_memory(&original)?,
        "it shows something else"
    );
    assert!(fs::read(&picture)? == original, "the original was touched");
    assert_eq!(
        fs::read_dir(town.anna.home().join("outgoing"))?.count(),
        0,
        "a copy was left"
    );

    town.anna
        .run(&["attach", "boris", "--keep-metadata", text(&picture)?])?;
    assert!(received(&town, "whole")?.1 == original);

    town.anna.run(&["attach", "boris", "--voice", text(&voice)?])?;
    let (told, file) = received(&town, "note")?;
    let waveform: Vec<u64> = told["waveform"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    assert_eq!((told["duration_ms"].as_u64(), waveform.len()), (Some(1000), 50));
    assert!(waveform.is_sorted() && waveform[49] == 255, "{waveform:?}");
    assert!(file == note());

    let broken = town.write("broken.jpg", 7, 1000)?;
    for (arguments, code) in [(&["--voice"][..], "no_voice_note"), (&[], "metadata")] {
        let attach = [&["attach", "boris", text(&broken)?], arguments].concat();
        let refused = failed(town.anna.run(&attach));
        assert_eq!(refused.code, code, "{refused}");
    }
    Ok(())
}
