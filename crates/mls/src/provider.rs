//! The ciphersuites, put together from the RustCrypto libraries with randomness as a parameter.

use crypto::Rng;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey,
    SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_crypto_hpke::context::{ContextR, ContextS};
use mls_rs_crypto_hpke::hpke::Hpke;
use mls_rs_crypto_traits::{AeadType, KdfType};
use rand_core::Rng as _;
use sha2::{Digest, Sha256};
use types::Suite;
use zeroize::Zeroizing;

use crate::kem::Kem;
use crate::primitives::{Aes128, HkdfSha256, PrimitiveError};

/// Number of a suite as the library writes it.
pub(crate) fn cipher_suite(suite: Suite) -> CipherSuite {
    CipherSuite::new(suite.code())
}

/// Gives the ciphersuites of [`Suite::ALL`].
#[derive(Clone)]
pub(crate) struct Provider {
    rng: Rng,
}

impl Provider {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng }
    }

    pub(crate) fn suite(&self, suite: Suite) -> SuiteProvider {
        let hpke = Hpke::new(Kem::of(suite, self.rng.clone()), HkdfSha256, Some(Aes128));
        SuiteProvider {
            suite,
            hpke,
            rng: self.rng.clone(),
        }
    }
}

impl CryptoProvider for Provider {
    type CipherSuiteProvider = SuiteProvider;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        Suite::ALL.map(cipher_suite).to_vec()
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<SuiteProvider> {
        let suite = Suite::from_code(u16::from(cipher_suite).into()).ok()?;
        Some(self.suite(suite))
    }
}

/// One ciphersuite: SHA-256, HMAC, HKDF, AES-128-GCM and Ed25519 in both; the KEM differs.
#[derive(Clone)]
pub(crate) struct SuiteProvider {
    suite: Suite,
    hpke: Hpke<Kem, HkdfSha256, Aes128>,
    rng: Rng,
}

impl CipherSuiteProvider for SuiteProvider {
    type Error = PrimitiveError;
    type HpkeContextS = ContextS<HkdfSha256, Aes128>;
    type HpkeContextR = ContextR<HkdfSha256, Aes128>;

    fn cipher_suite(&self) -> CipherSuite {
        cipher_suite(self.suite)
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| PrimitiveError::Length)?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, PrimitiveError> {
        Aes128.seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PrimitiveError> {
        Aes128.open(key, ciphertext, aad, nonce).map(Zeroizing::new)
    }

    fn aead_key_size(&self) -> usize {
        Aes128::KEY
    }

    fn aead_nonce_size(&self) -> usize {
        Aes128::NONCE
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrimitiveError> {
        HkdfSha256.extract(salt, ikm).map(Zeroizing::new)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, PrimitiveError> {
        HkdfSha256.expand(prk, info, len).map(Zeroizing::new)
    }

    fn kdf_extract_size(&self) -> usize {
        HkdfSha256.extract_size()
    }

    fn hpke_seal(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
    ) -> Result<HpkeCiphertext, PrimitiveError> {
        Ok(self.hpke.seal(remote_key, info, None, aad, pt)?)
    }

    fn hpke_seal_psk(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, PrimitiveError> {
        Ok(self.hpke.seal(remote_key, info, Some(psk), aad, pt)?)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, PrimitiveError> {
        Ok(self
            .hpke
            .open(ciphertext, local_secret, local_public, info, None, aad)?)
    }

    fn hpke_open_psk(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, PrimitiveError> {
        Ok(self
            .hpke
            .open(ciphertext, local_secret, local_public, info, Some(psk), aad)?)
    }

    fn hpke_setup_s(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), PrimitiveError> {
        Ok(self.hpke.setup_sender(remote_key, info, None)?)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, PrimitiveError> {
        Ok(self
            .hpke
            .setup_receiver(kem_output, local_secret, local_public, info, None)?)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
        Ok(self.hpke.derive(ikm)?)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), PrimitiveError> {
        Ok(self.hpke.generate()?)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), PrimitiveError> {
        Ok(self.hpke.public_key_validate(key)?)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), PrimitiveError> {
        self.rng.clone().fill_bytes(out);
        Ok(())
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), PrimitiveError> {
        let secret = Zeroizing::new(self.rng.bytes::<32>());
        let public = SigningKey::from_bytes(&secret).verifying_key();
        Ok((secret.to_vec().into(), public.as_bytes().to_vec().into()))
    }

    fn signature_key_derive_public(
        &self,
        secret: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, PrimitiveError> {
        Ok(signing_key(secret)?.verifying_key().as_bytes().to_vec().into())
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        Ok(signing_key(secret)?.sign(data).to_vec())
    }

    fn verify(
        &self,
        public: &SignaturePublicKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), PrimitiveError> {
        let public = public.as_ref().try_into().map_err(|_| PrimitiveError::Key)?;
        let public = VerifyingKey::from_bytes(public).map_err(|_| PrimitiveError::Key)?;
        let signature = Signature::from_slice(signature).map_err(|_| PrimitiveError::Signature)?;
        public
            .verify_strict(data, &signature)
            .map_err(|_| PrimitiveError::Signature)
    }
}

fn signing_key(secret: &SignatureSecretKey) -> Result<SigningKey, PrimitiveError> {
    let secret = secret.as_ref().try_into().map_err(|_| PrimitiveError::Key)?;
    Ok(SigningKey::from_bytes(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Provider {
        Provider::new(Rng::from_seed([1; 32]))
    }

    /// RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode.
    #[test]
    fn hpke_passes_its_published_vector() {
        let suite = provider().suite(Suite::Classical);
        let hex = |text| hex::decode(text).unwrap();
        let ikm = hex("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037");
        let (secret, public) = suite.kem_derive(&ikm).unwrap();
        assert_eq!(
            (secret.to_vec(), public.to_vec()),
            (
                hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"),
                hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"),
            )
        );
        let sealed = HpkeCiphertext {
            kem_output: hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
            ciphertext: hex(
                "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
            ),
        };
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let opened = suite
            .hpke_open(&sealed, &secret, &public, &info, Some(b"Count-0"))
            .unwrap();
        assert_eq!(opened.as_slice(), b"Beauty is truth, truth beauty");
    }

    #[test]
    fn both_suites_open_what_they_sealed_and_nothing_else() {
        for suite in Suite::ALL {
            let suite = provider().suite(suite);
            let (secret, public) = suite.kem_generate().unwrap();
            let mut sealed = suite.hpke_seal(&public, b"info", Some(b"aad"), b"text").unwrap();
            let open =
                |sealed: &HpkeCiphertext, aad| suite.hpke_open(sealed, &secret, &public, b"info", Some(aad));
            assert_eq!(open(&sealed, b"aad").unwrap().as_slice(), b"text");
            assert!(open(&sealed, b"other").is_err());
            sealed.kem_output[0] ^= 1;
            assert!(open(&sealed, b"aad").is_err());
            assert!(suite.kem_public_key_validate(&vec![1; 31].into()).is_err());

            let derived = suite.kem_derive(&[7; 32]).unwrap();
            assert_eq!(
                derived.1,
                suite.kem_derive(&[7; 32]).unwrap().1,
                "deriving draws nothing"
            );
        }
    }
}
