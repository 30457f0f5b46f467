//! Regions: sets of requests in product form, as unions of parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{HeaderMatch, HostPattern, ListenerId, PathMatch, QueryMatch, ValueMatch};
use serde::{Serialize, Serializer};

use crate::canonical::Canonical;
use crate::decide::path_matches;
use crate::effect::{asks_preflight, host_is_like, origin_allowed, value_matches};
use crate::patterns::Patterns;
use crate::request::Request;

/// A set of requests: those of any of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Region {
    /// The parts, sorted. They do not overlap within one class.
    pub parts: Vec<Part>,
}

/// The requests that come in by one of some listeners, with one of some server names, and pass the HTTP part. Ordered by
/// the HTTP part first, so that the parts of one host stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Part {
    /// What the request itself must be; none means every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPart>,
    /// The listeners, in order.
    pub listeners: Vec<ListenerId>,
    /// The server names, where TLS is spoken.
    #[serde(skip_serializing_if = "ServerNames::is_any")]
    pub server_names: ServerNames,
}

/// Hosts x paths x conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HttpPart {
    /// The hosts, sorted.
    pub hosts: Vec<HostSet>,
    /// The paths, sorted.
    pub paths: Vec<PathSet>,
    /// Further conditions, all of which hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Server names of TLS handshakes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerNames {
    /// No matter.
    Any,
    /// Names for which a certificate is served before and after the change.
    Served(Arc<ServedNames>),
    /// The names of a set; the set of [`HostPattern::Any`] also has clients that send no name.
    Of(HostSet),
}

/// Which of the patterns in the TLS tables of both sides lead to a certificate on both.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServedNames(pub BTreeMap<HostPattern, bool>);

/// The names that a pattern covers, less those that a narrower pattern covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostSet {
    /// The pattern.
    pub pattern: HostPattern,
    /// Narrower patterns with rules of their own before or after the change.
    pub except: Arc<BTreeSet<HostPattern>>,
}

/// A set of paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathSet {
    /// One path, in any case if `ignore_case`.
    Point {
        /// The path.
        path: String,
        /// Whether `path` is in lower case and stands for every case.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ignore_case: bool,
    },
    /// The paths that start with a text, less some.
    Below {
        /// What they start with.
        prefix: String,
        /// Whether `prefix` is in lower case and stands for every case.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ignore_case: bool,
        /// Those that do not belong.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        except: Vec<PathSet>,
    },
}

/// A test with the answer that it must give.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Condition {
    /// The test.
    pub test: Test,
    /// The answer.
    pub holds: bool,
}

/// A question to a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Does the path pass?
    Path {
        /// The test.
        path: PathMatch,
        /// Whether it distinguishes case.
        case_sensitive: bool,
    },
    /// Is the method one of these?
    Method(Vec<String>),
    /// Does a header pass? A missing one does not.
    Header(HeaderMatch),
    /// Does a query parameter pass? A missing one does not.
    Query(QueryMatch),
    /// Is the host like a plugin rule's domain (`*` at one end)?
    HostLike(String),
    /// Does `Origin` pass one of these?
    Origin(Vec<ValueMatch>),
    /// Is it a CORS preflight whose `Origin` passes one of these?
    Preflight(Vec<ValueMatch>),
}

impl Region {
    /// Returns whether a request is in the region.
    pub fn contains(&self, request: &Request) -> bool {
        let patterns = Patterns::default();
        let canonical = request.canonical().ok();
        self.parts.iter().any(|part| part.contains(request, canonical.as_ref(), &patterns))
    }

    /// Returns the region host by host, for each of its [`Self::hosts`].
    pub fn by_host(&self) -> BTreeMap<HostPattern, Region> {
        let mut found: BTreeMap<HostPattern, Region> = BTreeMap::new();
        let mut add =
            |host: &HostPattern, part: Part| found.entry(host.clone()).or_default().parts.push(part);
        let everywhere =
            |part: &Part| part.http.is_none() && !matches!(part.server_names, ServerNames::Of(_));
        let hosts = if self.parts.iter().any(everywhere) { self.hosts() } else { BTreeSet::new() };
        for part in &self.parts {
            match (&part.http, &part.server_names) {
                (Some(http), _) => http.hosts.chunk_by(|a, b| a.pattern == b.pattern).for_each(|same| {
                    let (paths, conditions) = (http.paths.clone(), http.conditions.clone());
                    let http = Some(HttpPart { hosts: same.to_vec(), paths, conditions });
                    add(&same[0].pattern, Part { http, ..part.outside_http() });
                }),
                (None, ServerNames::Of(set)) => add(&set.pattern, part.clone()),
                (None, _) => hosts.iter().for_each(|host| add(host, part.clone())),
            }
        }
        found
    }

    /// Returns every host of the region, sorted.
    pub fn hosts(&self) -> BTreeSet<HostPattern> {
        let http = self.parts.iter().filter_map(|part| part.http.as_ref());
        let mut hosts: BTreeSet<HostPattern> =
            http.flat_map(|http| http.hosts.iter().map(|host| host.pattern.clone())).collect();
        hosts.extend(self.parts.iter().filter_map(|part| match &part.server_names {
            ServerNames::Of(set) => Some(set.pattern.clone()),
            _ => None,
        }));
        hosts
    }
}

