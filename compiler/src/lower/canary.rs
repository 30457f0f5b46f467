//! Canary Ingresses: they change the routes of their base and serve nothing by themselves.

use gatewright_diagnostics::code;
use gatewright_ir::{Conditions, Entry, HeaderMatch, HostPattern};

use super::backend::{self, Destination};
use super::host::broken;
use super::route::Draft;
use crate::annotations::canary::Canary;
use crate::finding::{Finding, Place};
use crate::ingress::{AnalyzedIngress, PathRule};
use crate::world::{Reads, World};

/// Applies the canary paths of `ingress` for `host` to the drafts.
pub(super) fn apply(
    ingress: &AnalyzedIngress,
    canary: &Canary,
    host: &HostPattern,
    drafts: &mut Vec<Draft>,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) {
    for rule in ingress.paths.iter().filter(|rule| rule.host == *host && rule.is_valid()) {
        let resolved = backend::resolve(ingress, &rule.backend, &rule.pointer(), world, reads, findings);
        let Some(resolved) = resolved else { continue };
        let key = ingress.rule_key(rule);
        let base = drafts.iter().position(|draft| draft.rule_key == key && !is_canary(draft, ingress));
        match (base, canary) {
            (None, _) => findings.push(without_base(ingress, rule)),
            (Some(base), Canary::Header(test)) => {
                let draft = by_header(ingress, rule, &drafts[base], test, resolved.list);
                drafts.insert(base, draft);
            }
            // No share of the base's requests can be kept for it, so all of them stay with the base.
            (Some(_), Canary::Weight { .. }) if ingress.erroneous => {}
            (Some(base), Canary::Weight { weight, total }) => {
                let first = resolved.list.into_iter().next();
                if let Some(first) = first {
                    by_weight(ingress, &mut drafts[base], first, *weight, *total);
                }
            }
        }
    }
}

/// Header canaries of other Ingresses stand in the list too and carry an empty rule key.
fn is_canary(draft: &Draft, ingress: &AnalyzedIngress) -> bool {
    draft.rule_key.is_empty() || draft.place.entity == ingress.key
}

fn without_base(ingress: &AnalyzedIngress, rule: &PathRule) -> Finding {
    let message = format!(
        "no Ingress routes {} `{}` of host `{}` with the same conditions, so the canary does nothing",
        rule.kind.as_str(),
        rule.declared,
        rule.host
    );
    Finding::new(&code::GW0408, Place::value(&ingress.key, rule.pointer()), message)
        .with_note("a canary needs a base Ingress with the same host, path, path type and match annotations")
}

/// A copy of the base with the canary's test in place of the base's header tests.
fn by_header(
    ingress: &AnalyzedIngress,
    rule: &PathRule,
    base: &Draft,
    test: &HeaderMatch,
    mut destinations: Vec<Destination>,
) -> Draft {
    add_base_as_fallback(&mut destinations, base);
    let own = Draft::of_path(ingress, rule, Vec::new(), 0);
    Draft {
        id: own.id,
        name: own.name,
        place: own.place,
        rule_key: String::new(),
        conditions: Conditions { headers: vec![test.clone()], ..(*base.conditions).clone() }.into(),
        destinations,
        weight_total: 0,
        request_headers: ingress.policy.headers.request.clone(),
        response_headers: ingress.policy.headers.response.clone(),
        refusal: base.refusal.clone().or_else(|| ingress.erroneous.then(broken)),
        ..base.clone()
    }
}

fn by_weight(
    ingress: &AnalyzedIngress,
    base: &mut Draft,
    first: Destination,
    weight: i64,
    total: Option<i64>,
) {
    if let [only] = base.destinations.as_mut_slice() {
        only.request_headers = std::mem::take(&mut base.request_headers);
        only.response_headers = std::mem::take(&mut base.response_headers);
    }
    let mut added = [Destination {
        weight,
        request_headers: ingress.policy.headers.request.clone(),
        response_headers: ingress.policy.headers.response.clone(),
        ..first
    }];
    add_base_as_fallback(&mut added, base);
    base.destinations.extend(added);
    if base.weight_total == 0 {
        base.weight_total = total.unwrap_or(100);
    }
}

/// While the canary has no usable endpoint its requests go to the base.
fn add_base_as_fallback(destinations: &mut [Destination], base: &Draft) {
    let Some(stable) = base.destinations.first() else { return };
    let fallbacks: Vec<_> =
        std::iter::once(stable.cluster(Entry::Plain)).chain(stable.fallbacks.clone()).collect();
    if let Some(first) = destinations.first_mut() {
        first.fallbacks = fallbacks.into_iter().filter(|name| *name != first.cluster(Entry::Plain)).collect();
    }
}
