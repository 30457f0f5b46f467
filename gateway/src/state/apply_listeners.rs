//! Listeners and their certificates: applied, and made live once routes and certificates are there.

use std::sync::Arc;

use gatewright_xds::type_url;
use gatewright_xds_client::{Received, Rejected};

use super::apply_chains::ChainSet;
use super::apply_extensions::{Filters, filters_of};
use super::listener::Listener;
use super::secrets::SecretStore;
use super::store::{Ports, Store, read, rejection};
use super::tls_configs::TlsConfigs;
use crate::config;

impl Store {
    pub(super) fn apply_listeners(
        &mut self,
        resources: Vec<Received>,
        removed: &[String],
        ports: &mut dyn Ports,
    ) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for name in removed {
            ports.release(name);
            self.listeners.remove(name.as_str());
            self.current.listeners.remove(name.as_str());
        }
        for resource in resources {
            let name = resource.name.clone();
            let listener = read(resource, config::Listener::new, &self.filters).and_then(|(name, config)| {
                ports
                    .reserve(&name, config.address)
                    .map_err(|reason| rejection(&name, &format!("address: {reason}")))?;
                Ok((name, config))
            });
            match listener {
                Ok((name, config)) => {
                    self.listeners.entry(name).or_default().warming = Some(Arc::new(config))
                }
                Err(reason) => {
                    tracing::debug!(listener = %name, "rejected");
                    rejected.push(reason);
                }
            }
        }
        rejected
    }

    /// Lets live listeners with chains of their own show the certificates of now from the next handshake on.
    pub(super) fn show_certificates(&mut self) {
        for slot in self.listeners.values_mut().filter(|slot| slot.warming.is_none()) {
            let live = slot.live.as_ref().map(|live| &live.config);
            slot.warming = live.filter(|config| config.secrets().next().is_some()).cloned();
        }
    }

    /// Makes listeners live whose filters, routes and certificates are there. Returns whether one has another
    /// configuration than before.
    pub(super) fn settle_listeners(&mut self) -> bool {
        let mut changed = false;
        let mut failed = Vec::new();
        let all_chains = !self.unfinished.contains(type_url::short(type_url::FILTER_CHAIN));
        for (name, slot) in &mut self.listeners {
            let Some(config) = &slot.warming else { continue };
            match filters_of(config) {
                Filters::Ready => {}
                Filters::Loading => continue,
                Filters::Failed(reason) => {
                    slot.warming = None;
                    failed.push(rejection(name, &reason));
                    continue;
                }
            }
            if !config.https().all(|http| self.routes.contains_key(&http.routes)) {
                continue;
            }
            let set = self.chains.get(name).filter(|_| slot.live.is_some() || all_chains);
            let Some(listener) = built(config, slot.live.is_some(), set, &self.secrets, &mut self.tls) else {
                continue;
            };
            changed |= slot.live.as_ref().is_none_or(|live| !Arc::ptr_eq(&live.config, config));
            let listener = Arc::new(listener);
            slot.warming = None;
            slot.live = Some(listener.clone());
            self.current.listeners.insert(name.clone(), listener);
        }
        // What was never there is missing, and told as what is rejected at once.
        self.listeners.retain(|_, slot| slot.live.is_some() || slot.warming.is_some());
        self.reject_late(type_url::LISTENER, failed);
        changed
    }

    /// Notes which secrets listeners name, after these have changed.
    pub(super) fn note_secrets(&mut self) {
        let named = self.listener_configs().flat_map(|config| config.secrets()).cloned().collect();
        let before = std::mem::replace(&mut self.secrets_of_listeners, named);
        let moved = before.symmetric_difference(self.secrets_of_listeners.clone());
        moved.iter().for_each(|secret| self.note_secret(secret));
    }
}

/// Builds a listener; none while a certificate is waited for, or the first word about chains that come on their own.
fn built(
    config: &Arc<config::Listener>,
    is_live: bool,
    set: Option<&ChainSet>,
    secrets: &SecretStore,
    tls: &mut TlsConfigs,
) -> Option<Listener> {
    if config.of_chains.is_none() {
        return Listener::new(config.clone(), secrets, tls);
    }
    let set = set.filter(|set| set.seen && (is_live || set.awaited_secrets().next().is_none()))?;
    Some(Listener { config: config.clone(), chains: set.table.clone() })
}
