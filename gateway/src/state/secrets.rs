//! Certificates by secret name, and the TLS configurations made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};

use crate::config::TlsSettings;

/// Certificates by secret name.
#[derive(Debug, Default)]
pub(crate) struct SecretStore {
    /// None stands for a secret that cannot be used or does not come: its names are refused until it does.
    identities: BTreeMap<Arc<str>, Option<Arc<CertifiedKey>>>,
}

impl SecretStore {
    /// Returns a certificate; none while it is waited for, and `Some(None)` when there will be none for now.
    pub(super) fn get(&self, name: &str) -> Option<Option<Arc<CertifiedKey>>> {
        self.identities.get(name).cloned()
    }

    /// Returns whether a secret is not waited for any more.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.identities.contains_key(name)
    }

    pub(super) fn insert(&mut self, name: &str, identity: CertifiedKey) {
        self.identities.insert(name.into(), Some(Arc::new(identity)));
    }

    /// Stops waiting for a secret; one that is there stays.
    pub(super) fn fail(&mut self, name: &str) {
        self.identities.entry(name.into()).or_insert(None);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.identities.keys()
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.identities.remove(name);
    }
}

/// Shows one certificate, whatever the client asks for: the filter chain was chosen by name already.
#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Makes what handshakes of a filter chain need.
pub(super) fn server_config(settings: &TlsSettings, identity: Arc<CertifiedKey>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider(&settings.suites))
        .with_protocol_versions(&settings.versions)
        .expect("settings allow a suite for each of their versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(One(identity)));
    config.alpn_protocols = settings.alpn.clone();
    Arc::new(config)
}

/// Returns the cryptography with the allowed TLS 1.2 suites; those of TLS 1.3 are not configurable, as in Envoy.
fn provider(allowed: &[CipherSuite]) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if !allowed.is_empty() {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || allowed.contains(&suite.suite()));
    }
    Arc::new(provider)
}
