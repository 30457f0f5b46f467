//! Annotations of an Ingress: one file per family, read exactly as Higress reads them.

pub(crate) mod known;

pub(crate) mod balancing;
pub(crate) mod canary;
pub(crate) mod destination;
pub(crate) mod header_control;
pub(crate) mod path;
pub(crate) mod redirect;
pub(crate) mod regex;
pub(crate) mod route_policy;

pub(crate) mod foreign;

mod cors;
mod dependent;
pub(crate) mod matching;
pub(crate) mod protection;
mod reader;
pub(crate) mod unread;
mod variables;
pub(crate) mod words;

use std::sync::Arc;

use gatewright_ir::RoutePolicy;
use gatewright_kinds::EntityKey;

use crate::finding::Finding;
use crate::manifest::Texts;
use crate::options::Profile;
use balancing::ServicePolicy;
use canary::Canary;
use destination::{Destination, Unusable};
use matching::Conditions;
pub(crate) use matching::METHODS_KEY;
use path::PathPolicy;
use protection::Protections;
use reader::{Found, Reader};
use redirect::RedirectPolicy;

/// Everything that the annotations of one Ingress say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) canary: Option<Canary>,
    pub(crate) destinations: Result<Vec<Destination>, Unusable>,
    pub(crate) conditions: Conditions,
    /// The annotation that lets literal paths ignore case.
    pub(crate) ignore_case: Option<String>,
    pub(crate) path: PathPolicy,
    pub(crate) redirect: RedirectPolicy,
    /// What all its routes share.
    pub(crate) route: Arc<RoutePolicy>,
    /// The `Host` that edits of headers set.
    pub(crate) edited_host: Option<String>,
    pub(crate) fallback_service: Option<FallbackService>,
    pub(crate) protections: Protections,
    /// What it says of the Services that it routes to.
    pub(crate) service: Option<Arc<ServicePolicy>>,
}

impl Policy {
    /// Returns the lines of the `destination` annotation; none where it is absent or unusable.
    pub(crate) fn destinations(&self) -> &[Destination] {
        self.destinations.as_deref().unwrap_or_default()
    }
}

/// The Service of the `default-backend` annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FallbackService {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) annotation: String,
}

/// Reads all annotations of an Ingress.
pub(crate) fn read(entity: &EntityKey, annotations: &Texts, profile: Profile) -> (Policy, Vec<Finding>) {
    let mut reader = Reader::new(entity, annotations);
    let canary = canary::read(&mut reader);
    let asked = unread::check(&mut reader, profile, canary.is_some());
    let protections = match canary {
        Some(_) => protection::of_canary(&reader, asked),
        None => protection::read(&mut reader, asked, profile),
    };
    let (route, edited_host) = route_policy::read(&mut reader);
    let policy = Policy {
        canary,
        destinations: destination::read(&mut reader),
        conditions: matching::read(&mut reader),
        ignore_case: reader.boolean("ignore-path-case").filter(|found| found.value).map(|found| found.key),
        path: path::read(&mut reader),
        redirect: redirect::read(&mut reader),
        route,
        edited_host,
        fallback_service: fallback_service(&mut reader),
        protections,
        service: balancing::read(&mut reader).map(Arc::new),
    };
    let canary = policy.canary.is_some();
    if policy.path.host.is_some() && policy.edited_host.is_some() {
        header_control::host_loses(&mut reader);
    }
    variables::check(&mut reader);
    let dead = dependent::check(&mut reader, &policy.redirect);
    let mut findings = reader.findings;
    findings.extend(known::check(entity, annotations, canary, &dead));
    (policy, findings)
}

fn fallback_service(reader: &mut Reader<'_>) -> Option<FallbackService> {
    let Found { key, value } = reader.string("default-backend")?;
    let (namespace, name) = match value.split_once('/') {
        Some((namespace, name)) => (namespace.into(), name.into()),
        None => (reader.entity.namespace.clone(), value.into()),
    };
    Some(FallbackService { namespace, name, annotation: key })
}
