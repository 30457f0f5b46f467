//! The reference twin: what happens to one request, worked out slowly and plainly from the model itself.
//!
//! It shares no code with the engine, the canonical outcomes, the diff or `gatewright-http`: it normalizes paths, reads
//! authorities and reads RE2 in its own way. Everything is a scan from top to bottom.

mod path;
mod re2;

use std::collections::BTreeMap;

use gatewright_ir::{
    Certificate, ClusterName, Conditions, Cors, Discovery, Forward, HeaderEdits, HostPattern, Ir, Listener,
    ListenerId, OriginMatch, PathMatch, PathRewrite, PluginApplication, Redirect, RetryPolicy, Route,
    RouteAction, RouteId, RouteMatch, RoutePolicy, Target, TlsContext, TlsVersion, UpstreamCluster,
    ValueMatch,
};
use serde::Serialize;

use crate::request::Request;

/// What client and upstream notice of one request, in plain words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The certificate served, with its parameters; none on the plain listener or where the connection is closed.
    pub certificate: Option<String>,
    /// Whether the connection is closed during the handshake.
    pub closed: bool,
    /// The status, where no upstream decides it.
    pub status: Option<u16>,
    /// The body of a refusal.
    pub body: Option<String>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// Response headers that the gateway itself makes, and what becomes of an upstream's `x-up: up` line.
    pub response_headers: BTreeMap<String, Vec<String>>,
    /// The possible upstreams with the share of each, as a reduced fraction.
    pub upstreams: BTreeMap<Upstream, (u64, u64)>,
    /// Time limit in milliseconds; 0 is none.
    pub timeout_ms: u64,
    /// Retries: number, conditions, excluded methods.
    pub retries: Option<(u32, Vec<String>, Vec<String>)>,
    /// Plugins that see the request.
    pub plugins: Vec<String>,
    /// The route that took it.
    pub route: Option<RouteId>,
}

/// One possible upstream with the request that it would get.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Upstream {
    /// Clusters in order of preference, each with what is known of it.
    pub clusters: Vec<String>,
    /// Path and query.
    pub path: String,
    /// Host.
    pub host: String,
    /// Request headers.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Response headers for the client.
    pub response_headers: BTreeMap<String, Vec<String>>,
}

/// Works out what happens to a request.
pub fn observe(ir: &Ir, request: &Request) -> Observed {
    let mut observed = Observed::default();
    if request.listener.is_tls() {
        observed.certificate = certificate(ir, request.listener, request.sni.as_deref());
        if observed.certificate.is_none() {
            observed.closed = true;
            return observed;
        }
    }
    let legal = |c: char| c.is_ascii_graphic() && !"\"#/<>?\\^`{|}".contains(c);
    if !request.authority.chars().all(legal) {
        observed.status = Some(400);
        return observed;
    }
    let (path, query) = match request.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.path.as_str(), None),
    };
    if request.method == "OPTIONS" && path.starts_with('*') && !request.path.contains('#') {
        observed.status = Some(404);
        return observed;
    }
    let bad_query = query.is_some_and(|query| !query.chars().all(|c| ('!'..='~').contains(&c) && c != '#'));
    let path = match path::normalize(path) {
        Some(path) if !bad_query => path,
        _ => {
            observed.status = Some(400);
            return observed;
        }
    };
    let seen = Seen { request, path: &path, query };
    match find_route(ir, &seen) {
        None => observed.status = Some(404),
        Some(route) => take_route(ir, &seen, route, &mut observed),
    }
    observed
}

/// A request with its normalized path.
struct Seen<'r> {
    request: &'r Request,
    path: &'r str,
    query: Option<&'r str>,
}

