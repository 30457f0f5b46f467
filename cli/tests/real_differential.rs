//! Real Envoy, the bundled gateway, `gatewright trace`, the model and its twin answer the same requests alike.
//!
//! `GATEWRIGHT_DIFFERENTIAL_SEED` chooses other configurations and requests, `GATEWRIGHT_DIFFERENTIAL_CASES` their
//! number. A disagreement is printed as a small configuration with a request: a file for `differential/`, whose files
//! are asked again in every run.

mod differential;

use differential::{Ground, Outcome, Size, assert_agreement, replay_all, run};

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
    let cases =
        usize::try_from(number("GATEWRIGHT_DIFFERENTIAL_CASES", 600)).expect("a number of this machine");
    let size = Size { configurations: SHARING.min(cases), requests: 17, traces: 6, samples: 6, envoy: true };
    let mut outcome = Outcome::default();
    for part in 0..cases.div_ceil(SHARING) {
        outcome.add(run(&ground, seed().wrapping_add(part as u64), size));
    }
    assert_agreement(&ground, &outcome, true);
}
