//! What the gateway still wants from the server: the resources to subscribe to, and what is missing for the first
//! complete configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_xds::type_url;
use imbl::OrdSet;

use super::store::Store;
use crate::config::{self, Discovery};

/// Names of the resources that others refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) endpoints: OrdSet<Arc<str>>,
    pub(crate) routes: BTreeSet<String>,
    pub(crate) secrets: OrdSet<Arc<str>>,
    pub(crate) extensions: BTreeSet<String>,
    /// Whether filter chains are subscribed to.
    pub(crate) chains: bool,
    /// Whether virtual hosts are subscribed to.
    pub(crate) hosts: bool,
}

impl Store {
    /// Returns what the listeners and clusters in effect and warming refer to.
    pub(crate) fn wanted(&self) -> Wanted {
        let mut secrets = self.secrets_of_chains.clone();
        secrets.extend(self.secrets_of_listeners.iter().chain(&self.secrets_of_clusters).cloned());
        let mut wanted = Wanted {
            endpoints: self.service_names.clone(),
            secrets,
            chains: self.listener_configs().any(|config| config.of_chains.is_some()),
            hosts: self.routes.values().any(|routes| routes.hosts_on_their_own),
            extensions: self.wanted_extensions(),
            ..Wanted::default()
        };
        for config in self.listener_configs() {
            wanted.routes.extend(config.https().map(|http| http.routes.to_string()));
        }
        wanted
    }

    /// Returns the secrets that are named and have not come.
    pub(super) fn awaited_secrets(&self) -> BTreeSet<Arc<str>> {
        let named = self.secrets_of_listeners.iter().chain(&self.secrets_of_clusters);
        let of_chains = self.chains.values().flat_map(|set| set.awaited_secrets());
        named.filter(|name| !self.secrets.knows(name)).chain(of_chains).cloned().collect()
    }

    pub(super) fn listener_configs(&self) -> impl Iterator<Item = &Arc<config::Listener>> {
        self.listeners
            .values()
            .flat_map(|slot| slot.warming.iter().chain(slot.live.as_ref().map(|live| &live.config)))
    }

    /// Says which endpoints of a cluster have not come; a secret that has not is told by its own name.
    fn lacks(&self, config: &config::Cluster) -> Option<String> {
        let name = &config.name;
        match &config.discovery {
            Discovery::Dns { .. } if !self.resolved.contains_key(name) => {
                Some(format!("addresses of upstream cluster {name}"))
            }
            Discovery::Endpoints(service) if !self.assignments.contains_key(service) => {
                Some(format!("endpoints of upstream cluster {name}"))
            }
            _ => None,
        }
    }

    /// Returns what is missing for the first complete configuration, in words; empty when it is there.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (type_url, what) in [(type_url::LISTENER, "listeners"), (type_url::CLUSTER, "upstream clusters")]
        {
            if !self.counts.contains_key(type_url) {
                missing.push(what.to_owned());
            }
        }
        missing.extend(self.unfinished.iter().map(|kind| format!("the rest of {kind}")));
        for slot in self.clusters.values() {
            if slot.live.is_none() {
                missing.extend(slot.warming.as_ref().and_then(|config| self.lacks(config)));
            }
        }
        // A rejected host or cluster costs itself; without a listener everything behind it is cut off.
        if let Some(counts) = self.counts.get(type_url::LISTENER) {
            let first =
                counts.rejected.iter().filter(|(name, _)| !self.listeners.contains_key(name.as_str()));
            missing
                .extend(first.map(|(name, reason)| format!("listener {name}, which is rejected: {reason}")));
        }
        let wanted = self.wanted();
        for name in &wanted.routes {
            match self.routes.get(name.as_str()) {
                None => missing.push(format!("route configuration {name}")),
                Some(routes) if routes.hosts_on_their_own && !self.hosts_seen.contains(name.as_str()) => {
                    missing.push(format!("virtual hosts of route configuration {name}"));
                }
                Some(_) => {}
            }
        }
        let unseen = |name: &&Arc<str>| !self.chains.get(*name).is_some_and(|set| set.seen);
        let of_chains = self.listener_configs().filter(|config| config.of_chains.is_some());
        let unseen: BTreeSet<&Arc<str>> = of_chains.map(|config| &config.name).filter(unseen).collect();
        missing.extend(unseen.iter().map(|name| format!("filter chains of listener {name}")));
        missing.extend(self.awaited_secrets().iter().map(|name| format!("secret {name}")));
        let discovered = wanted
            .extensions
            .iter()
            .filter(|name| !self.filters.discovered(&Arc::from(name.as_str())).is_known());
        missing.extend(discovered.map(|name| format!("configuration of filter {name}")));
        missing.extend(
            self.listeners
                .iter()
                .filter(|(_, slot)| slot.live.is_none())
                .map(|(name, _): (&Arc<str>, _)| format!("listener {name}")),
        );
        missing
    }
}
