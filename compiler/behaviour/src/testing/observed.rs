//! The engine's answer in the twin's words, so that the two can be compared.

use std::collections::BTreeMap;

use crate::decide::Decision;
use crate::effect::{CorsReply, ForwardEffect, PreflightReply, Reply};
use crate::outcome::{ClusterOutcome, Handshake, HeaderOutcome, Supply};
use crate::plain::Plain;
use crate::request::Request;
use crate::twin::{Observed, Upstream};

/// Returns what client and upstream notice of a request, by the engine's decision on it.
pub fn observed(decision: &Decision, request: &Request) -> Observed {
    let effect = &decision.effect;
    let mut observed = Observed {
        certificate: effect.handshake.as_ref().and_then(certificate),
        closed: effect.reply == Reply::Closed,
        status: match &effect.reply {
            Reply::Forwarded(_) => None,
            reply => reply.status(),
        },
        route: decision.trail.matched().map(|(_, step)| step.route.clone()),
        ..Observed::default()
    };
    for plugin in &effect.plugins {
        let (name, module, config) = (&plugin.plugin, &plugin.module, &plugin.config.0);
        observed.plugins.push(format!("{name} {module} {config} {:?}", plugin.fail_strategy));
    }
    match &effect.reply {
        Reply::Closed | Reply::BadRequest(_) | Reply::NotFound => {}
        Reply::Redirect { location, response_headers, .. } => {
            observed.location = Some(location.clone());
            observed.response_headers = applied(response_headers, BTreeMap::new());
        }
        Reply::Refused(refuse) => {
            observed.body = Some(format!("{} {}", refuse.refusal.code, refuse.refusal.reason));
            observed.response_headers = applied(&refuse.response_headers, BTreeMap::new());
        }
        Reply::Preflight(preflight) => preflight_headers(preflight, &mut observed.response_headers),
        Reply::Forwarded(forward) => forwarded(forward, request, &mut observed),
    }
    observed
}

fn certificate(handshake: &Handshake) -> Option<String> {
    match handshake {
        Handshake::Served { certificate, min_version, max_version, ciphers } => {
            Some(format!("{certificate} {min_version:?} {max_version:?} {ciphers:?}"))
        }
        _ => None,
    }
}

fn put(headers: &mut BTreeMap<String, Vec<String>>, name: &str, value: &str) {
    if !value.is_empty() {
        headers.insert(name.to_owned(), vec![value.to_owned()]);
    }
}

fn cors_headers(cors: &CorsReply, headers: &mut BTreeMap<String, Vec<String>>) {
    put(headers, "access-control-allow-origin", &cors.allow_origin);
    put(headers, "access-control-allow-credentials", if cors.allow_credentials { "true" } else { "" });
    put(headers, "access-control-expose-headers", &cors.expose_headers);
}

fn preflight_headers(preflight: &PreflightReply, headers: &mut BTreeMap<String, Vec<String>>) {
    cors_headers(&preflight.common, headers);
    put(headers, "access-control-allow-methods", &preflight.allow_methods);
    put(headers, "access-control-allow-headers", &preflight.allow_headers);
    put(headers, "access-control-max-age", &preflight.max_age_s.to_string());
}

fn forwarded(forward: &ForwardEffect, request: &Request, observed: &mut Observed) {
    let ForwardEffect { targets, path, host, cors, plain: Plain { timeout_ms, retry } } = forward;
    if let Some(cors) = cors {
        cors_headers(cors, &mut observed.response_headers);
    }
    observed.timeout_ms = timeout_ms.unwrap_or(0);
    observed.retries = retry
        .as_ref()
        .map(|retry| (retry.num_retries, retry.retry_on.clone(), retry.excluded_methods.clone()));
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        lines.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    let answer = BTreeMap::from([("x-up".to_owned(), vec!["up".to_owned()])]);
    for target in targets {
        let clusters = std::iter::once(&target.cluster).chain(&target.fallbacks).map(cluster).collect();
        let upstream = Upstream {
            clusters,
            path: path.clone(),
            host: host.clone(),
            headers: applied(&target.request_headers, lines.clone()),
            response_headers: applied(&target.response_headers, answer.clone()),
        };
        observed.upstreams.entry(upstream).or_insert((0, total)).0 += u64::from(target.weight);
    }
    for share in observed.upstreams.values_mut() {
        let divisor = (1..=share.1).rev().find(|d| share.0 % d == 0 && share.1 % d == 0).unwrap_or(1);
        *share = (share.0 / divisor, share.1 / divisor);
    }
}

fn cluster(cluster: &ClusterOutcome) -> String {
    let name = &cluster.name;
    let (Some(protocol), Some(balancing)) = (cluster.protocol, cluster.load_balancing) else {
        return format!("{name} missing");
    };
    let endpoints = match &cluster.supply {
        Supply::Endpoints => "some".to_owned(),
        Supply::Dns(names) => names.iter().map(|name| format!("{}:{}", name.address, name.port)).collect(),
        Supply::Missing | Supply::Empty => String::new(),
    };
    format!("{name} [{endpoints}] {protocol:?} {balancing:?}")
}

fn applied(
    edits: &HeaderOutcome,
    mut headers: BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Vec<String>> {
    for (name, change) in &edits.0 {
        let mut lines = if change.keep { headers.remove(name).unwrap_or_default() } else { Vec::new() };
        lines.extend(change.add.iter().cloned());
        headers.remove(name);
        if !lines.is_empty() {
            headers.insert(name.clone(), lines);
        }
    }
    headers
}
