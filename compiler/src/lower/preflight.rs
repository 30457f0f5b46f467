//! Routes with CORS whose preflights reach no route with CORS.
//!
//! Envoy looks for the policy on the route that the preflight itself takes, and a preflight is an `OPTIONS` request
//! without the headers of the request that it asks for.

use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, PathMatch};

use super::route::Draft;
use crate::annotations::METHODS_KEY;
use crate::finding::{Finding, Place};

/// Returns a finding for each Ingress whose method condition keeps preflights from its CORS policy, unless another route
/// of the host answers them.
pub(super) fn findings(host: &HostPattern, drafts: &[Draft]) -> Vec<Finding> {
    let answering: Vec<&Draft> =
        drafts.iter().filter(|draft| has_effect(draft) && takes_options(draft)).collect();
    let answered = |path: &PathMatch| answering.iter().any(|other| takes(other, path));
    drafts
        .iter()
        .filter(|draft| has_effect(draft) && !draft.rule_key.is_empty() && !takes_method(draft))
        .filter(|draft| !draft.paths.iter().all(answered))
        .map(|draft| {
            let entity = &draft.place.entity;
            let message = format!(
                "preflights of host `{host}` path `{}` are OPTIONS requests, and no route with CORS takes them",
                draft.declared
            );
            Finding::new(&code::GW0427, Place::annotation_value(entity, METHODS_KEY), message)
                .with_note("browsers then refuse every cross-origin request that needs a preflight")
                .with_help("add `OPTIONS` to the methods")
        })
        .collect()
}

/// Refusals and redirects have no CORS.
fn has_effect(draft: &Draft) -> bool {
    let forwards = draft.refusal.is_none() && draft.url_redirect.is_none();
    forwards && draft.policy.cors.is_some()
}

fn takes_options(draft: &Draft) -> bool {
    takes_method(draft) && draft.conditions.headers.is_empty()
}

fn takes_method(draft: &Draft) -> bool {
    let methods = &draft.conditions.methods;
    methods.is_empty() || methods.iter().any(|method| method == "OPTIONS")
}

/// Returns whether the route's path tests take everything that `path` takes.
fn takes(draft: &Draft, path: &PathMatch) -> bool {
    draft.paths.iter().any(|test| match (test, path) {
        (PathMatch::Prefix(prefix), PathMatch::Exact(text) | PathMatch::Prefix(text)) => {
            text.starts_with(prefix)
        }
        _ => test == path,
    })
}
