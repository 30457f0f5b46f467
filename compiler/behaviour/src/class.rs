//! The behaviour diff as a value: classes of requests whose outcomes differ, and the cases that they are made of.

use std::collections::BTreeSet;
use std::fmt;

use gatewright_ir::{HostPattern, RouteId};
use serde::Serialize;

use crate::facet::{Facet, FacetChange, Observability};
use crate::outcome::Outcome;
use crate::region::Region;
use crate::request::Request;

/// The requests whose outcomes differ between two models, as a finite list of classes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BehaviourDiff {
    /// The classes, in a fixed order; empty if every request fares alike.
    pub classes: Vec<BehaviourClass>,
    /// How much of each model there is, and what it took to compare them.
    pub counters: Counters,
}

/// One row of a diff: requests to which the same happens.
///
/// A class is made of cases. Requests of one case have one outcome before and one after; the cases of a class share
/// what changes, and may differ in what does not (400 hosts get one timeout, but each keeps its own upstream).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BehaviourClass {
    /// The facets that differ, with the values before and after that every case shares; where cases are too many to
    /// be shown one by one, the values of the first.
    pub changes: Vec<FacetChange>,
    /// Never empty, in a fixed order.
    pub cases: Vec<Case>,
}

/// The requests that have one outcome before and one after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Which requests.
    pub region: Region,
    /// What happened to them.
    pub before: Outcome,
    /// What happens to them.
    pub after: Outcome,
    /// The facets that differ, with both values.
    pub changes: Vec<FacetChange>,
    /// The routes that took and take them, in pairs; none on a side without a route. Empty for TLS handshakes.
    pub routes: BTreeSet<RoutePair>,
    /// Whether every one of them is certain to fare differently.
    pub certainty: Certainty,
    /// A request of the region; none only where certainty is [`Certainty::MayDiffer`] and no request was found.
    pub witness: Option<Request>,
}

/// The route that took some requests, and the one that takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RoutePair {
    /// Before.
    pub before: Option<RouteId>,
    /// After.
    pub after: Option<RouteId>,
}

/// Whether the requests of a region are certain to fare differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Every one does.
    Exact,
    /// Some may not, for the given reason.
    MayDiffer(String),
}

/// Sizes of two models, and the work of comparing them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Virtual hosts before and after, per listener and host.
    pub hosts_before: usize,
    /// Virtual hosts after.
    pub hosts_after: usize,
    /// Virtual hosts that are gone.
    pub hosts_removed: usize,
    /// Virtual hosts that are new.
    pub hosts_added: usize,
    /// Routes before.
    pub routes_before: usize,
    /// Routes after.
    pub routes_after: usize,
    /// Virtual hosts whose digests differ, on both sides together counted once.
    pub hosts_changed: usize,
    /// Pairs of host chains whose routes were compared.
    pub pairs_opened: usize,
    /// Path regions looked at in those pairs.
    pub path_regions: usize,
    /// Branches of decision lists walked.
    pub branches: usize,
}

/// Bounds and thresholds of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Branches of the decision lists of one path region; beyond, the rest of the region `may differ`.
    pub branches: usize,
    /// Bytes of one compiled regular expression; a larger one makes its regions `may differ`.
    pub automaton_bytes: usize,
    /// States that one search in regular expressions visits; beyond, the region `may differ`.
    pub automaton_states: usize,
    /// Classes with the same facets that are listed one by one; more are merged into one class of many cases.
    pub classes_per_change: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { branches: 4096, automaton_bytes: 1 << 20, automaton_states: 20_000, classes_per_change: 12 }
    }
}

impl BehaviourDiff {
    /// Returns whether every request fares alike.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

impl BehaviourClass {
    /// Returns the first case, which stands for the others where one is shown.
    pub fn first(&self) -> &Case {
        &self.cases[0]
    }

    /// Returns the outcome before, of the first case.
    pub fn before(&self) -> &Outcome {
        &self.first().before
    }

    /// Returns the outcome after, of the first case.
    pub fn after(&self) -> &Outcome {
        &self.first().after
    }

    /// Returns the facets that differ in some case.
    pub fn facets(&self) -> BTreeSet<Facet> {
        self.cases.iter().flat_map(|case| case.changes.iter().map(|change| change.facet)).collect()
    }

    /// Returns the best way in which the change can be seen from outside.
    pub fn observability(&self) -> Observability {
        let facets = self.facets();
        facets.into_iter().map(Facet::observability).min().unwrap_or(Observability::Hidden)
    }

    /// Returns the requests of all cases.
    pub fn region(&self) -> Region {
        let mut parts: Vec<_> =
            self.cases.iter().flat_map(|case| case.region.parts.iter().cloned()).collect();
        parts.sort();
        Region { parts }
    }

    /// Returns every host of the class, sorted: virtual hosts, or server names where handshakes change.
    pub fn hosts(&self) -> BTreeSet<HostPattern> {
        self.cases.iter().flat_map(|case| case.region.hosts()).collect()
    }

    /// Returns the routes of both sides, in pairs.
    pub fn routes(&self) -> BTreeSet<RoutePair> {
        self.cases.iter().flat_map(|case| case.routes.iter().cloned()).collect()
    }

    /// Returns the routes that took the requests before.
    pub fn routes_before(&self) -> BTreeSet<RouteId> {
        self.cases.iter().flat_map(|case| case.routes.iter().filter_map(|pair| pair.before.clone())).collect()
    }

    /// Returns the routes that take the requests now.
    pub fn routes_after(&self) -> BTreeSet<RouteId> {
        self.cases.iter().flat_map(|case| case.routes.iter().filter_map(|pair| pair.after.clone())).collect()
    }

    /// Returns [`Certainty::Exact`] if it holds for all cases, else the first reason for doubt.
    pub fn certainty(&self) -> &Certainty {
        let doubtful =
            self.cases.iter().map(|case| &case.certainty).find(|certainty| **certainty != Certainty::Exact);
        doubtful.unwrap_or(&Certainty::Exact)
    }

    /// Returns a request of the class.
    pub fn witness(&self) -> Option<&Request> {
        self.cases.iter().find_map(|case| case.witness.as_ref())
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Certainty::Exact => f.write_str("exact"),
            Certainty::MayDiffer(reason) => write!(f, "may differ: {reason}"),
        }
    }
}
