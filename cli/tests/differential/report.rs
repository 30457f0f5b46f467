//! What a run comes to: figures, and for every kind of disagreement one small reproduction.

use std::collections::BTreeMap;

use super::fixture;
use super::ground::Ground;
use super::run::{Disagreement, RunReport};
use super::shrink::shrink;

/// Kinds of disagreements that are made small; each takes a while.
const SHRUNK: usize = 8;

/// Checks that everybody agreed.
///
/// # Panics
/// With the reproductions, when somebody did not.
pub(crate) fn assert_agreement(ground: &Ground, outcome: &RunReport, envoy: bool) {
    let RunReport { configurations, requests, http2, traces, samples, replies, .. } = outcome;
    println!(
        "{configurations} configurations, {requests} requests, {http2} over HTTP/2, {traces} traces, {samples} samples"
    );
    println!("{replies:?}");
    let mut kinds: BTreeMap<(&str, &str), Vec<&Disagreement>> = BTreeMap::new();
    for one in &outcome.disagreements {
        kinds.entry((&one.who, one.difference.kind)).or_default().push(one);
    }
    let mut text = String::new();
    for ((who, kind), all) in kinds.iter().take(SHRUNK) {
        let Some(first) = all.first() else { continue };
        let small = shrink(ground, (*first).clone(), envoy);
        text.push_str(&format!(
            "\n=== {who}, {kind}, {} times: {}\n{}\n{}",
            all.len(),
            small.difference.text,
            small.answers,
            fixture::text(&small.configurations, small.request.as_ref())
        ));
    }
    let left = kinds.len().saturating_sub(SHRUNK);
    let count = outcome.disagreements.len();
    assert!(count == 0, "{count} disagreements of {} kinds, {left} kinds not shown\n{text}", kinds.len());
}
