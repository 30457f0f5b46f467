//! A live listener: its filter chains by server name, each with its TLS configuration ready for handshakes.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::CertifiedKey;

use super::secrets::{SecretStore, server_config};
use crate::config::{self, ChainAction, HttpConnections, ServerName, TlsSettings};

/// A listener at one moment.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) config: Arc<config::Listener>,
    chains: Vec<Arc<Chain>>,
    exact: BTreeMap<Box<str>, usize>,
    suffix: BTreeMap<Box<str>, usize>,
    rest: Option<usize>,
}

/// A filter chain at one moment.
#[derive(Debug)]
pub(crate) struct Chain {
    config: Arc<config::FilterChain>,
    tls: TlsState,
}

#[derive(Clone, Debug)]
enum TlsState {
    /// Clear text, or connections are refused anyway.
    None,
    /// The certificate is not there: handshakes are refused.
    NoCertificate,
    Ready(Tls),
}

/// The certificate and what was made of it.
#[derive(Clone, Debug)]
struct Tls {
    identity: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
}

impl Listener {
    /// Builds a listener; none while a secret of it is waited for. TLS configurations of `old` whose
    /// settings and certificate are the same stay, and with them their sessions.
    pub(crate) fn new(
        config: Arc<config::Listener>,
        secrets: &SecretStore,
        old: Option<&Self>,
    ) -> Option<Self> {
        let mut listener = Self {
            chains: Vec::with_capacity(config.chains.len()),
            exact: BTreeMap::new(),
            suffix: BTreeMap::new(),
            rest: None,
            config: config.clone(),
        };
        for (index, chain) in config.chains.iter().enumerate() {
            for name in &chain.server_names {
                match name {
                    ServerName::Exact(name) => listener.exact.insert(name.clone(), index),
                    ServerName::Suffix(suffix) => listener.suffix.insert(suffix.clone(), index),
                };
            }
            if chain.server_names.is_empty() {
                listener.rest = Some(index);
            }
            let tls = tls(chain, secrets, old)?;
            listener.chains.push(Arc::new(Chain { config: chain.clone(), tls }));
        }
        Some(listener)
    }

    /// Returns the chain for a server name in lower case: the exact one, else that of the longest suffix, else the one
    /// for all others.
    pub(crate) fn chain(&self, server_name: Option<&str>) -> Option<&Arc<Chain>> {
        let by_name = server_name.and_then(|name| {
            self.exact.get(name).or_else(|| {
                let mut dots = name.bytes().enumerate().filter(|(index, byte)| *byte == b'.' && *index > 0);
                dots.find_map(|(index, _)| self.suffix.get(&name[index..]))
            })
        });
        by_name.copied().or(self.rest).map(|index| &self.chains[index])
    }
}

impl Chain {
    /// Returns how HTTP is served here; none where connections are refused.
    pub(crate) fn http(&self) -> Option<&Arc<HttpConnections>> {
        match &self.config.action {
            ChainAction::Serve { http, .. } => Some(http),
            ChainAction::Refuse => None,
        }
    }

    /// Returns the TLS configuration for handshakes.
    pub(crate) fn server_config(&self) -> Option<&Arc<ServerConfig>> {
        match &self.tls {
            TlsState::Ready(tls) => Some(&tls.server),
            TlsState::None | TlsState::NoCertificate => None,
        }
    }
}

/// Returns none while the certificate is waited for.
fn tls(chain: &config::FilterChain, secrets: &SecretStore, old: Option<&Listener>) -> Option<TlsState> {
    let ChainAction::Serve { tls: Some(settings), .. } = &chain.action else { return Some(TlsState::None) };
    let Some(identity) = secrets.get(&settings.secret)? else { return Some(TlsState::NoCertificate) };
    let tls = old.and_then(|old| reusable(old, settings, &identity)).unwrap_or_else(|| {
        let server = server_config(settings, identity.clone());
        Tls { identity, server }
    });
    Some(TlsState::Ready(tls))
}

fn reusable(old: &Listener, settings: &TlsSettings, identity: &Arc<CertifiedKey>) -> Option<Tls> {
    old.chains.iter().find_map(|chain| match (&chain.config.action, &chain.tls) {
        (ChainAction::Serve { tls: Some(old), .. }, TlsState::Ready(tls)) => {
            (old == settings && Arc::ptr_eq(&tls.identity, identity)).then(|| tls.clone())
        }
        _ => None,
    })
}
