//! Eras: for a day, or until a device is revoked, everything is sealed under one key.

use std::fmt;

use bytes::Bytes;
use crypto::{BackupKey, BackupSecret, RecoveryKey, Rng};
use zeroize::Zeroizing;

use crate::Error;
use crate::header::{Header, Kind};

/// The key that an account's devices seal under at present. Once a manifest is sealed in the next era, they forget it: what
/// was sealed under it opens with the recovery words alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Era {
    number: u64,
    key: Zeroizing<[u8; 32]>,
    wrapped: Bytes,
}

impl Era {
    /// Draws the key of an era. Its number is one more than that of the last one.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `backup_key` is no usable key, which decoding it has ruled out.
    pub fn begin(number: u64, backup_key: &BackupKey, rng: &Rng) -> Result<Self, Error> {
        let key = Zeroizing::new(rng.bytes());
        let wrapped = backup_key
            .wrap(&key, rng)
            .map_err(|_| Error::Malformed("backup key"))?;
        Ok(Self { number, key, wrapped })
    }

    /// The era that another device of the account told of.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `wrapped` has not the length of a wrapped key.
    pub fn from_parts(number: u64, key: Zeroizing<[u8; 32]>, wrapped: Bytes) -> Result<Self, Error> {
        if wrapped.len() != Header::WRAPPED {
            return Err(Error::Malformed("wrapped key of an era"));
        }
        Ok(Self { number, key, wrapped })
    }

    /// The era that a sealed manifest belongs to: a device that came back by the words goes on from it.
    ///
    /// # Errors
    /// [`Error::NotABackup`], [`Error::Newer`], and [`Error::Words`] when it was sealed to other words.
    pub fn of_manifest(sealed: &[u8], secret: &BackupSecret) -> Result<Self, Error> {
        let clear = sealed
            .first_chunk()
            .ok_or(Error::NotABackup(Kind::Manifest.name()))?;
        let header = Header::decode(Kind::Manifest, clear)?;
        let key = Unlock::Secret(secret).era_key(&header)?;
        Self::from_parts(header.era, key, header.wrapped)
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its key: for the account's devices alone.
    pub fn key(&self) -> &Zeroizing<[u8; 32]> {
        &self.key
    }

    /// Its key, sealed to the recovery words.
    pub fn wrapped(&self) -> &Bytes {
        &self.wrapped
    }
}

impl fmt::Debug for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Era({}, [redacted])", self.number)
    }
}

/// What a backup is opened with.
#[derive(Clone, Copy, Debug)]
pub enum Unlock<'a> {
    /// The recovery words open everything.
    Words(&'a RecoveryKey),
    /// So does what they give for the backup alone.
    Secret(&'a BackupSecret),
    /// A device opens what was sealed in the present era.
    Era(&'a Era),
    /// Until the manifest is sealed in the present era, a device needs the eras before it, too.
    Eras(&'a [Era]),
}

impl Unlock<'_> {
    pub(crate) fn era_key(&self, header: &Header) -> Result<Zeroizing<[u8; 32]>, Error> {
        let eras = match self {
            Self::Words(words) => return words.unwrap(&header.wrapped).map_err(|_| Error::Words),
            Self::Secret(secret) => return secret.unwrap(&header.wrapped).map_err(|_| Error::Words),
            Self::Era(era) => std::slice::from_ref(*era),
            Self::Eras(eras) => eras,
        };
        // Two devices may have begun an era with the same number.
        let era = eras.iter().find(|era| era.wrapped == header.wrapped);
        let found = header.era;
        era.map(|era| era.key.clone()).ok_or(Error::OtherEra { found })
    }
}
