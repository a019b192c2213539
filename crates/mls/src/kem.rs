//! Key encapsulation for HPKE: DHKEM(X25519) and X-Wing, both drawing from the randomness they are handed.

use crypto::Rng;
use mls_rs_core::crypto::{HpkePublicKey, HpkeSecretKey};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_hpke::dhkem::DhKem;
use mls_rs_crypto_hpke::hpke::HpkeError;
use mls_rs_crypto_traits::{DhType, KdfType, KemId, KemResult, KemType, SamplingMethod};
use types::Suite;
use x_wing::{Decapsulate, DecapsulationKey, Decapsulator, Encapsulate, EncapsulationKey, KeyExport};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::primitives::{HkdfSha256, PrimitiveError};

/// The KEM of a ciphersuite.
#[derive(Clone)]
pub(crate) enum Kem {
    X25519(DhKem<X25519, HkdfSha256>),
    XWing(XWing),
}

impl Kem {
    pub(crate) fn of(suite: Suite, rng: Rng) -> Self {
        match suite {
            Suite::Classical => {
                let id = KemId::DhKemX25519Sha256;
                Self::X25519(DhKem::new(X25519 { rng }, HkdfSha256, id as u16, id.n_secret()))
            }
            Suite::Hybrid => Self::XWing(XWing { rng }),
        }
    }
}

macro_rules! either {
    ($self:ident, $kem:ident => $call:expr) => {
        match $self {
            Self::X25519($kem) => $call.map_err(|error| HpkeError::KemError(error.into_any_error())),
            Self::XWing($kem) => $call.map_err(|error| HpkeError::KemError(error.into_any_error())),
        }
    };
}

impl KemType for Kem {
    type Error = HpkeError;

    fn kem_id(&self) -> u16 {
        match self {
            Self::X25519(kem) => kem.kem_id(),
            Self::XWing(kem) => kem.kem_id(),
        }
    }

    fn generate_deterministic(&self, seed: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), HpkeError> {
        either!(self, kem => kem.generate_deterministic(seed))
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), HpkeError> {
        either!(self, kem => kem.generate())
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), HpkeError> {
        either!(self, kem => kem.public_key_validate(key))
    }

    fn encap(&self, remote_key: &HpkePublicKey) -> Result<KemResult, HpkeError> {
        either!(self, kem => kem.encap(remote_key))
    }

    fn decap(
        &self,
        enc: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
    ) -> Result<Vec<u8>, HpkeError> {
        either!(self, kem => kem.decap(enc, secret, public))
    }

    fn seed_length_for_derive(&self) -> usize {
        32
    }
}

/// X25519 (RFC 7748).
#[derive(Clone)]
pub(crate) struct X25519 {
    rng: Rng,
}

impl DhType for X25519 {
    type Error = PrimitiveError;

    fn dh(&self, secret: &HpkeSecretKey, public: &HpkePublicKey) -> Result<Vec<u8>, PrimitiveError> {
        let shared = x25519_secret(secret)?.diffie_hellman(&x25519_public(public)?);
        // An all-zero secret comes of a low-order point (RFC 9180 §7.1.4).
        if !shared.was_contributory() {
            return Err(PrimitiveError::Key);
        }
        Ok(shared.as_bytes().to_vec())
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
        let secret = Zeroizing::new(self.rng.bytes::<32>());
        let public = PublicKey::from(&StaticSecret::from(*secret));
        Ok((secret.to_vec().into(), public.as_bytes().to_vec().into()))
    }

    fn to_public(&self, secret: &HpkeSecretKey) -> Result<HpkePublicKey, PrimitiveError> {
        Ok(PublicKey::from(&x25519_secret(secret)?)
            .as_bytes()
            .to_vec()
            .into())
    }

    fn bitmask_for_rejection_sampling(&self) -> SamplingMethod {
        SamplingMethod::HpkeWithoutBitmask
    }

    fn secret_key_size(&self) -> usize {
        32
    }

    fn public_key_size(&self) -> usize {
        32
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), PrimitiveError> {
        x25519_public(key).map(|_| ())
    }
}

fn x25519_secret(key: &HpkeSecretKey) -> Result<StaticSecret, PrimitiveError> {
    let bytes: [u8; 32] = key.as_ref().try_into().map_err(|_| PrimitiveError::Key)?;
    Ok(StaticSecret::from(bytes))
}

fn x25519_public(key: &HpkePublicKey) -> Result<PublicKey, PrimitiveError> {
    let bytes: [u8; 32] = key.as_ref().try_into().map_err(|_| PrimitiveError::Key)?;
    Ok(PublicKey::from(bytes))
}

/// X-Wing: ML-KEM-768 and X25519, safe while either stands (draft-connolly-cfrg-xwing-kem).
#[derive(Clone)]
pub(crate) struct XWing {
    rng: Rng,
}

impl KemType for XWing {
    type Error = PrimitiveError;

    fn kem_id(&self) -> u16 {
        0x647A
    }

    fn generate_deterministic(&self, seed: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
        // Expanded first, since MLS hands over seeds of the hash's length and X-Wing wants exactly 32 bytes.
        let expanded = Zeroizing::new(HkdfSha256.expand(seed, b"veche x-wing seed", 32)?);
        key_pair(&expanded)
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
        key_pair(Zeroizing::new(self.rng.bytes::<32>()).as_slice())
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), PrimitiveError> {
        EncapsulationKey::try_from(key.as_ref())
            .map(|_| ())
            .map_err(|_| PrimitiveError::Key)
    }

    fn encap(&self, remote_key: &HpkePublicKey) -> Result<KemResult, PrimitiveError> {
        let key = EncapsulationKey::try_from(remote_key.as_ref()).map_err(|_| PrimitiveError::Key)?;
        let (ciphertext, secret) = key.encapsulate_with_rng(&mut self.rng.clone());
        Ok(KemResult::new(secret.to_vec(), ciphertext.to_vec()))
    }

    fn decap(
        &self,
        enc: &[u8],
        secret: &HpkeSecretKey,
        _: &HpkePublicKey,
    ) -> Result<Vec<u8>, PrimitiveError> {
        let secret: [u8; 32] = secret.as_ref().try_into().map_err(|_| PrimitiveError::Key)?;
        let ciphertext = x_wing::Ciphertext::try_from(enc).map_err(|_| PrimitiveError::Length)?;
        Ok(DecapsulationKey::from(secret).decapsulate(&ciphertext).to_vec())
    }

    fn seed_length_for_derive(&self) -> usize {
        32
    }
}

fn key_pair(secret: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
    let secret: [u8; 32] = secret.try_into().map_err(|_| PrimitiveError::Key)?;
    let public = DecapsulationKey::from(secret).encapsulation_key().to_bytes();
    Ok((secret.to_vec().into(), public.to_vec().into()))
}
