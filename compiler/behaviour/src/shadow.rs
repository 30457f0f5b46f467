//! Shadowed routes: routes of a virtual host that no request reaches, because earlier ones take all that match them.

use std::collections::BTreeSet;

use gatewright_ir::{RouteId, VirtualHost};
use serde::Serialize;

use crate::automata::{Bounds, Regexes};
use crate::class::Options;
use crate::diff::remaining_tests;
use crate::paths::{PathAtom, PathAtoms};
use crate::region::{Condition, HostSet, Test};
use crate::request::Request;
use crate::solve::{Place, Solution, Solver};

/// A route that no request reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shadowed {
    /// The route.
    pub route: RouteId,
    /// Its index in the virtual host. Routes that one manifest path became share an id, and may differ in this.
    pub index: usize,
    /// The route that takes the witness; none where no request matches the route at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<RouteId>,
    /// A request that matches the route, but takes another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Request>,
}

/// Returns the routes of a virtual host that no request reaches, in order. Where the bounds do not allow a proof, a
/// route counts as reachable.
pub fn shadowed(host: &VirtualHost, options: &Options) -> Vec<Shadowed> {
    let bounds = Bounds { automaton_bytes: options.automaton_bytes, states: options.automaton_states };
    let atoms = PathAtoms::new(host.routes.iter().map(|route| &route.matches));
    let mut search = Search {
        host,
        atoms: atoms.atoms().collect(),
        names: HostSet { pattern: host.host.clone(), except: Default::default() },
        solver: Solver::new(Regexes::new(bounds)),
        branches: options.branches,
    };
    let reachable = search.reachable();
    let hidden = (0..host.routes.len()).filter(|index| !reachable.contains(index));
    hidden.map(|index| search.explained(index)).collect()
}

struct Search<'a> {
    host: &'a VirtualHost,
    atoms: Vec<PathAtom>,
    names: HostSet,
    solver: Solver,
    branches: usize,
}

impl Search<'_> {
    /// Returns the routes that some request takes: in some path region it passes the route's tests and, for each earlier
    /// route, fails one.
    fn reachable(&mut self) -> BTreeSet<usize> {
        let mut reachable = BTreeSet::new();
        for atom in 0..self.atoms.len() {
            let mut earlier: Vec<Vec<Test>> = Vec::new();
            for index in 0..self.host.routes.len() {
                let Some(tests) = self.tests(atom, index) else { continue };
                if !reachable.contains(&index) {
                    let mut budget = self.branches;
                    if self.escapes(atom, conditions(&tests), &earlier, &mut budget) {
                        reachable.insert(index);
                    }
                }
                if tests.is_empty() {
                    break;
                }
                earlier.push(tests);
            }
        }
        reachable
    }

    /// Whether a request can pass `conditions` and fail a test of each of `earlier`.
    fn escapes(
        &mut self,
        atom: usize,
        conditions: Vec<Condition>,
        earlier: &[Vec<Test>],
        budget: &mut usize,
    ) -> bool {
        if *budget == 0 {
            return true;
        }
        *budget -= 1;
        if self.solve(atom, &conditions) == Solution::Nothing {
            return false;
        }
        let Some((next, rest)) = earlier.split_first() else { return true };
        next.iter().any(|test| {
            let fails = Condition { test: test.clone(), holds: false };
            let more = [conditions.as_slice(), &[fails]].concat();
            self.escapes(atom, more, rest, budget)
        })
    }

    /// The tests of a route that a path region leaves open; none if the route cannot match there.
    fn tests(&self, atom: usize, index: usize) -> Option<Vec<Test>> {
        remaining_tests(self.host.entry, &self.atoms[atom], &self.host.routes[index], &self.solver)
    }

    fn solve(&mut self, atom: usize, conditions: &[Condition]) -> Solution {
        let place =
            Place { entry: self.host.entry, host: &self.names, path: &self.atoms[atom], served: None };
        self.solver.solve(&place, conditions)
    }

    fn explained(&mut self, index: usize) -> Shadowed {
        let witness = (0..self.atoms.len()).find_map(|atom| {
            let tests = self.tests(atom, index)?;
            match self.solve(atom, &conditions(&tests)) {
                Solution::Request(request) => Some(request),
                _ => None,
            }
        });
        let taken_by = witness.as_ref().and_then(|request| self.taker(request));
        Shadowed { route: self.host.routes[index].id.clone(), index, taken_by, witness }
    }

    fn taker(&self, request: &Request) -> Option<RouteId> {
        let canonical = request.canonical().ok()?;
        let patterns = &self.solver.patterns;
        let taker = self.host.routes.iter().find(|route| {
            let matches = &route.matches;
            crate::decide::path_matches(&matches.path, matches.case_sensitive, &canonical.path, patterns)
                && crate::decide::mismatch_beside_path(route, &canonical, patterns).is_none()
        });
        taker.map(|route| route.id.clone())
    }
}

fn conditions(tests: &[Test]) -> Vec<Condition> {
    tests.iter().map(|test| Condition { test: test.clone(), holds: true }).collect()
}
