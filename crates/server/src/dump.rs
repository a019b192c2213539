//! Everything that a server holds, for whoever wants to see for themselves.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::Path;

use storage_embedded::OpenError;

use crate::store::store_dir;

/// Why a dump was not made, or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// There is no store, or somebody has it open.
    #[error("could not read the store")]
    Open(#[from] OpenError),
    /// What was to be written could not be.
    #[error("could not write the dump")]
    Write(#[from] io::Error),
}

/// Writes every key and value of the store in `dir`, one a line: section, key in hex, value in hex, and what of the
/// value is readable. Nobody may have the store open meanwhile.
///
/// # Errors
/// [`DumpError`].
pub fn dump(dir: &Path, out: &mut impl Write) -> Result<(), DumpError> {
    let mut written = Ok(());
    storage_embedded::dump(&store_dir(dir), &mut |section, key, value| {
        // The walk cannot be broken off; once writing has failed, it goes on in silence.
        if written.is_ok() {
            written = writeln!(out, "{section} {} {} |{}|", Hex(key), Hex(value), Readable(value));
        }
    })?;
    written.and_then(|()| out.flush()).map_err(DumpError::from)
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing at all must still be seen as a column.
        if self.0.is_empty() {
            return f.write_char('-');
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text as it is, every other byte as a dot.
struct Readable<'a>(&'a [u8]);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                f.write_char(if char.is_control() { '.' } else { char })?;
            }
            chunk.invalid().iter().try_for_each(|_| f.write_char('.'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_can_be_read_and_what_cannot() {
        let check = |bytes: &[u8], hex: &str, readable: &str| {
            assert_eq!(Hex(bytes).to_string(), hex);
            assert_eq!(Readable(bytes).to_string(), readable);
        };
        check(b"alice\n", "616c6963650a", "alice.");
        check(b"", "-", "");
        check(b"\xff\x00ok\xd0\xb8", "ff006f6bd0b8", "..ok\u{438}");
    }
}
