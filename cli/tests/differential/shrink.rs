//! From a disagreement to a small one: manifests, annotations, paths and headers are dropped while it persists.

use gatewright_behaviour::Request;
use serde_yaml::Value;

use super::configuration::Configuration;
use super::ground::{Ground, compile};
use super::planes::Planes;
use super::run::{Disagreement, RunReport, case, judge};

/// Trials for one disagreement; each starts the data planes anew.
const TRIALS: usize = 150;
/// How often a trial sends its request: a disagreement may concern one of several targets only.
const SENDS: usize = 12;

/// Returns the smallest form that was found.
pub(crate) fn shrink(ground: &Ground, found: Disagreement, envoy: bool) -> Disagreement {
    let Some(request) = found.request.clone() else { return found };
    let mut smallest = found;
    let mut now = Reproduction { configurations: smallest.configurations.clone(), request };
    let mut trials = 0;
    let mut at = 0;
    while trials < TRIALS {
        let Some(smaller) = now.smaller(at) else {
            return smallest;
        };
        trials += 1;
        match smaller.map(|smaller| (smaller.try_out(ground, &smallest, envoy), smaller)) {
            Some((Some(disagreement), smaller)) => {
                smallest = disagreement;
                now = smaller;
            }
            // What could not be dropped is passed over; what was dropped has moved the rest up.
            _ => at += 1,
        }
    }
    smallest
}

/// Sends requests to configurations and returns every disagreement.
pub(crate) fn replay(
    ground: &Ground,
    configurations: &[Configuration],
    requests: &[Request],
    envoy: bool,
) -> RunReport {
    let files = ground.files(configurations);
    let engine = compile(&files);
    let last = configurations.last().expect("a configuration is replayed");
    let cases: Vec<_> = requests.iter().map(|request| case(&engine, last, request.clone())).collect();
    let planes = Planes::start(&engine, &files, envoy).expect("Envoy takes a part of what it has taken");
    let mut outcome =
        RunReport { configurations: configurations.len(), requests: cases.len(), ..RunReport::default() };
    judge(ground, &engine, configurations, &planes, &cases, &mut outcome);
    outcome
}

#[derive(Clone)]
struct Reproduction {
    configurations: Vec<Configuration>,
    request: Request,
}

impl Reproduction {
    /// Runs it and returns a disagreement of the same kind.
    fn try_out(&self, ground: &Ground, like: &Disagreement, envoy: bool) -> Option<Disagreement> {
        let requests = vec![self.request.clone(); SENDS];
        let outcome = replay(ground, &self.configurations, &requests, envoy);
        let same = |one: &Disagreement| one.who == like.who && one.difference.kind == like.difference.kind;
        outcome
            .disagreements
            .into_iter()
            .find(same)
            .map(|one| Disagreement { configurations: self.configurations.clone(), ..one })
    }

    /// Returns the form without its part number `at`; the inner none where that part must stay, the outer one where
    /// there are no more parts.
    fn smaller(&self, at: usize) -> Option<Option<Self>> {
        let mut left = at;
        let mut smaller = self.clone();
        for (index, configuration) in self.configurations.iter().enumerate() {
            for place in 0..configuration.documents.len() {
                if left == 0 {
                    smaller.configurations[index].documents.remove(place);
                    return Some(Some(smaller));
                }
                left -= 1;
            }
        }
        for (index, configuration) in self.configurations.iter().enumerate() {
            for (place, document) in configuration.documents.iter().enumerate() {
                let value: Value = serde_yaml::from_str(document).ok()?;
                let count = parts(&value);
                if left < count {
                    let mut value = value;
                    remove(&mut value, &mut left);
                    let text = serde_yaml::to_string(&value).ok()?;
                    smaller.configurations[index].documents[place] = text;
                    return Some(Some(smaller));
                }
                left -= count;
            }
        }
        smaller.request.headers.len().checked_sub(1)?;
        if left < smaller.request.headers.len() {
            let removed = smaller.request.headers.remove(left);
            return Some((!removed.0.starts_with("x-echo")).then_some(smaller));
        }
        None
    }
}

/// Members that a manifest keeps.
const KEPT: [&str; 12] = [
    "apiVersion",
    "kind",
    "name",
    "namespace",
    "metadata",
    "spec",
    "backend",
    "path",
    "pathType",
    "host",
    "ingressClassName",
    "http",
];

/// Returns how many parts of a document can be dropped.
fn parts(value: &Value) -> usize {
    match value {
        Value::Mapping(members) => members
            .iter()
            .map(|(key, value)| {
                let kept = key.as_str().is_some_and(|key| KEPT.contains(&key));
                usize::from(!kept) + if key.as_str() == Some("backend") { 0 } else { parts(value) }
            })
            .sum(),
        Value::Sequence(items) => items.iter().map(|item| 1 + parts(item)).sum(),
        _ => 0,
    }
}

/// Drops the part with a number, counted as [`parts`] does; returns whether it was found.
fn remove(value: &mut Value, left: &mut usize) -> bool {
    match value {
        Value::Mapping(members) => {
            let keys: Vec<Value> = members.keys().cloned().collect();
            for key in keys {
                if !key.as_str().is_some_and(|key| KEPT.contains(&key)) {
                    if *left == 0 {
                        members.remove(&key);
                        return true;
                    }
                    *left -= 1;
                }
                if key.as_str() != Some("backend")
                    && members.get_mut(&key).is_some_and(|value| remove(value, left))
                {
                    return true;
                }
            }
            false
        }
        Value::Sequence(items) => {
            for place in 0..items.len() {
                if *left == 0 {
                    items.remove(place);
                    return true;
                }
                *left -= 1;
                if remove(&mut items[place], left) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}
