//! Real Envoy, the bundled gateway, `gatewright trace`, the model and its twin answer the same requests alike.
//!
//! `GATEWRIGHT_DIFFERENTIAL_SEED` chooses other configurations and requests, `GATEWRIGHT_DIFFERENTIAL_CASES` how many are
//! asked, `GATEWRIGHT_DIFFERENTIAL_VALIDATED` how many are given to Envoy for validation alone. A disagreement is printed
//! as a small configuration with a request: a file for `differential/`, whose files are asked again in every run.

mod differential;

use differential::{
    Ground, RunReport, Size, Sizes, assert_agreement, matches, replay_all, run, spellings,
    unexpected_answers, validate, verdicts,
};

/// Configurations that share a bootstrap.
const SHARING: usize = 200;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

fn seed() -> u64 {
    number("GATEWRIGHT_DIFFERENTIAL_SEED", 1)
}

/// Does so many configurations in parts that share a bootstrap, each with a seed of its own.
fn in_parts(count: u64, first_seed: u64, part: impl Fn(u64, usize) -> RunReport) -> RunReport {
    let count = usize::try_from(count).expect("a number of this machine");
    let mut outcome = RunReport::default();
    for (seed, start) in (first_seed..).zip((0..count).step_by(SHARING)) {
        outcome.add(part(seed, SHARING.min(count - start)));
    }
    outcome
}

#[test]
fn the_gateway_agrees_with_the_model_and_its_twin() {
    let ground = Ground::new();
    assert_agreement(&ground, &replay_all(&ground, false), false);
    let size = Size { configurations: 50, requests: 17, traces: 3, samples: 3, envoy: false };
    assert_agreement(&ground, &run(&ground, seed(), size), false);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_agrees_with_the_gateway_the_model_and_its_twin() {
    let ground = Ground::new();
    assert_agreement(&ground, &replay_all(&ground, true), true);
    let cases = number("GATEWRIGHT_DIFFERENTIAL_CASES", 200);
    let outcome = in_parts(cases, seed(), |seed, configurations| {
        run(&ground, seed, Size { configurations, requests: 17, traces: 6, samples: 6, envoy: true })
    });
    assert_agreement(&ground, &outcome, true);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_takes_the_expressions_that_are_taken() {
    let differing = verdicts(seed(), 800);
    assert!(differing.is_empty(), "{} of 800:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn the_gateway_and_the_model_match_expressions_alike() {
    let ground = Ground::new();
    let sizes = Sizes { expressions: 60, texts: 10, envoy: false };
    assert_agreement(&ground, &matches(&ground, seed(), sizes), false);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_matches_expressions_as_the_gateway_and_the_model_do() {
    let ground = Ground::new();
    let sizes = Sizes { expressions: 250, texts: 16, envoy: true };
    assert_agreement(&ground, &matches(&ground, seed(), sizes), true);
}

#[test]
fn the_gateway_and_the_model_read_paths_alike() {
    let ground = Ground::new();
    assert_agreement(&ground, &spellings(&ground, seed(), 1000, 20, false), false);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_reads_paths_as_the_gateway_and_the_model_do() {
    let ground = Ground::new();
    assert_agreement(&ground, &spellings(&ground, seed(), 4000, 20, true), true);
}

#[test]
fn the_gateway_answers_odd_messages_as_the_tables_say() {
    assert_eq!(unexpected_answers(&Ground::new(), false), "");
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_answers_odd_messages_as_the_tables_say() {
    assert_eq!(unexpected_answers(&Ground::new(), true), "");
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn envoy_takes_hundreds_of_configurations() {
    let ground = Ground::new();
    let count = number("GATEWRIGHT_DIFFERENTIAL_VALIDATED", 400);
    // Beyond the seeds of the test above, so that the two do not see the same ones.
    let outcome = in_parts(count, seed().wrapping_add(1000), |seed, count| validate(&ground, seed, count));
    assert_agreement(&ground, &outcome, true);
}
