//! Who a leaf is: its credential is a device certificate, its signature key that device's key.

use crypto::DeviceCertificate;
use mls_rs_core::crypto::SignaturePublicKey;
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::ExtensionList;
use mls_rs_core::identity::{
    Credential, CredentialType, CustomCredential, IdentityProvider, MemberValidationContext, SigningIdentity,
};
use mls_rs_core::time::MlsTime;
use prost::Message;
use types::{Address, limits, wire};

/// From the private-use range (RFC 9420 §17.5).
pub(crate) const CREDENTIAL: CredentialType = CredentialType::new(0xF100);

/// The signing identity of the device that the certificate names.
pub(crate) fn signing_identity(
    signed: &wire::SignedDeviceCertificate,
    certificate: &DeviceCertificate,
) -> SigningIdentity {
    let credential = CustomCredential::new(CREDENTIAL, signed.encode_to_vec());
    let key = SignaturePublicKey::new_slice(certificate.device_key.as_bytes());
    SigningIdentity::new(Credential::Custom(credential), key)
}

/// The certificate that a leaf carries, as it stands there.
pub(crate) fn certificate(
    identity: &SigningIdentity,
) -> Result<wire::SignedDeviceCertificate, crypto::Error> {
    let credential = identity
        .credential
        .as_custom()
        .filter(|credential| credential.credential_type() == CREDENTIAL);
    // No key package could hold a longer one.
    let credential = credential.filter(|credential| credential.data().len() <= limits::KEY_PACKAGE_BYTES);
    let credential = credential.ok_or(crypto::Error::Malformed("MLS credential"))?;
    wire::SignedDeviceCertificate::decode(credential.data())
        .map_err(|_| crypto::Error::Malformed("MLS credential"))
}

/// The account of a leaf. Reads nothing else of the certificate, for whoever goes through a thousand leaves.
pub(crate) fn address(identity: &SigningIdentity) -> Result<Address, crypto::Error> {
    let malformed = || crypto::Error::Malformed("MLS credential");
    let certificate = wire::DeviceCertificate::decode(certificate(identity)?.certificate);
    let certificate = certificate.map_err(|_| malformed())?;
    certificate.address.parse().map_err(|_| malformed())
}

/// Whether one leaf may take the place of another: the same device, whose certificate may have been renewed.
pub(crate) fn succeeds(
    successor: &SigningIdentity,
    predecessor: &SigningIdentity,
) -> Result<bool, crypto::Error> {
    let decode = |identity| DeviceCertificate::dangerous_decode(&certificate(identity)?);
    let (before, after) = (decode(predecessor)?, decode(successor)?);
    Ok(predecessor.signature_key == successor.signature_key && after.continues(&before))
}

/// Checks the certificate of a leaf against its signature key.
pub(crate) fn verify(identity: &SigningIdentity) -> Result<DeviceCertificate, crypto::Error> {
    let certificate = DeviceCertificate::verify(&certificate(identity)?)?;
    if certificate.device_key.as_bytes() != identity.signature_key.as_ref() {
        return Err(crypto::Error::Mismatch {
            what: "device certificate",
            whose: "the leaf's signature key",
        });
    }
    Ok(certificate)
}

/// Accepts leaves with a valid certificate. Whether the account key in it is the right one is not for MLS to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identities;

/// Gives the library an error that comes back out as it went in.
#[derive(Debug)]
pub(crate) struct NotAccepted(crypto::Error);

impl IntoAnyError for NotAccepted {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.0.into())
    }
}

impl IdentityProvider for Identities {
    type Error = NotAccepted;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), NotAccepted> {
        verify(identity).map(|_| ()).map_err(NotAccepted)
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), NotAccepted> {
        Err(NotAccepted(crypto::Error::Malformed(
            "group: it names an external sender",
        )))
    }

    // The device key names the device, so this stays cheap in trees of a thousand leaves.
    fn identity(&self, identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, NotAccepted> {
        Ok(identity.signature_key.to_vec())
    }

    // A leaf may renew its keys and its certificate, never become another device's or another account's.
    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, NotAccepted> {
        succeeds(successor, predecessor).map_err(NotAccepted)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CREDENTIAL]
    }
}