impl Seen<'_> {
    fn host(&self) -> String {
        let authority = &self.request.authority;
        let inside_brackets = authority.rfind(']').unwrap_or(0);
        let host = match authority.rfind(':') {
            Some(colon) if colon >= inside_brackets => &authority[..colon],
            _ => authority,
        };
        host.to_lowercase()
    }

    fn lines(&self, name: &str) -> Vec<&str> {
        let lines = self.request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.trim()).collect()
    }

    fn header(&self, name: &str) -> Option<String> {
        match name {
            ":authority" | "host" => Some(self.request.authority.clone()),
            ":method" => Some(self.request.method.clone()),
            ":scheme" => Some(if self.request.listener.is_tls() { "https".into() } else { "http".into() }),
            ":path" => Some(self.with_query(self.path)),
            _ => {
                let lines = self.lines(name);
                if lines.is_empty() { None } else { Some(lines.join(",")) }
            }
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        for pair in self.query?.split('&') {
            let mut parts = pair.splitn(2, '=');
            if parts.next() == Some(name) {
                return Some(parts.next().unwrap_or("").to_owned());
            }
        }
        None
    }

    fn with_query(&self, path: &str) -> String {
        match self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}

/// How narrow a pattern is: exact names first, then longer suffixes.
fn narrowness(pattern: &HostPattern) -> (u8, usize) {
    match pattern {
        HostPattern::Exact(_) => (2, 0),
        HostPattern::Suffix(parent) => (1, parent.len()),
        HostPattern::Any => (0, 0),
    }
}

fn certificate(ir: &Ir, listener: ListenerId, sni: Option<&str>) -> Option<String> {
    let name = sni.map(str::to_lowercase);
    let Listener { tls } = ir.listeners.get(&listener)?;
    let fitting = tls.values().filter(|context| match &name {
        Some(name) => context.host.covers(name),
        None => context.host == HostPattern::Any,
    });
    let context = fitting.max_by_key(|context| narrowness(&context.host))?;
    let TlsContext { host: _, certificate, min_version, max_version, ciphers } = context.as_ref();
    match certificate {
        Certificate::Missing(_) | Certificate::External { .. } => None,
        Certificate::Secret(secret) => {
            let min = min_version.unwrap_or(TlsVersion::V1_2);
            Some(format!("{secret} {min:?} {max_version:?} {ciphers:?}"))
        }
    }
}

fn find_route<'a>(ir: &'a Ir, seen: &Seen<'_>) -> Option<&'a Route> {
    let host = seen.host();
    let mut hosts: Vec<_> = ir
        .hosts
        .values()
        .map(|lowered| &lowered.host)
        .filter(|virtual_host| {
            virtual_host.listener == seen.request.listener && virtual_host.host.covers(&host)
        })
        .collect();
    hosts.sort_by_key(|virtual_host| std::cmp::Reverse(narrowness(&virtual_host.host)));
    hosts.into_iter().flat_map(|virtual_host| &virtual_host.routes).find(|route| matches(route, seen))
}

fn matches(route: &Route, seen: &Seen<'_>) -> bool {
    let RouteMatch { path, case_sensitive, conditions } = &route.matches;
    let Conditions { methods, headers, queries } = &**conditions;
    let fold = |text: &str| if *case_sensitive { text.to_owned() } else { text.to_ascii_lowercase() };
    // Expressions are compiled for each test: what needs none is asked first.
    let path_fits = || match path {
        PathMatch::Exact(path) => fold(path) == fold(seen.path),
        PathMatch::Prefix(prefix) => fold(seen.path).starts_with(&fold(prefix)),
        PathMatch::Regex(pattern) => re2::is_whole_match(pattern, seen.path),
    };
    let method_fits = methods.is_empty() || methods.contains(&seen.request.method);
    let headers_fit = || headers.iter().all(|test| fits(&test.value, seen.header(&test.name)));
    let queries_fit = || queries.iter().all(|test| fits(&test.value, seen.parameter(&test.name)));
    method_fits && path_fits() && headers_fit() && queries_fit()
}

fn fits(test: &ValueMatch, value: Option<String>) -> bool {
    match (test, value) {
        (_, None) => false,
        (ValueMatch::Present, Some(_)) => true,
        (ValueMatch::Exact(exact), Some(value)) => *exact == value,
        (ValueMatch::Prefix(prefix), Some(value)) => value.starts_with(prefix),
        (ValueMatch::Regex(pattern), Some(value)) => re2::is_whole_match(pattern, &value),
    }
}

fn take_route(ir: &Ir, seen: &Seen<'_>, route: &Route, observed: &mut Observed) {
    let Route { id, name: _, matches: _, action, policy, plugins } = route;
    // What concerns the way upstream is looked at there.
    let RoutePolicy { timeout_ms: _, retry: _, request_headers: _, response_headers, cors } = &**policy;
    observed.route = Some(id.clone());
    for PluginApplication { plugin, module, config, fail_strategy, only_host } in plugins {
        let acts = match only_host.as_deref().map(str::to_lowercase) {
            None => true,
            Some(domain) if domain.starts_with('*') => seen.host().ends_with(&domain[1..]),
            Some(domain) if domain.ends_with('*') => seen.host().starts_with(&domain[..domain.len() - 1]),
            Some(domain) => seen.host() == domain,
        };
        if acts {
            observed.plugins.push(format!("{plugin} {module} {} {fail_strategy:?}", config.0));
        }
    }
    match action {
        RouteAction::Refuse(refusal) => {
            observed.status = Some(503);
            observed.body = Some(format!("{} {}", refusal.code, refusal.reason));
            observed.response_headers = edited(BTreeMap::new(), &[response_headers]);
        }
        RouteAction::Redirect(redirect) => {
            observed.status = Some(redirect.code);
            observed.location = Some(location(redirect, seen));
            observed.response_headers = edited(BTreeMap::new(), &[response_headers]);
        }
        RouteAction::Forward(forward) => {
            let origin = seen.header("origin").filter(|origin| !origin.is_empty());
            let cors =
                cors.as_ref().filter(|cors| origin.as_deref().is_some_and(|origin| allows(cors, origin)));
            let asked = seen.header("access-control-request-method").is_some_and(|method| !method.is_empty());
            if let (Some(cors), Some(origin)) = (cors, &origin) {
                cors_headers(cors, origin, &mut observed.response_headers);
                if seen.request.method == "OPTIONS" && asked {
                    observed.status = Some(200);
                    preflight_headers(cors, seen, &mut observed.response_headers);
                    return;
                }
            }
            forward_request(ir, seen, route, forward, observed);
        }
    }
}

fn allows(cors: &Cors, origin: &str) -> bool {
    cors.allow_origins.iter().any(|test| match test {
        OriginMatch::Exact(exact) => exact == origin,
        OriginMatch::Regex(pattern) => re2::is_whole_match(pattern, origin),
    })
}

fn cors_headers(cors: &Cors, origin: &str, headers: &mut BTreeMap<String, Vec<String>>) {
    let mut put = |name: &str, value: &str| headers.insert(name.to_owned(), vec![value.to_owned()]);
    put("access-control-allow-origin", origin);
    if cors.allow_credentials {
        put("access-control-allow-credentials", "true");
    }
    if !cors.expose_headers.is_empty() {
        put("access-control-expose-headers", &cors.expose_headers);
    }
}

fn preflight_headers(cors: &Cors, seen: &Seen<'_>, headers: &mut BTreeMap<String, Vec<String>>) {
    let mut put = |name: &str, value: &str| headers.insert(name.to_owned(), vec![value.to_owned()]);
    put("access-control-max-age", &cors.max_age_s.to_string());
    for (allowed, what) in [(&cors.allow_methods, "method"), (&cors.allow_headers, "headers")] {
        let asked = seen.header(&format!("access-control-request-{what}"));
        let value = if allowed == "*" { asked.unwrap_or_default() } else { allowed.clone() };
        if !value.is_empty() {
            put(&format!("access-control-allow-{}", what.trim_end_matches('s').to_owned() + "s"), &value);
        }
    }
}

fn forward_request(ir: &Ir, seen: &Seen<'_>, route: &Route, forward: &Forward, observed: &mut Observed) {
    let Forward { targets, path_rewrite, host_rewrite } = forward;
    let RoutePolicy { timeout_ms, retry, request_headers: of_route, response_headers: back, cors: _ } =
        &*route.policy;
    observed.timeout_ms = timeout_ms.unwrap_or(0);
    observed.retries = retry.as_ref().filter(|retry| retry.num_retries > 0).map(|retry| {
        let RetryPolicy { retry_on, num_retries, excluded_methods } = retry.as_ref();
        let (mut on, mut never) = (retry_on.clone(), excluded_methods.clone());
        on.sort();
        never.sort();
        (*num_retries, on, never)
    });
    let mut own_headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &seen.request.headers {
        own_headers.entry(name.to_lowercase()).or_default().push(value.trim().to_owned());
    }
    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    for Target { cluster, weight, fallbacks, request_headers, response_headers } in targets {
        let mut clusters = vec![describe(ir, cluster)];
        clusters.extend(fallbacks.iter().map(|name| describe(ir, name)));
        let answer = BTreeMap::from([("x-up".to_owned(), vec!["up".to_owned()])]);
        let upstream = Upstream {
            clusters,
            path: seen.with_query(&new_path(route, path_rewrite.as_deref(), seen.path)),
            host: host_rewrite.clone().unwrap_or_else(|| seen.request.authority.clone()),
            headers: edited(own_headers.clone(), &[request_headers, of_route]),
            response_headers: edited(answer, &[response_headers, back]),
        };
        observed.upstreams.entry(upstream).or_insert((0, total)).0 += u64::from(*weight);
    }
    for share in observed.upstreams.values_mut() {
        let divisor = (1..=share.1).rev().find(|d| share.0 % d == 0 && share.1 % d == 0).unwrap_or(1);
        *share = (share.0 / divisor, share.1 / divisor);
    }
}

fn describe(ir: &Ir, name: &ClusterName) -> String {
    let Some(cluster) = ir.clusters.get(name) else { return format!("{name} missing") };
    let UpstreamCluster { name: _, discovery, protocol, load_balancing } = cluster.as_ref();
    let endpoints = match discovery {
        Discovery::Dns(names) => names.iter().map(|name| format!("{}:{}", name.address, name.port)).collect(),
        Discovery::Endpoints if ir.endpoints.get(name).is_some_and(|set| !set.endpoints.is_empty()) => {
            "some".to_owned()
        }
        Discovery::Endpoints => String::new(),
    };
    format!("{name} [{endpoints}] {protocol:?} {load_balancing:?}")
}

fn new_path(route: &Route, rewrite: Option<&PathRewrite>, path: &str) -> String {
    let new = match (rewrite, &route.matches.path) {
        (None, _) => path.to_owned(),
        (Some(PathRewrite::Prefix(with)), PathMatch::Prefix(prefix)) => {
            format!("{with}{}", &path[prefix.len()..])
        }
        (Some(PathRewrite::Prefix(with)), _) => with.clone(),
        (Some(PathRewrite::Regex { pattern, substitution }), _) => regex_rewrite(pattern, substitution, path),
    };
    if new.is_empty() { path.to_owned() } else { new }
}

/// Replaces match by match; an empty match right behind the last one does not count.
fn regex_rewrite(pattern: &str, substitution: &str, path: &str) -> String {
    let Some(regex) = re2::anywhere(pattern) else { return path.to_owned() };
    let escapes = substitution.split('\\').skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10));
    if escapes.max().is_some_and(|group| group as usize >= regex.captures_len()) {
        return path.to_owned();
    }
    let mut out = String::new();
    let (mut copied, mut at, mut last_end) = (0, 0, None);
    while at <= path.len() {
        let Some(groups) = regex.captures_at(path.as_bytes(), at) else { break };
        let Some(whole) = groups.get(0) else { break };
        if whole.is_empty() && last_end == Some(whole.start()) {
            at = whole.start() + 1;
            continue;
        }
        out.push_str(&path[copied..whole.start()]);
        let mut escaped = false;
        for c in substitution.chars() {
            match (escaped, c.to_digit(10)) {
                (false, _) if c == '\\' => {
                    escaped = true;
                    continue;
                }
                (true, Some(digit)) => {
                    let group = groups.get(digit as usize).map(|group| group.as_bytes());
                    out.push_str(&String::from_utf8_lossy(group.unwrap_or_default()));
                }
                _ => out.push(c),
            }
            escaped = false;
        }
        copied = whole.end();
        last_end = Some(whole.end());
        at = if whole.is_empty() { whole.end() + 1 } else { whole.end() };
    }
    out.push_str(&path[copied..]);
    out
}

