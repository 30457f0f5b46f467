//! Stage 1: the bytes of a file to typed manifests and findings.
//!
//! bytes -> text ([`text`]) -> one tree per document ([`load`], [`tree`]) -> what kind it is ([`kinds`]) -> JSON Schema
//! ([`schema`]) and metadata ([`metadata`]) -> manifest ([`decode`]). Scalars mean what Kubernetes' library makes of
//! them ([`scalar`]). A document that is not valid, or not straightforward, is also made a JSON value ([`json`]), which
//! says what is wrong with it. Nothing here knows a path or a revision, so a result can be kept for all files with the same content.

mod comments;
mod decode;
mod encrypted;
mod fields;
mod finder;
mod hints;
pub(crate) mod inner;
mod issue;
mod json;
mod kinds;
mod load;
mod locate;
mod makers;
mod metadata;
mod names;
mod nearest;
mod objects;
mod placeholders;
mod places;
mod placing;
mod problem;
mod purpose;
mod reader;
mod registry_lock;
mod rules;
mod scalar;
mod schema;
mod stream;
mod stretch;
mod syntax;
mod text;
mod tree;
mod tree_json;
mod yaml;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use gatewright_diagnostics::{Code, Fix, Severity, Span, code};
use gatewright_kinds::EntityKey;
use gatewright_kinds::encrypted::of_file;

pub(crate) use decode::manifest;
pub use locate::Locator;
pub use nearest::nearest;
pub use objects::{RawObject, raw_objects};
pub use places::{Asked, locate_all};
pub use registry_lock::{REGISTRY_LOCK, is_registry_lock};
pub(crate) use rules::check_host;

use crate::manifest::Manifest;
use crate::options::Profile;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct ParsedFile {
    /// Its manifests, in the order of the file. One that a finding with an error names is poisoned: it holds what could
    /// be read, so that its hosts and references are known, and must not be served as if it were whole.
    pub manifests: Vec<Arc<Manifest>>,
    /// What is to say about it, by place.
    pub findings: Vec<FileFinding>,
    /// Objects that cannot be read in it, though it says that there will be some.
    pub promises: Vec<Promise>,
    /// Whether it holds no manifest, so that what is wrong in it as YAML is nobody's business.
    pub passed_over: bool,
    /// What counts of that all the same where the file is known to have held manifests.
    pub unread: Vec<FileFinding>,
}

/// An object that cannot be read here and will be in the cluster: something makes it, or it is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Promise {
    /// The object, mostly a Secret.
    pub object: EntityKey,
    /// Where it comes from, as a clause.
    pub why: String,
    /// Whether the file holds it, encrypted.
    pub encrypted: bool,
}

/// One finding about a file, placed in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFinding {
    /// The code, whose severity is the finding's.
    pub code: &'static Code,
    /// What is wrong, on one line. Never holds a value of a Secret or of a plugin's configuration.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places with a remark each.
    pub related: Vec<(Span, String)>,
    /// Why it matters.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// A safe replacement. Never holds a value of a Secret.
    pub fix: Option<Fix>,
    /// The object that holds the place, where it is of a modelled kind and has a name.
    pub entity: Option<EntityKey>,
}

impl FileFinding {
    /// Returns whether the finding poisons its manifest.
    pub fn is_error(&self) -> bool {
        self.code.severity == Severity::Error
    }

    fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        FileFinding {
            code,
            message: message.into(),
            span,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
            entity: None,
        }
    }
}

/// Returns whether a Service can have this name.
pub(crate) fn is_service_name(name: &str) -> bool {
    names::service_name(name).is_ok()
}

/// Returns whether a Secret can have this name.
pub(crate) fn is_secret_name(name: &str) -> bool {
    names::dns_subdomain(name).is_ok()
}

/// Reads a file of a source: a snapshot of registries by its name, anything else as manifests.
pub(crate) fn parse_at(path: &str, bytes: &[u8], profile: Profile) -> ParsedFile {
    if !is_registry_lock(path) {
        return parse_file(bytes, profile);
    }
    let mut parsed = match readable(bytes) {
        Ok(text) => registry_lock::read(&text),
        Err(finding) => ParsedFile { findings: vec![*finding], ..ParsedFile::default() },
    };
    in_order(&mut parsed.findings);
    parsed
}

/// Reads a file of manifests. Any bytes give a result; it depends on nothing but the arguments.
pub fn parse_file(bytes: &[u8], profile: Profile) -> ParsedFile {
    let mut parsed = match readable(bytes) {
        Ok(text) => reader::read(&text, profile),
        Err(finding) => {
            let unreadable = finding.code.id == code::GW0004.id;
            let mut parsed = ParsedFile { findings: vec![*finding], ..ParsedFile::default() };
            if unreadable && !purpose::may_be_manifests(bytes) {
                purpose::pass_over(&mut parsed);
            }
            parsed
        }
    };
    in_order(&mut parsed.findings);
    in_order(&mut parsed.unread);
    parsed
}

fn readable(bytes: &[u8]) -> Result<Cow<'_, str>, Box<FileFinding>> {
    match of_file(bytes) {
        Some(tool) => Err(Box::new(problem::encrypted(tool))),
        None => text::read(bytes).map_err(|why| Box::new(problem::unreadable(bytes, why))),
    }
}

fn in_order(findings: &mut Vec<FileFinding>) {
    findings.sort_by(|a, b| {
        (a.span.start.offset, a.code.id, &a.message).cmp(&(b.span.start.offset, b.code.id, &b.message))
    });
    findings.dedup();
}
