//! `because` is exact: what a plan names as the changes behind a class is enough for it, and none of it can be left out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod generated;
mod ground;
mod merged;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::testing::{Choices, neighbour};
use gatewright_behaviour::{BehaviourClass, Effect, Model, Options, Outcome, Request, diff};
use gatewright_ir::Ir;

use ground::{Objects, model_of, planned, with};

/// What happens to a request, on the level on which a class is told: its handshake, or what follows it.
fn fares(model: &Model<'_>, request: &Request, handshakes: bool) -> Effect {
    let mut effect = model.decide(request).effect;
    effect.plugins.iter_mut().for_each(|plugin| plugin.only_host = None);
    match handshakes {
        true => effect.plugins.clear(),
        false => effect.handshake = None,
    }
    effect
}

/// One class of a generated change, and models with some of the changes.
struct Asked<'a> {
    base: &'a Objects,
    head: &'a Objects,
    class: &'a BehaviourClass,
    models: BTreeMap<BTreeSet<String>, Ir>,
    choices: Choices,
}

impl Asked<'_> {
    /// Returns requests of the class: witnesses, those near them, and those that fare differently in `model`.
    fn requests(&mut self, model: &Ir, head: &Ir) -> Vec<Request> {
        let other = diff(model, head, &Options::default());
        let cases = self.class.cases.iter().chain(other.classes.iter().flat_map(|class| &class.cases));
        let witnesses: Vec<Request> = cases.filter_map(|case| case.witness.clone()).collect();
        let mut requests = Vec::new();
        for witness in witnesses {
            for _ in 0..6 {
                let near = neighbour(&mut self.choices, &witness);
                requests.push(neighbour(&mut self.choices, &near));
                requests.push(near);
            }
            requests.push(witness);
        }
        let region = self.class.region();
        requests.retain(|request| region.contains(request));
        requests
    }

    /// Returns a request of the class that fares otherwise where only `made` has been changed.
    fn missing(&mut self, made: &BTreeSet<String>) -> Option<Request> {
        let (base, head) = (self.base, self.head);
        let model =
            self.models.entry(made.clone()).or_insert_with(|| model_of(&with(base, head, made))).clone();
        let all = self.models.entry(changed(base, head)).or_insert_with(|| model_of(head)).clone();
        let handshakes = matches!(self.class.before(), Outcome::Handshake(_));
        let requests = self.requests(&model, &all);
        let (model, all) = (Model::new(&model), Model::new(&all));
        requests
            .into_iter()
            .find(|request| fares(&model, request, handshakes) != fares(&all, request, handshakes))
    }
}

/// Returns the objects that are not the same in two states.
fn changed(base: &Objects, head: &Objects) -> BTreeSet<String> {
    let names = base.keys().chain(head.keys());
    names.filter(|name| base.get(*name) != head.get(*name)).cloned().collect()
}

/// Counts of a run.
#[derive(Debug, Default)]
struct Seen {
    classes: usize,
    several: usize,
    narrowed: usize,
    doubtful: usize,
}

fn check(seed: u64, seen: &mut Seen) {
    let mut choices = Choices::new(seed);
    let (base, head) = generated::change(&mut choices);
    check_change(seed, &mut choices, &base, &head, seen);
}

fn check_change(seed: u64, choices: &mut Choices, base: &Objects, head: &Objects, seen: &mut Seen) {
    let plan = planned(base, head, choices.below(4) + 1, choices.below(4) + 1);
    let difference = diff(&model_of(base), &model_of(head), &Options::default());
    assert_eq!(difference.classes.len(), plan.behaviour.classes.len(), "seed {seed}");
    let all = changed(base, head);
    for (class, told) in difference.classes.iter().zip(&plan.behaviour.classes) {
        let causes: BTreeSet<String> = told.causes.iter().map(|cause| cause.entity.to_string()).collect();
        assert!(!told.candidates && !causes.is_empty(), "seed {seed}: {told:#?}");
        assert!(causes.is_subset(&all), "seed {seed}: {causes:?} of {all:?}");
        seen.classes += 1;
        seen.several += usize::from(causes.len() > 1);
        seen.narrowed += usize::from(causes.len() < all.len());
        let mut asked = Asked { base, head, class, models: BTreeMap::new(), choices: choices.clone() };
        if let Some(request) = asked.missing(&causes) {
            panic!("seed {seed}: {causes:?} of {all:?} are not enough for {request}\n{told:#?}");
        }
        for one in &causes {
            let mut others = causes.clone();
            others.remove(one);
            // A class that may differ has no request that shows it for certain.
            seen.doubtful += usize::from(asked.missing(&others).is_none());
        }
    }
}

fn holds_for(seeds: std::ops::Range<u64>) {
    let mut seen = Seen::default();
    seeds.for_each(|seed| check(seed, &mut seen));
    assert!(seen.several * 20 > seen.classes && seen.narrowed * 2 > seen.classes, "{seen:?}");
    assert!(seen.doubtful * 50 < seen.classes, "{seen:?}");
}

#[test]
fn with_all_other_changes_taken_back_a_class_is_as_it_is() {
    holds_for(0..60);
}

#[test]
#[ignore = "many changes: run in a release build"]
fn with_all_other_changes_taken_back_classes_of_many_changes_are_as_they_are() {
    holds_for(1_000..6_000);
}