fn edited(
    mut headers: BTreeMap<String, Vec<String>>,
    stages: &[&HeaderEdits],
) -> BTreeMap<String, Vec<String>> {
    for HeaderEdits { set, add, remove } in stages {
        for name in remove {
            headers.remove(&name.to_lowercase());
        }
        for (name, value) in set {
            headers.insert(name.to_lowercase(), vec![value.clone()]);
        }
        for (name, value) in add {
            headers.entry(name.to_lowercase()).or_default().push(value.clone());
        }
    }
    headers
}

fn location(redirect: &Redirect, seen: &Seen<'_>) -> String {
    // The status is that of the answer.
    let Redirect { code: _, scheme, host, port, path } = redirect;
    let own_scheme = seen.header(":scheme").unwrap_or_default();
    let scheme = scheme.clone().unwrap_or_else(|| own_scheme.clone());
    let host = match host {
        Some(host) => host.clone(),
        None => {
            let authority = &seen.request.authority;
            let bracket = if authority.starts_with('[') { authority.rfind(']').unwrap_or(0) } else { 0 };
            match authority.rfind(':') {
                Some(colon) if colon >= bracket => {
                    let own_port = &authority[colon + 1..];
                    let default = if own_scheme == "https" { "443" } else { "80" };
                    if port.is_some() || (scheme != own_scheme && own_port == default) {
                        authority[..colon].to_owned()
                    } else {
                        authority.clone()
                    }
                }
                _ => authority.clone(),
            }
        }
    };
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = match path {
        None => seen.with_query(seen.path),
        Some(path) if path.contains('?') => path.clone(),
        Some(path) => seen.with_query(path),
    };
    format!("{scheme}://{host}{port}/{}", path.strip_prefix('/').unwrap_or(&path))
}
