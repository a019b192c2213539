//! Ed25519 keys: the account's and the devices'.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use types::DeviceId;
use zeroize::Zeroizing;

use crate::label::Labelled;
use crate::{Error, Rng};

/// An Ed25519 public key that is a point of the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Length in bytes.
    pub const LEN: usize = ed25519_dalek::PUBLIC_KEY_LENGTH;

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the length is wrong or the bytes are no usable point.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Malformed("public key"))?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Error::Malformed("public key"))?;
        if key.is_weak() {
            return Err(Error::Malformed("public key"));
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        self.0.as_bytes()
    }

    pub(crate) fn verify(
        &self,
        what: &'static str,
        message: &Labelled,
        signature: &[u8],
    ) -> Result<(), Error> {
        let signature = Signature::from_slice(signature).map_err(|_| Error::Signature(what))?;
        self.0
            .verify_strict(message.bytes(), &signature)
            .map_err(|_| Error::Signature(what))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.as_bytes()
            .iter()
            .take(8)
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// The id of the device with this key.
pub fn device_id(key: &PublicKey) -> DeviceId {
    let hash = Sha256::new_with_prefix(b"veche device id v1")
        .chain_update(key.as_bytes())
        .finalize();
    let mut id = [0; DeviceId::LEN];
    id.copy_from_slice(&hash[..DeviceId::LEN]);
    DeviceId::new(id)
}

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SigningKey);

        impl $name {
            /// Draws a key.
            pub fn generate(rng: &Rng) -> Self {
                Self::from_bytes(&Zeroizing::new(rng.bytes()))
            }

            /// The key with this secret.
            pub fn from_bytes(secret: &[u8; 32]) -> Self {
                Self(SigningKey::from_bytes(secret))
            }

            /// The secret, to be stored.
            pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// The public half.
            pub fn public(&self) -> PublicKey {
                PublicKey(self.0.verifying_key())
            }

            pub(crate) fn sign(&self, message: &Labelled) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0.sign(message.bytes()).to_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

secret_key!(
    /// Says which devices an account has. Held by managing devices only.
    AccountKey
);
secret_key!(
    /// Signs the device's MLS leaves and answers login challenges.
    DeviceKey
);
secret_key!(
    /// The secret of an invite: whoever has it may come in.
    InviteKey
);
