//! What a route was made of.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use gatewright_kinds::EntityKey;
use serde::{Serialize, Serializer};

use crate::HostPattern;

/// Names a route across compilations by what it was made of, never by its position. Provenance is looked up by it. Routes
/// that one path became share it.
///
/// Written `KIND/NAMESPACE/NAME HOST PART`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(Arc<RouteSource>);

/// See [`RouteId`].
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteSource {
    /// The object.
    pub object: EntityKey,
    /// The host, as the object has it.
    pub host: HostPattern,
    /// What of the object.
    pub part: RoutePart,
}

/// The part of an object that makes a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutePart {
    /// A path of a rule.
    Path {
        /// Its type.
        kind: PathKind,
        /// The path as Higress compares it: without the trailing slash of a prefix.
        path: Arc<str>,
    },
    /// `spec.defaultBackend`.
    DefaultBackend,
    /// The annotation `app-root`.
    AppRoot,
}

/// The type of an Ingress' path as Higress sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// `Exact`
    Exact,
    /// `Prefix`
    Prefix,
    /// A regular expression that the path must start with.
    PrefixRegex,
    /// A regular expression for the whole path.
    FullPathRegex,
}

impl PathKind {
    /// Returns the name that Higress gives it in rule keys.
    pub fn as_str(self) -> &'static str {
        match self {
            PathKind::Exact => "Exact",
            PathKind::Prefix => "Prefix",
            PathKind::PrefixRegex => "prefixRegex",
            PathKind::FullPathRegex => "fullPathRegex",
        }
    }
}

impl RouteId {
    /// Returns the id of the route of a part of an object at a host.
    pub fn new(object: EntityKey, host: HostPattern, part: RoutePart) -> Self {
        RouteId(Arc::new(RouteSource { object, host, part }))
    }
}

impl Deref for RouteId {
    type Target = RouteSource;

    fn deref(&self) -> &RouteSource {
        &self.0
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RouteSource { object, host, part } = &*self.0;
        write!(f, "{}/{}/{} {host} {part}", object.kind.as_str(), object.namespace, object.name)
    }
}

impl fmt::Display for RoutePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoutePart::Path { kind, path } => write!(f, "{} {path}", kind.as_str()),
            RoutePart::DefaultBackend => f.write_str("default-backend"),
            RoutePart::AppRoot => f.write_str("app-root"),
        }
    }
}

impl Serialize for RouteId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
