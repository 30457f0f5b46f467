//! Decision lists: in one path region of one host, both sides are short ordered lists of tests and outcomes. The walk
//! branches on the tests that occur, leaves out branches that no request can take, and ends in leaves where each side
//! has one outcome.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_ir::RouteId;

use crate::class::Certainty;
use crate::diff::plainer;
use crate::outcome::Outcome;
use crate::region::{Condition, Test};
use crate::request::Request;
use crate::solve::{Place, Solution, Solver};
use crate::verdict::{Ground, Verdict};

/// One route in a path region: its tests besides those that the region has decided.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) tests: Vec<Test>,
    pub(crate) outcome: Outcome,
    pub(crate) route: Option<&'a RouteId>,
}

/// Requests of a path region that fare differently.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) conditions: BTreeSet<Condition>,
    pub(crate) before: (Outcome, Option<&'a RouteId>),
    pub(crate) after: (Outcome, Option<&'a RouteId>),
    pub(crate) certainty: Certainty,
    pub(crate) witness: Option<Request>,
}

/// Walks two decision lists side by side.
pub(crate) struct Walk<'a, 'w> {
    solver: &'w mut Solver,
    place: &'w Place<'w>,
    budget: usize,
    used: usize,
    known: BTreeMap<Test, bool>,
    conditions: Vec<Condition>,
    doubt: Option<String>,
    leaves: Vec<Leaf<'a>>,
}

/// Returns the leaves where two lists differ, and the number of branches walked. Both lists end in a row without tests.
pub(crate) fn differences<'a>(
    solver: &mut Solver,
    place: &Place<'_>,
    budget: usize,
    before: &[Row<'a>],
    after: &[Row<'a>],
) -> (Vec<Leaf<'a>>, usize) {
    let mut walk = Walk {
        solver,
        place,
        budget,
        used: 0,
        known: BTreeMap::new(),
        conditions: Vec::new(),
        doubt: None,
        leaves: Vec::new(),
    };
    walk.lists(before, after);
    (merged(walk.leaves), walk.used)
}

impl<'a> Walk<'a, '_> {
    fn lists(&mut self, before: &[Row<'a>], after: &[Row<'a>]) {
        let (before, after) = (self.reduced(before), self.reduced(after));
        if alike(&before, &after) {
            return;
        }
        let (Some(a), Some(b)) = (before.first(), after.first()) else { return };
        if self.used >= self.budget {
            let reason = "its conditions have too many combinations to compare".to_owned();
            return self.leaf(a, b, Certainty::MayDiffer(reason));
        }
        self.used += 1;
        match a.tests.first().or(b.tests.first()).cloned() {
            Some(test) => self.branch(&test, &mut |walk| walk.lists(&before, &after)),
            None => self.outcomes(a, b),
        }
    }

    /// Drops rows that cannot match any more and tests that are passed, up to the first row that matches for certain.
    fn reduced(&self, rows: &[Row<'a>]) -> Vec<Row<'a>> {
        let mut reduced = Vec::new();
        for row in rows {
            if row.tests.iter().any(|test| self.known.get(test) == Some(&false)) {
                continue;
            }
            let tests: Vec<Test> =
                row.tests.iter().filter(|test| !self.known.contains_key(*test)).cloned().collect();
            let ends = tests.is_empty();
            reduced.push(Row { tests, ..row.clone() });
            if ends {
                break;
            }
        }
        reduced
    }

    /// Goes on with each answer to a test that some request can give.
    fn branch(&mut self, test: &Test, go_on: &mut dyn FnMut(&mut Self)) {
        let mut possible = Vec::new();
        for holds in [true, false] {
            self.conditions.push(Condition { test: test.clone(), holds });
            match self.solver.solve(self.place, &self.conditions) {
                Solution::Request(_) => possible.push((holds, None)),
                Solution::Unknown(reason) => possible.push((holds, Some(reason))),
                Solution::Nothing => {}
            }
            self.conditions.pop();
        }
        let forced = possible.len() == 1;
        for (holds, doubt) in possible {
            let before = self.doubt.clone();
            self.doubt = before.clone().or(doubt);
            self.known.insert(test.clone(), holds);
            if !forced {
                self.conditions.push(Condition { test: test.clone(), holds });
            }
            go_on(self);
            if !forced {
                self.conditions.pop();
            }
            self.known.remove(test);
            self.doubt = before;
        }
    }

    fn outcomes(&mut self, a: &Row<'a>, b: &Row<'a>) {
        let verdict = {
            let known = &self.known;
            let ground = Ground {
                entry: self.place.entry,
                host: self.place.host,
                path: self.place.path,
                patterns: &self.solver.patterns,
                decided: &|test: &Test| known.get(test).copied(),
            };
            ground.compare(&a.outcome, &b.outcome)
        };
        match verdict {
            Verdict::Same => {}
            Verdict::Differ => self.leaf(a, b, Certainty::Exact),
            Verdict::Unknown(reason) => self.leaf(a, b, Certainty::MayDiffer(reason)),
            Verdict::Split(test) => {
                self.used += 1;
                self.branch(&test, &mut |walk| walk.outcomes(a, b));
            }
        }
    }

    fn leaf(&mut self, a: &Row<'a>, b: &Row<'a>, certainty: Certainty) {
        let (witness, certainty) = match self.solver.solve(self.place, &self.conditions) {
            Solution::Nothing => return,
            Solution::Request(request) => (Some(request), certainty),
            Solution::Unknown(reason) => (None, Certainty::MayDiffer(reason)),
        };
        let certainty = match (&self.doubt, certainty, &witness) {
            (Some(reason), Certainty::Exact, None) => Certainty::MayDiffer(reason.clone()),
            (_, certainty, _) => certainty,
        };
        self.leaves.push(Leaf {
            conditions: self.conditions.iter().cloned().collect(),
            before: (a.outcome.clone(), a.route),
            after: (b.outcome.clone(), b.route),
            certainty,
            witness,
        });
    }
}

/// Whether two lists decide alike, whatever the answers to their tests.
pub(crate) fn alike(a: &[Row<'_>], b: &[Row<'_>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.tests == b.tests && a.outcome == b.outcome)
}

/// Joins leaves that differ in the answer to one test only, until none do.
fn merged<'a>(mut leaves: Vec<Leaf<'a>>) -> Vec<Leaf<'a>> {
    'again: loop {
        for i in 0..leaves.len() {
            for j in i + 1..leaves.len() {
                if let Some(conditions) = joined(&leaves[i], &leaves[j]) {
                    let other = leaves.remove(j);
                    let leaf = &mut leaves[i];
                    leaf.conditions = conditions;
                    if plainer(&other.witness, &leaf.witness) {
                        leaf.witness = other.witness;
                    }
                    continue 'again;
                }
            }
        }
        return leaves;
    }
}

/// Returns the conditions of the union of two leaves, if it has a product form.
fn joined(a: &Leaf<'_>, b: &Leaf<'_>) -> Option<BTreeSet<Condition>> {
    if a.before != b.before || a.after != b.after || a.certainty != b.certainty {
        return None;
    }
    if a.conditions.is_subset(&b.conditions) {
        return Some(a.conditions.clone());
    }
    if b.conditions.is_subset(&a.conditions) {
        return Some(b.conditions.clone());
    }
    let only_a: Vec<&Condition> = a.conditions.difference(&b.conditions).collect();
    let only_b: Vec<&Condition> = b.conditions.difference(&a.conditions).collect();
    match (only_a.as_slice(), only_b.as_slice()) {
        ([x], [y]) if x.test == y.test => Some(a.conditions.intersection(&b.conditions).cloned().collect()),
        _ => None,
    }
}
