//! The engine: which route takes a request, what it does, and why the routes before it did not match.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock};

use gatewright_http::authority;
use gatewright_ir::{
    Conditions, Digest, HeaderMatch, HostPattern, Ir, ListenerId, LoweredHost, PathMatch, QueryMatch, Route,
    RouteId, ValueMatch,
};
use serde::Serialize;

use crate::canonical::Canonical;
use crate::effect::{Effect, value_matches};
use crate::outcome::{Handshake, Outcome};
use crate::patterns::Patterns;
use crate::request::Request;
use crate::table::HostTable;

/// A model that answers questions about requests. It borrows the [`Ir`] and compiles virtual hosts when they are first
/// asked for; making one costs nothing.
#[derive(Debug)]
pub struct Model<'ir> {
    ir: &'ir Ir,
    tables: Arc<Tables>,
}

/// Compiled virtual hosts by content digest, to be shared by the models of several revisions.
#[derive(Debug, Default)]
pub struct Tables {
    hosts: RwLock<HashMap<Digest, Arc<HostTable>>>,
    patterns: Patterns,
}

/// The answer for one request, with the way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What the route does.
    pub outcome: Outcome,
    /// What this request meets.
    pub effect: Effect,
    /// How the decision came about.
    pub trail: Trail,
}

/// How a decision came about: listener, server name, virtual hosts, routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trail {
    /// The listener.
    pub listener: ListenerId,
    /// The listener of the TLS table that the server name chose; none on the plain listener and where none fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<HostPattern>,
    /// The host that virtual hosts were looked up by.
    pub host: String,
    /// The path that was matched.
    pub path: String,
    /// The virtual hosts asked, nearest first; each after the first by fall-through.
    pub hosts: Vec<HostStep>,
}

/// One virtual host of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostStep {
    /// Its pattern.
    pub host: HostPattern,
    /// Routes tried, in order.
    pub routes: Vec<RouteStep>,
}

/// One route of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteStep {
    /// The route's identity, for provenance.
    pub route: RouteId,
    /// Its index in the virtual host.
    pub index: usize,
    /// The first test that failed; none for the route that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<Mismatch>,
}

/// The first test of a route that a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// The path.
    Path(PathMatch),
    /// The method is not one of these.
    Method(Vec<String>),
    /// A header, with the value that the request has.
    Header {
        /// The test.
        test: HeaderMatch,
        /// The request's value.
        found: Option<String>,
    },
    /// A query parameter, with the value that the request has.
    Query {
        /// The test.
        test: QueryMatch,
        /// The request's value.
        found: Option<String>,
    },
}

impl Trail {
    /// Returns the virtual host and the route that took the request.
    pub fn matched(&self) -> Option<(&HostPattern, &RouteStep)> {
        let last = self.hosts.last()?;
        let route = last.routes.last().filter(|route| route.mismatch.is_none())?;
        Some((&last.host, route))
    }
}

impl<'ir> Model<'ir> {
    /// Returns a model of `ir`.
    pub fn new(ir: &'ir Ir) -> Self {
        Model::with_tables(ir, Arc::default())
    }

    /// Returns a model of `ir` that uses and fills `tables`.
    pub fn with_tables(ir: &'ir Ir, tables: Arc<Tables>) -> Self {
        Model { ir, tables }
    }

    /// Returns what happens to a request and why.
    pub fn decide(&self, request: &Request) -> Decision {
        let (server_name, handshake) = self.handshake(request);
        let mut trail = Trail {
            listener: request.listener,
            server_name,
            host: authority::host(&request.authority).into_owned(),
            path: request.path.clone(),
            hosts: Vec::new(),
        };
        let refused = handshake.clone().filter(|handshake| !handshake.is_served());
        let (outcome, effect) = match (refused, request.canonical()) {
            (Some(refused), _) => {
                let effect =
                    Effect { handshake: handshake.clone(), reply: crate::Reply::Closed, plugins: Vec::new() };
                (Outcome::Handshake(refused), effect)
            }
            (None, Err(reason)) => {
                (Outcome::BadRequest(reason), Effect::bad_request(handshake.as_ref(), reason))
            }
            (None, Ok(canonical)) => {
                trail.path.clone_from(&canonical.path);
                trail.hosts = self.host_steps(&canonical);
                let outcome = self.outcome(&canonical);
                let effect = Effect::of(&outcome, handshake.as_ref(), &canonical, &self.tables.patterns);
                (outcome, effect)
            }
        };
        Decision { outcome, effect, trail }
    }

