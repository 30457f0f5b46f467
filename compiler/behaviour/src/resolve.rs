//! From a route of the model to its outcome, in canonical form.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_ir::{
    Certificate, ClusterName, Cors, Discovery, Forward, HeaderEdits, Ir, ListenerId, OriginMatch, PathMatch,
    PathRewrite, Redirect, Refusal, RetryPolicy, Route, RouteAction, RoutePolicy, Target, TlsContext,
    TlsVersion, UpstreamCluster, ValueMatch,
};

use crate::outcome::{
    Answer, ClusterOutcome, CorsOutcome, ForwardOutcome, Handshake, HeaderChange, HeaderOutcome, Outcome,
    PathOutcome, RedirectOutcome, RefuseOutcome, RouteOutcome, Supply, TargetOutcome,
};
use crate::plain::Plain;

impl Outcome {
    /// Returns the outcome of a route of `ir` behind `listener`.
    pub fn of_route(ir: &Ir, listener: ListenerId, route: &Route) -> Self {
        // Who takes the route is no part of what it does, nor is where it was written.
        let Route { id: _, name: _, matches: _, action, policy, plugins } = route;
        let answer = match action {
            RouteAction::Forward(forward) => Answer::Forward(forward_outcome(ir, route, forward)),
            RouteAction::Redirect(redirect) => Answer::Redirect(redirect_outcome(listener, route, redirect)),
            RouteAction::Refuse(refusal) => Answer::Refuse(RefuseOutcome {
                refusal: Refusal::clone(refusal),
                response_headers: HeaderOutcome::of(&[&policy.response_headers]),
            }),
        };
        Outcome::Route(Arc::new(RouteOutcome { answer, plugins: plugins.clone() }))
    }
}

impl Handshake {
    /// Returns what the TLS listener does with a context, or without any.
    pub fn of(context: Option<&TlsContext>) -> Self {
        let Some(context) = context else { return Handshake::NoCertificate };
        let TlsContext { host: _, certificate, min_version, max_version, ciphers } = context;
        match certificate {
            Certificate::Missing(secret) => Handshake::MissingSecret(secret.clone()),
            Certificate::External { secret, why } => {
                Handshake::ExternalSecret { secret: secret.clone(), why: why.clone() }
            }
            Certificate::Secret(secret) => Handshake::Served {
                certificate: secret.clone(),
                min_version: min_version.unwrap_or(TlsVersion::V1_2),
                max_version: *max_version,
                ciphers: ciphers.clone(),
            },
        }
    }
}

impl ClusterOutcome {
    /// Returns how requests meet the cluster `name` of `ir`.
    pub fn of(ir: &Ir, name: &ClusterName) -> Self {
        let missing = ClusterOutcome {
            name: name.clone(),
            supply: Supply::Missing,
            protocol: None,
            load_balancing: None,
        };
        let Some(cluster) = ir.clusters.get(name) else { return missing };
        let UpstreamCluster { name: _, discovery, protocol, load_balancing } = cluster.as_ref();
        let supply = match discovery {
            Discovery::Dns(names) if names.is_empty() => Supply::Empty,
            Discovery::Dns(names) => Supply::Dns(names.clone()),
            Discovery::Endpoints => match ir.endpoints.get(name) {
                Some(set) if !set.endpoints.is_empty() => Supply::Endpoints,
                _ => Supply::Empty,
            },
        };
        ClusterOutcome { supply, protocol: Some(*protocol), load_balancing: Some(*load_balancing), ..missing }
    }
}

impl HeaderOutcome {
    /// Returns the edits of `stages` one after the other. Within a stage Envoy removes first, then replaces, then adds
    /// (measured on 1.40; its documentation of the fields does not say).
    fn of(stages: &[&HeaderEdits]) -> Self {
        let mut outcome = HeaderOutcome::default();
        for HeaderEdits { set, add, remove } in stages {
            for name in remove {
                outcome.replace(name, Vec::new());
            }
            for (name, value) in set {
                outcome.replace(name, vec![value.clone()]);
            }
            for (name, value) in add {
                let change = HeaderChange { keep: true, add: Vec::new() };
                outcome.0.entry(name.to_ascii_lowercase()).or_insert(change).add.push(value.clone());
            }
        }
        outcome
    }

    fn replace(&mut self, name: &str, lines: Vec<String>) {
        self.0.insert(name.to_ascii_lowercase(), HeaderChange { keep: false, add: lines });
    }
}

fn forward_outcome(ir: &Ir, route: &Route, forward: &Forward) -> ForwardOutcome {
    let Forward { targets, path_rewrite, host_rewrite } = forward;
    let RoutePolicy { timeout_ms, retry, request_headers, response_headers, cors } = &*route.policy;
    ForwardOutcome {
        targets: target_outcomes(ir, [request_headers, response_headers], targets),
        path: path_outcome(route, path_rewrite.as_deref()),
        host: host_rewrite.clone(),
        cors: cors.as_deref().and_then(cors_outcome),
        plain: Plain {
            timeout_ms: timeout_ms.filter(|ms| *ms > 0),
            retry: retry.as_deref().filter(|retry| retry.num_retries > 0).map(retry_outcome),
        },
    }
}

