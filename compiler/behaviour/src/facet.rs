//! Facets: the separate things about an outcome that somebody could notice, and how they could.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatewright_ir::{ClusterName, PluginApplication, Refusal};
use serde::Serialize;

use crate::outcome::{
    Answer, ClusterOutcome, ForwardOutcome, Handshake, HeaderOutcome, Outcome, RedirectOutcome, RouteOutcome,
    Supply, TargetOutcome,
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
            let RouteOutcome { answer, plugins } = a.as_ref();
            match (answer, &b.answer) {
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
            found.compare(Facet::Plugins, plugins, &b.plugins, |plugins| plugins_text(plugins));
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
        let ForwardOutcome { targets, path, host, cors, plain } = before;
        let (old, new) = (Columns::of(targets), Columns::of(&after.targets));
        if old.names != new.names {
            self.push(Facet::Upstream, before.to_string(), after.to_string());
        } else if old.weights != new.weights {
            self.push(Facet::Weights, before.to_string(), after.to_string());
        }
        self.compare(Facet::Fallbacks, old.fallbacks(), new.fallbacks(), fallbacks_text);
        self.clusters(&old, &new);
        self.compare(Facet::Path, path, &after.path, ToString::to_string);
        self.compare(Facet::Host, host, &after.host, |host| host.clone().unwrap_or_else(|| "kept".into()));
        self.headers(Facet::RequestHeaders, &old.request_headers, &new.request_headers);
        self.headers(Facet::ResponseHeaders, &old.response_headers, &new.response_headers);
        self.compare(Facet::Cors, cors, &after.cors, |cors| {
            cors.as_ref().map_or_else(|| "none".into(), ToString::to_string)
        });
        for (old, new) in plain.facets().into_iter().zip(after.plain.facets()) {
            if old.value != new.value {
                self.push(old.facet, old.text, new.text);
            }
        }
    }

    fn headers(&mut self, facet: Facet, before: &[&HeaderOutcome], after: &[&HeaderOutcome]) {
        self.compare(facet, before, after, |headers| {
            headers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
        });
    }

    /// Compares the properties of the clusters that both sides have; of the others only whether new values occur, since
    /// the upstream's change is a facet of its own.
    fn clusters(&mut self, before: &Columns<'_>, after: &Columns<'_>) {
        let (old, new) = (&before.clusters, &after.clusters);
        for (index, facet) in CLUSTER_FACETS.into_iter().enumerate() {
            let moved: Vec<&ClusterName> = old
                .iter()
                .filter(|(name, values)| new.get(*name).is_some_and(|after| after[index] != values[index]))
                .map(|(name, _)| *name)
                .collect();
            if moved.is_empty() {
                let distinct = |clusters: &BTreeMap<&ClusterName, ClusterTexts>| {
                    clusters.values().map(|values| values[index].clone()).collect::<BTreeSet<_>>()
                };
                self.compare(facet, &distinct(old), &distinct(new), |values| {
                    values.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
                });
                continue;
            }
            let list = |values: &BTreeMap<&ClusterName, ClusterTexts>| match moved.as_slice() {
                [one] if values.len() == 1 => values[*one][index].clone(),
                _ => {
                    let texts = moved.iter().map(|name| format!("{name}: {}", values[*name][index]));
                    texts.collect::<Vec<_>>().join("; ")
                }
            };
            self.push(facet, list(old), list(new));
        }
    }
}

/// The targets of a forwarding, property by property.
#[derive(Default)]
struct Columns<'a> {
    names: Vec<&'a ClusterName>,
    weights: Vec<u32>,
    fallbacks: Vec<Vec<&'a ClusterName>>,
    request_headers: Vec<&'a HeaderOutcome>,
    response_headers: Vec<&'a HeaderOutcome>,
    /// What is to be said of each cluster that may serve.
    clusters: BTreeMap<&'a ClusterName, ClusterTexts>,
}

impl<'a> Columns<'a> {
    fn of(targets: &'a [TargetOutcome]) -> Self {
        let mut columns = Columns::default();
        for TargetOutcome { cluster, fallbacks, weight, request_headers, response_headers } in targets {
            columns.names.push(&cluster.name);
            columns.weights.push(*weight);
            columns.fallbacks.push(fallbacks.iter().map(|cluster| &cluster.name).collect());
            columns.request_headers.push(request_headers);
            columns.response_headers.push(response_headers);
            for cluster in std::iter::once(cluster).chain(fallbacks) {
                columns.clusters.insert(&cluster.name, cluster_texts(cluster));
            }
        }
        for edits in [&mut columns.request_headers, &mut columns.response_headers] {
            if edits.windows(2).all(|pair| pair[0] == pair[1]) {
                edits.truncate(1);
            }
        }
        columns
    }

    /// The fallbacks of each target; empty where no target has any.
    fn fallbacks(&self) -> &[Vec<&'a ClusterName>] {
        if self.fallbacks.iter().all(Vec::is_empty) { &[] } else { &self.fallbacks }
    }
}

/// The facets of a cluster beside its name.
const CLUSTER_FACETS: [Facet; 4] =
    [Facet::Endpoints, Facet::Discovery, Facet::Protocol, Facet::LoadBalancing];

/// The values of [`CLUSTER_FACETS`], in that order.
type ClusterTexts = [String; CLUSTER_FACETS.len()];

fn cluster_texts(cluster: &ClusterOutcome) -> ClusterTexts {
    let ClusterOutcome { name: _, supply, protocol, load_balancing } = cluster;
    [
        endpoints_text(supply).to_owned(),
        discovery_text(supply),
        protocol.map(|protocol| format!("{protocol:?}")).unwrap_or_default(),
        load_balancing.map(|balancing| format!("{balancing:?}")).unwrap_or_default(),
    ]
}

fn handshake_parameters(handshake: &Handshake) -> Option<String> {
    let Handshake::Served { certificate: _, min_version, max_version, ciphers } = handshake else {
        return None;
    };
    let max = max_version.map(|version| format!(" to {version:?}")).unwrap_or_default();
    let suites = if ciphers.is_empty() { "default ciphers".to_owned() } else { ciphers.join(":") };
    Some(format!("{min_version:?}{max}, {suites}"))
}

fn endpoints_text(supply: &Supply) -> &'static str {
    match supply {
        Supply::Missing => "no such cluster",
        Supply::Empty => "no endpoints",
        Supply::Endpoints | Supply::Dns(_) => "endpoints",
    }
}

fn discovery_text(supply: &Supply) -> String {
    match supply {
        Supply::Missing => "none".into(),
        Supply::Empty | Supply::Endpoints => "pushed".into(),
        Supply::Dns(names) => {
            let names: Vec<String> =
                names.iter().map(|name| format!("{}:{}", name.address, name.port)).collect();
            format!("DNS {}", names.join(", "))
        }
    }
}

fn fallbacks_text(lists: &[Vec<&ClusterName>]) -> String {
    let text = |list: &Vec<&ClusterName>| match list.as_slice() {
        [] => "none".to_owned(),
        names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    if lists.is_empty() { "none".into() } else { lists.iter().map(text).collect::<Vec<_>>().join(" | ") }
}

fn plugins_text(plugins: &[PluginApplication]) -> String {
    let texts: Vec<String> = plugins
        .iter()
        .map(|PluginApplication { plugin, module, config, fail_strategy, only_host }| {
            let scope = only_host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
            format!("{plugin} (module {module}, config {}, {fail_strategy:?}){scope}", config.0)
        })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join("; ") }
}
