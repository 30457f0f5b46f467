//! What was lowered goes into the model, and who uses what is counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_ir::{Certificate, ClusterName, HostPattern, ListenerId, LoweredHost, SecretRef, TlsContext};
use rayon::prelude::*;

use super::output::{self, WorkCounters};
use super::{Engine, Stale, index, put_all, put_sorted, release};
use crate::lower::cluster;
use crate::lower::host::HostUnit;

impl Engine {
    /// Puts lowered hosts into the model and returns the (listener, host) pairs whose virtual host changed.
    pub(super) fn install_hosts(
        &mut self,
        lowered: Vec<(HostPattern, HostUnit)>,
        stale: &mut Stale,
    ) -> output::HostChanges {
        let mut changes = output::HostChanges::default();
        let (mut served, mut units) = (Vec::new(), Vec::with_capacity(lowered.len()));
        let mut spoken_of = BTreeSet::new();
        for (pattern, unit) in lowered {
            let old = self.hosts.remove(&pattern).unwrap_or_default();
            self.count_users(&old, &unit, stale);
            self.move_reads(&pattern, &old, &unit);
            index::note(&mut self.faulty.hosts, &pattern, &unit.findings);
            spoken_of.append(&mut self.service_policies.replace(&old.claims, &unit.claims));
            for (listener, after) in changed_virtual_hosts(&old, &unit) {
                let key = (listener, pattern.clone());
                match after {
                    Some(host) => served.push((key.clone(), host.clone())),
                    None => drop(self.ir.hosts.remove(&key)),
                }
                changes.hosts.insert(key);
            }
            if old.tls != unit.tls {
                self.count_secret_users(old.tls.as_deref(), unit.tls.as_deref(), stale);
                self.install_tls(ListenerId::HTTPS, &pattern, unit.tls.clone());
                changes.chains.insert((ListenerId::HTTPS, pattern.clone()));
            }
            if self.by_host.get(&pattern).is_some_and(|names| !names.is_empty()) {
                units.push((pattern, unit));
            } else {
                self.by_host.remove(&pattern);
            }
        }
        served.par_sort_unstable_by(|one, two| one.0.cmp(&two.0));
        put_sorted(&mut self.ir.hosts, served);
        put_all(&mut self.hosts, units);
        let spoken_of = spoken_of.iter().map(|service| service.host().to_owned()).collect();
        stale.clusters.extend(self.clusters_at(&spoken_of));
        changes
    }

    /// Sets what a listener does for a server name. A TLS listener that has nothing to do goes.
    fn install_tls(&mut self, listener: ListenerId, name: &HostPattern, context: Option<Arc<TlsContext>>) {
        let table = &mut self.ir.listeners.entry(listener).or_default().tls;
        match context {
            Some(context) => drop(table.insert(name.clone(), context)),
            None => drop(table.remove(name)),
        }
        if table.is_empty() {
            self.ir.listeners.remove(&listener);
        }
    }

    /// Counts who serves which Secret. One that is served from now on, or no more, is stale.
    fn count_secret_users(&mut self, old: Option<&TlsContext>, new: Option<&TlsContext>, stale: &mut Stale) {
        let [old, new] = [old, new].map(|context| context.and_then(served_secret));
        if old == new {
            return;
        }
        if let Some(name) = new {
            *self.secret_users.entry(name.clone()).or_default() += 1;
        }
        if let Some(name) = old {
            release(&mut self.secret_users, name);
        }
        stale.secrets.extend([old, new].into_iter().flatten().map(output::secret_key));
    }

    fn count_users(&mut self, old: &HostUnit, new: &HostUnit, stale: &mut Stale) {
        for name in old.clusters.difference(&new.clusters) {
            release(&mut self.cluster_users, name);
            stale.clusters.insert(name.clone());
        }
        for name in new.clusters.difference(&old.clusters) {
            *self.cluster_users.entry(name.clone()).or_default() += 1;
            stale.clusters.insert(name.clone());
        }
        for members in old.fallbacks.difference(&new.fallbacks) {
            release(&mut self.fallback_users, members);
            stale.fallbacks = true;
        }
        for members in new.fallbacks.difference(&old.fallbacks) {
            *self.fallback_users.entry(members.clone()).or_default() += 1;
            stale.fallbacks = true;
        }
    }

