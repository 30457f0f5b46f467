//! Which units have what is asked for after every update, so that nobody walks over all of them for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_diagnostics::Severity;
use gatewright_ir::HostPattern;
use gatewright_kinds::EntityKey;

use crate::finding::Finding;
use crate::parse::{FileFinding, ParsedFile};
use crate::source::Paths;

/// Files by what they hold.
#[derive(Default)]
pub(super) struct FileIndex {
    /// Those with manifests or promises.
    pub(super) holding: Paths,
    /// Those that hold what counts only where the file is known to have held manifests.
    pub(super) unread: BTreeSet<Arc<str>>,
    /// Those with an error, whether it counts or not.
    pub(super) faulty: BTreeSet<Arc<str>>,
}

impl FileIndex {
    /// Enters a file that is not there yet.
    pub(super) fn add(&mut self, path: &Arc<str>, parsed: &ParsedFile) {
        if !parsed.manifests.is_empty() || !parsed.promises.is_empty() {
            self.holding.insert(path);
        }
        if !parsed.unread.is_empty() {
            self.unread.insert(path.clone());
        }
        if parsed.findings.iter().chain(&parsed.unread).any(FileFinding::is_error) {
            self.faulty.insert(path.clone());
        }
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, path: &str) {
        self.holding.remove(path);
        self.unread.remove(path);
        self.faulty.remove(path);
    }
}

/// Units of the stages behind parsing that have an error.
#[derive(Default)]
pub(super) struct Faulty {
    pub(super) ingresses: BTreeSet<EntityKey>,
    pub(super) hosts: BTreeSet<HostPattern>,
}

/// Notes whether a unit has an error.
pub(super) fn note<K: Ord + Clone>(faulty: &mut BTreeSet<K>, key: &K, findings: &[Finding]) {
    if findings.iter().any(is_error) {
        faulty.insert(key.clone());
    } else {
        faulty.remove(key);
    }
}

/// Returns whether a finding is an error.
pub(super) fn is_error(finding: &Finding) -> bool {
    finding.code.severity == Severity::Error
}
