//! One host: from its Ingresses to virtual hosts behind both listeners.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{
    ClusterName, HostPattern, ListenerId, LoweredHost, PathMatch, Redirect, Refusal, Route, RouteAction,
    RoutePart, TlsContext, VirtualHost,
};
use gatewright_kinds::Kind;

use super::plugin::PluginScope;
use super::route::Draft;
use super::{
    backend, canary, client_certificates, default_backend, plugin, preflight, service_policy, tls,
    unreachable, weights,
};
use crate::annotations::route_policy;
use crate::finding::{Finding, Place};
use crate::ingress::{AnalyzedIngress, PathRule};
use crate::order::higress_sort;
use crate::service_policy::Claim;
use crate::small_set::SmallSet;
use crate::world::{Dependency, Reads, World};

/// What one host becomes.
#[derive(Debug, Default)]
pub(crate) struct HostUnit {
    /// At most one for each listener.
    pub(crate) virtual_hosts: Box<[Arc<LoweredHost>]>,
    /// What the TLS listener does for the host's name.
    pub(crate) tls: Option<Arc<TlsContext>>,
    pub(crate) findings: Box<[Finding]>,
    pub(crate) reads: SmallSet<Dependency>,
    /// Every cluster that a route names, fallbacks included.
    pub(crate) clusters: SmallSet<ClusterName>,
    /// Clusters with their fallbacks, where a target has some.
    pub(crate) fallbacks: SmallSet<Vec<ClusterName>>,
    /// What the host's Ingresses say of Services.
    pub(crate) claims: Box<[Claim]>,
}

impl HostUnit {
    /// Leaves the findings and what they are found by.
    pub(crate) fn drop_model(&mut self) {
        let HostUnit { tls, findings, claims, .. } = std::mem::take(self);
        *self = HostUnit { tls, findings, claims, ..HostUnit::default() };
    }
}

/// Lowers a host. `ingresses` are all that name it, and for `*` also those with a default backend, oldest first.
pub(crate) fn lower(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    plugins: &[PluginScope],
    world: &World<'_>,
) -> HostUnit {
    let mut unit = HostUnit::default();
    let opened = ingresses.iter().any(|i| i.policy.canary.is_none() && i.opens(host));
    let mut reads = Reads::new();
    let mut findings = Vec::new();
    let drafts = drafts(host, ingresses, world, &mut reads, &mut findings);
    if opened {
        unit.tls = tls::context(ingresses, host, world, &mut reads, &mut findings).map(Arc::new);
        report_redirects_without_tls(host, ingresses, unit.tls.is_some(), &mut findings);
        findings.extend(unreachable::findings(host, &drafts, world));
        findings.extend(preflight::findings(host, &drafts));
        let demand = client_certificates::demand(host, ingresses);
        let refusal = demand.map(|demand| demand.refusal);
        // Where no handshake can ask, nothing is served: that would be open.
        let unasked = refusal.filter(|_| unit.tls.is_none());
        let plain = virtual_host(ListenerId::HTTP, host, &drafts, unasked, plugins, world);
        let tls = unit.tls.as_ref();
        let encrypted =
            tls.and_then(|_| virtual_host(ListenerId::HTTPS, host, &drafts, refusal, plugins, world));
        findings.extend(demand.and_then(|demand| match (tls, &plain) {
            (None, _) => Some(demand.without_certificate(host, world)),
            (Some(_), Some(plain)) => demand.in_clear_text(plain, &drafts, world),
            (Some(_), None) => None,
        }));
        unit.virtual_hosts = [plain, encrypted].into_iter().flatten().collect();
        collect_clusters(&mut unit);
    } else {
        report_unexposed(host, ingresses, &mut findings);
    }
    unit.claims = service_policy::claims(host, ingresses, world, &mut reads).into();
    unit.findings = findings.into();
    unit.reads = reads.into();
    unit
}

