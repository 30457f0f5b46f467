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
use gatewright_ir::{Certificate, HostPattern, Ir, ListenerId, PathMatch, TlsContext};
use gatewright_kinds::Kind;
use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet, ordset};
use serde::{Deserialize, Serialize};

/// Names that a refusal lists; the rest is counted.
const LISTED: usize = 3;

/// What a state serves, in names and numbers. A copy costs the same whatever it holds, and what two copies differ by is found
/// in the time that the difference asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Digests of the paths that each host has routes for, sorted. A path is the same whatever else its route asks for.
    hosts: OrdMap<Arc<str>, Arc<[u64]>>,
    /// Server names with a certificate.
    certificates: OrdSet<Arc<str>>,
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
        Gauge::default().read(engine)
    }

    /// Returns the files that hold manifests, which the next state must not lose by a mistake.
    pub fn files(&self) -> Paths {
        self.files.clone()
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
        let (mut gone, mut poorer): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        let (mut lost_paths, mut gone_paths) = (0, 0);
        for item in self.hosts.diff(&next.hosts) {
            match item {
                DiffItem::Add(..) => {}
                DiffItem::Remove(host, paths) => {
                    gone.push(host);
                    gone_paths += paths.len();
                }
                DiffItem::Update { old: (host, paths), new: (_, now) } => {
                    let lost = paths.iter().filter(|path| now.binary_search(path).is_err()).count();
                    lost_paths += lost;
                    if lost > 0 {
                        poorer.push(host);
                    }
                }
            }
        }
        let all_paths = || self.hosts.values().map(|paths| paths.len()).sum::<usize>() - gone_paths;
        let bare: Vec<&str> = self.bare(next).collect();
        let fewer: Vec<(&str, usize)> = self.fewer(next).collect();
        let kinds: Vec<&str> = fewer.iter().map(|(kind, _)| *kind).collect();
        [
            Loss::new(gone.len(), self.hosts.len(), "hosts left the source", &gone),
            Loss::new(
                lost_paths,
                if lost_paths > 0 { all_paths() } else { 0 },
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

    /// Returns the hosts that stay and have no certificate any more.
    fn bare<'a>(&'a self, next: &'a Extent) -> impl Iterator<Item = &'a str> {
        self.certificates.diff(&next.certificates).filter_map(|item| match item {
            ordset::DiffItem::Remove(name) => next.hosts.contains_key(name).then_some(&**name),
            ordset::DiffItem::Add(_) => None,
        })
    }

    /// Returns the kinds that there are fewer objects of. One that was renamed is no loss.
    fn fewer<'a>(&'a self, next: &'a Extent) -> impl Iterator<Item = (&'a str, usize)> {
        self.objects.iter().filter_map(|(kind, count)| {
            let lost = count.saturating_sub(next.objects.get(kind).copied().unwrap_or_default());
            (lost > 0).then_some((kind.as_str(), lost))
        })
    }
}

/// Measures states of an engine one after the other, each in the time that its difference to the one before asks for.
#[derive(Default)]
pub struct Gauge {
    /// The model that was measured last.
    model: Ir,
    extent: Extent,
}

impl Gauge {
    /// Measures the state that an engine has reached.
    pub fn read(&mut self, engine: &Engine) -> Extent {
        let before = std::mem::replace(&mut self.model, engine.ir().clone());
        let (now, extent) = (&self.model, &mut self.extent);
        let listeners: BTreeSet<ListenerId> = [&before, now].into_iter().flat_map(listeners_of).collect();
        for host in changed_hosts(&before, now) {
            extent.put_host(host, &listeners, now);
        }
        for listener in &listeners {
            for item in before.tls(*listener).diff(now.tls(*listener)) {
                extent.put_certificate(key_of(item), &listeners, now);
            }
        }
        let counts = engine.object_counts().iter().filter(|(kind, _)| **kind != Kind::Ingress);
        extent.objects = counts.map(|(kind, count)| (kind.as_str().to_owned(), *count)).collect();
        extent.files = engine.files_with_manifests();
        extent.clone()
    }
}

impl Extent {
    /// Measures the paths of one host anew.
    fn put_host(&mut self, host: &HostPattern, listeners: &BTreeSet<ListenerId>, model: &Ir) {
        let served = listeners.iter().filter_map(|listener| model.hosts.get(&(*listener, host.clone())));
        let mut served = served.peekable();
        if served.peek().is_none() {
            self.hosts.remove(&*host.to_string());
            return;
        }
        let routes = served.flat_map(|lowered| &lowered.host.routes);
        let paths: BTreeSet<u64> = routes.map(|route| digest_of(&route.matches.path)).collect();
        self.hosts.insert(host.to_string().into(), paths.into_iter().collect());
    }

    /// Looks anew whether a server name has a certificate.
    fn put_certificate(&mut self, name: &HostPattern, listeners: &BTreeSet<ListenerId>, model: &Ir) {
        let context = |listener: &ListenerId| model.tls(*listener).get(name);
        let has_one = |tls: &Arc<TlsContext>| matches!(tls.certificate, Certificate::Secret(_));
        if listeners.iter().filter_map(context).any(has_one) {
            self.certificates.insert(name.to_string().into());
        } else {
            self.certificates.remove(&*name.to_string());
        }
    }
}

/// Returns the listeners that a model may have hosts for.
fn listeners_of(model: &Ir) -> impl Iterator<Item = ListenerId> {
    model.listeners.keys().copied().chain(ListenerId::OF_INGRESSES)
}

/// Returns the hosts of which two models do not have the same virtual hosts.
fn changed_hosts<'m>(before: &'m Ir, now: &'m Ir) -> BTreeSet<&'m HostPattern> {
    before.hosts.diff(&now.hosts).map(|item| &key_of(item).1).collect()
}

fn key_of<'m, K, V>(item: DiffItem<'m, 'm, K, V>) -> &'m K {
    match item {
        DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => key,
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
