//! The TLS configurations of filter chains. Chains of the same settings share everything but the certificate: thousands of
//! hosts with one of their own each need little more than the certificates themselves.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig, SignatureScheme};

use super::secrets::Identity;
use crate::config::TlsSettings;

/// Sessions that clients of all certificates together can resume.
const SESSIONS: usize = 8_192;
/// Different settings that are remembered; beyond them all are forgotten, and sessions with them.
const SETTINGS: usize = 64;

/// What chains share, by their settings.
#[derive(Debug, Default)]
pub(crate) struct TlsConfigs {
    shared: Vec<(TlsSettings, Arc<Common>)>,
}

#[derive(Debug)]
struct Common {
    config: ServerConfig,
    sessions: Arc<ServerSessionMemoryCache>,
}

impl TlsConfigs {
    /// Returns what handshakes with a certificate need.
    pub(super) fn config(&mut self, settings: &TlsSettings, identity: Identity) -> Arc<ServerConfig> {
        let common = self.common(settings);
        let sessions = OfOne { certificate: identity.number, all: common.sessions.clone() };
        let mut config = common.config.clone();
        config.cert_resolver = Arc::new(One(identity.key));
        config.session_storage = Arc::new(sessions);
        Arc::new(config)
    }

    fn common(&mut self, settings: &TlsSettings) -> Arc<Common> {
        if let Some((_, known)) = self.shared.iter().find(|(known, _)| known.is_alike(settings)) {
            return known.clone();
        }
        if self.shared.len() >= SETTINGS {
            self.shared.clear();
        }
        let common = Arc::new(Common::new(settings));
        self.shared.push((settings.clone(), common.clone()));
        common
    }
}

impl Common {
    fn new(settings: &TlsSettings) -> Self {
        let mut config = ServerConfig::builder_with_provider(provider(&settings.suites))
            .with_protocol_versions(&settings.versions)
            .expect("settings allow a suite for each of their versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Nothing));
        config.alpn_protocols = settings.alpn.clone();
        Common { config, sessions: ServerSessionMemoryCache::new(SESSIONS) }
    }
}

/// Returns the cryptography with the allowed TLS 1.2 suites; those of TLS 1.3 are not configurable, as in Envoy.
pub(super) fn provider(allowed: &[CipherSuite]) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if !allowed.is_empty() {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || allowed.contains(&suite.suite()));
    }
    Arc::new(provider)
}

/// Stands where a certificate comes later.
#[derive(Debug)]
struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Shows one certificate, whatever the other side asks for: the filter chain or the cluster was chosen already.
#[derive(Debug)]
pub(super) struct One(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl ResolvesClientCert for One {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The sessions of one certificate among those of all: what was agreed under a certificate ends with it, as in Envoy.
#[derive(Debug)]
struct OfOne {
    certificate: u64,
    all: Arc<ServerSessionMemoryCache>,
}

impl OfOne {
    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.certificate.to_be_bytes(), key].concat()
    }
}

impl StoresServerSessions for OfOne {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.all.put(self.key(&key), value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.all.get(&self.key(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.all.take(&self.key(key))
    }

    fn can_cache(&self) -> bool {
        true
    }
}
