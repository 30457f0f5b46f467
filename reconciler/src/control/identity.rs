//! Who is at each end of a control address: TLS 1.3, and both sides show a certificate that an authority of the other's
//! choice has issued. The files are read again for each connection, so that certificates are renewed without a restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Files that say who this side is and whom it trusts, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate of this side, with those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that may have issued the certificate of the other side.
    pub authority: PathBuf,
}

/// Says that a file of an identity is of no use. Nothing of its content is repeated.
#[derive(Debug, thiserror::Error)]
#[error("GW0804 cannot use `{}`: {reason}", .path.display())]
pub struct IdentityError {
    path: PathBuf,
    reason: String,
}

impl IdentityError {
    fn new(path: &Path, reason: impl Into<String>) -> Self {
        IdentityError { path: path.to_owned(), reason: reason.into() }
    }
}

impl Identity {
    /// Reads the files for the side that asks.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub(super) fn client(&self) -> Result<ClientConfig, IdentityError> {
        let read = Read::of(self)?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(read.roots(self)?);
        let (chain, key) = read.pair(self)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| mismatch(self, &error))
    }

    fn server(&self, read: &Read) -> Result<ServerConfig, IdentityError> {
        let roots = Arc::new(read.roots(self)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| IdentityError::new(&self.authority, error.to_string()))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_client_cert_verifier(verifier);
        let (chain, key) = read.pair(self)?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| mismatch(self, &error))?;
        // Each connection shows its certificate: a session that went on would outlive the authority that vouched for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn mismatch(identity: &Identity, error: &rustls::Error) -> IdentityError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let certificate = identity.certificate.display();
            IdentityError::new(&identity.key, format!("it is not the key of `{certificate}`"))
        }
        _ => IdentityError::new(&identity.certificate, "it holds a certificate that cannot be used"),
    }
}

/// What stands in the files.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl Read {
    fn of(identity: &Identity) -> Result<Self, IdentityError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error: io::Error| IdentityError::new(path, error.to_string()))
        };
        Ok(Read {
            certificate: read(&identity.certificate)?,
            key: read(&identity.key)?,
            authority: read(&identity.authority)?,
        })
    }

    /// Returns a digest by which a change is noticed.
    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.certificate, &self.key, &self.authority] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }

    fn roots(&self, identity: &Identity) -> Result<RootCertStore, IdentityError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&identity.authority, &self.authority)? {
            roots.add(certificate).map_err(|_| {
                IdentityError::new(&identity.authority, "it holds a certificate that cannot be used")
            })?;
        }
        Ok(roots)
    }

    fn pair(
        &self,
        identity: &Identity,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), IdentityError> {
        let chain = certificates(&identity.certificate, &self.certificate)?;
        // What the parser says may repeat what it has read.
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| IdentityError::new(&identity.key, "it holds no private key in PEM"))?;
        Ok((chain, key))
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(IdentityError::new(path, "it holds no certificate in PEM")),
    }
}

/// The identity of the side that answers, as its files are now.
pub(super) struct Door {
    identity: Identity,
    current: Mutex<(blake3::Hash, Arc<ServerConfig>)>,
}

impl Door {
    /// Reads the files.
    pub(super) fn open(identity: Identity) -> Result<Self, IdentityError> {
        let read = Read::of(&identity)?;
        let config = Arc::new(identity.server(&read)?);
        Ok(Door { current: Mutex::new((read.digest(), config)), identity })
    }

    /// Returns what the files say now. While they are of no use, as in the midst of a renewal, it is what they said last.
    pub(super) fn now(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match self.renewed(current.0) {
            Ok(Some(renewed)) => *current = renewed,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the control address keeps the certificates that it has"),
        }
        current.1.clone()
    }

    fn renewed(
        &self,
        last: blake3::Hash,
    ) -> Result<Option<(blake3::Hash, Arc<ServerConfig>)>, IdentityError> {
        let read = Read::of(&self.identity)?;
        let digest = read.digest();
        if digest == last {
            return Ok(None);
        }
        Ok(Some((digest, Arc::new(self.identity.server(&read)?))))
    }
}
