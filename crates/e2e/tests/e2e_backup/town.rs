//! A realm with people who have much to say, and what their devices hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backup::Manifest;
use client::{Client, ClientOptions};
use crypto::RecoveryKey;
use e2e::{Failed, Person, Server};
use engine::{Answer, Command, FileToSend, Target};
use futures_util::future::try_join_all;
use serde_json::Value;
use types::ConversationId;
use types::wire::{FileMedia, TimelineRow};

/// Of the files that are sent, in bytes.
const BLOCK: usize = 64 << 10;
/// Messages of one device on their way at once.
const AT_ONCE: usize = 64;
/// Of a command that is expected to come to its end, or to be killed before.
const TOO_LONG: Duration = Duration::from_secs(120);

pub(crate) struct Town {
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
}

/// What a device holds of each conversation: lines that all devices have alike.
pub(crate) type Held = BTreeMap<ConversationId, Vec<TimelineRow>>;

impl Town {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path())?;
        Ok(Self { server, folder })
    }

    pub(crate) fn person(&self, handle: &str) -> Result<Person> {
        Person::register(&self.server, self.folder.path(), handle)
    }

    /// Somebody, and the file with their recovery words.
    pub(crate) fn with_words(&self, handle: &str) -> Result<(Person, String)> {
        let (person, words) = Person::register_with_words(self.server.url(), self.folder.path(), handle)?;
        let file = self.folder.path().join(format!("{handle}.words"));
        fs::write(&file, words)?;
        Ok((person, file.to_str().context("a path in UTF-8")?.to_owned()))
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join("homes").join(name)
    }

    /// The arguments that bring somebody's account back.
    pub(crate) fn recover<'a>(&'a self, person: &'a Person, words: &'a str) -> Vec<&'a str> {
        vec![
            "recover",
            &person.address,
            "--server",
            self.server.url(),
            "--words-file",
            words,
        ]
    }

    /// A file whose contents follow from a seed.
    pub(crate) fn file(&self, seed: u64, bytes: usize) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("file-{seed}.bin"));
        fs::write(&path, noise(seed, bytes))?;
        Ok(path)
    }

    /// Somebody's device at work in this process.
    pub(crate) async fn client(&self, home: &Path) -> Result<Client> {
        let url = self.server.url().parse()?;
        let client = Client::open(home, Some(url), ClientOptions::default()).await?;
        client.caught_up().await?;
        Ok(client)
    }

    /// The account's backup manifest, opened with the words.
    pub(crate) async fn manifest(&self, home: &Path, words: &str) -> Result<Manifest> {
        let words = RecoveryKey::from_words(&fs::read_to_string(words)?)?;
        let client = self.client(home).await?;
        let Answer::Manifest { number, sealed } = client.command(Command::FetchManifest).await? else {
            bail!("no manifest")
        };
        client.close().await?;
        if number == 0 {
            return Ok(Manifest::default());
        }
        Ok(Manifest::open(&sealed, number, backup::Unlock::Words(&words))?)
    }

    /// How many blobs the server has.
    pub(crate) fn blobs(&self) -> Result<usize> {
        let mut count = 0;
        for folder in fs::read_dir(self.folder.path().join("data/store/blobs"))? {
            let folder = folder?;
            if folder.file_name() != "spool" {
                count += fs::read_dir(folder.path())?.count();
            }
        }
        Ok(count)
    }

    /// Where the server keeps a blob.
    pub(crate) fn blob(&self, id: &str) -> PathBuf {
        self.folder
            .path()
            .join("data/store/blobs")
            .join(&id[..2])
            .join(id)
    }
}

/// Bytes that follow from a seed: no two blocks of them are the same.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend(state.to_le_bytes());
    }
    let mut noise = Vec::with_capacity(bytes + BLOCK);
    for number in 0..bytes.div_ceil(BLOCK) as u64 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        noise.extend_from_slice(&block);
    }
    noise.truncate(bytes);
    noise
}

/// Says many things in a conversation, in this order.
pub(crate) async fn say(client: &Client, conversation: ConversationId, texts: &[String]) -> Result<()> {
    for some in texts.chunks(AT_ONCE) {
        let send = some
            .iter()
            .map(|text| client.command(Command::say(Target::Conversation(conversation), text)));
        try_join_all(send).await?;
    }
    Ok(())
}

