//! Whether a model does with the requests of a region what another one does: the question behind "which change was it?".

use std::collections::BTreeSet;

use gatewright_ir::{HostPattern, Ir, ListenerId, PathMatch, RouteMatch};

use crate::automata::{Bounds, Regexes};
use crate::class::Options;
use crate::decision_list::{alike, differences};
use crate::diff::Side;
use crate::hosts::{handshake_at, host_set, is_below};
use crate::paths::{PathAtom, PathAtoms};
use crate::region::{HostSet, HttpPart, PathSet, Region, ServerNames};
use crate::solve::{Place, Solution, Solver};

/// Looks at a route that cutting the paths by its test is worth.
const CUTTING: usize = 8;

/// Compares models with one that stays. What cannot be decided within the bounds counts as a difference.
pub struct Agreement<'a> {
    wanted: Side<'a>,
    solver: Solver,
    options: Options,
    work: usize,
}

/// A model that is compared.
pub struct Compared<'b, 'a, 'm> {
    agreement: &'b mut Agreement<'a>,
    model: Side<'m>,
}

/// Which server names count where requests come over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those of the request's host.
    OfHost,
    /// All of the region.
    All,
}

impl<'a> Agreement<'a> {
    /// Returns what compares with `wanted`.
    pub fn new(wanted: &'a Ir, options: &Options) -> Self {
        let bounds = Bounds { automaton_bytes: options.automaton_bytes, states: options.automaton_states };
        let solver = Solver::new(Regexes::new(bounds));
        Agreement { wanted: Side::new(wanted), solver, options: options.clone(), work: 0 }
    }

    /// Takes a model to be compared.
    pub fn with<'b, 'm>(&'b mut self, model: &'m Ir) -> Compared<'b, 'a, 'm> {
        Compared { agreement: self, model: Side::new(model) }
    }

    /// Returns how much was compared so far: routes, once for each path region that they were looked at in.
    pub fn work(&self) -> usize {
        self.work
    }
}

impl Compared<'_, '_, '_> {
    /// Returns whether every request of a region fares as in the other model.
    pub fn on(&mut self, region: &Region, names: Names) -> bool {
        region.parts.iter().all(|part| match (&part.http, &part.server_names) {
            (None, ServerNames::Of(set)) => part.listeners.iter().all(|id| self.handshakes(*id, set)),
            (None, _) => false,
            (Some(http), served) => part.listeners.iter().all(|listener| {
                let reached = !listener.is_tls() || self.is_served(*listener, http, served, names);
                reached && http.hosts.iter().all(|host| self.host(*listener, host, http))
            }),
        })
    }

    fn handshakes(&self, listener: ListenerId, set: &HostSet) -> bool {
        let (model, wanted) = (self.model.ir.tls(listener), self.agreement.wanted.ir.tls(listener));
        let keys = model.keys().chain(wanted.keys());
        patterns_in(set, keys).iter().all(|name| handshake_at(model, name) == handshake_at(wanted, name))
    }

    /// Whether the handshakes before the requests of a region end well where they do in the other model.
    fn is_served(&self, listener: ListenerId, http: &HttpPart, names: &ServerNames, which: Names) -> bool {
        let (model, wanted) = (self.model.ir.tls(listener), self.agreement.wanted.ir.tls(listener));
        let served = |pattern: &HostPattern| {
            let name = pattern.example();
            let asked = names.contains((*pattern != HostPattern::Any).then_some(name.as_str()));
            !asked || handshake_at(model, pattern).is_served() || !handshake_at(wanted, pattern).is_served()
        };
        match which {
            Names::OfHost => http.hosts.iter().all(|host| served(&host.pattern)),
            Names::All => model.keys().chain(wanted.keys()).all(served),
        }
    }

    fn host(&mut self, listener: ListenerId, set: &HostSet, http: &HttpPart) -> bool {
        let (model, wanted) = (self.model.ir, self.agreement.wanted.ir);
        let hosts = model.hosts.iter().chain(wanted.hosts.iter()).map(|(key, _)| key);
        let keys = hosts.filter(|(other, _)| *other == listener).map(|(_, pattern)| pattern);
        let patterns = patterns_in(set, keys.clone());
        patterns.iter().all(|pattern| {
            let host = match patterns.len() {
                1 => set.clone(),
                _ => host_set(pattern, keys.clone().chain(set.except.iter())),
            };
            self.atoms(listener, &host, http)
        })
    }

    /// Compares what both models do with the paths of a region on one host.
    fn atoms(&mut self, listener: ListenerId, host: &HostSet, http: &HttpPart) -> bool {
        let model = self.model.chain(listener, &host.pattern);
        let wanted = self.agreement.wanted.chain(listener, &host.pattern);
        let cuts: Vec<RouteMatch> = http.paths.iter().flat_map(cuts).collect();
        let routes = model.routes.iter().chain(&wanted.routes).map(|(route, _)| &route.matches);
        let atoms = PathAtoms::new(routes.chain(&cuts));
        self.agreement.work += CUTTING * (model.routes.len() + wanted.routes.len());
        for atom in atoms.atoms().filter(|atom| http.paths.iter().any(|set| may_lie_in(atom, set))) {
            self.agreement.work += model.routes.len() + wanted.routes.len();
            let solver = &mut self.agreement.solver;
            let rows = (model.rows(listener, &atom, solver), wanted.rows(listener, &atom, solver));
            if alike(&rows.0, &rows.1) {
                continue;
            }
            let place = Place { listener, host, path: &atom, served: None };
            let (leaves, _) = differences(solver, &place, self.agreement.options.branches, &rows.0, &rows.1);
            for leaf in leaves {
                let both: Vec<_> = leaf.conditions.into_iter().chain(http.conditions.clone()).collect();
                if solver.solve(&place, &both) != Solution::Nothing {
                    return false;
                }
            }
        }
        true
    }
}

