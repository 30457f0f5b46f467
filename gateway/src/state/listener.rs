//! A live listener: its filter chains by server name, each with its TLS configuration ready for handshakes.

use std::sync::Arc;

use imbl::HashMap;
use rustls::ServerConfig;

use super::secrets::SecretStore;
use super::tls_configs::TlsConfigs;
use crate::config::{self, ChainAction, HttpConnections, ServerName};

/// A listener at one moment.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) config: Arc<config::Listener>,
    pub(super) chains: ChainTable,
}

/// Filter chains by server name. Copies share structure, so that a swap of one chain among many costs little.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainTable {
    exact: HashMap<Box<str>, Arc<Chain>>,
    suffix: HashMap<Box<str>, Arc<Chain>>,
    rest: Option<Arc<Chain>>,
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
    Ready(Arc<ServerConfig>),
}

impl Listener {
    /// Builds a listener from the chains in its configuration; none while a secret of it is waited for.
    pub(crate) fn new(
        config: Arc<config::Listener>,
        secrets: &SecretStore,
        tls: &mut TlsConfigs,
    ) -> Option<Self> {
        let mut chains = ChainTable::default();
        for chain in &config.chains {
            chains.claim(&Arc::new(Chain::new(chain.clone(), secrets, tls)?));
        }
        Some(Self { config, chains })
    }

    /// Returns the chain for a server name in lower case.
    pub(crate) fn chain(&self, server_name: Option<&str>) -> Option<&Arc<Chain>> {
        self.chains.find(server_name)
    }

    /// Returns how HTTP is served for a server name in lower case; none where connections are refused.
    pub(crate) fn http(&self, server_name: Option<&str>) -> Option<&Arc<HttpConnections>> {
        match &self.chain(server_name)?.config.action {
            ChainAction::Serve { http, .. } => Some(http),
            ChainAction::ServeAsListener { .. } => self.config.of_chains.as_ref(),
            ChainAction::Refuse => None,
        }
    }
}

impl ChainTable {
    /// Returns the chain for a server name in lower case: the exact one, else that of the longest suffix, else the one
    /// for all others.
    fn find(&self, server_name: Option<&str>) -> Option<&Arc<Chain>> {
        let by_name = server_name.and_then(|name| {
            self.exact.get(name).or_else(|| {
                let mut dots = name.bytes().enumerate().filter(|(index, byte)| *byte == b'.' && *index > 0);
                dots.find_map(|(index, _)| self.suffix.get(&name[index..]))
            })
        });
        by_name.or(self.rest.as_ref())
    }

    /// Puts a chain in under its names, in the place of those that have them.
    pub(super) fn claim(&mut self, chain: &Arc<Chain>) {
        for name in &chain.config.server_names {
            match name {
                ServerName::Exact(name) => self.exact.insert(name.clone(), chain.clone()),
                ServerName::Suffix(suffix) => self.suffix.insert(suffix.clone(), chain.clone()),
            };
        }
        if chain.config.server_names.is_empty() {
            self.rest = Some(chain.clone());
        }
    }

    /// Takes the names of a chain out.
    pub(super) fn release(&mut self, config: &config::FilterChain) {
        for name in &config.server_names {
            match name {
                ServerName::Exact(name) => self.exact.remove(name),
                ServerName::Suffix(suffix) => self.suffix.remove(suffix),
            };
        }
        if config.server_names.is_empty() {
            self.rest = None;
        }
    }
}

impl Chain {
    /// Builds a chain; none while its secret is waited for.
    pub(super) fn new(
        config: Arc<config::FilterChain>,
        secrets: &SecretStore,
        tls: &mut TlsConfigs,
    ) -> Option<Self> {
        let state = match config.tls() {
            None => TlsState::None,
            Some(settings) => match secrets.get(&settings.secret)? {
                None => TlsState::NoCertificate,
                Some(identity) => TlsState::Ready(tls.config(settings, identity)),
            },
        };
        Some(Self { config, tls: state })
    }

    /// Returns the TLS configuration for handshakes.
    pub(crate) fn server_config(&self) -> Option<&Arc<ServerConfig>> {
        match &self.tls {
            TlsState::Ready(server) => Some(server),
            TlsState::None | TlsState::NoCertificate => None,
        }
    }
}
