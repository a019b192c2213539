//! Invites: whoever has the secret of one can show it, and whoever knows its public key can check that.

use std::fmt;

use bytes::Bytes;
use types::{ConversationId, DeviceId};

use crate::label::Labelled;
use crate::{Error, InviteKey, PublicKey};

/// Shows to the server that whoever asks for what a conversation can be joined by has an invite.
#[derive(Clone, Copy, Debug)]
pub struct InviteProof<'a> {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who asks.
    pub device_id: DeviceId,
    /// The connection's.
    pub nonce: &'a [u8],
}

impl InviteProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &InviteKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("invite", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        Labelled::new("veche invite v1")
            .field(self.conversation.as_bytes())
            .field(self.device_id.as_bytes())
            .field(self.nonce)
    }
}

/// Shows to everybody in a conversation that whoever comes in has an invite: good for this device and epoch only.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionProof<'a> {
    /// MLS group id.
    pub group_id: &'a [u8],
    /// The epoch that the device comes in from.
    pub epoch: u64,
    /// Its device key, which is the signature key of its leaf.
    pub device_key: &'a [u8],
}

impl AdmissionProof<'_> {
    /// Signs it.
    pub fn sign(&self, key: &InviteKey) -> Bytes {
        key.sign(&self.message())
    }

    /// Verifies a signature over it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), Error> {
        key.verify("admission", &self.message(), signature)
    }

    fn message(&self) -> Labelled {
        Labelled::new("veche admission v1")
            .field(self.group_id)
            .field(&self.epoch.to_be_bytes())
            .field(self.device_key)
    }
}

/// The first bytes of an account key's hash: enough to know it again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyMark([u8; Self::LEN]);

impl KeyMark {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Of this key.
    pub fn of(key: &PublicKey) -> Self {
        use sha2::{Digest, Sha256};
        let hash = Sha256::new_with_prefix(b"veche key mark v1").chain_update(key.as_bytes());
        let mut mark = [0; Self::LEN];
        mark.copy_from_slice(&hash.finalize()[..Self::LEN]);
        Self(mark)
    }

    /// The mark with these bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMark")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn a_proof_is_good_for_what_it_was_made_for_and_nothing_else() {
        let rng = Rng::from_seed([3; 32]);
        let (key, other) = (InviteKey::generate(&rng), InviteKey::generate(&rng));
        let proof = InviteProof {
            conversation: ConversationId::new([1; 16]),
            device_id: DeviceId::new([2; 16]),
            nonce: &[3; 32],
        };
        let signature = proof.sign(&key);
        assert_eq!(proof.verify(&key.public(), &signature), Ok(()));
        assert!(proof.verify(&other.public(), &signature).is_err());
        let another_nonce = InviteProof {
            nonce: &[4; 32],
            ..proof
        };
        assert!(another_nonce.verify(&key.public(), &signature).is_err());

        let admission = AdmissionProof {
            group_id: &[1; 16],
            epoch: 7,
            device_key: &[5; 32],
        };
        let signature = admission.sign(&key);
        assert_eq!(admission.verify(&key.public(), &signature), Ok(()));
        for another in [
            AdmissionProof {
                epoch: 8,
                ..admission
            },
            AdmissionProof {
                group_id: &[2; 16],
                ..admission
            },
            AdmissionProof {
                device_key: &[6; 32],
                ..admission
            },
        ] {
            assert!(another.verify(&key.public(), &signature).is_err(), "{another:?}");
        }
    }
}