    /// Returns the outcome of a request that has passed the handshake, without a trail.
    pub fn outcome(&self, request: &Canonical) -> Outcome {
        match self.find(request) {
            Some((_, route)) => Outcome::of_route(self.ir, request.listener, route),
            None => Outcome::NoRoute,
        }
    }

    /// Returns the route that takes a request, with its virtual host.
    pub fn find(&self, request: &Canonical) -> Option<(&'ir LoweredHost, &'ir Route)> {
        self.chain(request).find_map(|host| {
            let index = self.match_in(host, request)?;
            Some((host, host.host.routes.get(index)?))
        })
    }

    fn handshake(&self, request: &Request) -> (Option<HostPattern>, Option<Handshake>) {
        if !request.listener.is_tls() {
            return (None, None);
        }
        let tls = self.ir.tls(request.listener);
        let context = match request.sni.as_deref().map(str::to_ascii_lowercase) {
            Some(name) => patterns_for(&name).find_map(|pattern| tls.get(&pattern)),
            None => tls.get(&HostPattern::Any),
        };
        let context = context.map(AsRef::as_ref);
        (context.map(|context| context.host.clone()), Some(Handshake::of(context)))
    }

    /// The virtual hosts that a request meets. Nothing follows a catch-all, since it matches.
    fn chain<'m>(&'m self, request: &'m Canonical) -> impl Iterator<Item = &'ir LoweredHost> + 'm {
        patterns_for(&request.host)
            .filter_map(|pattern| self.ir.hosts.get(&(request.listener, pattern)).map(AsRef::as_ref))
    }

    fn match_in(&self, host: &LoweredHost, request: &Canonical) -> Option<usize> {
        let table = self.tables.table(host);
        let candidates = table.routes_for_path(&request.path, &self.tables.patterns);
        candidates.into_iter().find(|index| {
            let route = host.host.routes.get(*index);
            route.is_some_and(|route| mismatch_beside_path(route, request, &self.tables.patterns).is_none())
        })
    }

    fn host_steps(&self, request: &Canonical) -> Vec<HostStep> {
        let mut steps = Vec::new();
        for host in self.chain(request) {
            let matched = self.match_in(host, request);
            let tried =
                host.host.routes.iter().enumerate().take(matched.map_or(usize::MAX, |index| index + 1));
            let routes = tried.map(|(index, route)| RouteStep {
                route: route.id.clone(),
                index,
                mismatch: self.mismatch(route, request),
            });
            steps.push(HostStep { host: host.host.host.clone(), routes: routes.collect() });
            if matched.is_some() {
                break;
            }
        }
        steps
    }

    fn mismatch(&self, route: &Route, request: &Canonical) -> Option<Mismatch> {
        let patterns = &self.tables.patterns;
        if !path_matches(&route.matches.path, route.matches.case_sensitive, &request.path, patterns) {
            return Some(Mismatch::Path(route.matches.path.clone()));
        }
        mismatch_beside_path(route, request, patterns)
    }
}

impl Tables {
    fn table(&self, host: &LoweredHost) -> Arc<HostTable> {
        if let Ok(hosts) = self.hosts.read()
            && let Some(table) = hosts.get(&host.digest)
        {
            return Arc::clone(table);
        }
        let table = Arc::new(HostTable::new(&host.host));
        if let Ok(mut hosts) = self.hosts.write() {
            hosts.insert(host.digest, Arc::clone(&table));
        }
        table
    }

