//! The behaviour diff: hosts, then paths, then the rest, each cut into atoms on which both sides are constant; see the
//! crate's documentation for the result.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{Conditions, HostPattern, Ir, ListenerId, LoweredHost, Route, RouteMatch};

use crate::automata::{Bounds, Regexes};
use crate::candidates::Candidates;
use crate::class::{BehaviourClass, BehaviourDiff, Case, Certainty, Counters, Options, RoutePair};
use crate::decision_list::{Leaf, Row, alike, differences};
use crate::facet::{Facet, changes};
use crate::hosts::{
    Key, affected, changed_clusters, changed_handshakes, changed_hosts, host_set, served_names, tls_listeners,
};
use crate::outcome::{Handshake, Outcome};
use crate::paths::{Passes, PathAtom, PathAtoms};
use crate::region::{Condition, HostSet, HttpPart, Part, PathSet, Region, ServedNames, ServerNames, Test};
use crate::request::Request;
use crate::solve::{Place, Solver};
use crate::witness::{handshake_witness, plainer};

/// Returns the requests whose outcomes differ between `before` and `after`.
pub fn diff(before: &Ir, after: &Ir, options: &Options) -> BehaviourDiff {
    let mut comparison = Comparison::new(before, after, options);
    comparison.compare_handshakes();
    comparison.compare_hosts();
    let counters = comparison.counters;
    BehaviourDiff { classes: classes(comparison.cases(), options), counters }
}

/// One side with the outcomes of the virtual hosts that were needed.
pub(crate) struct Side<'a> {
    pub(crate) ir: &'a Ir,
    outcomes: BTreeMap<Key, Arc<Vec<Outcome>>>,
}

struct Comparison<'a> {
    before: Side<'a>,
    after: Side<'a>,
    options: &'a Options,
    solver: Solver,
    counters: Counters,
    served: BTreeMap<ListenerId, Arc<ServedNames>>,
    found: BTreeMap<(Outcome, Outcome, Certainty), Gathered>,
}

/// What belongs to one case, piece by piece.
#[derive(Default)]
struct Gathered {
    routes: BTreeSet<RoutePair>,
    pieces: Vec<Piece>,
    parts: Vec<Part>,
    witness: Option<Request>,
}

/// What happens to the requests of a group of leaves, and under which conditions.
type Change = (Outcome, Outcome, Certainty, Vec<Condition>);

/// Leaves of one host with the same change.
#[derive(Default)]
struct Group {
    atoms: Vec<PathAtom>,
    routes: BTreeSet<RoutePair>,
    witness: Option<Request>,
}

/// A part of a region on one host of one listener.
struct Piece {
    listener: ListenerId,
    host: HostSet,
    paths: Vec<PathSet>,
    conditions: Vec<Condition>,
}

/// The routes that requests for a host meet on one side, in order.
pub(crate) struct Chain<'a> {
    pub(crate) routes: Vec<(&'a Route, Outcome)>,
    candidates: OnceCell<Candidates>,
}

impl<'a> Comparison<'a> {
    fn new(before: &'a Ir, after: &'a Ir, options: &'a Options) -> Self {
        let bounds = Bounds { automaton_bytes: options.automaton_bytes, states: options.automaton_states };
        Comparison {
            before: Side::new(before),
            after: Side::new(after),
            options,
            solver: Solver::new(Regexes::new(bounds)),
            counters: Counters::default(),
            served: BTreeMap::new(),
            found: BTreeMap::new(),
        }
    }

    fn compare_handshakes(&mut self) {
        let (a, b) = (self.before.ir, self.after.ir);
        for listener in tls_listeners(a, b) {
            let (a, b) = (a.tls(listener), b.tls(listener));
            for (pattern, before, after) in changed_handshakes(a, b) {
                let names = host_set(&pattern, a.keys().chain(b.keys()));
                let witness = handshake_witness(listener, &names);
                let server_names = ServerNames::Of(names);
                let part = Part { listeners: vec![listener], server_names, http: None };
                let gathered =
                    self.gathered(Outcome::Handshake(before), Outcome::Handshake(after), Certainty::Exact);
                gathered.parts.push(part);
                gathered.offer(witness);
            }
        }
    }

    fn compare_hosts(&mut self) {
        let (a, b) = (self.before.ir, self.after.ir);
        let clusters = changed_clusters(a, b);
        let changed = changed_hosts(a, b, &clusters, &mut self.counters);
        for (listener, pattern) in affected(a, b, &changed) {
            if listener.is_tls() && !self.any_served(listener) {
                continue;
            }
            let keys = a.hosts.keys().chain(b.hosts.keys());
            let names = keys.filter(|(other, _)| *other == listener).map(|(_, pattern)| pattern);
            let host = host_set(&pattern, names);
            self.compare_host(listener, &host);
        }
    }

