//! Plugins of the source, and the hosts that a change of one concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{HostPattern, PluginRule, RouteAction};
use gatewright_kinds::{EntityKey, Kind};

use super::{Engine, Stale, hosts_of};
use crate::lower::plugin::{self, PluginScope, covers_host, names_service};
use crate::manifest::Manifest;

/// What Higress appends to the name of an Ingress for the routes that it generates.
const GENERATED: [&str; 2] = ["-default", "-fallback"];
/// What it appends to the name of a host.
const APP_ROOT: &str = "-app-root";

impl Engine {
    /// Lowers the hosts again that a changed plugin covers, or covered.
    pub(super) fn update_plugins(
        &mut self,
        changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>,
        stale: &mut Stale,
    ) {
        if !changed.keys().any(|key| key.kind == Kind::WasmPlugin) {
            return;
        }
        let manifests = self.manifests.values().filter(|manifest| manifest.key.kind == Kind::WasmPlugin);
        let (plugins, findings) = plugin::read(manifests, &self.poisoned, &self.options);
        self.plugin_findings = findings;
        let old = std::mem::replace(&mut self.plugins, plugins);
        if old == self.plugins {
            return;
        }
        let runs = self.plugins.iter().filter(|scope| scope.runs());
        self.ir.plugins = runs.map(|scope| scope.plugin.clone()).collect();
        let differs = |scope: &&PluginScope, others: &[PluginScope]| !others.contains(scope);
        let gone = old.iter().filter(|scope| differs(scope, &self.plugins));
        let come = self.plugins.iter().filter(|scope| differs(scope, &old));
        for scope in gone.chain(come) {
            let concerned = self.concerned_by(scope);
            stale.hosts.extend(concerned);
        }
    }

    /// Returns the hosts that a plugin may act on. Of Ingresses that change as well the hosts are stale by themselves.
    fn concerned_by(&self, scope: &PluginScope) -> BTreeSet<HostPattern> {
        // What is lost is refused wherever it may be meant for.
        if scope.lost.is_some() || scope.plugin.global_config.is_some() {
            return self.by_host.keys().cloned().collect();
        }
        scope.plugin.rules.iter().flat_map(|rule| self.met_by(rule)).collect()
    }

    /// Returns the hosts that have a route which a rule may take; see [`plugin::apply`] for how it decides.
    fn met_by(&self, rule: &PluginRule) -> BTreeSet<HostPattern> {
        if !rule.routes.is_empty() {
            return rule.routes.iter().flat_map(|name| self.hosts_of_route(name)).collect();
        }
        if !rule.domains.is_empty() {
            let covered = |host: &&HostPattern| rule.domains.iter().any(|domain| covers_host(domain, host));
            return self.by_host.keys().filter(covered).cloned().collect();
        }
        let leads = |(host, unit): &(&HostPattern, &super::HostUnit)| {
            let named = |service| unit.clusters.iter().any(|cluster| names_service(service, cluster));
            // Where a refused route would lead is not kept.
            rule.services.iter().any(|service| named(service)) || self.refuses(host)
        };
        self.hosts.iter().filter(leads).map(|(host, _)| host.clone()).collect()
    }

    fn hosts_of_route(&self, name: &str) -> BTreeSet<HostPattern> {
        let ingress = |name: &str| {
            let unit = self.ingresses.get(&self.ingress_of_route_name(name));
            hosts_of(unit.and_then(|unit| unit.analyzed.as_deref()))
        };
        let mut hosts: BTreeSet<HostPattern> = ingress(name).iter().cloned().collect();
        for suffix in GENERATED {
            hosts.extend(name.strip_suffix(suffix).into_iter().flat_map(ingress));
        }
        hosts.extend(name.strip_suffix(APP_ROOT).and_then(|host| host.parse().ok()));
        hosts
    }

    fn refuses(&self, host: &HostPattern) -> bool {
        let units = self.ir.listeners.keys().filter_map(|id| self.ir.hosts.get(&(*id, host.clone())));
        units.flat_map(|unit| &unit.host.routes).any(|route| matches!(route.action, RouteAction::Refuse(_)))
    }
}
