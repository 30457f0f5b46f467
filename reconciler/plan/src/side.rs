//! What the planner is told about one state of the input: plain values, and a way to ask for the few that are shown.

use std::collections::BTreeSet;
use std::fmt;

use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_ir::{Ir, RouteId};
use gatewright_xds::XdsSnapshot;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntityName {
    /// Kind, e.g. `Ingress`.
    pub kind: String,
    /// Namespace; empty for kinds without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// A line of a file of the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Path as the user knows the file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Short commit id; none for files on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

/// Answers questions about the manifests of one state. Only what differs between two states is asked for.
pub trait Describe {
    /// Returns an object as it was written, values of Secrets included: the planner hides them.
    fn manifest(&self, entity: &EntityName) -> Option<Value>;

    /// Returns where the value at a JSON pointer of an object stands; the empty pointer means the object.
    fn place(&self, entity: &EntityName, pointer: &str) -> Option<Location>;

    /// Returns where a route was written.
    fn route(&self, route: &RouteId) -> Option<Location>;

    /// Returns the host patterns whose routes depend on an object, whether the state has the object or not.
    fn dependents(&self, entity: &EntityName) -> BTreeSet<String>;
}

/// One state of the input with what was compiled from it.
pub struct Side<'a> {
    /// The SOURCEs, as the user gave them.
    pub source: String,
    /// Full id of the commit, where the state is one.
    pub revision: Option<String>,
    /// Digest of all files: another digest means that the input moved.
    pub input: String,
    /// The objects that may differ from those of the other side: all of the files that do.
    pub entities: BTreeSet<EntityName>,
    /// Access to the manifests.
    pub describe: &'a dyn Describe,
    /// The model.
    pub ir: &'a Ir,
    /// The xDS resources.
    pub xds: &'a XdsSnapshot,
    /// Everything that the compiler found, with paths as the user knows them.
    pub diagnostics: &'a [Diagnostic],
    /// How the short commit id of a file is found.
    pub revision_of: &'a dyn Fn(&str) -> Option<String>,
}

impl Side<'_> {
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}