impl Part {
    /// Returns at which listeners alone a request is in the part, for a reader; none for both of the Ingresses.
    pub fn listeners_text(&self) -> Option<String> {
        if self.listeners == ListenerId::OF_INGRESSES {
            return None;
        }
        let text = |listener: &ListenerId| match *listener == ListenerId::of(listener.scheme) {
            true => listener.scheme.as_str().to_owned(),
            false => listener.to_string(),
        };
        Some(self.listeners.iter().map(text).collect::<Vec<_>>().join(" and "))
    }

    fn outside_http(&self) -> Part {
        Part { http: None, listeners: self.listeners.clone(), server_names: self.server_names.clone() }
    }

    fn contains(&self, request: &Request, canonical: Option<&Canonical>, patterns: &Patterns) -> bool {
        self.listeners.contains(&request.listener)
            && (!request.listener.is_tls() || self.server_names.contains(request.sni.as_deref()))
            && match (&self.http, canonical) {
                (None, _) => true,
                (Some(http), Some(canonical)) => http.contains(canonical, patterns),
                (Some(_), None) => false,
            }
    }
}

impl HttpPart {
    /// Returns whether a request passes.
    pub(crate) fn contains(&self, request: &Canonical, patterns: &Patterns) -> bool {
        self.hosts.iter().any(|host| host.contains(&request.host))
            && self.paths.iter().any(|path| path.contains(&request.path))
            && self.conditions.iter().all(|condition| condition.passes(request, patterns))
    }
}

impl ServerNames {
    fn is_any(&self) -> bool {
        *self == ServerNames::Any
    }

    /// Returns whether a server name, or its absence, is in the set.
    pub fn contains(&self, sni: Option<&str>) -> bool {
        match (self, sni) {
            (ServerNames::Any, _) => true,
            (ServerNames::Served(names), sni) => names.serves(sni),
            (ServerNames::Of(set), Some(name)) => set.contains(&name.to_ascii_lowercase()),
            (ServerNames::Of(set), None) => set.pattern == HostPattern::Any,
        }
    }
}

impl ServedNames {
    /// Returns whether a certificate is served for a name on both sides.
    pub fn serves(&self, sni: Option<&str>) -> bool {
        let found = match sni.map(str::to_ascii_lowercase) {
            Some(name) => HostPattern::candidates(&name)
                .iter()
                .filter(|pattern| pattern.covers(&name))
                .find_map(|pattern| self.0.get(pattern)),
            None => self.0.get(&HostPattern::Any),
        };
        found.copied().unwrap_or(false)
    }
}

impl HostSet {
    /// Returns whether a host name (lower case, no port) is in the set.
    pub fn contains(&self, host: &str) -> bool {
        if !self.pattern.covers(host) {
            return false;
        }
        let narrower =
            HostPattern::candidates(host).into_iter().take_while(|pattern| *pattern != self.pattern);
        !narrower.filter(|pattern| pattern.covers(host)).any(|pattern| self.except.contains(&pattern))
    }
}

impl Serialize for HostSet {
    /// Writes the pattern; what it leaves to narrower ones is what patterns always do.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pattern.serialize(serializer)
    }
}

impl Serialize for ServedNames {
    /// Writes the patterns for which a certificate is served.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|(_, served)| **served).map(|(pattern, _)| pattern))
    }
}

impl PathSet {
    /// Returns whether a normalized path is in the set.
    pub fn contains(&self, path: &str) -> bool {
        match self {
            PathSet::Point { path: point, ignore_case: false } => path == point,
            PathSet::Point { path: point, ignore_case: true } => path.eq_ignore_ascii_case(point),
            PathSet::Below { prefix, ignore_case, except } => {
                let start = path.get(..prefix.len());
                let begins = match ignore_case {
                    true => start.is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
                    false => start == Some(prefix.as_str()),
                };
                begins && !except.iter().any(|set| set.contains(path))
            }
        }
    }
}

impl Condition {
    /// Returns whether a request gives the answer.
    pub(crate) fn passes(&self, request: &Canonical, patterns: &Patterns) -> bool {
        self.test.holds(request, patterns) == self.holds
    }
}

impl Test {
    /// Returns whether a request passes the test.
    pub(crate) fn holds(&self, request: &Canonical, patterns: &Patterns) -> bool {
        match self {
            Test::Path { path, case_sensitive } => {
                path_matches(path, *case_sensitive, &request.path, patterns)
            }
            Test::Method(methods) => methods.contains(&request.method),
            Test::Header(test) => {
                request.header(&test.name).is_some_and(|value| value_matches(&test.value, &value, patterns))
            }
            Test::Query(test) => request
                .query_value(&test.name)
                .is_some_and(|value| value_matches(&test.value, value, patterns)),
            Test::HostLike(domain) => host_is_like(&request.host, domain),
            Test::Origin(origins) => origin_allowed(origins, request.header("origin").as_deref(), patterns),
            Test::Preflight(origins) => {
                asks_preflight(request)
                    && origin_allowed(origins, request.header("origin").as_deref(), patterns)
            }
        }
    }
}
