//! Facets: the separate things about an outcome that somebody could notice, and how they could.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatewright_ir::{ClusterName, PluginApplication, Refusal, RetryPolicy};
use serde::Serialize;

use crate::outcome::{
    Answer, ClusterOutcome, ForwardOutcome, Handshake, HeaderOutcome, Outcome, RedirectOutcome, Supply,
    TargetOutcome,
};

/// One thing about an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// The certificate that is served, or that the connection is closed.
    Certificate,
    /// TLS versions and cipher suites.
    TlsParameters,
    /// The kind of answer: 404, forward, redirect, refusal.
    Answer,
    /// The set of upstream clusters.
    Upstream,
    /// Their shares.
    Weights,
    /// The clusters that take over.
    Fallbacks,
    /// Whether the clusters exist and have endpoints.
    Endpoints,
    /// Where endpoints come from.
    Discovery,
    /// The protocol to the upstream.
    Protocol,
    /// How an endpoint is chosen.
    LoadBalancing,
    /// The path that the upstream sees.
    Path,
    /// The host that the upstream sees.
    Host,
    /// Request headers that the upstream sees.
    RequestHeaders,
    /// Response headers that the client sees.
    ResponseHeaders,
    /// Code and target of a redirect.
    Redirect,
    /// Code and reason of a refusal.
    Refusal,
    /// The CORS policy.
    Cors,
    /// The time limit.
    Timeout,
    /// Retries.
    Retry,
    /// Plugins: order, module, configuration, fail strategy, scope.
    Plugins,
}

/// How a facet can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Observability {
    /// One request shows it, to its client or to the backend.
    OneRequest,
    /// A sample of many requests shows it.
    Sample,
    /// No request shows it for certain.
    Hidden,
}

/// A facet with its two values, as texts for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FacetChange {
    /// The facet.
    pub facet: Facet,
    /// Its value before.
    pub before: String,
    /// Its value after.
    pub after: String,
}

impl Facet {
    /// Every facet, in the order in which outputs list them.
    pub const ALL: [Facet; 20] = [
        Facet::Certificate,
        Facet::TlsParameters,
        Facet::Answer,
        Facet::Upstream,
        Facet::Weights,
        Facet::Fallbacks,
        Facet::Endpoints,
        Facet::Discovery,
        Facet::Protocol,
        Facet::LoadBalancing,
        Facet::Path,
        Facet::Host,
        Facet::RequestHeaders,
        Facet::ResponseHeaders,
        Facet::Redirect,
        Facet::Refusal,
        Facet::Cors,
        Facet::Timeout,
        Facet::Retry,
        Facet::Plugins,
    ];

    /// Returns how the facet can be seen from outside.
    pub fn observability(self) -> Observability {
        match self {
            Facet::Weights => Observability::Sample,
            Facet::TlsParameters
            | Facet::Fallbacks
            | Facet::Discovery
            | Facet::LoadBalancing
            | Facet::Timeout
            | Facet::Retry
            | Facet::Plugins => Observability::Hidden,
            _ => Observability::OneRequest,
        }
    }

    /// Returns its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Facet::Certificate => "certificate",
            Facet::TlsParameters => "TLS parameters",
            Facet::Answer => "answer",
            Facet::Upstream => "upstream",
            Facet::Weights => "weights",
            Facet::Fallbacks => "fallbacks",
            Facet::Endpoints => "endpoints",
            Facet::Discovery => "discovery",
            Facet::Protocol => "upstream protocol",
            Facet::LoadBalancing => "load balancing",
            Facet::Path => "upstream path",
            Facet::Host => "upstream host",
            Facet::RequestHeaders => "request headers",
            Facet::ResponseHeaders => "response headers",
            Facet::Redirect => "redirect",
            Facet::Refusal => "refusal",
            Facet::Cors => "CORS",
            Facet::Timeout => "timeout",
            Facet::Retry => "retries",
            Facet::Plugins => "plugins",
        }
    }
}

