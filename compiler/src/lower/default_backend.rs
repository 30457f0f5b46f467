//! `spec.defaultBackend`: the last route of a host, without any annotation.

use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, PathKind, PathMatch, RoutePart};

use super::backend;
use super::host::broken;
use super::route::Draft;
use crate::annotations::{protection, unread};
use crate::finding::{Finding, Place};
use crate::ingress::AnalyzedIngress;
use crate::options::Profile;
use crate::world::{Reads, World};

const POINTER: &str = "/spec/defaultBackend";

/// Adds the default backends of `ingresses` (oldest first) to the drafts of `host`.
///
/// For `*` the newest wins; for other hosts the oldest, among the Ingresses that name the host. A host that declares
/// any Prefix `/` path gets none, even where that path was dropped.
pub(super) fn apply(
    ingresses: &[&AnalyzedIngress],
    host: &HostPattern,
    drafts: &mut Vec<Draft>,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) {
    let has_root = ingresses.iter().filter(|ingress| ingress.policy.canary.is_none()).any(|ingress| {
        ingress.paths_of(host).any(|rule| rule.kind == PathKind::Prefix && &*rule.declared == "/")
    });
    let opened = ingresses.iter().any(|i| i.policy.canary.is_none() && i.opens(host));
    let mut chosen: Option<(&AnalyzedIngress, Draft)> = None;
    for ingress in ingresses.iter().filter(|ingress| concerns(ingress, host)) {
        if has_root {
            findings.extend(overruled(ingress, host));
            continue;
        }
        let Some(draft) = draft(ingress, host, world, reads, findings) else { continue };
        match &chosen {
            Some((older, _)) if *host == HostPattern::Any => {
                findings.extend(opened.then(|| loses(older, ingress, host, "newer")));
                chosen = Some((ingress, draft));
            }
            Some((older, _)) => findings.push(loses(ingress, older, host, "older")),
            None => chosen = Some((ingress, draft)),
        }
    }
    if let Some((ingress, draft)) = &mut chosen
        && opened
    {
        findings.extend(unprotected(ingress, draft, host, world));
    }
    drafts.extend(chosen.map(|(_, draft)| draft));
}

/// No annotation acts on the route of a default backend: one that is to protect it leaves it open.
fn unprotected(
    ingress: &AnalyzedIngress,
    draft: &mut Draft,
    host: &HostPattern,
    world: &World<'_>,
) -> Option<Finding> {
    let key = ingress.policy.protections.asking.first().filter(|_| draft.refusal.is_none())?;
    let (code, note) = unread::lost(world.options.profile);
    if world.options.profile == Profile::Native {
        draft.refusal = Some(protection::not_given());
    }
    let message = format!("`{key}` protects nothing of the default backend of host `{host}`");
    Some(
        Finding::new(code, Place::annotation(&ingress.key, key), message)
            .with_related(Place::key(&ingress.key, POINTER), "its route gets no annotation in Higress")
            .with_note(note)
            .with_help("write a path `/` in the place of the default backend"),
    )
}

/// A host with a path `/` never comes to its default backend. Of `*` that is told where an Ingress has no other host.
fn overruled(ingress: &AnalyzedIngress, host: &HostPattern) -> Option<Finding> {
    let about = ingress.opens(host) || ingress.hosts.is_empty();
    about.then(|| {
        let message =
            format!("the default backend has no effect on host `{host}`: a path `/` takes every request");
        Finding::new(&code::GW0445, Place::key(&ingress.key, POINTER), message)
    })
}

/// Returns whether an Ingress' default backend could serve `host`.
pub(super) fn concerns(ingress: &AnalyzedIngress, host: &HostPattern) -> bool {
    ingress.policy.canary.is_none()
        && ingress.default_backend.is_some()
        && (*host == HostPattern::Any || ingress.opens(host))
}

fn draft(
    ingress: &AnalyzedIngress,
    host: &HostPattern,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Option<Draft> {
    let backend = ingress.default_backend.as_ref()?;
    if let Some(resource) = &backend.resource
        && (resource.api_group.as_deref(), resource.kind.as_str(), resource.name.as_str())
            != (Some("networking.higress.io"), "McpBridge", "default")
    {
        let place = Place::value(&ingress.key, format!("{POINTER}/resource"));
        findings.push(
            Finding::new(
                &code::GW0439,
                place,
                "a default backend by resource must be the McpBridge `default`",
            )
            .with_help("write apiGroup `networking.higress.io`, kind `McpBridge`, name `default`"),
        );
        return Some(Draft { refusal: Some(broken()), ..bare(ingress, host) });
    }
    // `resolve` appends `/backend` to the pointer of a path; a default backend is the backend itself.
    let mut local = Vec::new();
    let resolved = backend::resolve(ingress, backend, POINTER, world, reads, &mut local);
    findings.extend(local.into_iter().map(|mut finding| {
        finding.place.pointer = finding.place.pointer.replacen("/spec/defaultBackend/backend", POINTER, 1);
        finding
    }));
    let mut draft = bare(ingress, host);
    match resolved {
        Some(resolved) if !ingress.erroneous => {
            draft.destinations = resolved.list;
            draft.weight_total = resolved.weight_total;
        }
        // What it is the last route of must not fall through to a wider host while the rest of the source is served.
        _ => draft.refusal = Some(broken()),
    }
    Some(draft)
}

fn bare(ingress: &AnalyzedIngress, host: &HostPattern) -> Draft {
    let mut draft =
        Draft::bare(ingress, host, RoutePart::DefaultBackend, POINTER, PathMatch::Prefix("/".to_owned()));
    draft.name = format!("{}-default", draft.name).into();
    draft.default_backend = true;
    draft
}

fn loses(loser: &AnalyzedIngress, winner: &AnalyzedIngress, host: &HostPattern, which: &str) -> Finding {
    let message = format!("the {which} {} decides the default backend of host `{host}`", winner.key);
    Finding::new(&code::GW0304, Place::value(&loser.key, "/spec/defaultBackend"), message)
        .with_related(Place::value(&winner.key, "/spec/defaultBackend"), "this one wins")
        .with_note(format!("decided by {}", loser.age.decided_by(&winner.age)))
}