/// Builds the routes of a host in matching order, along Higress' own steps.
fn drafts(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Vec<Draft> {
    let mut drafts = base_routes(host, ingresses, world, reads, findings);
    for ingress in ingresses {
        if let Some(canary) = &ingress.policy.canary {
            canary::apply(ingress, canary, host, &mut drafts, world, reads, findings);
        }
    }
    for draft in &mut drafts {
        if weights::normalize(&mut draft.destinations, draft.weight_total) {
            let message = "Higress' 32-bit arithmetic serves one point less than the weight written here";
            findings.push(Finding::new(&code::GW0420, draft.place.clone(), message));
        }
    }
    default_backend::apply(ingresses, host, &mut drafts, world, reads, findings);
    if let Some(root) = app_root(host, ingresses, findings) {
        drafts.insert(0, root);
    }
    drafts.retain(|draft| {
        !draft.destinations.is_empty() || draft.url_redirect.is_some() || draft.refusal.is_some()
    });
    higress_sort(&mut drafts, &|a: &Draft, b: &Draft| a.sort_key().before(&b.sort_key()));
    drafts
}

fn base_routes(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut owners: BTreeMap<String, (&AnalyzedIngress, &PathRule)> = BTreeMap::new();
    for ingress in ingresses.iter().filter(|ingress| ingress.policy.canary.is_none()) {
        for rule in ingress.paths_of(host) {
            let key = ingress.rule_key(rule);
            if let Some((owner, owned)) = owners.get(&key) {
                if !rule.misread && !owned.misread {
                    findings.push(duplicate(ingress, rule, owner, owned));
                }
                continue;
            }
            owners.insert(key, (ingress, rule));
            if !rule.is_valid() {
                continue;
            }
            let resolved = backend::resolve(ingress, &rule.backend, &rule.pointer(), world, reads, findings);
            let mut draft = match resolved {
                Some(resolved) => Draft::of_path(ingress, rule, resolved.list, resolved.weight_total),
                // Its requests must not fall to a neighbour's route while the rest of the source is served.
                None => Draft { refusal: Some(broken()), ..Draft::of_path(ingress, rule, Vec::new(), 0) },
            };
            add_fallback(ingress, &mut draft, world, reads, findings);
            drafts.push(draft);
        }
    }
    drafts
}

/// The refusal of a route that an error leaves without meaning.
pub(crate) fn broken() -> Refusal {
    Refusal {
        code: code::GW0501.id.to_owned(),
        reason: "the configuration of this route has an error".to_owned(),
    }
}

fn duplicate(loser: &AnalyzedIngress, rule: &PathRule, owner: &AnalyzedIngress, owned: &PathRule) -> Finding {
    let place = Place::value(&loser.key, format!("{}/path", rule.pointer()));
    let other = Place::value(&owner.key, format!("{}/path", owned.pointer()));
    if loser.key == owner.key {
        return Finding::new(
            &code::GW0301,
            place,
            "the same host, path type and path stand twice in this Ingress",
        )
        .with_related(other, "the first one is served");
    }
    let message =
        format!("{} already routes this host, path and conditions, so this path is dropped", owner.key);
    Finding::new(&code::GW0301, place, message).with_related(other, "this one is served").with_note(format!(
        "Higress serves the older Ingress; decided by {}",
        loser.age.decided_by(&owner.age)
    ))
}

/// The `default-backend` annotation: its Service takes over for the first destination of every route.
fn add_fallback(
    ingress: &AnalyzedIngress,
    draft: &mut Draft,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) {
    let Some(fallback) = &ingress.policy.fallback_service else { return };
    let service = world.service(&fallback.namespace, &fallback.name, reads);
    let Some(port) = service.and_then(|service| service.ports.first()) else {
        // A Service that is defined twice, or whose ports cannot be read, has a finding of its own.
        let told = service.map_or_else(
            || world.is_ambiguous(Kind::Service, &fallback.namespace, &fallback.name),
            |service| service.misread,
        );
        if told {
            return;
        }
        let message = format!(
            "Service `{}/{}` is not in the source or has no port, so the fallback has no effect",
            fallback.namespace, fallback.name
        );
        let place = Place::annotation_value(&ingress.key, &fallback.annotation);
        findings.push(Finding::new(&code::GW0421, place, message));
        return;
    };
    let host = world.service_host(&fallback.namespace, &fallback.name);
    let cluster = ClusterName::outbound(u32::from(port.port), "", &host);
    if let Some(first) = draft.destinations.first_mut()
        && first.cluster(ListenerId::HTTP) != cluster
    {
        first.fallbacks.push(cluster);
    }
}

/// The newest Ingress with an `app-root` for the host wins.
fn app_root(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    findings: &mut Vec<Finding>,
) -> Option<Draft> {
    let mut chosen: Option<&AnalyzedIngress> = None;
    let asking = ingresses
        .iter()
        .filter(|i| i.policy.canary.is_none() && i.opens(host) && i.policy.redirect.app_root.is_some());
    for ingress in asking {
        if let Some(older) = chosen {
            let key = older.policy.redirect.app_root.as_ref().map_or("", |found| found.key.as_str());
            let message = format!("the newer {} sets the app-root of host `{host}`", ingress.key);
            findings.push(
                Finding::new(&code::GW0303, Place::annotation(&older.key, key), message)
                    .with_note(format!("decided by {}", older.age.decided_by(&ingress.age))),
            );
        }
        chosen = Some(ingress);
    }
    let ingress = chosen?;
    let found = ingress.policy.redirect.app_root.as_ref()?;
    let pointer = Place::annotation(&ingress.key, &found.key).pointer;
    let mut draft =
        Draft::bare(ingress, host, RoutePart::AppRoot, &pointer, PathMatch::Exact("/".to_owned()));
    draft.name = format!("{host}-app-root").into();
    draft.refusal = ingress.erroneous.then(broken);
    draft.url_redirect =
        Some(Redirect { code: 302, scheme: None, host: None, port: None, path: Some(found.value.clone()) });
    Some(draft)
}

/// Returns the virtual host of one listener; none where it has no route.
fn virtual_host(
    listener: ListenerId,
    host: &HostPattern,
    drafts: &[Draft],
    refusal: Option<&Refusal>,
    plugins: &[PluginScope],
    world: &World<'_>,
) -> Option<Arc<LoweredHost>> {
    let mut routes: Vec<Route> = Vec::new();
    for route in drafts.iter().flat_map(|draft| draft.routes(listener, refusal, world)) {
        let ends = route.matches.is_catch_all();
        let with_plugins = plugin::apply(plugins, host, route, world.options.profile);
        routes.extend(with_plugins.into_iter().map(finished));
        // Pilot stops at the first route that takes everything.
        if ends {
            break;
        }
    }
    routes.shrink_to_fit();
    (!routes.is_empty())
        .then(|| Arc::new(LoweredHost::new(VirtualHost { listener, host: host.clone(), routes })))
}

/// A route that does not forward needs nothing of what concerns the way upstream.
fn finished(mut route: Route) -> Route {
    if !matches!(route.action, RouteAction::Forward(_)) {
        route.policy = route_policy::without_upstream(&route.policy);
    }
    route
}

fn collect_clusters(unit: &mut HostUnit) {
    let (mut clusters, mut fallbacks) = (BTreeSet::new(), BTreeSet::new());
    let routes = unit.virtual_hosts.iter().flat_map(|host| &host.host.routes);
    let forwards = routes.filter_map(|route| match &route.action {
        RouteAction::Forward(forward) => Some(forward),
        _ => None,
    });
    for target in forwards.flat_map(|forward| &forward.targets) {
        clusters.insert(target.cluster.clone());
        clusters.extend(target.fallbacks.iter().cloned());
        if !target.fallbacks.is_empty() {
            let all = std::iter::once(target.cluster.clone()).chain(target.fallbacks.iter().cloned());
            fallbacks.insert(all.collect());
        }
    }
    (unit.clusters, unit.fallbacks) = (clusters.into(), fallbacks.into());
}

fn report_redirects_without_tls(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    has_tls: bool,
    findings: &mut Vec<Finding>,
) {
    if has_tls {
        return;
    }
    for ingress in ingresses.iter().filter(|ingress| ingress.opens(host)) {
        if let Some(key) = &ingress.policy.redirect.https {
            let message = format!("host `{host}` redirects to HTTPS but has no certificate");
            findings.push(Finding::new(&code::GW0422, Place::annotation(&ingress.key, key), message));
        }
    }
}

fn report_unexposed(host: &HostPattern, ingresses: &[&AnalyzedIngress], findings: &mut Vec<Finding>) {
    for ingress in ingresses.iter().filter(|ingress| default_backend::concerns(ingress, host)) {
        if ingress.hosts.is_empty() {
            let message = "no Ingress has a rule without host, so Higress never serves this default backend";
            findings.push(
                Finding::new(&code::GW0423, Place::key(&ingress.key, "/spec/defaultBackend"), message)
                    .with_help("add a rule without host and with path `/` instead"),
            );
        }
    }
}