/// Returns the pattern of a set, and those of `keys` that lie in the set with rules of their own.
fn patterns_in<'k>(set: &HostSet, keys: impl Iterator<Item = &'k HostPattern>) -> BTreeSet<HostPattern> {
    let mut patterns = BTreeSet::from([set.pattern.clone()]);
    if matches!(set.pattern, HostPattern::Exact(_)) {
        return patterns;
    }
    let left_out = |key: &HostPattern| {
        let wider = key.wider();
        let inside = wider.iter().take_while(|wide| **wide != set.pattern);
        std::iter::once(key).chain(inside).any(|pattern| set.except.contains(pattern))
    };
    patterns.extend(keys.filter(|key| is_below(key, &set.pattern) && !left_out(key)).cloned());
    patterns
}

/// Returns the tests that cut paths where a set begins and ends.
fn cuts(set: &PathSet) -> Vec<RouteMatch> {
    let test = |path: PathMatch, ignore_case: bool| RouteMatch {
        case_sensitive: !ignore_case,
        ..RouteMatch::path(path)
    };
    match set {
        PathSet::Point { path, ignore_case } => vec![test(PathMatch::Exact(path.clone()), *ignore_case)],
        PathSet::Below { prefix, ignore_case, except } => {
            let start = test(PathMatch::Prefix(prefix.clone()), *ignore_case);
            std::iter::once(start).chain(except.iter().flat_map(cuts)).collect()
        }
    }
}

/// Whether some path of an atom can lie in a set by whose tests it was cut; certain where both treat case alike.
fn may_lie_in(atom: &PathAtom, set: &PathSet) -> bool {
    let folded = |text: &str| if atom.fold { text.to_ascii_lowercase() } else { text.to_owned() };
    match set {
        PathSet::Point { path, .. } => atom.point() == Some(folded(path).as_str()),
        PathSet::Below { prefix, except, .. } => {
            let start = atom.point().or(atom.cone()).unwrap_or("/");
            let certain = |set: &PathSet| match set {
                PathSet::Point { ignore_case, .. } | PathSet::Below { ignore_case, .. } => {
                    *ignore_case == atom.fold
                }
            };
            start.starts_with(&folded(prefix))
                && !except.iter().any(|set| certain(set) && may_lie_in(atom, set))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn below(prefix: &str, except: Vec<PathSet>) -> PathSet {
        PathSet::Below { prefix: prefix.into(), ignore_case: false, except }
    }

    fn point(path: &str) -> PathSet {
        PathSet::Point { path: path.into(), ignore_case: false }
    }

    /// Returns the texts of the atoms that lie in a set.
    fn inside(set: &PathSet) -> Vec<String> {
        let cuts = cuts(set);
        let atoms = PathAtoms::new(cuts.iter());
        let atoms = atoms.atoms().filter(|atom| may_lie_in(atom, set));
        atoms.map(|atom| atom.point().or(atom.cone()).unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_cuts_of_a_set_of_paths_tell_what_lies_in_it() {
        assert_eq!(inside(&point("/a")), ["/a"]);
        assert_eq!(inside(&below("/a/", vec![])), ["/a/"]);
        assert_eq!(inside(&below("/", vec![point("/a"), below("/a/", vec![])])), ["/"]);
        assert_eq!(inside(&below("/a/", vec![below("/a/b/", vec![point("/a/b/c")])])), ["/a/b/c", "/a/"]);
    }

    #[test]
    fn a_set_of_hosts_has_no_patterns_that_it_leaves_out() {
        let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
        let set = HostSet {
            pattern: pattern("*.a.com"),
            except: Arc::new(BTreeSet::from([pattern("*.b.a.com"), pattern("x.a.com")])),
        };
        let keys = ["a.com", "x.a.com", "y.a.com", "z.b.a.com", "*.c.a.com", "*.b.a.com"].map(pattern);
        let found: Vec<String> = patterns_in(&set, keys.iter()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["y.a.com", "*.a.com", "*.c.a.com"]);
    }
}