    /// Whether any server name gets a certificate of a listener on both sides.
    fn any_served(&mut self, listener: ListenerId) -> bool {
        let (a, b) = (self.before.ir, self.after.ir);
        let both = || Arc::new(served_names(a.tls(listener), b.tls(listener)));
        let served = self.served.entry(listener).or_insert_with(both);
        served.0.values().any(|served| *served)
    }

    fn compare_host(&mut self, listener: ListenerId, host: &HostSet) {
        self.counters.pairs_opened += 1;
        let before = self.before.chain(listener, &host.pattern);
        let after = self.after.chain(listener, &host.pattern);
        let routes = before.routes.iter().chain(&after.routes);
        let atoms = PathAtoms::new(routes.map(|(route, _)| &route.matches));
        let served = self.served.get(&listener).cloned();
        let mut leaves: Vec<(PathAtom, Leaf<'a>)> = Vec::new();
        for atom in atoms.atoms() {
            self.counters.path_regions += 1;
            let rows =
                (before.rows(listener, &atom, &self.solver), after.rows(listener, &atom, &self.solver));
            if alike(&rows.0, &rows.1) {
                continue;
            }
            let place = Place { listener, host, path: &atom, served: served.as_deref() };
            let (found, branches) =
                differences(&mut self.solver, &place, self.options.branches, &rows.0, &rows.1);
            self.counters.branches += branches;
            leaves.extend(found.into_iter().map(|leaf| (atom.clone(), leaf)));
        }
        self.gather(listener, host, &atoms, leaves);
    }

    /// Puts leaves with the same change and the same conditions together, over all path atoms of a host.
    fn gather(
        &mut self,
        listener: ListenerId,
        host: &HostSet,
        atoms: &PathAtoms,
        leaves: Vec<(PathAtom, Leaf<'a>)>,
    ) {
        let mut groups: BTreeMap<Change, Group> = BTreeMap::new();
        for (atom, leaf) in leaves {
            let conditions = leaf.conditions.into_iter().collect();
            let group = groups.entry((leaf.before.0, leaf.after.0, leaf.certainty, conditions)).or_default();
            group.atoms.push(atom);
            group.routes.insert(RoutePair { before: leaf.before.1.cloned(), after: leaf.after.1.cloned() });
            if plainer(&leaf.witness, &group.witness) {
                group.witness = leaf.witness;
            }
        }
        for ((before, after, certainty, conditions), group) in groups {
            let paths = atoms.sets(&group.atoms);
            let gathered = self.gathered(before, after, certainty);
            gathered.routes.extend(group.routes);
            gathered.pieces.push(Piece { listener, host: host.clone(), paths, conditions });
            gathered.offer(group.witness);
        }
    }

    fn gathered(&mut self, before: Outcome, after: Outcome, certainty: Certainty) -> &mut Gathered {
        self.found.entry((before, after, certainty)).or_default()
    }

    fn cases(self) -> Vec<Case> {
        let everywhere = |served: &ServedNames| {
            served.0.get(&HostPattern::Any) == Some(&true) && served.0.values().all(|served| *served)
        };
        let names = self.served.into_iter().map(|(listener, served)| match everywhere(&served) {
            true => (listener, ServerNames::Any),
            false => (listener, ServerNames::Served(served)),
        });
        let names: BTreeMap<ListenerId, ServerNames> = names.collect();
        let cases = self.found.into_iter().map(|((before, after, certainty), gathered)| {
            let changes = changes(&before, &after);
            let (routes, witness) = (gathered.routes.clone(), gathered.witness.clone());
            Case { region: gathered.region(&names), before, after, changes, routes, certainty, witness }
        });
        cases.collect()
    }
}

impl<'a> Side<'a> {
    pub(crate) fn new(ir: &'a Ir) -> Self {
        Side { ir, outcomes: BTreeMap::new() }
    }

    pub(crate) fn chain(&mut self, listener: ListenerId, pattern: &HostPattern) -> Chain<'a> {
        let mut routes = Vec::new();
        for host in self.ir.chain(listener, pattern) {
            let outcomes = self.outcomes(host);
            routes.extend(host.host.routes.iter().zip(outcomes.iter().cloned()));
        }
        Chain { routes, candidates: OnceCell::new() }
    }

    fn outcomes(&mut self, host: &LoweredHost) -> Arc<Vec<Outcome>> {
        let key = (host.host.listener, host.host.host.clone());
        let ir = self.ir;
        let of_routes = || {
            host.host.routes.iter().map(|route| Outcome::of_route(ir, host.host.listener, route)).collect()
        };
        Arc::clone(self.outcomes.entry(key).or_insert_with(|| Arc::new(of_routes())))
    }
}

impl<'a> Chain<'a> {
    /// Returns the routes that may match in a path atom, with what remains to be tested, and 404 at the end.
    pub(crate) fn rows(&self, listener: ListenerId, atom: &PathAtom, solver: &Solver) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        let tests = || self.routes.iter().map(|(route, _)| &route.matches);
        let candidates = self.candidates.get_or_init(|| Candidates::new(tests(), atom.fold));
        for (route, outcome) in candidates.of(atom).into_iter().map(|index| &self.routes[index]) {
            let Some(tests) = remaining_tests(listener, atom, route, solver) else { continue };
            let ends = tests.is_empty();
            rows.push(Row { tests, outcome: outcome.clone(), route: Some(&route.id) });
            if ends {
                return rows;
            }
        }
        rows.push(Row { tests: Vec::new(), outcome: Outcome::NoRoute, route: None });
        rows
    }
}

