//! An archive of what is on a device, to be read without this program: pages for people, JSON for programs.
//!
//! Nothing in it is loaded from anywhere else, nothing in it runs, and what people said cannot become markup. It is not
//! encrypted, so its files are for their owner's eyes only. A conversation is written line by line: its length does not
//! matter.

mod account;
mod conversation;
mod folder;
mod html;
mod index;
mod line;
mod more;

#[cfg(test)]
mod tests;

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use types::Address;
use types::wire::Notice;

use crate::Error;

pub(crate) use account::{Account, Contact, Device, Member};
pub(crate) use conversation::{About, Conversation};

use folder::Folder;
use index::Entry;

/// Lines on one page.
const PAGE: usize = 2_000;

/// For whom the archive is, and how times and notices are put into words.
pub(crate) struct Reader {
    pub(crate) me: Address,
    pub(crate) zone: TimeZone,
    /// When this is.
    pub(crate) now: Timestamp,
    /// What happened, as a sentence without its full stop.
    pub(crate) words: fn(&Notice, &Address) -> String,
}

/// An archive being written.
pub(crate) struct Archive {
    folder: Folder,
    reader: Reader,
    entries: Vec<Entry>,
}

impl Archive {
    /// Begins an archive in a folder, which is made when it is missing.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] when something is in it; [`Error::Export`].
    pub(crate) fn begin(path: &Path, reader: Reader) -> Result<Self, Error> {
        Ok(Self {
            folder: Folder::take(path)?,
            reader,
            entries: Vec::new(),
        })
    }

    /// Begins a conversation; its lines follow in order.
    ///
    /// # Errors
    /// [`Error::Export`].
    pub(crate) fn conversation(&mut self, about: About) -> Result<Conversation<'_>, Error> {
        Conversation::begin(self, about)
    }

    /// Writes what leads to the conversations; gives the number of their lines.
    ///
    /// # Errors
    /// [`Error::Export`].
    pub(crate) fn finish(mut self, account: &Account) -> Result<usize, Error> {
        account.write(&self.folder)?;
        index::write(&self.folder, &self.reader, &mut self.entries)?;
        Ok(self.entries.iter().map(|entry| entry.lines).sum())
    }
}

impl Reader {
    /// The moment in this reader's time zone.
    fn at(&self, at_ms: u64) -> Option<jiff::Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}
