//! Plugins that are there to keep requests out, with rules that cover no route of the source.

use gatewright_ir::HostPattern;
use gatewright_kinds::Kind;

use super::{Engine, Stale};
use crate::lower::lost_plugin::{self, Loss};
use crate::lower::plugin::{PluginScope, covers_host};
use crate::manifest::{Body, MatchRule, WasmPlugin};
use crate::options::Profile;

impl Engine {
    /// Brings what is known of lost plugins to the present Ingresses. Where it changes, every host is lowered again.
    pub(super) fn update_lost_plugins(&mut self, stale: &mut Stale) {
        let lost: Vec<Option<Loss>> = self.plugins.iter().map(|scope| self.loss_now(scope)).collect();
        for (scope, lost) in self.plugins.iter_mut().zip(lost) {
            if scope.lost != lost {
                scope.lost = lost;
                stale.hosts.extend(self.by_host.keys().cloned());
            }
        }
        self.tell_lost_plugins();
    }

    fn loss_now(&self, scope: &PluginScope) -> Option<Loss> {
        match scope.lost {
            Some(Loss::Elsewhere | Loss::NoConfiguration) => return scope.lost,
            Some(Loss::NoRoute) | None => {}
        }
        let spec = self.spec_of(scope)?;
        let routes = self.ingresses.values().any(|unit| unit.analyzed.is_some());
        // Without any route in the source its routes are elsewhere.
        if !routes || !self.can_be_lost(scope) {
            return None;
        }
        let enabled = spec.match_rules.iter().filter(|rule| !rule.config_disable);
        enabled.into_iter().all(|rule| !self.covers_something(rule)).then_some(Loss::NoRoute)
    }

    /// Returns whether a plugin is lost where its rules cover no route.
    pub(super) fn can_be_lost(&self, scope: &PluginScope) -> bool {
        let by_rules = scope.plugin.global_config.is_none() && !scope.plugin.rules.is_empty();
        by_rules && self.spec_of(scope).is_some_and(|spec| lost_plugin::protects(&scope.key, spec))
    }

    fn spec_of(&self, scope: &PluginScope) -> Option<&WasmPlugin> {
        match self.manifests.get(&scope.key).map(|manifest| &manifest.body) {
            Some(Body::WasmPlugin(spec)) => Some(spec),
            _ => None,
        }
    }

    /// Returns whether a rule covers a route, as far as names and hosts tell: upstreams may be discovered elsewhere.
    fn covers_something(&self, rule: &MatchRule) -> bool {
        if !rule.ingress.is_empty() {
            return rule.ingress.iter().any(|name| self.names_route(name));
        }
        if !rule.domain.is_empty() {
            return rule.domain.iter().any(|domain| self.named_hosts().any(|host| covers_host(domain, host)));
        }
        true
    }

    /// Returns whether a route has this name; those that Higress generates carry a suffix.
    fn names_route(&self, name: &str) -> bool {
        let served = |name: &str| {
            let unit = self.ingresses.get(&self.ingress_of_route_name(name));
            unit.is_some_and(|unit| unit.analyzed.is_some())
        };
        let suffixes = ["-default", "-fallback"];
        let host = name.strip_suffix("-app-root");
        served(name)
            || suffixes.iter().filter_map(|suffix| name.strip_suffix(suffix)).any(served)
            || host.is_some_and(|host| self.named_hosts().any(|known| known.to_string() == host))
    }

    /// Returns the hosts that Ingresses name. Those whose last Ingress went are in the index until they are lowered.
    fn named_hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.by_host.iter().filter(|(_, names)| !names.is_empty()).map(|(host, _)| host)
    }

    /// Renews the findings of lost plugins, and what the model says of those whose routes are served.
    fn tell_lost_plugins(&mut self) {
        let lost: Vec<_> = self.plugins.iter().filter_map(|scope| Some((scope, scope.lost?))).collect();
        let by_rules = lost.iter().filter(|(_, loss)| *loss == Loss::NoRoute);
        let findings = by_rules.filter_map(|(scope, loss)| {
            Some(lost_plugin::finding(&scope.key, *loss, self.spec_of(scope)?, &self.options))
        });
        let findings = findings.collect();
        let open: Vec<_> = match self.options.profile {
            Profile::Native => Vec::new(),
            Profile::Higress => lost
                .iter()
                .map(|(scope, loss)| (scope.key.clone(), [loss.reason().to_owned()].into()))
                .collect(),
        };
        self.lost_plugin_findings = findings;
        self.ir.unprotected.retain(|object, _| object.kind != Kind::WasmPlugin);
        self.ir.unprotected.extend(open);
    }
}
