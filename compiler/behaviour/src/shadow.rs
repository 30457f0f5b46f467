//! Shadowed routes: routes of a virtual host that no request reaches, because earlier ones take all that match them.

use std::collections::BTreeSet;
use std::ops::Range;

use gatewright_ir::{PathMatch, Route, RouteId, RouteMatch, VirtualHost};
use serde::Serialize;

use crate::automata::{Bounds, Regexes};
use crate::candidates::{Candidates, literal_start};
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
    let tests = || host.routes.iter().map(|route| &route.matches);
    let atoms = PathAtoms::new(tests());
    let mut search = Search {
        host,
        atoms: atoms.atoms().collect(),
        candidates: Candidates::new(tests(), atoms.fold()),
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
    /// Points, then cones, each in order.
    atoms: Vec<PathAtom>,
    candidates: Candidates,
    names: HostSet,
    solver: Solver,
    branches: usize,
}

/// The routes before one in a path region, in order, with the tests that the region leaves open.
type Earlier = Vec<(usize, Vec<Test>)>;

impl Search<'_> {
    /// Returns the routes that some request takes: in some path region it passes the route's tests and, for each earlier
    /// route, fails one.
    fn reachable(&mut self) -> BTreeSet<usize> {
        let mut reachable = BTreeSet::new();
        for atom in 0..self.atoms.len() {
            let mut earlier = Earlier::new();
            for index in self.candidates.of(&self.atoms[atom]) {
                let Some(tests) = self.tests(atom, index) else { continue };
                if !reachable.contains(&index) {
                    let mut budget = self.branches;
                    if self.escapes(atom, conditions(&tests), &earlier, 0, &mut budget) {
                        reachable.insert(index);
                    }
                }
                if tests.is_empty() {
                    break;
                }
                earlier.push((index, tests));
            }
        }
        reachable
    }

    /// Whether a request can pass `conditions` and fail a test of each of `earlier`. A request that passes `conditions`
    /// tells which of them to look at; where none is found, they are taken in turn from `next` on.
    fn escapes(
        &mut self,
        atom: usize,
        conditions: Vec<Condition>,
        earlier: &Earlier,
        next: usize,
        budget: &mut usize,
    ) -> bool {
        if *budget == 0 {
            return true;
        }
        *budget -= 1;
        let (taker, next) = match self.solve(atom, &conditions) {
            Solution::Nothing => return false,
            Solution::Request(request) => (self.passed(&request, earlier), next),
            Solution::Unknown(_) => (earlier.get(next), next + 1),
        };
        let Some((_, tests)) = taker else { return true };
        tests.iter().any(|test| {
            let fails = Condition { test: test.clone(), holds: false };
            let more = [conditions.as_slice(), &[fails]].concat();
            self.escapes(atom, more, earlier, next, budget)
        })
    }

    /// Returns the first of earlier routes whose tests a request of the region passes.
    fn passed<'e>(&self, request: &Request, earlier: &'e Earlier) -> Option<&'e (usize, Vec<Test>)> {
        let canonical = request.canonical().ok()?;
        let passes = |test: &Test| {
            Condition { test: test.clone(), holds: true }.passes(&canonical, &self.solver.patterns)
        };
        let may_match = self.candidates.of_path(&canonical.path).into_iter();
        let places =
            may_match.filter_map(|index| earlier.binary_search_by_key(&index, |(known, _)| *known).ok());
        places.map(|place| &earlier[place]).find(|(_, tests)| tests.iter().all(passes))
    }

    /// The tests of a route that a path region leaves open; none if the route cannot match there.
    fn tests(&self, atom: usize, index: usize) -> Option<Vec<Test>> {
        remaining_tests(self.host.listener, &self.atoms[atom], &self.host.routes[index], &self.solver)
    }

    fn solve(&mut self, atom: usize, conditions: &[Condition]) -> Solution {
        solve(&mut self.solver, self.host, &self.names, &self.atoms[atom], conditions)
    }

    fn explained(&mut self, index: usize) -> Shadowed {
        let witness = self.atoms_of(index).into_iter().flatten().find_map(|atom| {
            let tests = self.tests(atom, index)?;
            match self.solve(atom, &conditions(&tests)) {
                Solution::Request(request) => Some(request),
                _ => None,
            }
        });
        let taken_by = witness.as_ref().and_then(|request| self.taker(request));
        Shadowed { route: self.host.routes[index].id.clone(), index, taken_by, witness }
    }

    /// Returns the path regions in which a route may match, in order: stretches of the points and of the cones.
    fn atoms_of(&mut self, index: usize) -> Vec<Range<usize>> {
        let path = &self.host.routes[index].matches.path;
        if !matches!(path, PathMatch::Exact(_)) && !self.can_match(index) {
            return Vec::new();
        }
        let fold = self.atoms.first().is_some_and(|atom| atom.fold);
        let folded = |text: &str| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
        let cones = self.atoms.partition_point(|atom| atom.point().is_some());
        let (points, cones) = (0..cones, cones..self.atoms.len());
        let from = |atoms: &Range<usize>, start: &str| stretch(&self.atoms, atoms.clone(), start);
        match path {
            PathMatch::Exact(path) => {
                let path = folded(path);
                let all = from(&points, &path);
                // The path itself is the first that starts with it.
                let first = all.clone().next().filter(|first| text_of(&self.atoms[*first]) == path);
                first.map(|first| first..first + 1).into_iter().collect()
            }
            PathMatch::Prefix(prefix) => {
                let prefix = folded(prefix);
                vec![from(&points, &prefix), from(&cones, &prefix)]
            }
            PathMatch::Regex(pattern) => {
                let start = folded(literal_start(pattern));
                let around = (0..start.len()).filter_map(|length| {
                    let around = from(&cones, &start[..length]);
                    let first = around.clone().next()?;
                    (text_of(&self.atoms[first]).len() == length).then_some(first..first + 1)
                });
                let mut ranges = vec![from(&points, &start)];
                ranges.extend(around);
                ranges.push(from(&cones, &start));
                ranges
            }
        }
    }

    /// Whether some request may match a route, wherever it stands.
    fn can_match(&mut self, index: usize) -> bool {
        let route = &self.host.routes[index];
        let RouteMatch { path, case_sensitive, .. } = route.matches.clone();
        let root = PathMatch::Prefix("/".to_owned());
        let elsewhere =
            Route { matches: RouteMatch { path: root, ..route.matches.clone() }, ..route.clone() };
        let everything = PathAtom::everything();
        let tests = remaining_tests(self.host.listener, &everything, &elsewhere, &self.solver);
        let Some(mut tests) = tests else { return false };
        tests.push(Test::Path { path, case_sensitive });
        let found = solve(&mut self.solver, self.host, &self.names, &everything, &conditions(&tests));
        found != Solution::Nothing
    }

    fn taker(&self, request: &Request) -> Option<RouteId> {
        let canonical = request.canonical().ok()?;
        let patterns = &self.solver.patterns;
        let may_match = self.candidates.of_path(&canonical.path).into_iter();
        let taker = may_match.map(|index| &self.host.routes[index]).find(|route| {
            let matches = &route.matches;
            crate::decide::path_matches(&matches.path, matches.case_sensitive, &canonical.path, patterns)
                && crate::decide::mismatch_beside_path(route, &canonical, patterns).is_none()
        });
        taker.map(|route| route.id.clone())
    }
}

/// Returns those of some atoms, which are in order, whose text starts with another.
fn stretch(atoms: &[PathAtom], among: Range<usize>, start: &str) -> Range<usize> {
    let here = &atoms[among.clone()];
    let first = here.partition_point(|atom| text_of(atom) < start);
    let count = here[first..].partition_point(|atom| text_of(atom).starts_with(start));
    among.start + first..among.start + first + count
}

fn text_of(atom: &PathAtom) -> &str {
    atom.point().or(atom.cone()).unwrap_or_default()
}

fn solve(
    solver: &mut Solver,
    host: &VirtualHost,
    names: &HostSet,
    atom: &PathAtom,
    conditions: &[Condition],
) -> Solution {
    solver.solve(&Place { listener: host.listener, host: names, path: atom, served: None }, conditions)
}

fn conditions(tests: &[Test]) -> Vec<Condition> {
    tests.iter().map(|test| Condition { test: test.clone(), holds: true }).collect()
}