fn target_outcomes(ir: &Ir, of_route: [&HeaderEdits; 2], targets: &[Target]) -> Vec<TargetOutcome> {
    let mut weights: BTreeMap<TargetOutcome, u32> = BTreeMap::new();
    for Target { cluster, weight, fallbacks, request_headers, response_headers } in targets {
        let outcome = TargetOutcome {
            cluster: ClusterOutcome::of(ir, cluster),
            fallbacks: fallbacks.iter().map(|name| ClusterOutcome::of(ir, name)).collect(),
            weight: 0,
            request_headers: HeaderOutcome::of(&[request_headers, of_route[0]]),
            response_headers: HeaderOutcome::of(&[response_headers, of_route[1]]),
        };
        let sum = weights.entry(outcome).or_default();
        *sum = sum.saturating_add(*weight);
    }
    let divisor = weights.values().copied().fold(0, gcd).max(1);
    weights.into_iter().map(|(target, weight)| TargetOutcome { weight: weight / divisor, ..target }).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn path_outcome(route: &Route, rewrite: Option<&PathRewrite>) -> PathOutcome {
    let ignore_case = !route.matches.case_sensitive;
    match (rewrite, &route.matches.path) {
        (None, _) => PathOutcome::Keep,
        (Some(PathRewrite::Regex { pattern, substitution }), _) => {
            PathOutcome::Regex { pattern: pattern.clone(), substitution: substitution.clone() }
        }
        (Some(PathRewrite::Prefix(with)), PathMatch::Regex(_)) => PathOutcome::Whole(with.clone()),
        (Some(PathRewrite::Prefix(with)), PathMatch::Exact(_)) if ignore_case => {
            PathOutcome::Whole(with.clone())
        }
        (Some(PathRewrite::Prefix(with)), PathMatch::Exact(cut) | PathMatch::Prefix(cut)) => {
            replace_outcome(cut, with, ignore_case)
        }
    }
}

/// Drops the common ending of `cut` and `with`: replacing `/a/` by `/b/` is replacing `/a` by `/b`. Where case is
/// ignored, a letter of `cut` stands for two, so the ending is dropped only up to the last letter.
fn replace_outcome(cut: &str, with: &str, ignore_case: bool) -> PathOutcome {
    let common = cut
        .bytes()
        .rev()
        .zip(with.bytes().rev())
        .take_while(|(a, b)| a == b && !(ignore_case && a.is_ascii_alphabetic()))
        .count();
    let (cut_len, with_len) = (cut.len() - common, with.len() - common);
    match (cut.get(..cut_len), with.get(..with_len)) {
        (Some(""), Some("")) => PathOutcome::Keep,
        (Some(cut), Some(with)) => PathOutcome::Replace { cut: cut.into(), with: with.into(), ignore_case },
        _ => PathOutcome::Replace { cut: cut.into(), with: with.into(), ignore_case },
    }
}

fn redirect_outcome(listener: ListenerId, route: &Route, redirect: &Redirect) -> RedirectOutcome {
    let Redirect { code, scheme, host, port, path } = redirect;
    RedirectOutcome {
        code: *code,
        scheme: scheme.clone().filter(|scheme| scheme != listener.scheme.as_str()),
        host: host.clone(),
        port: *port,
        path: path.clone(),
        response_headers: HeaderOutcome::of(&[&route.policy.response_headers]),
    }
}

/// A policy without origins allows nobody and is none.
fn cors_outcome(cors: &Cors) -> Option<CorsOutcome> {
    let Cors { allow_origins, allow_methods, allow_headers, expose_headers, allow_credentials, max_age_s } =
        cors;
    let mut origins: Vec<ValueMatch> = allow_origins
        .iter()
        .map(|origin| match origin {
            OriginMatch::Exact(value) => ValueMatch::Exact(value.clone()),
            OriginMatch::Regex(pattern) => ValueMatch::Regex(pattern.clone()),
        })
        .collect();
    origins.sort();
    origins.dedup();
    (!origins.is_empty()).then(|| CorsOutcome {
        origins,
        allow_methods: allow_methods.clone(),
        allow_headers: allow_headers.clone(),
        expose_headers: expose_headers.clone(),
        allow_credentials: *allow_credentials,
        max_age_s: *max_age_s,
    })
}

fn retry_outcome(retry: &RetryPolicy) -> RetryPolicy {
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort();
        words.dedup();
        words
    };
    let RetryPolicy { retry_on, num_retries, excluded_methods } = retry;
    RetryPolicy {
        retry_on: sorted(retry_on),
        num_retries: *num_retries,
        excluded_methods: sorted(excluded_methods),
    }
}
