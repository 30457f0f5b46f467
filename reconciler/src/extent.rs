//! How much a state serves, and whether the next one serves so much less that somebody must say it is meant.
//!
//! A folder that is suddenly empty, a branch whose manifests moved out of sight, a class that nobody serves: all of them
//! compile without an error. What tells them apart from an edit is what requests would lose. The rule is the one of kube
//! clusters, [`PruneBudget`], asked of each measure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use gatewright_cluster::decide::{Excess, PruneBudget};
use gatewright_compiler::Engine;
use gatewright_compiler::source::{Paths, digest};
use gatewright_ir::{Certificate, PathMatch};
use gatewright_kinds::Kind;
use serde::{Deserialize, Serialize};

/// Names that a refusal lists; the rest is counted.
const LISTED: usize = 3;

/// What a state serves, in names and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Digests of the paths that each host has routes for, sorted. A path is the same whatever else its route asks for.
    hosts: BTreeMap<String, Vec<u64>>,
    /// Server names with a certificate.
    certificates: BTreeSet<String>,
    /// How many objects there are of each kind beside Ingresses, which hosts and paths stand for.
    objects: BTreeMap<String, usize>,
    /// The files that hold manifests.
    #[serde(default)]
    files: Paths,
}

/// What was agreed to on the command line or in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// How much may be lost.
    pub budget: PruneBudget,
    /// Whether a state may serve nothing.
    pub empty: bool,
}

impl Consent {
    /// Returns what one of two consents covers.
    pub fn or(self, other: Consent) -> Consent {
        let budget = match (self.budget, other.budget) {
            (PruneBudget::Objects(one), PruneBudget::Objects(other)) => PruneBudget::Objects(one.max(other)),
            (PruneBudget::Objects(most), _) | (_, PruneBudget::Objects(most)) => PruneBudget::Objects(most),
            _ => self.budget,
        };
        Consent { budget, empty: self.empty || other.empty }
    }

    /// Returns how many things may be lost, where a number was given.
    pub(crate) fn objects(self) -> Option<usize> {
        match self.budget {
            PruneBudget::Objects(most) => Some(most),
            PruneBudget::Default | PruneBudget::Nothing => None,
        }
    }
}

/// Why a state is not served: it serves too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shrinkage {
    /// It serves no host.
    Empty {
        /// How many the last good one serves.
        before: usize,
    },
    /// It serves much less than the last good one.
    Less {
        /// A clause for each measure that is beyond the budget.
        lost: Vec<String>,
        /// The budget that would cover everything.
        needed: usize,
    },
}

impl Shrinkage {
    /// Returns how to say that it is meant.
    pub fn consent(&self) -> String {
        match self {
            Shrinkage::Empty { .. } => "--allow-empty".to_owned(),
            Shrinkage::Less { needed, .. } => format!("--prune-budget {needed}"),
        }
    }
}

impl fmt::Display for Shrinkage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shrinkage::Empty { before: 0 } => f.write_str("the source serves no host"),
            Shrinkage::Empty { before } => {
                write!(f, "the source serves no host, and the last good state serves {before}")
            }
            Shrinkage::Less { lost, .. } => f.write_str(&lost.join("; ")),
        }
    }
}

impl std::error::Error for Shrinkage {}

impl Extent {
    /// Measures the state that an engine has reached.
    pub fn of(engine: &Engine) -> Self {
        let mut extent = Extent::default();
        for ((_, host), lowered) in &engine.ir().hosts {
            let paths = extent.hosts.entry(host.to_string()).or_default();
            paths.extend(lowered.host.routes.iter().map(|route| digest_of(&route.matches.path)));
        }
        for paths in extent.hosts.values_mut() {
            paths.sort_unstable();
            paths.dedup();
        }
        let served =
            engine.ir().tls_contexts().filter(|tls| matches!(tls.certificate, Certificate::Secret(_)));
        extent.certificates = served.map(|tls| tls.host.to_string()).collect();
        for key in engine.manifests().keys().filter(|key| key.kind != Kind::Ingress) {
            *extent.objects.entry(key.kind.as_str().to_owned()).or_default() += 1;
        }
        extent.files = engine.files_with_manifests();
        extent
    }

