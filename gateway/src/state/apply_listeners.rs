//! Listeners and their certificates: applied, and made live once routes and certificates are there.

use std::sync::Arc;
use std::time::Instant;

use gatewright_xds::type_url;
use gatewright_xds_client::{Received, Rejected};

use super::apply_extensions::{Filters, filters_of};
use super::listener::Listener;
use super::store::{Ports, Store, read, rejection};
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

    pub(super) fn apply_secrets(&mut self, resources: Vec<Received>) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name = resource.name.clone();
            match read(resource, |message, _| config::certified_key(message), &self.filters) {
                Ok((name, identity)) => self.secrets.insert(&name, identity),
                Err(reason) => {
                    self.secrets.fail(&name);
                    rejected.push(reason);
                }
            }
        }
        // A live listener shows the new certificate from the next handshake on.
        for slot in self.listeners.values_mut() {
            if slot.warming.is_none() {
                slot.warming = slot.live.as_ref().map(|live| live.config.clone());
            }
        }
        rejected
    }

    /// Makes listeners live whose filters, routes and certificates are there. Returns whether one has another
    /// configuration than before.
    pub(super) fn settle_listeners(&mut self) -> bool {
        let mut changed = false;
        let mut failed = Vec::new();
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
            if !config.https().all(|(http, _)| self.routes.contains_key(&http.routes)) {
                continue;
            }
            let Some(listener) = Listener::new(config.clone(), &self.secrets, slot.live.as_deref()) else {
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
        let wanted = self.wanted_secrets();
        self.unused.retain(|(type_url, name), _| *type_url != type_url::SECRET || !wanted.contains(&**name));
        for name in self.secrets.names().filter(|name| !wanted.contains(&***name)) {
            self.unused.entry((type_url::SECRET, name.clone())).or_insert_with(Instant::now);
        }
        changed
    }
}
