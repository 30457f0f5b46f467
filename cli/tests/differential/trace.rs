//! `gatewright trace --format json`, run as users run it, against the model in this process.

use std::path::Path;
use std::process::Command;

use gatewright_behaviour::{CorsReply, Decision, Effect, ForwardEffect, Reply, Request};
use serde_json::{Value, json};

use super::configuration::Configuration;
use super::expectation::Difference;
use super::ground::{Ground, write};
use super::run::{Case, Disagreement, RunReport, with_star};

/// Traces some of the requests, spread over all, each in a folder with its configuration alone.
pub(crate) fn traces(
    ground: &Ground,
    configurations: &[Configuration],
    cases: &[Case<'_>],
    count: usize,
    outcome: &mut RunReport,
) {
    for case in cases.iter().step_by((cases.len() / count.max(1)).max(1)).take(count) {
        outcome.traces += 1;
        let some = with_star(case.configuration, configurations);
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), &ground.files(&some));
        let (expected, found) = (of_decision(&case.decision), traced(folder.path(), &case.request));
        if found.as_ref() != Ok(&expected) {
            outcome.disagreements.push(Disagreement {
                configurations: some,
                request: Some(case.request.clone()),
                who: "trace".to_owned(),
                difference: Difference { kind: "trace", text: format!("{found:?}") },
                answers: format!("model: {expected}\n"),
            });
        }
    }
}

/// Returns the result of a trace, without what the model's reply does not hold.
fn traced(folder: &Path, request: &Request) -> Result<Value, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(["trace", "--format", "json"])
        .arg(folder)
        .arg(request.to_string())
        .output()
        .map_err(|error| error.to_string())?;
    // 1 says that the source has errors, which the trace takes into account.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let result = &report["result"];
    let mut kept = json!({});
    for name in ["kind", "status", "location", "code", "path", "host", "response_headers", "allow_methods"] {
        if let Some(value) = result.get(name).filter(|value| !value.is_null()) {
            kept[name] = value.clone();
        }
    }
    kept["origin"] = result["cors"]["allow_origin"].clone();
    kept["handshake"] = report["listener"]["handshake"].clone();
    kept["route"] = report["matched"]["id"].clone();
    let upstreams = result["upstreams"].as_array().into_iter().flatten();
    kept["upstreams"] = upstreams
        .map(|one| json!([one["cluster"], one["weight"], one["serving"], one["request_headers"]]))
        .collect();
    Ok(kept)
}

/// Returns the same of a decision.
fn of_decision(decision: &Decision) -> Value {
    let Effect { handshake, reply, .. } = &decision.effect;
    let mut value = match reply {
        Reply::Closed => json!({"kind": "closed"}),
        Reply::BadRequest(reason) => json!({"kind": "bad_request", "status": reason.status()}),
        Reply::NotFound => json!({"kind": "no_route", "status": 404}),
        Reply::Redirect { code, location, response_headers } => {
            json!({"kind": "redirect", "status": code, "location": location, "response_headers": response_headers})
        }
        Reply::Refused(refused) => json!({
            "kind": "refused", "status": 503, "code": refused.refusal.code,
            "response_headers": refused.response_headers,
        }),
        Reply::Preflight(reply) => {
            json!({"kind": "preflight", "status": 200, "allow_methods": reply.allow_methods})
        }
        Reply::Forwarded(forward) => json!({"kind": "forward", "path": forward.path, "host": forward.host}),
    };
    if let (Reply::Forwarded(_), Some(status)) = (reply, reply.status()) {
        value["status"] = json!(status);
    }
    let origin = |cors: &CorsReply| json!(cors.allow_origin);
    value["origin"] = match reply {
        Reply::Preflight(reply) => origin(&reply.common),
        Reply::Forwarded(forward) => forward.cors.as_ref().map_or(Value::Null, origin),
        _ => Value::Null,
    };
    value["handshake"] = json!(handshake);
    value["route"] = json!(decision.trail.matched().map(|(_, step)| &step.route));
    value["upstreams"] = match reply {
        Reply::Forwarded(forward) => upstreams(forward),
        _ => json!([]),
    };
    value
}

fn upstreams(forward: &ForwardEffect) -> Value {
    let targets = forward.targets.iter().map(|target| {
        let serving = target.serving().map(|cluster| &cluster.name);
        json!([target.cluster.name, target.weight, serving, target.request_headers])
    });
    targets.collect()
}
