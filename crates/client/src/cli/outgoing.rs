//! Files before they are sent: what is told of them beforehand, and pictures without what they tell of their maker.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufReader, Cursor, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use content::Media;
use engine::FileToSend;
use types::wire::FileMedia;

use super::failure::Failure;
use crate::driver::modified_ns;

/// Larger pictures are not looked into.
const PICTURE_BYTES: u64 = 64 << 20;
/// Parts of a waveform.
const LEVELS: usize = 80;

/// How a file is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// As a voice note.
    pub(super) voice: bool,
    /// With whatever a picture tells of its maker.
    pub(super) keep_metadata: bool,
}

/// Makes a file ready. A picture that tells too much is copied without that into `folder`, where the same picture always
/// gets the same copy: a run that was interrupted goes on with it.
pub(super) fn prepare(path: &Path, manner: Manner, folder: &Path) -> Result<FileToSend, Failure> {
    let unreadable = |error| unreadable(path, &error);
    let path = fs::canonicalize(path).map_err(unreadable)?;
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    if !metadata.is_file() {
        let message = format!("{} is no file", path.display());
        return Err(Failure::argument("no_file", message));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let mut file = FileToSend {
        place: text(&path)?,
        size: metadata.len(),
        modified_ns: modified_ns(&metadata),
        media_type: media_type(&name).to_owned(),
        media: FileMedia::default(),
        name,
    };
    if manner.voice || file.media_type == "audio/ogg" {
        listen(&path, &mut file, manner.voice)?;
    } else if file.media_type.starts_with("image/") {
        look(&path, (&metadata, &mut file), manner.keep_metadata, folder)?;
    }
    Ok(file)
}

/// Removes copies that nothing on its way needs any more.
pub(super) fn clean(folder: &Path, needed: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !needed.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The name of a file in UTF-8, as the engine keeps it.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str();
    text.map(ToOwned::to_owned)
        .ok_or_else(|| Failure::argument("path", format!("{} is no name in UTF-8", path.display())))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("could not read {}: {error}", path.display());
    Failure::argument("unreadable", message)
}

fn listen(path: &Path, file: &mut FileToSend, as_note: bool) -> Result<(), Failure> {
    let opened = File::open(path).map_err(|error| unreadable(path, &error))?;
    match previews::voice(BufReader::new(opened), LEVELS) {
        Some(voice) => {
            file.media_type = "audio/ogg".to_owned();
            file.media.duration_ms = voice.duration_ms;
            if as_note {
                file.media.waveform = voice.waveform.into();
            }
            Ok(())
        }
        None if as_note => Err(Failure::argument(
            "no_voice_note",
            format!(
                "{} is no voice note: that must be Opus in an Ogg file",
                path.display()
            ),
        )),
        None => Ok(()),
    }
}

fn look(
    path: &Path,
    (metadata, file): (&Metadata, &mut FileToSend),
    keep_metadata: bool,
    folder: &Path,
) -> Result<(), Failure> {
    let telling = |what: &str| {
        let message = format!(
            "{} {what}, so what it may tell of you cannot be taken out; --keep-metadata sends it as it is",
            path.display()
        );
        Failure::argument("metadata", message)
    };
    if file.size > PICTURE_BYTES {
        return if keep_metadata {
            Ok(())
        } else {
            Err(telling("is too large to be looked into"))
        };
    }
    let mut bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    if !keep_metadata && !bytes.starts_with(b"GIF") {
        let stripped = previews::without_metadata(&bytes)
            .ok_or_else(|| telling("is no picture of a kind that is known"))?;
        if stripped != bytes {
            let copy = folder.join(format!("{}-{}-{}", metadata.ino(), file.modified_ns, file.name));
            let written = write(&copy, &stripped).and_then(|()| fs::metadata(&copy));
            let written = written.map_err(|error| unwritable(&copy, &error))?;
            file.place = text(&copy)?;
            (file.size, file.modified_ns) = (written.len(), modified_ns(&written));
            bytes = stripped;
        }
    }
    if let Some(told) = previews::picture(Cursor::new(&bytes), Media::THUMBNAIL_BYTES) {
        file.media = FileMedia {
            width: told.width,
            height: told.height,
            blur: told.blur,
            thumbnail: told.thumbnail.into(),
            ..FileMedia::default()
        };
    }
    Ok(())
}

/// Writes a copy, unless an earlier run did.
fn write(copy: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(copy).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(copy)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        "file_unwritten",
        format!("could not write {}: {error}", path.display()),
    )
}

/// What the name says; receivers take it for a hint.
fn media_type(name: &str) -> &'static str {
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("txt" | "md") => "text/plain",
        Some("ogg" | "opus") => "audio/ogg",
        Some("mp3") => "audio/mpeg",
        Some("mp4") => "video/mp4",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}