    fn move_reads(&mut self, pattern: &HostPattern, old: &HostUnit, new: &HostUnit) {
        for dependency in old.reads.difference(&new.reads) {
            if let Some(hosts) = self.readers.get_mut(dependency) {
                hosts.remove(pattern);
                if hosts.is_empty() {
                    self.readers.remove(dependency);
                }
            }
        }
        for dependency in new.reads.difference(&old.reads) {
            self.readers.entry(dependency.clone()).or_default().insert(pattern.clone());
        }
    }

    /// Lowers stale clusters into the model and returns the ones whose cluster or endpoints changed.
    pub(super) fn lower_clusters(
        &mut self,
        stale: &BTreeSet<ClusterName>,
        counters: &mut WorkCounters,
    ) -> output::ClusterChanges {
        let mut changes = output::ClusterChanges::default();
        counters.clusters_lowered += stale.len();
        let world = self.world();
        let wanted =
            |name: &ClusterName| self.cluster_users.contains_key(name) || self.published_by_registry(name);
        let lower = |name| wanted(name).then(|| cluster::lower(name, &world));
        let lowered: Vec<_> = stale.iter().map(|name| (name, lower(name))).collect();
        let (mut models, mut sets) = (Vec::new(), Vec::new());
        for (name, lowered) in lowered {
            let (model, endpoints) = match lowered {
                Some(lowered) => (Some(lowered.cluster), lowered.endpoints),
                None => (None, None),
            };
            if self.ir.clusters.get(name).map(AsRef::as_ref) != model.as_ref() {
                match model {
                    Some(model) => models.push((name.clone(), Arc::new(model))),
                    None => drop(self.ir.clusters.remove(name)),
                }
                changes.clusters.insert(name.clone());
            }
            if self.ir.endpoints.get(name).map(AsRef::as_ref) != endpoints.as_ref() {
                match endpoints {
                    Some(endpoints) => sets.push((name.clone(), Arc::new(endpoints))),
                    None => drop(self.ir.endpoints.remove(name)),
                }
                changes.endpoints.insert(name.clone());
            }
        }
        put_sorted(&mut self.ir.clusters, models);
        put_sorted(&mut self.ir.endpoints, sets);
        changes
    }

    /// Every service of a registry has a cluster, whether a route names it or not: plugins may call it.
    fn published_by_registry(&self, name: &ClusterName) -> bool {
        let service = self.registries.services.get(name.host());
        service.is_some_and(|service| Some(service.port) == name.port())
    }
}

/// Returns the listeners at which a host changed, with what it is now.
fn changed_virtual_hosts<'u>(
    old: &HostUnit,
    new: &'u HostUnit,
) -> Vec<(ListenerId, Option<&'u Arc<LoweredHost>>)> {
    let of = |unit: &HostUnit, listener| {
        unit.virtual_hosts.iter().find(|host| host.host.listener == listener).map(|host| host.digest)
    };
    let kept = |host: &Arc<LoweredHost>| of(old, host.host.listener) == Some(host.digest);
    let gone = old
        .virtual_hosts
        .iter()
        .map(|host| host.host.listener)
        .filter(|listener| of(new, *listener).is_none());
    let changed =
        new.virtual_hosts.iter().filter(|host| !kept(host)).map(|host| (host.host.listener, Some(host)));
    changed.chain(gone.map(|listener| (listener, None))).collect()
}

/// Returns the Secret whose certificate is served.
fn served_secret(context: &TlsContext) -> Option<&SecretRef> {
    match &context.certificate {
        Certificate::Secret(name) => Some(name),
        Certificate::Missing(_) | Certificate::External { .. } => None,
    }
}