    /// Returns how many virtual hosts have been compiled.
    pub fn compiled_hosts(&self) -> usize {
        self.hosts.read().map_or(0, |hosts| hosts.len())
    }
}

/// The patterns that a host name can be found by, nearest first.
fn patterns_for(host: &str) -> impl Iterator<Item = HostPattern> + use<'_> {
    HostPattern::candidates(host).into_iter().filter(move |pattern| pattern.covers(host))
}

/// Returns whether a path passes a test.
pub(crate) fn path_matches(test: &PathMatch, case_sensitive: bool, path: &str, patterns: &Patterns) -> bool {
    let begins =
        |prefix: &str| path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    match test {
        PathMatch::Exact(exact) if case_sensitive => path == exact,
        PathMatch::Exact(exact) => path.eq_ignore_ascii_case(exact),
        PathMatch::Prefix(prefix) if case_sensitive => path.starts_with(prefix.as_str()),
        PathMatch::Prefix(prefix) => begins(prefix),
        PathMatch::Regex(pattern) => patterns.matches(pattern, path),
    }
}

/// The first test besides the path that a request fails.
pub(crate) fn mismatch_beside_path(
    route: &Route,
    request: &Canonical,
    patterns: &Patterns,
) -> Option<Mismatch> {
    let passes = |test: &ValueMatch, found: Option<&str>| {
        found.is_some_and(|value| value_matches(test, value, patterns))
    };
    let Conditions { methods, headers, queries } = &*route.matches.conditions;
    if !methods.is_empty() && !methods.contains(&request.method) {
        return Some(Mismatch::Method(methods.clone()));
    }
    for test in headers {
        let found = request.header(&test.name);
        if !passes(&test.value, found.as_deref()) {
            return Some(Mismatch::Header {
                test: test.clone(),
                found: found.map(|value| value.into_owned()),
            });
        }
    }
    for test in queries {
        let found = request.query_value(&test.name);
        if !passes(&test.value, found) {
            return Some(Mismatch::Query { test: test.clone(), found: found.map(str::to_owned) });
        }
    }
    None
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = |name: &str, value: &Option<String>| match value {
            Some(_) if gatewright_secrets::is_secret_name(name) => "it is another".to_owned(),
            Some(value) => format!("it is `{value}`"),
            None => "it is missing".to_owned(),
        };
        match self {
            Mismatch::Path(PathMatch::Exact(path)) => write!(f, "path is not `{path}`"),
            Mismatch::Path(PathMatch::Prefix(prefix)) => write!(f, "path does not start with `{prefix}`"),
            Mismatch::Path(PathMatch::Regex(pattern)) => write!(f, "path does not match `{pattern}`"),
            Mismatch::Method(methods) => write!(f, "method is not {}", methods.join(" or ")),
            Mismatch::Header { test, found: value } => {
                write!(
                    f,
                    "header {} {}: {}",
                    test.name,
                    wish(&test.name, &test.value),
                    found(&test.name, value)
                )
            }
            Mismatch::Query { test, found: value } => {
                write!(
                    f,
                    "query parameter {} {}: {}",
                    test.name,
                    wish(&test.name, &test.value),
                    found(&test.name, value)
                )
            }
        }
    }
}

fn wish(name: &str, test: &ValueMatch) -> String {
    match test {
        ValueMatch::Exact(_) | ValueMatch::Prefix(_) | ValueMatch::Regex(_)
            if gatewright_secrets::is_secret_name(name) =>
        {
            "is to have a value that is hidden".to_owned()
        }
        ValueMatch::Exact(value) => format!("is to be `{value}`"),
        ValueMatch::Prefix(prefix) => format!("is to start with `{prefix}`"),
        ValueMatch::Regex(pattern) => format!("is to match `{pattern}`"),
        ValueMatch::Present => "is to be there".to_owned(),
    }
}
