//! Weighted routes: whether a sample of requests is spread over the backends as the weights say.

use std::collections::BTreeMap;

use gatewright_behaviour::{Reply, Request};
use gatewright_compiler::Engine;

use super::client::Seen;
use super::configuration::Configuration;
use super::expectation::{Difference, Echo};
use super::ground::Ground;
use super::planes::{Plane, Planes};
use super::run::{Case, Disagreement, RunReport, with_star};

/// Requests of one sample.
const SAMPLE: usize = 200;
/// A true distribution of up to four answers exceeds this in one of a million samples.
const CHI_SQUARE_LIMIT: f64 = 30.7;

/// Measures the first weighted routes among the cases, each once.
pub(crate) fn shares(
    ground: &Ground,
    engine: &Engine,
    configurations: &[Configuration],
    planes: &Planes,
    cases: &[Case<'_>],
    count: usize,
    outcome: &mut RunReport,
) {
    let mut routes = BTreeMap::new();
    for case in cases.iter().filter(|case| case.request.method != "HEAD") {
        if let Some(expected) = expected_shares(ground, engine, case)
            && let Some((_, step)) = case.decision.trail.matched()
        {
            routes.entry(step.route.clone()).or_insert((case, expected));
        }
    }
    for (case, expected) in routes.into_values().take(count) {
        let requests: Vec<&Request> = std::iter::repeat_n(&case.request, SAMPLE).collect();
        for (plane, answers) in planes.send(&requests) {
            outcome.samples += 1;
            if let Some(disagreement) = unfair(case, configurations, plane, &expected, &answers) {
                outcome.disagreements.push(disagreement);
            }
        }
    }
}

/// Returns the share of each backend, or of `503`; none where there is no choice, or a cluster has several backends.
fn expected_shares(ground: &Ground, engine: &Engine, case: &Case<'_>) -> Option<BTreeMap<String, f64>> {
    let Reply::Forwarded(forward) = &case.decision.effect.reply else { return None };
    let total: f64 = forward.targets.iter().map(|target| f64::from(target.weight)).sum();
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for target in &forward.targets {
        let name = match target.serving() {
            Some(serving) => {
                let mut backends = ground.backends_of(engine.ir(), &serving.name).into_iter();
                let only = backends.next()?;
                backends.next().is_none().then(|| only.to_owned())?
            }
            None => "503".to_owned(),
        };
        *shares.entry(name).or_default() += f64::from(target.weight) / total;
    }
    (shares.len() > 1).then_some(shares)
}

fn unfair(
    case: &Case<'_>,
    configurations: &[Configuration],
    plane: Plane,
    expected: &BTreeMap<String, f64>,
    answers: &[Seen],
) -> Option<Disagreement> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seen in answers {
        let name = match seen {
            Seen::Closed(reason) => format!("closed: {reason}"),
            Seen::Answer(answer) => {
                Echo::of(answer).map_or_else(|| answer.status.to_string(), |echo| echo.backend)
            }
        };
        *counts.entry(name).or_default() += 1;
    }
    let stranger = counts.keys().any(|name| !expected.contains_key(name));
    let chi_square: f64 = expected
        .iter()
        .map(|(name, share)| {
            let expected = share * answers.len() as f64;
            (counts.get(name).copied().unwrap_or_default() as f64 - expected).powi(2) / expected
        })
        .sum();
    (stranger || chi_square > CHI_SQUARE_LIMIT).then(|| Disagreement {
        configurations: with_star(case.configuration, configurations),
        request: Some(case.request.clone()),
        who: plane.to_string(),
        difference: Difference {
            kind: "shares",
            text: format!("{counts:?} of {} requests, chi-square {chi_square:.1}", answers.len()),
        },
        answers: format!("model: {expected:?}\n"),
    })
}
