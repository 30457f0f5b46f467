//! The check that every condition of a plugin's rules meets something: a typo there switches a plugin off in silence.

use gatewright_diagnostics::code;

use super::Engine;
use crate::finding::{Finding, Place};
use crate::lower::plugin::{covers_host, names_service};
use crate::manifest::{Body, MatchRule};

impl Engine {
    /// Returns a finding for every condition that no route, host or upstream of the source meets.
    pub(super) fn unmatched_plugin_rules(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        // One finding says of a plugin that nothing of it covers anything.
        for scope in self.plugins.iter().filter(|scope| scope.lost.is_none()) {
            let Some(Body::WasmPlugin(spec)) = self.manifests.get(&scope.key).map(|manifest| &manifest.body)
            else {
                continue;
            };
            let rules = spec.match_rules.iter().enumerate().filter(|(_, rule)| !rule.config_disable);
            for (index, rule) in rules {
                for (pointer, message) in self.unmatched(rule) {
                    let place = Place::value(&scope.key, format!("/spec/matchRules/{index}{pointer}"));
                    findings.push(Finding::new(&code::GW0433, place, message));
                }
            }
        }
        findings
    }

    fn unmatched(&self, rule: &MatchRule) -> Vec<(String, String)> {
        let mut unmatched = Vec::new();
        for (index, name) in rule.ingress.iter().enumerate().filter(|(_, name)| !self.has_route(name)) {
            unmatched.push((format!("/ingress/{index}"), format!("no route is called `{name}`")));
        }
        for (index, domain) in rule.domain.iter().enumerate().filter(|(_, domain)| !self.has_host(domain)) {
            unmatched.push((format!("/domain/{index}"), format!("no served host is covered by `{domain}`")));
        }
        for (index, service) in
            rule.service.iter().enumerate().filter(|(_, service)| !self.has_upstream(service))
        {
            unmatched.push((format!("/service/{index}"), format!("no route forwards to `{service}`")));
        }
        unmatched
    }

    /// Route names carry suffixes for generated routes: `-default`, `-app-root`.
    fn has_route(&self, name: &str) -> bool {
        let ingress = self.ingress_of_route_name(name);
        self.ingresses.get(&ingress).is_some_and(|unit| unit.analyzed.is_some())
            || self.ir.hosts.values().any(|host| host.host.routes.iter().any(|route| *route.name == *name))
    }

    fn has_host(&self, domain: &str) -> bool {
        self.ir.hosts.keys().any(|(_, host)| covers_host(domain, host))
    }

    fn has_upstream(&self, service: &str) -> bool {
        self.ir.clusters.keys().any(|cluster| names_service(service, cluster))
    }
}
