//! HKDF-SHA256 and AES-128-GCM in the shape that the HPKE crate takes.

use aes_gcm::aead::{Aead as _, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_traits::{AeadId, AeadType, KdfId, KdfType};
use sha2::Sha256;

/// What can go wrong in a primitive. None of these tells an attacker more than "no".
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrimitiveError {
    #[error("a key or nonce has a wrong length")]
    Length,
    #[error("the ciphertext does not open")]
    Open,
    #[error("the key is not usable")]
    Key,
    #[error("the signature does not verify")]
    Signature,
    #[error(transparent)]
    Hpke(#[from] mls_rs_crypto_hpke::hpke::HpkeError),
}

impl IntoAnyError for PrimitiveError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

/// HKDF-SHA256 (RFC 5869).
#[derive(Clone, Copy, Debug)]
pub(crate) struct HkdfSha256;

impl KdfType for HkdfSha256 {
    type Error = PrimitiveError;

    fn kdf_id(&self) -> u16 {
        KdfId::HkdfSha256 as u16
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>, PrimitiveError> {
        let mut out = vec![0; len];
        Hkdf::<Sha256>::from_prk(prk)
            .map_err(|_| PrimitiveError::Length)?
            .expand(info, &mut out)
            .map_err(|_| PrimitiveError::Length)?;
        Ok(out)
    }

    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.to_vec())
    }

    fn extract_size(&self) -> usize {
        32
    }
}

/// AES-128-GCM (RFC 5116).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aes128;

impl Aes128 {
    pub(crate) const KEY: usize = 16;
    pub(crate) const NONCE: usize = 12;
}

impl AeadType for Aes128 {
    type Error = PrimitiveError;

    fn aead_id(&self) -> u16 {
        AeadId::Aes128Gcm as u16
    }

    fn seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, PrimitiveError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let payload = Payload {
            msg: data,
            aad: aad.unwrap_or_default(),
        };
        cipher
            .encrypt(&nonce, payload)
            .map_err(|_| PrimitiveError::Length)
    }

    fn open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, PrimitiveError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let payload = Payload {
            msg: ciphertext,
            aad: aad.unwrap_or_default(),
        };
        cipher.decrypt(&nonce, payload).map_err(|_| PrimitiveError::Open)
    }

    fn key_size(&self) -> usize {
        Self::KEY
    }

    fn nonce_size(&self) -> usize {
        Self::NONCE
    }
}

fn cipher(
    key: &[u8],
    nonce: &[u8],
) -> Result<(Aes128Gcm, Nonce<aes_gcm::aead::consts::U12>), PrimitiveError> {
    let cipher = Aes128Gcm::new_from_slice(key).map_err(|_| PrimitiveError::Length)?;
    let nonce: [u8; Aes128::NONCE] = nonce.try_into().map_err(|_| PrimitiveError::Length)?;
    Ok((cipher, nonce.into()))
}
