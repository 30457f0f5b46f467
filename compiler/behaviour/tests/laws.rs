//! The laws of the behaviour algebra, over generated models, edits and requests.

use gatewright_behaviour::testing::{
    Choices, Sizes, edited, model, neighbour, observed, refactored, request,
};
use gatewright_behaviour::twin::{Observed, observe};
use gatewright_behaviour::{
    BehaviourDiff, Certainty, Decision, Effect, Model, Options, Outcome, Request, diff,
};
use gatewright_ir::Ir;

const SMALL: Sizes = Sizes { hosts: 5, routes: 5 };

fn engine_agrees_with_twin(seeds: std::ops::Range<u64>, requests: usize) {
    for seed in seeds {
        let mut choices = Choices::new(seed);
        let ir = model(&mut choices, SMALL);
        let engine = Model::new(&ir);
        for _ in 0..requests {
            let request = request(&mut choices);
            let decision = engine.decide(&request);
            assert_eq!(observed(&decision, &request), observe(&ir, &request), "seed {seed}: {request}");
        }
    }
}

#[test]
fn the_engine_agrees_with_the_twin() {
    engine_agrees_with_twin(0..40, 40);
}

#[test]
#[ignore = "a million requests: run in a release build"]
fn the_engine_agrees_with_the_twin_on_a_million_requests() {
    engine_agrees_with_twin(1_000..3_000, 500);
}

/// A pair of models: an edited one most of the time, two unrelated ones now and then.
fn pair(seed: u64) -> (Ir, Ir, Choices) {
    let mut choices = Choices::new(seed);
    let a = model(&mut choices, SMALL);
    let b = match choices.below(8) {
        0 => model(&mut choices, SMALL),
        _ => {
            let count = choices.below(3) + 1;
            edited(&mut choices, &a, count)
        }
    };
    (a, b, choices)
}

/// What can be compared of one request: everything but which route it was.
fn effect(decision: &Decision) -> Effect {
    let mut effect = decision.effect.clone();
    effect.plugins.iter_mut().for_each(|plugin| plugin.only_host = None);
    effect
}

/// The outcome of a decision on the level of `stated`: its handshake, or what follows it.
fn seen_as(stated: &Outcome, decision: &Decision) -> Outcome {
    match (stated, &decision.effect.handshake) {
        (Outcome::Handshake(_), Some(handshake)) => Outcome::Handshake(handshake.clone()),
        _ => decision.outcome.clone(),
    }
}

fn show(diff: &BehaviourDiff) -> String {
    serde_json::to_string_pretty(&diff.classes).expect("classes serialize")
}

fn check_request(seed: u64, diff: &BehaviourDiff, a: &Model<'_>, b: &Model<'_>, request: &Request) {
    let (before, after) = (a.decide(request), b.decide(request));
    let cases: Vec<_> = diff
        .classes
        .iter()
        .flat_map(|class| &class.cases)
        .filter(|case| case.region.contains(request))
        .collect();
    let differ = effect(&before) != effect(&after);
    if cases.is_empty() {
        let seen = (observed(&before, request), observed(&after, request));
        let without_route = |seen: Observed| Observed { route: None, ..seen };
        assert_eq!(without_route(seen.0), without_route(seen.1), "not complete, seed {seed}: {request}");
        assert!(!differ, "not complete, seed {seed}: {request}\n{before:#?}\n{after:#?}\n{}", show(diff));
    }
    for case in cases.iter().filter(|case| case.certainty == Certainty::Exact) {
        assert!(differ, "not exact, seed {seed}: {request}\n{before:#?}\n{case:#?}");
        assert_eq!(case.before, seen_as(&case.before, &before), "wrong before, seed {seed}: {request}");
        assert_eq!(case.after, seen_as(&case.after, &after), "wrong after, seed {seed}: {request}");
    }
}

fn laws_hold(seeds: std::ops::Range<u64>, requests: usize) {
    let mut doubtful = 0;
    let mut all = 0;
    for seed in seeds {
        let (a, b, mut choices) = pair(seed);
        let diff = diff(&a, &b, &Options::default());
        let (before, after) = (Model::new(&a), Model::new(&b));
        for _ in 0..requests {
            check_request(seed, &diff, &before, &after, &request(&mut choices));
        }
        for case in diff.classes.iter().flat_map(|class| &class.cases) {
            all += 1;
            match (&case.witness, &case.certainty) {
                (Some(witness), certainty) => {
                    assert!(
                        case.region.contains(witness),
                        "witness outside, seed {seed}: {witness}\n{case:#?}"
                    );
                    check_request(seed, &diff, &before, &after, witness);
                    for _ in 0..8 {
                        let near = neighbour(&mut choices, witness);
                        check_request(seed, &diff, &before, &after, &near);
                        let further = neighbour(&mut choices, &near);
                        check_request(seed, &diff, &before, &after, &further);
                    }
                    assert_eq!(Request::parse(&witness.to_string()).as_ref(), Ok(witness), "seed {seed}");
                    doubtful += usize::from(*certainty != Certainty::Exact);
                }
                (None, Certainty::MayDiffer(_)) => doubtful += 1,
                (None, Certainty::Exact) => panic!("no witness, seed {seed}: {case:#?}"),
            }
        }
    }
    assert!(doubtful * 20 < all, "{doubtful} of {all} cases are doubtful");
}

#[test]
fn diffs_are_complete_exact_and_witnessed() {
    laws_hold(0..40, 30);
}

#[test]
#[ignore = "many pairs: run in a release build"]
fn diffs_of_many_pairs_are_complete_exact_and_witnessed() {
    laws_hold(10_000..14_000, 100);
}

#[test]
fn refactorings_change_nothing() {
    for seed in 0..40 {
        let mut choices = Choices::new(seed);
        let ir = model(&mut choices, SMALL);
        let other = refactored(&mut choices, &ir);
        let same = diff(&ir, &other, &Options::default());
        assert!(same.is_empty(), "seed {seed}: {}", show(&same));
        assert!(diff(&ir, &ir.clone(), &Options::default()).is_empty());
    }
}

#[test]
fn diffs_are_deterministic() {
    for seed in 0..8 {
        let (a, b, _) = pair(seed);
        assert_eq!(diff(&a, &b, &Options::default()), diff(&a, &b, &Options::default()));
    }
}
