//! Filter chains that come on their own: each is in effect once its certificate is there, and costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use gatewright_xds::names::filter_chain_parts;
use gatewright_xds::type_url;
use gatewright_xds_client::{Received, Rejected};

use super::listener::{Chain, ChainTable, Listener};
use super::secrets::SecretStore;
use super::store::{Store, read, rejection};
use super::tls_configs::TlsConfigs;
use crate::config::FilterChain;

/// The chains of one listener, whether or not that has come yet.
#[derive(Debug, Default)]
pub(super) struct ChainSet {
    /// By resource name.
    by_name: BTreeMap<Arc<str>, Arc<FilterChain>>,
    /// Resource names by the secret that they name.
    by_secret: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Those whose secret is waited for. What they replace is still in effect.
    waiting: BTreeSet<Arc<str>>,
    pub(super) table: ChainTable,
    /// Whether the server has said something about them.
    pub(super) seen: bool,
}

impl ChainSet {
    /// Returns the secrets that are waited for.
    pub(super) fn awaited_secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        let waiting = self.waiting.iter().filter_map(|name| self.by_name.get(name)?.tls());
        waiting.map(|tls| &tls.secret)
    }

    /// Puts a chain in, or takes one out, and returns the secret that it does not name any more and the one that it names.
    fn put(&mut self, name: &Arc<str>, chain: Option<Arc<FilterChain>>) -> [Option<Arc<str>>; 2] {
        let secret = |chain: &FilterChain| chain.tls().map(|tls| tls.secret.clone());
        let now = chain.as_deref().and_then(secret);
        let before = match chain {
            Some(chain) => self.by_name.insert(name.clone(), chain),
            None => {
                self.waiting.remove(name);
                let gone = self.by_name.remove(name);
                gone.iter().for_each(|gone| self.table.release(gone));
                gone
            }
        };
        let before = before.as_deref().and_then(secret);
        if let Some(secret) = &before
            && let Some(names) = self.by_secret.get_mut(secret)
        {
            names.remove(name);
            if names.is_empty() {
                self.by_secret.remove(secret);
            }
        }
        if let Some(secret) = &now {
            self.by_secret.entry(secret.clone()).or_default().insert(name.clone());
        }
        [before, now]
    }

    /// Puts a chain in effect, as far as its secret is there.
    fn settle(&mut self, name: &Arc<str>, secrets: &SecretStore, tls: &mut TlsConfigs) {
        let Some(config) = self.by_name.get(name) else { return };
        match Chain::new(config.clone(), secrets, tls) {
            Some(chain) => {
                self.waiting.remove(name);
                self.table.claim(&Arc::new(chain));
            }
            None => drop(self.waiting.insert(name.clone())),
        }
    }

    fn settle_secret(&mut self, secret: &str, secrets: &SecretStore, tls: &mut TlsConfigs) -> bool {
        let names: Vec<Arc<str>> = self.by_secret.get(secret).into_iter().flatten().cloned().collect();
        names.iter().for_each(|name| self.settle(name, secrets, tls));
        !names.is_empty()
    }
}

impl Store {
    pub(super) fn apply_chains(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        let mut touched: BTreeSet<Arc<str>> = BTreeSet::new();
        if resources.is_empty() && removed.is_empty() {
            // The server has no chain at all.
            touched.extend(self.listeners.keys().cloned());
        }
        for name in removed {
            if let Some((listener, _)) = filter_chain_parts(name) {
                self.put_chain(listener, &name.as_str().into(), None);
                touched.insert(listener.into());
            }
        }
        for resource in resources {
            let name = resource.name.clone();
            let Some((listener, _)) = filter_chain_parts(&name) else {
                rejected.push(rejection(&name, "name: has no listener before a `/`"));
                continue;
            };
            match read(resource, FilterChain::on_its_own, &self.filters) {
                Ok((name, chain)) => self.put_chain(listener, &name, Some(Arc::new(chain))),
                Err(reason) => rejected.push(reason),
            }
            touched.insert(listener.into());
        }
        for listener in &touched {
            self.chains.entry(listener.clone()).or_default().seen = true;
            self.publish_chains(listener);
        }
        rejected
    }

    fn put_chain(&mut self, listener: &str, name: &Arc<str>, chain: Option<Arc<FilterChain>>) {
        let set = self.chains.entry(listener.into()).or_default();
        let [before, now] = set.put(name, chain);
        set.settle(name, &self.secrets, &mut self.tls);
        for secret in [before, now].into_iter().flatten() {
            if self.chains.values().any(|set| set.by_secret.contains_key(&secret)) {
                self.secrets_of_chains.insert(secret.clone());
            } else {
                self.secrets_of_chains.remove(&secret);
            }
            self.note_secret(&secret);
        }
    }

    /// Puts a certificate in effect that has come, has changed, or will not come.
    pub(super) fn settle_secret(&mut self, secret: &Arc<str>) {
        self.note_secret(secret);
        let mut touched = Vec::new();
        for (listener, set) in &mut self.chains {
            if set.settle_secret(secret, &self.secrets, &mut self.tls) {
                touched.push(listener.clone());
            }
        }
        touched.iter().for_each(|listener| self.publish_chains(listener));
    }

    /// Notes since when a secret is not named by anything.
    pub(super) fn note_secret(&mut self, secret: &Arc<str>) {
        let wanted = self.secrets_of_chains.contains(secret)
            || self.secrets_of_listeners.contains(secret)
            || self.secrets_of_clusters.contains(secret);
        let key = (type_url::SECRET, secret.clone());
        if wanted {
            self.unused.remove(&key);
        } else if self.secrets.knows(secret) {
            self.unused.entry(key).or_insert_with(Instant::now);
        }
    }

    /// Gives a live listener the chains of now.
    fn publish_chains(&mut self, name: &Arc<str>) {
        let Some(set) = self.chains.get(name) else { return };
        let Some(slot) = self.listeners.get_mut(name) else { return };
        let Some(live) = slot.live.as_ref().filter(|live| live.config.of_chains.is_some()) else { return };
        let listener = Arc::new(Listener { config: live.config.clone(), chains: set.table.clone() });
        slot.live = Some(listener.clone());
        self.current.listeners.insert(name.clone(), listener);
    }
}
