//! What a device signs in order to register and to log in.

use bytes::Bytes;
use types::{DeviceId, Handle, Realm, Timestamp};

use crate::label::Labelled;
use crate::{AccountKey, DeviceKey, Error, PublicKey, RecoveryKey};

/// Answers a connection's challenge: good for this realm, origin, connection and moment only.
#[derive(Clone, Copy, Debug)]
pub struct LoginProof<'a> {
    /// The realm that the device means to talk to.
    pub realm: &'a Realm,
    /// What it dialled, as `scheme://host[:port]`.
    pub origin: &'a str,
    /// The connection's.
    pub nonce: &'a [u8],
    /// Who it is.
    pub device_id: DeviceId,
    /// Its clock.
    pub time: Timestamp,
}

impl LoginProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &DeviceKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("login", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        Labelled::new("veche login v1")
            .field(self.realm.as_str().as_bytes())
            .field(self.origin.as_bytes())
            .field(self.nonce)
            .field(self.device_id.as_bytes())
            .field(&self.time.as_ms().to_be_bytes())
    }
}

/// Shows that whoever registers a handle holds the account key.
#[derive(Clone, Copy, Debug)]
pub struct RegisterProof<'a> {
    /// The realm.
    pub realm: &'a Realm,
    /// The handle.
    pub handle: &'a Handle,
    /// The connection's.
    pub nonce: &'a [u8],
}

impl RegisterProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &AccountKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("registration", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        account_label("veche register v1", self.realm, self.handle, self.nonce)
    }
}

/// Shows that whoever asks for what the recovery words open has them.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryProof<'a> {
    /// The realm.
    pub realm: &'a Realm,
    /// The handle.
    pub handle: &'a Handle,
    /// The connection's.
    pub nonce: &'a [u8],
}

impl RecoveryProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &RecoveryKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("recovery", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        account_label("veche recovery v1", self.realm, self.handle, self.nonce)
    }
}

/// Shows that whoever deletes an account holds its key.
#[derive(Clone, Copy, Debug)]
pub struct DeletionProof<'a> {
    /// The realm.
    pub realm: &'a Realm,
    /// The handle.
    pub handle: &'a Handle,
    /// The connection's.
    pub nonce: &'a [u8],
}

impl DeletionProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &AccountKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("deletion", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        account_label("veche delete account v1", self.realm, self.handle, self.nonce)
    }
}

fn account_label(label: &'static str, realm: &Realm, handle: &Handle, nonce: &[u8]) -> Labelled {
    Labelled::new(label)
        .field(realm.as_str().as_bytes())
        .field(handle.as_str().as_bytes())
        .field(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, device_id};

    #[test]
    fn a_login_is_bound_to_everything_in_it() {
        let key = DeviceKey::generate(&Rng::from_seed([5; 32]));
        let (city, town): (Realm, Realm) = ("city.example".parse().unwrap(), "town.example".parse().unwrap());
        let proof = LoginProof {
            realm: &city,
            origin: "https://city.example",
            nonce: &[7; 32],
            device_id: device_id(&key.public()),
            time: Timestamp::from_ms(1),
        };
        let signature = proof.sign(&key);
        assert_eq!(proof.verify(&key.public(), &signature), Ok(()));
        for other in [
            LoginProof {
                realm: &town,
                ..proof
            },
            LoginProof {
                origin: "https://evil.example",
                ..proof
            },
            LoginProof {
                nonce: &[8; 32],
                ..proof
            },
            LoginProof {
                device_id: DeviceId::new([0; 16]),
                ..proof
            },
            LoginProof {
                time: Timestamp::from_ms(2),
                ..proof
            },
        ] {
            assert_eq!(
                other.verify(&key.public(), &signature),
                Err(Error::Signature("login"))
            );
        }
    }
}
