//! Upstream clusters, their endpoints and secrets: applied, and made live once all are there.

use std::sync::Arc;
use std::time::Instant;

use gatewright_xds::type_url;
use gatewright_xds_client::{Received, Rejected};

use super::cluster::Cluster;
use super::store::{Store, read};
use crate::config::{self, Endpoints, UpstreamTls};

impl Store {
    pub(super) fn apply_clusters(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            match read(resource, |message, _| config::Cluster::from_message(message), &self.filters) {
                Ok((name, config)) => self.put_cluster(name, config),
                Err(reason) => rejected.push(reason),
            }
        }
        for name in removed {
            let Some(slot) = self.clusters.remove(name.as_str()) else { continue };
            if let Some(live) = slot.live {
                live.retire();
            }
            self.current.clusters.remove(name.as_str());
            self.resolved.remove(name.as_str());
            self.secured.remove(name.as_str());
            self.use_service(name, None);
        }
        rejected
    }

    fn put_cluster(&mut self, name: Arc<str>, config: config::Cluster) {
        let service = match &config.discovery {
            config::Discovery::Endpoints(service) => Some(service.clone()),
            _ => None,
        };
        self.use_service(&name, service);
        if !matches!(config.discovery, config::Discovery::Dns { .. }) {
            self.resolved.remove(&name);
        }
        if config.tls.is_some() {
            self.secured.insert(name.clone());
        }
        self.clusters.entry(name.clone()).or_default().warming = Some(Arc::new(config));
        self.settle_cluster(&name);
    }

    /// Notes which endpoint resource a cluster uses, and forgets the one that nobody uses any more.
    fn use_service(&mut self, cluster: &str, service: Option<Arc<str>>) {
        if self.service_of.get(cluster) == service.as_ref() {
            return;
        }
        if let Some(old) = self.service_of.remove(cluster) {
            let users = self.services.entry(old.clone()).or_default();
            users.remove(cluster);
            if users.is_empty() {
                self.services.remove(&old);
                self.service_names.remove(&old);
                self.unused.insert((type_url::ENDPOINT, old), Instant::now());
            }
        }
        if let Some(service) = service {
            self.unused.remove(&(type_url::ENDPOINT, service.clone()));
            self.services.entry(service.clone()).or_default().insert(cluster.into());
            self.service_names.insert(service.clone());
            self.service_of.insert(cluster.into(), service);
        }
    }

    /// Makes a cluster live as soon as its endpoints and secrets are known, and gives a live one its newest ones.
    pub(super) fn settle_cluster(&mut self, name: &Arc<str>) {
        let Some(slot) = self.clusters.get_mut(name) else { return };
        let Some(config) = slot.warming.clone().or(slot.live.as_ref().map(|live| live.config.clone())) else {
            return;
        };
        let entries = match &config.discovery {
            config::Discovery::Static(endpoints) => endpoints.clone(),
            config::Discovery::Aggregate(_) => Endpoints::default(),
            config::Discovery::Endpoints(service) => match self.assignments.get(service) {
                Some(endpoints) => endpoints.clone(),
                None => return,
            },
            config::Discovery::Dns { .. } => match self.resolved.get(name) {
                Some(endpoints) => endpoints.clone(),
                None => return,
            },
        };
        let Some(live) = Cluster::new(config, &entries, &self.secrets, slot.live.as_deref()) else { return };
        let live = Arc::new(live);
        if live.config.tls.is_none() {
            self.secured.remove(name);
        }
        slot.warming = None;
        slot.live = Some(live.clone());
        self.current.clusters.insert(name.clone(), live);
    }

    /// Gives the clusters with TLS their newest secrets.
    pub(super) fn settle_secured_clusters(&mut self) {
        for name in self.secured.clone() {
            self.settle_cluster(&name);
        }
    }

    /// Notes which secrets clusters name, after these have changed.
    pub(super) fn note_secrets_of_clusters(&mut self) {
        let named = self.cluster_tls().flat_map(|tls| tls.secrets()).cloned().collect();
        let before = std::mem::replace(&mut self.secrets_of_clusters, named);
        let moved: Vec<Arc<str>> = before.symmetric_difference(&self.secrets_of_clusters).cloned().collect();
        moved.iter().for_each(|secret| self.note_secret(secret));
    }

    /// Returns the TLS settings of the clusters in effect and warming.
    pub(super) fn cluster_tls(&self) -> impl Iterator<Item = &UpstreamTls> {
        let slots = self.secured.iter().filter_map(|name| self.clusters.get(name));
        let configs =
            slots.flat_map(|slot| slot.warming.iter().chain(slot.live.as_ref().map(|live| &live.config)));
        configs.filter_map(|config| config.tls.as_ref())
    }

    pub(super) fn apply_endpoints(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name: Arc<str> = resource.name.as_str().into();
            match read(resource, |message, _| config::endpoints(message), &self.filters) {
                Ok((name, endpoints)) => self.assign(name, endpoints),
                Err(reason) => {
                    // Without a predecessor the cluster has no endpoint, but it is not waited for any more.
                    if !self.assignments.contains_key(&name) {
                        self.assign(name, Endpoints::default());
                    }
                    rejected.push(reason);
                }
            }
        }
        for name in removed {
            if self.services.contains_key(name.as_str()) {
                self.assign(name.as_str().into(), Endpoints::default());
            }
        }
        rejected
    }

    pub(super) fn assign(&mut self, service: Arc<str>, endpoints: Endpoints) {
        let users: Vec<Arc<str>> = self.services.get(&service).into_iter().flatten().cloned().collect();
        self.assignments.insert(service, endpoints);
        for cluster in users {
            self.settle_cluster(&cluster);
        }
    }
}