impl fmt::Display for Facet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Returns the facets in which two outcomes differ, with both values; empty only for equal outcomes. Where the kind of
/// answer differs, that is the whole change (with the plugins), and its values say what each side does.
pub fn changes(before: &Outcome, after: &Outcome) -> Vec<FacetChange> {
    let mut found = Changes::default();
    match (before, after) {
        (Outcome::Handshake(before), Outcome::Handshake(after)) => found.handshakes(before, after),
        (Outcome::Route(a), Outcome::Route(b)) => {
            match (&a.answer, &b.answer) {
                (Answer::Forward(a), Answer::Forward(b)) => found.forwards(a, b),
                (Answer::Redirect(a), Answer::Redirect(b)) => {
                    let target = |redirect: &RedirectOutcome| format!("{} to {redirect}", redirect.code);
                    let plain = |redirect: &RedirectOutcome| RedirectOutcome {
                        response_headers: HeaderOutcome::default(),
                        ..redirect.clone()
                    };
                    found.compare(Facet::Redirect, &plain(a), &plain(b), target);
                    found.headers(Facet::ResponseHeaders, &[&a.response_headers], &[&b.response_headers]);
                }
                (Answer::Refuse(a), Answer::Refuse(b)) => {
                    let text = |refusal: &Refusal| format!("{} {}", refusal.code, refusal.reason);
                    found.compare(Facet::Refusal, &a.refusal, &b.refusal, text);
                    found.headers(Facet::ResponseHeaders, &[&a.response_headers], &[&b.response_headers]);
                }
                _ => found.push(Facet::Answer, before.to_string(), after.to_string()),
            }
            found.compare(Facet::Plugins, &a.plugins, &b.plugins, |plugins| plugins_text(plugins));
        }
        _ if before != after => found.push(Facet::Answer, before.to_string(), after.to_string()),
        _ => {}
    }
    found.0.sort();
    found.0
}

#[derive(Default)]
struct Changes(Vec<FacetChange>);

impl Changes {
    fn push(&mut self, facet: Facet, before: String, after: String) {
        let shown = |text: &str| gatewright_secrets::text(text).into_owned();
        let (before, mut after) = (shown(&before), shown(&after));
        if before == after {
            after.push_str(" (another hidden value)");
        }
        self.0.push(FacetChange { facet, before, after });
    }

    fn compare<T: PartialEq + ?Sized>(
        &mut self,
        facet: Facet,
        before: &T,
        after: &T,
        text: impl Fn(&T) -> String,
    ) {
        if before != after {
            self.push(facet, text(before), text(after));
        }
    }

    fn handshakes(&mut self, before: &Handshake, after: &Handshake) {
        self.compare(Facet::Certificate, &before.to_string(), &after.to_string(), String::clone);
        if let (Some(old), Some(new)) = (handshake_parameters(before), handshake_parameters(after)) {
            self.compare(Facet::TlsParameters, &old, &new, String::clone);
        }
    }

    fn forwards(&mut self, before: &ForwardOutcome, after: &ForwardOutcome) {
        let names = |forward: &ForwardOutcome| -> Vec<ClusterName> {
            forward.targets.iter().map(|target| target.cluster.name.clone()).collect()
        };
        let shares = |forward: &ForwardOutcome| -> Vec<u32> {
            forward.targets.iter().map(|target| target.weight).collect()
        };
        if names(before) != names(after) {
            self.push(Facet::Upstream, before.to_string(), after.to_string());
        } else if shares(before) != shares(after) {
            self.push(Facet::Weights, before.to_string(), after.to_string());
        }
        self.compare(Facet::Fallbacks, &fallbacks(before), &fallbacks(after), |names| fallbacks_text(names));
        self.clusters(Facet::Endpoints, before, after, endpoints_text);
        self.clusters(Facet::Discovery, before, after, discovery_text);
        self.clusters(Facet::Protocol, before, after, |cluster| {
            cluster.protocol.map(|protocol| format!("{protocol:?}")).unwrap_or_default()
        });
        self.clusters(Facet::LoadBalancing, before, after, |cluster| {
            cluster.load_balancing.map(|balancing| format!("{balancing:?}")).unwrap_or_default()
        });
        self.compare(Facet::Path, &before.path, &after.path, ToString::to_string);
        self.compare(Facet::Host, &before.host, &after.host, |host| {
            host.clone().unwrap_or_else(|| "kept".into())
        });
        let request = |forward| target_headers(forward, |target| &target.request_headers);
        self.headers(Facet::RequestHeaders, &request(before), &request(after));
        let response = |forward| target_headers(forward, |target| &target.response_headers);
        self.headers(Facet::ResponseHeaders, &response(before), &response(after));
        self.compare(Facet::Cors, &before.cors, &after.cors, |cors| {
            cors.as_ref().map_or_else(|| "none".into(), ToString::to_string)
        });
        self.compare(Facet::Timeout, &before.timeout_ms, &after.timeout_ms, |timeout| {
            timeout.map_or_else(|| "unlimited".into(), |ms| format!("{ms} ms"))
        });
        self.compare(Facet::Retry, &before.retry, &after.retry, |retry| {
            retry.as_ref().map_or_else(|| "never".into(), retry_text)
        });
    }

    fn headers(&mut self, facet: Facet, before: &[&HeaderOutcome], after: &[&HeaderOutcome]) {
        self.compare(facet, before, after, |headers| {
            headers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
        });
    }

