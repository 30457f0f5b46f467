//! Canary Ingresses: they change the routes of their base and serve nothing by themselves.

use gatewright_diagnostics::{Severity, code};
use gatewright_ir::{Conditions, HeaderMatch, HostPattern, ListenerId, RoutePolicy, SharedEdits};

use super::backend::{self, Destination};
use super::host::broken;
use super::route::Draft;
use crate::annotations::canary::Canary;
use crate::annotations::protection::not_given;
use crate::annotations::route_policy::with_headers;
use crate::annotations::unread;
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
    let mut told = false;
    for rule in ingress.paths_of(host).filter(|rule| rule.is_valid()) {
        let resolved = backend::resolve(ingress, &rule.backend, &rule.pointer(), world, reads, findings);
        let Some(resolved) = resolved else { continue };
        let key = ingress.rule_key(rule);
        let base = drafts.iter().position(|draft| draft.rule_key == key && !is_canary(draft, ingress));
        let lost = base.and_then(|base| protection_lost(ingress, &drafts[base], world));
        if let Some(finding) = &lost {
            findings.extend((!told).then(|| finding.clone()));
            told = true;
        }
        let refuse = lost.is_some_and(|finding| finding.code.severity == Severity::Error);
        match (base, canary) {
            (None, _) => findings.push(without_base(ingress, rule)),
            (Some(base), Canary::Header(test)) => {
                let mut draft = by_header(ingress, rule, &drafts[base], test, resolved.list);
                draft.refusal = draft.refusal.or_else(|| refuse.then(not_given));
                drafts.insert(base, draft);
            }
            // No share of the base's requests can be kept for it, so all of them stay with the base.
            (Some(_), Canary::Weight { .. }) if ingress.erroneous || refuse => {}
            (Some(base), Canary::Weight { weight, total }) => {
                let first = resolved.list.into_iter().next();
                if let Some(first) = first {
                    by_weight(ingress, &mut drafts[base], first, *weight, *total);
                }
            }
        }
    }
}

/// Returns the finding for a protection that only the canary asks for: Higress takes those of the base.
fn protection_lost(ingress: &AnalyzedIngress, base: &Draft, world: &World<'_>) -> Option<Finding> {
    let key = ingress.policy.protections.not_given.first().filter(|_| base.refusal.is_none())?;
    let (code, note) = unread::lost(world.options.profile);
    let message = format!(
        "`{key}` asks for a protection that nothing gives: a canary has only those of its base Ingress"
    );
    let finding = Finding::new(code, Place::annotation(&ingress.key, key), message)
        .with_related(base.place.clone(), "this route, the base, asks for none")
        .with_note(note)
        .with_help("protect the base Ingress");
    Some(finding)
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
    let RoutePolicy { request_headers, response_headers, .. } = &*ingress.policy.route;
    Draft {
        id: own.id,
        name: own.name,
        place: own.place,
        rule_key: String::new(),
        conditions: Conditions { headers: vec![test.clone()], ..(*base.conditions).clone() }.into(),
        destinations,
        weight_total: 0,
        policy: with_headers(&base.policy, request_headers.clone(), response_headers.clone()),
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
        only.request_headers = base.policy.request_headers.clone();
        only.response_headers = base.policy.response_headers.clone();
        base.policy = with_headers(&base.policy, SharedEdits::default(), SharedEdits::default());
    }
    let RoutePolicy { request_headers, response_headers, .. } = &*ingress.policy.route;
    let mut added = [Destination {
        weight,
        request_headers: request_headers.clone(),
        response_headers: response_headers.clone(),
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
        std::iter::once(stable.cluster(ListenerId::HTTP)).chain(stable.fallbacks.clone()).collect();
    if let Some(first) = destinations.first_mut() {
        first.fallbacks =
            fallbacks.into_iter().filter(|name| *name != first.cluster(ListenerId::HTTP)).collect();
    }
}
