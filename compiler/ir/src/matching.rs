//! What a route asks of a request. All tests of one [`RouteMatch`] must hold.

use serde::Serialize;

use crate::shared::{Optional, Shared};

/// The tests of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteMatch {
    /// The test of the path (without query).
    pub path: PathMatch,
    /// Whether exact and prefix paths distinguish case; regular expressions always do.
    #[serde(skip_serializing_if = "is_true")]
    pub case_sensitive: bool,
    /// What else is asked.
    #[serde(flatten)]
    pub conditions: Shared<Conditions>,
}

/// What a route asks of a request beside its path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Conditions {
    /// Allowed methods in upper case, in the author's order without repetition; empty allows every method.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Header tests sorted by name. Names starting with `:` are pseudo headers (`:authority`, `:path`, `:scheme`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    /// Query parameter tests sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryMatch>,
}

impl Optional for Conditions {
    const NOTHING: &'static Self =
        &Conditions { methods: Vec::new(), headers: Vec::new(), queries: Vec::new() };
}

impl RouteMatch {
    /// Returns a match that tests only the path, case-sensitively.
    pub fn path(path: PathMatch) -> Self {
        RouteMatch { path, case_sensitive: true, conditions: Shared::default() }
    }

    /// Returns whether every request matches: prefix `/` or regex `.*`, and no other test.
    ///
    /// Such a route ends a host: nothing after it can be reached, and no wider host either.
    pub fn is_catch_all(&self) -> bool {
        let every_path = match &self.path {
            PathMatch::Prefix(prefix) => prefix == "/",
            PathMatch::Regex(regex) => regex == ".*",
            PathMatch::Exact(_) => false,
        };
        every_path && self.conditions.is_empty()
    }
}

/// The test of a path. A Higress `Prefix` path below the root is two routes: `Exact("/foo")` and `Prefix("/foo/")`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// The whole path, byte for byte.
    Exact(String),
    /// The path starts with these bytes (Envoy's `prefix`: not element by element).
    Prefix(String),
    /// RE2 expression that must match the whole path.
    Regex(String),
}

/// The test of a header value or query value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueMatch {
    /// The whole value.
    Exact(String),
    /// The value starts with this text.
    Prefix(String),
    /// RE2 expression that must match the whole value.
    Regex(String),
    /// The header or parameter exists, with any value (even empty).
    Present,
}

/// A test of one header. Several lines of one header are joined by `,` before the test, as Envoy does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HeaderMatch {
    /// Header name in lower case, or a pseudo header.
    pub name: String,
    /// The test; a missing header fails every test.
    pub value: ValueMatch,
}

/// A test of one query parameter; its first occurrence counts and is not percent-decoded, as in Envoy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct QueryMatch {
    /// Parameter name, case-sensitive.
    pub name: String,
    /// The test; a missing parameter fails every test.
    pub value: ValueMatch,
}

fn is_true(value: &bool) -> bool {
    *value
}