    /// Returns the files that hold manifests, which the next state must not lose by a mistake.
    pub fn files(&self) -> Arc<Paths> {
        Arc::new(self.files.clone())
    }

    /// Returns what speaks against serving `next` in the place of `last`, where there is one.
    pub fn shrinkage(last: Option<&Extent>, next: &Extent, consent: Consent) -> Option<Shrinkage> {
        if next.hosts.is_empty() {
            let before = last.map_or(0, |last| last.hosts.len());
            return (!consent.empty).then_some(Shrinkage::Empty { before });
        }
        let losses = last?.losses(next);
        let excesses = losses.iter().filter_map(|loss| {
            let excess = consent.budget.excess(loss.lost, loss.all)?;
            Some(loss.sentence(excess))
        });
        let lost: Vec<String> = excesses.collect();
        let needed = losses.iter().map(|loss| loss.lost).max().unwrap_or_default();
        (!lost.is_empty()).then_some(Shrinkage::Less { lost, needed })
    }

    fn losses(&self, next: &Extent) -> [Loss; 4] {
        let stay = || self.hosts.iter().filter(|(host, _)| next.hosts.contains_key(*host));
        let gone: Vec<&str> =
            self.hosts.keys().filter(|host| !next.hosts.contains_key(*host)).map(String::as_str).collect();
        let mut poorer = Vec::new();
        let mut lost_paths = 0;
        for (host, paths) in stay() {
            let lost = paths.iter().filter(|path| next.hosts[host].binary_search(path).is_err()).count();
            lost_paths += lost;
            if lost > 0 {
                poorer.push(host.as_str());
            }
        }
        let bare: Vec<&str> = self
            .certificates
            .iter()
            .filter(|name| next.hosts.contains_key(*name) && !next.certificates.contains(*name))
            .map(String::as_str)
            .collect();
        let fewer: Vec<(&str, usize)> = self.fewer(next).collect();
        let kinds: Vec<&str> = fewer.iter().map(|(kind, _)| *kind).collect();
        [
            Loss::new(gone.len(), self.hosts.len(), "hosts left the source", &gone),
            Loss::new(
                lost_paths,
                stay().map(|(_, paths)| paths.len()).sum(),
                "paths left hosts that stay",
                &poorer,
            ),
            Loss::new(bare.len(), self.certificates.len(), "hosts lost their certificate", &bare),
            Loss::new(
                fewer.iter().map(|(_, lost)| lost).sum(),
                self.objects.values().sum(),
                "objects left the source",
                &kinds,
            ),
        ]
    }

    /// Returns the kinds that there are fewer objects of. One that was renamed is no loss.
    fn fewer<'a>(&'a self, next: &'a Extent) -> impl Iterator<Item = (&'a str, usize)> {
        self.objects.iter().filter_map(|(kind, count)| {
            let lost = count.saturating_sub(next.objects.get(kind).copied().unwrap_or_default());
            (lost > 0).then_some((kind.as_str(), lost))
        })
    }
}

/// What one measure says.
struct Loss {
    lost: usize,
    all: usize,
    what: &'static str,
    names: String,
}

impl Loss {
    fn new(lost: usize, all: usize, what: &'static str, names: &[&str]) -> Self {
        let mut listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = names.len().checked_sub(LISTED) {
            listed.push_str(&format!(" and {more} more"));
        }
        Loss { lost, all, what, names: listed }
    }

    fn sentence(&self, excess: Excess) -> String {
        let why = match excess {
            Excess::Budget(budget) => format!("the budget is {budget}"),
            Excess::Half => "that is more than half".to_owned(),
        };
        format!("{} of {} {} ({}), and {why}", self.lost, self.all, self.what, self.names)
    }
}

/// Returns the digest of a path. `Prefix` paths are two tests, `/a` and everything below `/a/`, which count as one.
fn digest_of(path: &PathMatch) -> u64 {
    digest(match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path.trim_end_matches('/'),
        PathMatch::Regex(regex) => regex,
    })
}

#[cfg(test)]
mod tests;
