//! Routes that can never match: earlier routes of their host take every request of theirs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gatewright_behaviour::{Options, is_normal_path, shadowed};
use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, ListenerId, PathMatch, Route, RouteId, VirtualHost};

use super::route::Draft;
use crate::annotations::matching;
use crate::finding::{Finding, Place};
use crate::path_text;
use crate::world::World;

/// Returns a finding for each manifest path none of whose routes can be reached, the ones behind a catch-all included.
pub(super) fn findings(host: &HostPattern, drafts: &[Draft], world: &World<'_>) -> Vec<Finding> {
    if plainly_reachable(drafts) {
        return Vec::new();
    }
    let routes: Vec<Route> =
        drafts.iter().flat_map(|draft| draft.routes(ListenerId::HTTP, None, world)).collect();
    let mut reachable: BTreeMap<&RouteId, usize> = BTreeMap::new();
    for route in &routes {
        *reachable.entry(&route.id).or_default() += 1;
    }
    let all = VirtualHost { listener: ListenerId::HTTP, host: host.clone(), routes: routes.clone() };
    let shadowed = shadowed(&all, &Options::default());
    for hidden in &shadowed {
        if let Some(count) = reachable.get_mut(&hidden.route) {
            *count -= 1;
        }
    }
    // The first of several with one id, as they stand.
    let by_id: BTreeMap<&RouteId, &Draft> = drafts.iter().rev().map(|draft| (&draft.id, draft)).collect();
    let place = |id: &RouteId| by_id.get(id).map(|draft| draft.place.clone());
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for hidden in shadowed.iter().filter(|hidden| reachable.get(&hidden.route) == Some(&0)) {
        // What has an error is silent about everything else.
        let sound = by_id.get(&hidden.route).filter(|draft| !draft.is_broken());
        let Some(draft) = sound.filter(|_| told.insert(&hidden.route)) else { continue };
        if hidden.taken_by.is_none() {
            findings.push(never_matches(host, draft, world));
            continue;
        }
        let message = "earlier routes take every request of this path";
        let mut finding = Finding::new(&code::GW0306, draft.place.clone(), message);
        if let Some(taker) = hidden.taken_by.as_ref().and_then(place) {
            finding = finding.with_related(taker, "this route takes them");
        }
        if let Some(witness) = &hidden.witness {
            finding = finding.with_note(format!("for example `{witness}`"));
        }
        findings.push(finding);
    }
    findings
}

/// Returns the finding for a route that no request can have, whatever stands before it.
fn never_matches(host: &HostPattern, draft: &Draft, world: &World<'_>) -> Finding {
    let regex = matches!(draft.paths.first(), Some(PathMatch::Regex(_)));
    let mut place = draft.place.clone();
    if draft.kind.is_some() {
        place.pointer.push_str("/path");
    }
    if let Some(never) = path_text::never(&draft.declared, regex) {
        let message = format!("no request can match path `{}`: {}", draft.declared, never.why);
        return Finding { help: never.help, ..Finding::new(&code::GW0451, place, message) };
    }
    let keys = excluding(host, draft, world);
    let finding = match keys.split_first() {
        Some((key, others)) => {
            let message = match others {
                [] => format!(
                    "no request can match path `{}` of host `{host}` with this condition",
                    draft.declared
                ),
                _ => format!(
                    "no request can match path `{}` with this condition and another one",
                    draft.declared
                ),
            };
            let at = |key: &String| Place::annotation_value(&draft.place.entity, key);
            let mut finding = Finding::new(&code::GW0451, at(key), message).with_related(place, "the path");
            for other in others {
                finding = finding.with_related(at(other), "the other condition");
            }
            finding
        }
        None if draft.conditions.is_empty() => {
            let message =
                format!("no request can match path `{}`: none has a normal form that fits", draft.declared);
            Finding::new(&code::GW0451, place, message)
        }
        None => {
            let message = format!(
                "no request can match path `{}` with the conditions of its annotations",
                draft.declared
            );
            Finding::new(&code::GW0451, place, message)
        }
    };
    finding.with_note(
        "paths are compared in normal form, header values without blanks around them, query values as sent",
    )
}

/// Returns the annotations without any one of which requests could match.
fn excluding(host: &HostPattern, draft: &Draft, world: &World<'_>) -> Vec<String> {
    let Some(manifest) = world.manifests.get(&draft.place.entity) else { return Vec::new() };
    let decides = |key: &&str| {
        let Some(rest) = matching::without(&draft.conditions, key) else { return false };
        let routes: Vec<Route> = draft
            .routes(ListenerId::HTTP, None, world)
            .map(|mut route| {
                route.matches.conditions = rest.clone().into();
                route
            })
            .collect();
        let all = routes.len();
        let alone = VirtualHost { listener: ListenerId::HTTP, host: host.clone(), routes };
        shadowed(&alone, &Options::default()).len() < all
    };
    manifest.metadata.annotations.keys().filter(decides).map(str::to_owned).collect()
}

/// Returns whether a look at the paths tells that every route can be reached, as it does for most hosts: no route tests
/// anything but paths, and none starts with an earlier prefix or repeats an earlier path.
fn plainly_reachable(drafts: &[Draft]) -> bool {
    let mut taken = Taken::default();
    drafts.iter().all(Draft::tests_only_paths)
        && drafts.iter().flat_map(|draft| &draft.paths).all(|test| taken.leaves(test) && taken.add(test))
}

/// What earlier routes take.
#[derive(Default)]
struct Taken<'d> {
    exact: HashSet<&'d str>,
    prefixes: HashSet<&'d str>,
    /// Lengths that occur among the prefixes.
    lengths: BTreeSet<usize>,
}

impl<'d> Taken<'d> {
    /// Returns whether a look tells that there are requests for a test, and that none of what is taken may take it.
    fn leaves(&self, test: &PathMatch) -> bool {
        let (path, exact) = match test {
            PathMatch::Exact(path) => (path, true),
            PathMatch::Prefix(path) => (path, false),
            PathMatch::Regex(_) => return false,
        };
        let mut starts = self.lengths.iter().filter_map(|length| path.get(..*length));
        // Below a prefix there is always a path more than an exact one.
        is_normal_path(path)
            && !(exact && self.exact.contains(path.as_str()))
            && !starts.any(|start| self.prefixes.contains(start))
    }

    /// Adds a test that is no expression.
    fn add(&mut self, test: &'d PathMatch) -> bool {
        match test {
            PathMatch::Exact(path) => drop(self.exact.insert(path)),
            PathMatch::Prefix(path) => {
                self.prefixes.insert(path);
                self.lengths.insert(path.len());
            }
            PathMatch::Regex(_) => return false,
        }
        true
    }
}
