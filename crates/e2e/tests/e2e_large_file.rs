//! A file of 2 GiB over a line that breaks off all the time, both ways, while its client is killed in between.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::{Cutter, Person, Server};

/// Of the file, in bytes; `VECHE_LARGE_FILE` says otherwise.
const SIZE: u64 = 2 << 30;
/// The line breaks off so many times while it carries the file once.
const CUTS: u64 = 24;
/// The client is killed so many times on the way.
const KILLS: u64 = 3;
/// What either program may take of the memory at its worst, in KiB, whatever the size of the file.
const MEMORY_KIB: u64 = 64 << 10;
/// How long to wait before looking again whether a program has ended.
const LOOK: Duration = Duration::from_millis(200);
/// What a block of the file is made of.
const BLOCK: usize = 64 << 10;

#[test]
fn a_large_file_goes_both_ways_over_a_line_that_breaks() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let size = match std::env::var("VECHE_LARGE_FILE") {
        Ok(size) => size.parse()?,
        Err(_) => SIZE,
    };
    let server = Server::start(folder.path())?;
    let line = Cutter::start(server.url(), size / CUTS)?;
    let anna = Person::register_at(line.url(), folder.path(), "anna")?;
    let boris = Person::register_at(line.url(), folder.path(), "boris")?;
    let (original, saved) = (folder.path().join("film.mkv"), folder.path().join("saved.mkv"));
    write(&original, size)?;

    let trip = Trip {
        server: &server,
        line: &line,
        size,
    };
    let mut memory = Vec::from(trip.make(&anna, &["attach", "boris", name(&original)?])?);
    // The disk is not to hold it three times.
    fs::remove_file(&original)?;
    let lines = boris.run(&["inbox"])?;
    let files: Vec<_> = lines.iter().filter(|line| line["event"] == "file").collect();
    assert_eq!(
        files.len(),
        1,
        "one message, whatever happened on the way: {lines:?}"
    );
    let message = files[0]["message_id"].as_str().context("a file has an id")?;
    memory.extend(trip.make(&boris, &["save", "anna", message, name(&saved)?])?);
    check(&saved, size)?;

    for (program, kib) in memory {
        assert!(kib < MEMORY_KIB, "{program} took {} MiB", kib >> 10);
    }
    Ok(())
}

/// One way of the file.
struct Trip<'a> {
    server: &'a Server,
    line: &'a Cutter,
    size: u64,
}

impl Trip<'_> {
    /// Lets a client carry the file, which it does in several lives; what client and server took of the memory.
    fn make(&self, person: &Person, arguments: &[&str]) -> Result<[(String, u64); 2]> {
        let before = self.line.carried();
        let mut most = 0;
        for life in 1..=KILLS {
            let begun = self.line.carried();
            let mut client = person.start(arguments)?;
            let enough = begun.up + begun.down + self.size / (KILLS + 1);
            most = most.max(self.watch(&mut client, Some(enough))?);
            let ended = client.try_wait()?;
            assert_eq!(ended, None, "life {life} was too short to be cut short");
            client.kill()?;
            client.wait()?;
        }
        let mut client = person.start(arguments)?;
        most = most.max(self.watch(&mut client, None)?);
        let output = client.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}");

        let after = self.line.carried();
        assert!(after.cuts - before.cuts >= CUTS - 1, "the line held: {after:?}");
        let carried = (after.up + after.down) - (before.up + before.down);
        assert!(
            carried > self.size,
            "where was it, if not on the line? {carried} bytes"
        );
        assert!(carried < self.size / 8 * 9, "it began anew: {carried} bytes");
        let server = peak_kib(self.server.pid())?.context("the server is there")?;
        Ok([
            (format!("{} {arguments:?}", person.address), most),
            ("the server".to_owned(), server),
        ])
    }

    /// Waits until the line has carried so much, or the client has ended; the most memory that the client took.
    fn watch(&self, client: &mut Child, enough: Option<u64>) -> Result<u64> {
        let mut most = 0;
        loop {
            most = most.max(peak_kib(client.id())?.unwrap_or(0));
            let carried = self.line.wait(enough.unwrap_or(u64::MAX), LOOK);
            let is_enough = enough.is_some_and(|enough| carried.up + carried.down >= enough);
            if is_enough || client.try_wait()?.is_some() {
                return Ok(most);
            }
        }
    }
}

/// The most resident memory that a process ever had; `None` when it has ended.
fn peak_kib(pid: u32) -> Result<Option<u64>> {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return Ok(None);
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    Ok(kib.map(str::parse).transpose()?)
}

/// A block that is like no other of the file.
fn block(number: u64) -> Vec<u8> {
    // Weyl's sequence, begun elsewhere for each block: cheap, and no two pieces of the file are alike.
    let mut word = number.wrapping_mul(0xD134_2543_DE82_EF95);
    let words = (0..BLOCK / 8).flat_map(|_| {
        word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
        word.to_le_bytes()
    });
    words.collect()
}

fn write(path: &Path, size: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..size / BLOCK as u64 {
        file.write_all(&block(number))?;
    }
    Ok(file.flush()?)
}

fn check(path: &Path, size: u64) -> Result<()> {
    assert_eq!(fs::metadata(path)?.len(), size);
    let mut file = BufReader::new(File::open(path)?);
    let mut found = vec![0; BLOCK];
    for number in 0..size / BLOCK as u64 {
        file.read_exact(&mut found)?;
        if found != block(number) {
            bail!("block {number} of {} is another one", path.display());
        }
    }
    Ok(())
}

fn name(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
