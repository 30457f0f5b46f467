//! Replays witnesses: sends a request to the gateway and compares the answer with what the model says.

use std::collections::BTreeMap;

use gatewright_behaviour::{Effect, ForwardEffect, Reply, Request};

use super::backends::Echo;
use super::client::{Answer, Client};

/// Requests that show a distribution.
const SAMPLE: u32 = 300;
/// Below this chi-square value a sample fits; a true distribution of few targets exceeds it in far less than one of
/// 10,000 samples.
const CHI_SQUARE_LIMIT: f64 = 23.0;

/// What a replay showed.
pub(super) struct Shown {
    /// The answer in a few words.
    pub(super) text: String,
    /// How it differs from what the model says, if it does.
    pub(super) wrong: Option<String>,
}

/// Sends `request` and compares. A weighted choice is sampled.
pub(super) async fn replay(client: &Client, request: &Request, expected: &Effect) -> Shown {
    if let Reply::Forwarded(forward) = &expected.reply
        && forward.targets.len() > 1
    {
        return sample(client, request, forward).await;
    }
    match client.send(request).await {
        Ok(answer) => Shown { text: describe(&answer), wrong: difference(&answer, expected) },
        Err(failure) if expected.reply == Reply::Closed => {
            Shown { text: format!("closed ({failure})"), wrong: None }
        }
        Err(failure) => Shown { text: failure.clone(), wrong: Some(failure) },
    }
}

async fn sample(client: &Client, request: &Request, forward: &ForwardEffect) -> Shown {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..SAMPLE {
        match client.send(request).await.map(|answer| echo(&answer)) {
            Ok(Some(echo)) => *counts.entry(echo.backend).or_default() += 1,
            Ok(None) => {
                return Shown {
                    text: "an answer of no backend".into(),
                    wrong: Some("no backend answered".into()),
                };
            }
            Err(failure) => return Shown { text: failure.clone(), wrong: Some(failure) },
        }
    }
    let shares: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let total: u32 = forward.targets.iter().map(|target| target.weight).sum();
    let chi_square: f64 = forward
        .targets
        .iter()
        .map(|target| {
            let expected = f64::from(SAMPLE) * f64::from(target.weight) / f64::from(total.max(1));
            let seen = f64::from(counts.get(service_of(&target.cluster.name.0)).copied().unwrap_or_default());
            (seen - expected).powi(2) / expected.max(f64::MIN_POSITIVE)
        })
        .sum();
    let wrong =
        (chi_square > CHI_SQUARE_LIMIT).then(|| format!("chi-square {chi_square:.1} of {SAMPLE} requests"));
    Shown { text: format!("of {SAMPLE} requests: {}", shares.join(", ")), wrong }
}

/// `outbound|80||NAME.NAMESPACE.svc.cluster.local` is called NAME, and so is the backend behind it.
fn service_of(cluster: &str) -> &str {
    let host = cluster.rsplit('|').next().unwrap_or(cluster);
    host.split('.').next().unwrap_or(host)
}

fn echo(answer: &Answer) -> Option<Echo> {
    serde_json::from_slice(&answer.body).ok()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| value.to_str().ok())
}

fn describe(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    match (header(answer, "location"), echo(answer)) {
        (Some(location), _) => text.push_str(&format!(" to {location}")),
        (None, Some(echo)) => {
            text.push_str(&format!(" from {}, which saw {} {}", echo.backend, echo.method, echo.path))
        }
        (None, None) => {}
    }
    for name in ["x-frame-options", "access-control-allow-origin"] {
        if let Some(value) = header(answer, name) {
            text.push_str(&format!(", {name}: {value}"));
        }
    }
    text
}

fn difference(answer: &Answer, expected: &Effect) -> Option<String> {
    if let Some(status) = expected.reply.status()
        && status != answer.status
    {
        return Some(format!("status {} instead of {status}", answer.status));
    }
    match &expected.reply {
        Reply::Redirect { location, .. } => {
            let seen = header(answer, "location").unwrap_or_default();
            (seen != location).then(|| format!("location `{seen}` instead of `{location}`"))
        }
        Reply::Forwarded(forward) => forwarded(answer, forward),
        Reply::Closed => Some("an answer instead of a closed connection".to_owned()),
        _ => None,
    }
}

fn forwarded(answer: &Answer, forward: &ForwardEffect) -> Option<String> {
    let serving = forward.targets.first().and_then(|target| target.serving())?;
    let Some(echo) = echo(answer) else {
        return Some(format!("no backend answered: status {}", answer.status));
    };
    let service = service_of(&serving.name.0);
    if echo.backend != service {
        return Some(format!("backend {} instead of {service}", echo.backend));
    }
    if echo.path != forward.path {
        return Some(format!("the backend saw path {} instead of {}", echo.path, forward.path));
    }
    (echo.host != forward.host)
        .then(|| format!("the backend saw host {} instead of {}", echo.host, forward.host))
}