    /// Compares a property of the clusters that both sides have; of the others only whether new values occur, since
    /// the upstream's change is a facet of its own.
    fn clusters(
        &mut self,
        facet: Facet,
        before: &ForwardOutcome,
        after: &ForwardOutcome,
        value: fn(&ClusterOutcome) -> String,
    ) {
        let (old, new) = (cluster_values(before, value), cluster_values(after, value));
        let moved: Vec<&ClusterName> =
            old.keys().filter(|name| new.get(*name).is_some_and(|value| *value != old[*name])).collect();
        if !moved.is_empty() {
            let list = |values: &BTreeMap<ClusterName, String>| match moved.as_slice() {
                [one] if values.len() == 1 => values[*one].clone(),
                _ => moved
                    .iter()
                    .map(|name| format!("{name}: {}", values[*name]))
                    .collect::<Vec<_>>()
                    .join("; "),
            };
            self.push(facet, list(&old), list(&new));
            return;
        }
        let distinct =
            |values: &BTreeMap<ClusterName, String>| values.values().cloned().collect::<BTreeSet<_>>();
        let text = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join("; ");
        self.compare(facet, &distinct(&old), &distinct(&new), |values| text(values.clone()));
    }
}

fn handshake_parameters(handshake: &Handshake) -> Option<String> {
    let Handshake::Served { min_version, max_version, ciphers, .. } = handshake else { return None };
    let max = max_version.map(|version| format!(" to {version:?}")).unwrap_or_default();
    let suites = if ciphers.is_empty() { "default ciphers".to_owned() } else { ciphers.join(":") };
    Some(format!("{min_version:?}{max}, {suites}"))
}

fn cluster_values(
    forward: &ForwardOutcome,
    value: fn(&ClusterOutcome) -> String,
) -> BTreeMap<ClusterName, String> {
    let clusters =
        forward.targets.iter().flat_map(|target| std::iter::once(&target.cluster).chain(&target.fallbacks));
    clusters.map(|cluster| (cluster.name.clone(), value(cluster))).collect()
}

fn endpoints_text(cluster: &ClusterOutcome) -> String {
    match cluster.supply {
        Supply::Missing => "no such cluster".into(),
        Supply::Empty => "no endpoints".into(),
        Supply::Endpoints | Supply::Dns(_) => "endpoints".into(),
    }
}

fn discovery_text(cluster: &ClusterOutcome) -> String {
    match &cluster.supply {
        Supply::Missing => "none".into(),
        Supply::Empty | Supply::Endpoints => "pushed".into(),
        Supply::Dns(names) => {
            let names: Vec<String> =
                names.iter().map(|name| format!("{}:{}", name.address, name.port)).collect();
            format!("DNS {}", names.join(", "))
        }
    }
}

/// The fallbacks of each target; empty where no target has any.
fn fallbacks(forward: &ForwardOutcome) -> Vec<Vec<ClusterName>> {
    let lists = forward
        .targets
        .iter()
        .map(|target| target.fallbacks.iter().map(|cluster| cluster.name.clone()).collect::<Vec<_>>());
    let lists: Vec<_> = lists.collect();
    if lists.iter().all(Vec::is_empty) { Vec::new() } else { lists }
}

fn fallbacks_text(lists: &[Vec<ClusterName>]) -> String {
    let text = |list: &Vec<ClusterName>| match list.as_slice() {
        [] => "none".to_owned(),
        names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    if lists.is_empty() { "none".into() } else { lists.iter().map(text).collect::<Vec<_>>().join(" | ") }
}

/// The header edits of each target; one where all are equal.
fn target_headers(
    forward: &ForwardOutcome,
    edits: fn(&TargetOutcome) -> &HeaderOutcome,
) -> Vec<&HeaderOutcome> {
    let mut all: Vec<&HeaderOutcome> = forward.targets.iter().map(edits).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        all.truncate(1);
    }
    all
}

fn retry_text(retry: &RetryPolicy) -> String {
    let never = match retry.excluded_methods.as_slice() {
        [] => String::new(),
        methods => format!(", never {}", methods.join(",")),
    };
    format!("{} on {}{never}", retry.num_retries, retry.retry_on.join(","))
}

fn plugins_text(plugins: &[PluginApplication]) -> String {
    let texts: Vec<String> = plugins
        .iter()
        .map(|plugin| {
            let scope = plugin.only_host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
            let strategy = plugin.fail_strategy;
            format!(
                "{} (module {}, config {}, {strategy:?}){scope}",
                plugin.plugin, plugin.module, plugin.config.0
            )
        })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join("; ") }
}
