//! Which changes made a class of requests: the fewest without which it would be another one. The definition and why it
//! is found as it is: `docs/design/0007-causes-by-counterfactuals.md`.

mod question;
mod reach;
mod reduction;
mod search;

use std::collections::BTreeSet;

use gatewright_behaviour::BehaviourDiff;
use gatewright_ir::{HostPattern, Ir, RouteId};

use crate::side::EntityName;
use search::Search;

/// The changes between two states, and what would be if only some of them had been made.
pub trait Changes {
    /// Returns the objects that the models are made of and that differ, in a fixed order. A change is known by its index.
    fn objects(&self) -> &[EntityName];

    /// Returns the change of the object that a route was made from.
    fn owner(&self, route: &RouteId) -> Option<usize>;

    /// Returns how far each change can reach; none where that cannot be found out.
    fn reach(&mut self) -> Option<Vec<Reach>>;

    /// Returns the model of the base with some of the changes; none where it cannot be had.
    fn with(&mut self, made: &BTreeSet<usize>) -> Option<Supposed<'_>>;
}

/// How far a change can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To these hosts, and to what falls through to them.
    Hosts(BTreeSet<HostPattern>),
    /// To every host.
    Everything,
}

/// A model that is neither that of the base nor that of the head.
pub struct Supposed<'a> {
    /// The model.
    pub ir: &'a Ir,
    /// What it took to make it, in units of the compiler.
    pub work: usize,
}

/// The changes behind a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Indices of changes, in order.
    pub(crate) changes: BTreeSet<usize>,
    /// Whether these are only those that may have to do with it, because there are too many to try them.
    pub(crate) candidates: bool,
}

/// Finds the changes behind each class of a difference.
pub(crate) fn find(diff: &BehaviourDiff, head: &Ir, changes: &mut dyn Changes) -> Vec<Found> {
    let all: BTreeSet<usize> = (0..changes.objects().len()).collect();
    if all.len() < 2 || diff.classes.is_empty() {
        // Nothing else can have made them.
        return vec![Found { changes: all, candidates: false }; diff.classes.len()];
    }
    match changes.reach() {
        Some(reach) => Search::new(diff, head, reach, changes).found(),
        None => vec![Found { changes: all, candidates: true }; diff.classes.len()],
    }
}
