//! Secrets: certificates with their keys, and what others' certificates must fulfil.

use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{Secret, TlsCertificate, secret};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{FieldError, Within};
use super::take::{inline, nothing_left};
use super::validation::Validation;

/// What a secret holds.
#[derive(Debug)]
pub(crate) enum SecretContent {
    /// A certificate chain with the key of its first certificate.
    Identity(CertifiedKey),
    /// What a peer's certificate must fulfil.
    Validation(Validation),
}

impl SecretContent {
    /// Reads a secret.
    pub(crate) fn new(message: Secret) -> Result<Self, FieldError> {
        match message.r#type {
            Some(secret::Type::TlsCertificate(message)) => {
                certified_key(message).within("tls_certificate").map(Self::Identity)
            }
            Some(secret::Type::ValidationContext(message)) => {
                Validation::new(message).within("validation_context").map(Self::Validation)
            }
            _ => Err(FieldError::new("type", "only tls_certificate and validation_context are supported")),
        }
    }
}

fn certified_key(mut message: TlsCertificate) -> Result<CertifiedKey, FieldError> {
    let chain = inline(message.certificate_chain.take(), "certificate_chain")?;
    let key = inline(message.private_key.take(), "private_key")?;
    nothing_left(&message)?;
    identity(&chain, &key)
}

// The texts of the PEM reader and of the key loader never hold key material, but what they say of a key is of no use
// to a reader either: only the fact is reported.
fn identity(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, FieldError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| FieldError::new("certificate_chain", error.to_string()))?;
    if chain.is_empty() {
        return Err(FieldError::new("certificate_chain", "holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| FieldError::new("private_key", "holds no private key in PEM"))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| FieldError::new("private_key", "is of no supported type"))?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(identity),
        Err(error) => Err(FieldError::new("certificate_chain", error.to_string())),
    }
}