/// Returns the tests of a route that a path atom leaves open; none if the route cannot match there.
pub(crate) fn remaining_tests(
    listener: ListenerId,
    atom: &PathAtom,
    route: &Route,
    solver: &Solver,
) -> Option<Vec<Test>> {
    let RouteMatch { path, case_sensitive, conditions } = &route.matches;
    let Conditions { methods, headers, queries } = &**conditions;
    let mut tests = Vec::new();
    match atom.passes(&route.matches, &solver.patterns) {
        Passes::None => return None,
        Passes::Some => {
            tests.push(Test::Path { path: path.clone(), case_sensitive: *case_sensitive });
        }
        Passes::All => {}
    }
    if !methods.is_empty() {
        let mut methods = methods.clone();
        methods.sort();
        methods.dedup();
        tests.push(Test::Method(methods));
    }
    for test in headers {
        if test.name != ":scheme" {
            tests.push(Test::Header(test.clone()));
        } else if !crate::effect::value_matches(&test.value, listener.scheme.as_str(), &solver.patterns) {
            return None;
        }
    }
    tests.extend(queries.iter().cloned().map(Test::Query));
    Some(tests)
}

impl Gathered {
    fn offer(&mut self, witness: Option<Request>) {
        if plainer(&witness, &self.witness) {
            self.witness = witness;
        }
    }

    /// Joins pieces into few parts: hosts with the same paths and conditions, then listeners with the same hosts and the
    /// same server names. Listeners without any are joined with the first of those.
    fn region(self, names: &BTreeMap<ListenerId, ServerNames>) -> Region {
        let mut by_host: BTreeMap<(ListenerId, Vec<PathSet>, Vec<Condition>), Vec<HostSet>> = BTreeMap::new();
        for piece in self.pieces {
            by_host.entry((piece.listener, piece.paths, piece.conditions)).or_default().push(piece.host);
        }
        let mut by_part: BTreeMap<HttpPart, Vec<Part>> = BTreeMap::new();
        for ((listener, paths, conditions), hosts) in by_host {
            let http = HttpPart { hosts, paths, conditions };
            let server_names = names.get(&listener).unwrap_or(&ServerNames::Any);
            let parts = by_part.entry(http.clone()).or_default();
            // Those in clear text come first.
            let all_plain = |part: &Part| part.listeners.iter().all(|other| !other.is_tls());
            match parts.iter_mut().find(|part| part.server_names == *server_names || all_plain(part)) {
                Some(part) => {
                    part.listeners.push(listener);
                    part.server_names = server_names.clone();
                }
                None => parts.push(Part {
                    listeners: vec![listener],
                    server_names: server_names.clone(),
                    http: Some(http),
                }),
            }
        }
        let mut parts = self.parts;
        parts.extend(by_part.into_values().flatten());
        parts.sort();
        Region { parts }
    }
}

/// Groups cases by what changes; where too many changes are of one kind, they become one class.
fn classes(cases: Vec<Case>, options: &Options) -> Vec<BehaviourClass> {
    type Kind = (Vec<Facet>, &'static str, &'static str);
    let mut kinds: BTreeMap<Kind, BTreeMap<Vec<crate::FacetChange>, Vec<Case>>> = BTreeMap::new();
    for case in cases {
        let facets = case.changes.iter().map(|change| change.facet).collect();
        let kind = (facets, kind_of(&case.before), kind_of(&case.after));
        kinds.entry(kind).or_default().entry(case.changes.clone()).or_default().push(case);
    }
    let mut classes = Vec::new();
    for (_, changes) in kinds {
        if changes.len() > options.classes_per_change {
            classes.push(class(changes.into_values().flatten().collect()));
        } else {
            classes.extend(changes.into_values().map(class));
        }
    }
    classes.sort_by(|a, b| a.first().region.cmp(&b.first().region));
    classes
}

fn class(mut cases: Vec<Case>) -> BehaviourClass {
    cases.sort_by(|a, b| a.region.cmp(&b.region).then_with(|| a.changes.cmp(&b.changes)));
    BehaviourClass { changes: cases.first().map(|case| case.changes.clone()).unwrap_or_default(), cases }
}

fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::BadRequest(_) => "400",
        Outcome::Handshake(Handshake::Served { .. } | Handshake::ExternalSecret { .. }) => "served",
        Outcome::Handshake(_) => "closed",
        Outcome::NoRoute => "404",
        Outcome::Route(_) if outcome.forward().is_some() => "forward",
        Outcome::Route(_) if outcome.redirect().is_some() => "redirect",
        Outcome::Route(_) => "refuse",
    }
}