/// Sends files, called as they are on this disk.
pub(crate) async fn attach(client: &Client, conversation: ConversationId, files: &[PathBuf]) -> Result<()> {
    let send = files.iter().map(|path| async move {
        let file = FileToSend {
            place: path.to_str().context("a path in UTF-8")?.to_owned(),
            size: fs::metadata(path)?.len(),
            modified_ns: 0,
            media: FileMedia::default(),
            name: name_of(path),
            media_type: "application/octet-stream".to_owned(),
        };
        let to = Target::Conversation(conversation);
        client.command(Command::SendFile { to, file }).await?;
        anyhow::Ok(())
    });
    try_join_all(send).await.map(drop)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What is on a device, as it lies there.
pub(crate) async fn held(home: &Path) -> Result<Held> {
    let options = ClientOptions {
        offline: true,
        ..ClientOptions::default()
    };
    let client = Client::open(home, None, options).await?;
    let mut held = Held::new();
    for id in client.line_counts().await?.into_keys() {
        let mut rows = client.timeline(id, usize::MAX).await?;
        rows.retain(backup::is_kept);
        held.insert(id, rows);
    }
    client.close().await?;
    Ok(held)
}

/// Everything that one device held is on another one, in order and once; what was said since may be there, too.
pub(crate) fn check_holds(before: &Held, now: &Held) {
    for (conversation, rows) in before {
        let last = rows.last().map_or(0, |row| row.seq);
        let empty = Vec::new();
        let all = now.get(conversation).unwrap_or(&empty).iter();
        let then: Vec<_> = all.filter(|row| row.seq <= last).collect();
        let lost = rows.iter().find(|row| !then.contains(row));
        assert!(lost.is_none(), "{conversation}: {lost:?} is lost");
        let is_same = then.len() == rows.len() && then.iter().zip(rows).all(|(then, row)| *then == row);
        assert!(
            is_same,
            "{conversation}: {} lines became {}",
            rows.len(),
            then.len()
        );
    }
}

/// Every file that these lines speak of is on a device, byte by byte as it was sent; how many there are.
pub(crate) fn check_files(held: &Held, home: &Path) -> Result<usize> {
    let mut count = 0;
    for file in held.values().flatten().flat_map(timeline::files) {
        let hex: String = file.blob.iter().map(|byte| format!("{byte:02x}")).collect();
        let here = fs::read(home.join("files").join(hex)).with_context(|| file.name.clone())?;
        let seed = file
            .name
            .trim_start_matches("file-")
            .trim_end_matches(".bin")
            .parse()?;
        let sent = noise(seed, usize::try_from(file.size)?);
        assert!(here == sent, "{} is another one", file.name);
        count += 1;
    }
    Ok(count)
}

/// Kills a command once so much time has passed; whether it had ended well before.
pub(crate) fn kill_after(mut child: Child, after: Duration) -> Result<bool> {
    let mut output = child.stdout.take().context("no output")?;
    let (end, ended) = channel();
    // Its output ends with it.
    let reader = std::thread::spawn(move || {
        let copied = std::io::copy(&mut output, &mut std::io::sink());
        // Whoever waits may have given up.
        let _ = end.send(copied.is_ok());
    });
    if ended.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
        child.kill()?;
        ended.recv_timeout(TOO_LONG)?;
    }
    reader.join().ok().context("the reader is gone")?;
    Ok(child.wait()?.success())
}

/// Sealed files that a device has not done with.
pub(crate) fn left_over(home: &Path) -> Result<usize> {
    Ok(fs::read_dir(home.join("backup"))?.count())
}

/// The event of this name in what a command said.
pub(crate) fn event<'a>(said: &'a [Value], name: &str) -> Result<&'a Value> {
    let mut events = said.iter().filter(|line| line["event"] == name);
    events.next().with_context(|| format!("no {name} in {said:?}"))
}

/// The stable name of an error.
pub(crate) fn code(outcome: Result<Vec<Value>>) -> String {
    match outcome {
        Ok(lines) => format!("succeeded: {lines:?}"),
        Err(error) => match error.downcast::<Failed>() {
            Ok(failed) => failed.code,
            Err(error) => format!("{error:#}"),
        },
    }
}

pub(crate) fn id(text: &str) -> ConversationId {
    ConversationId::from_hex(text).unwrap()
}
