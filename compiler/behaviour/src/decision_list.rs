//! Decision lists: in one path region of one host, both sides are short ordered lists of tests and outcomes. The walk
//! branches on the tests that occur, leaves out branches that no request can take, and ends in leaves where each side
//! has one outcome.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_ir::{PathMatch, RouteId};

use crate::class::Certainty;
use crate::effect::Effect;
use crate::outcome::Outcome;
use crate::region::{Condition, Test};
use crate::request::Request;
use crate::solve::{Place, Solution, Solver};
use crate::verdict::{Ground, Verdict};
use crate::witness::plainer;

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
        leaves: Vec::new(),
    };
    walk.lists(before, after);
    let (used, leaves) = (walk.used, walk.leaves);
    let mut leaves = merged(solver, place, leaves);
    leaves.iter_mut().for_each(|leaf| leaf.drop_implied(solver, place));
    (leaves, used)
}

impl Leaf<'_> {
    /// Drops conditions that follow from the others, negative ones first.
    fn drop_implied(&mut self, solver: &mut Solver, place: &Place<'_>) {
        let all: Vec<Condition> = self.conditions.iter().cloned().collect();
        for condition in all.iter().filter(|condition| !condition.holds).chain(all.iter().filter(|c| c.holds))
        {
            let mut others: Vec<Condition> =
                self.conditions.iter().filter(|other| *other != condition).cloned().collect();
            others.push(Condition { test: condition.test.clone(), holds: !condition.holds });
            if solver.solve(place, &others) == Solution::Nothing {
                self.conditions.remove(condition);
            }
        }
    }
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
                Solution::Request(_) | Solution::Unknown(_) => possible.push(holds),
                Solution::Nothing => {}
            }
            self.conditions.pop();
        }
        let forced = possible.len() == 1;
        for holds in possible {
            self.known.insert(test.clone(), holds);
            if !forced {
                self.conditions.push(Condition { test: test.clone(), holds });
            }
            go_on(self);
            if !forced {
                self.conditions.pop();
            }
            self.known.remove(test);
        }
    }

    fn outcomes(&mut self, a: &Row<'a>, b: &Row<'a>) {
        let verdict = {
            let known = &self.known;
            let ground = Ground {
                listener: self.place.listener,
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

    /// Returns a request of the region that shows the difference, or the given one if a few tries find none.
    fn telling(&mut self, a: &Row<'a>, b: &Row<'a>, first: Request) -> Request {
        let mut conditions = self.conditions.clone();
        let mut request = first.clone();
        for _ in 0..TRIES {
            let Ok(canonical) = request.canonical() else { break };
            let effect = |outcome: &Outcome| Effect::of(outcome, None, &canonical, &self.solver.patterns);
            if effect(&a.outcome) != effect(&b.outcome) {
                return request;
            }
            let path = PathMatch::Exact(canonical.path.clone());
            conditions.push(Condition { test: Test::Path { path, case_sensitive: true }, holds: false });
            match self.solver.solve(self.place, &conditions) {
                Solution::Request(other) => request = other,
                _ => break,
            }
        }
        first
    }

    fn leaf(&mut self, a: &Row<'a>, b: &Row<'a>, certainty: Certainty) {
        let (witness, certainty) = match self.solver.solve(self.place, &self.conditions) {
            Solution::Nothing => return,
            Solution::Request(request) if certainty == Certainty::Exact => (Some(request), certainty),
            Solution::Request(request) => (Some(self.telling(a, b, request)), certainty),
            Solution::Unknown(reason) => (None, Certainty::MayDiffer(reason)),
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

/// Leaves of one path region up to which pairs are joined with the solver's help.
const FEW: usize = 16;

/// Requests that are tried for a witness that shows a difference, where not every request does.
const TRIES: usize = 8;

/// Whether two lists decide alike, whatever the answers to their tests.
pub(crate) fn alike(a: &[Row<'_>], b: &[Row<'_>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.tests == b.tests && a.outcome == b.outcome)
}

/// Joins leaves whose union has a product form, until no two have.
fn merged<'a>(solver: &mut Solver, place: &Place<'_>, mut leaves: Vec<Leaf<'a>>) -> Vec<Leaf<'a>> {
    'again: loop {
        for i in 0..leaves.len() {
            for j in 0..leaves.len() {
                if i == j {
                    continue;
                }
                let product = joined(&leaves[i], &leaves[j]);
                let few = leaves.len() <= FEW;
                let union = match product {
                    None if few => absorbing(solver, place, &leaves[i], &leaves[j]),
                    product => product,
                };
                if let Some(conditions) = union {
                    let other = leaves[j].witness.take();
                    let leaf = &mut leaves[i];
                    leaf.conditions = conditions;
                    if plainer(&other, &leaf.witness) {
                        leaf.witness = other;
                    }
                    leaves.remove(j);
                    continue 'again;
                }
            }
        }
        return leaves;
    }
}

/// Returns the conditions of `a` without one that only kept `b` out: preflights of an origin and other requests of that
/// origin are the requests of that origin.
fn absorbing(
    solver: &mut Solver,
    place: &Place<'_>,
    a: &Leaf<'_>,
    b: &Leaf<'_>,
) -> Option<BTreeSet<Condition>> {
    if !same_change(a, b) {
        return None;
    }
    let kept_out = a.conditions.iter().find(|condition| {
        let test = &condition.test;
        let wide: Vec<Condition> = a.conditions.iter().filter(|other| other != condition).cloned().collect();
        let flipped = Condition { test: test.clone(), holds: !condition.holds };
        let cut = [wide.as_slice(), &[flipped]].concat();
        let narrow: Vec<Condition> = b.conditions.iter().cloned().collect();
        implies(solver, place, &cut, &narrow) && implies(solver, place, &narrow, &wide)
    })?;
    Some(a.conditions.iter().filter(|other| *other != kept_out).cloned().collect())
}

/// Whether every request that meets `these` meets all of `those`.
fn implies(solver: &mut Solver, place: &Place<'_>, these: &[Condition], those: &[Condition]) -> bool {
    those.iter().all(|condition| {
        let fails = Condition { test: condition.test.clone(), holds: !condition.holds };
        solver.solve(place, &[these, &[fails]].concat()) == Solution::Nothing
    })
}

fn same_change(a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
    a.before == b.before && a.after == b.after && a.certainty == b.certainty
}

/// Returns the conditions of the union of two leaves, if it has a product form.
fn joined(a: &Leaf<'_>, b: &Leaf<'_>) -> Option<BTreeSet<Condition>> {
    if !same_change(a, b) {
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
