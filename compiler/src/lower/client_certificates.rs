//! Hosts that ask clients for certificates, beside the clear-text listener, which can ask nobody.

use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, LoweredHost, PathMatch, Refusal, Route, RouteAction};

use super::route::Draft;
use crate::annotations::known::lookup;
use crate::finding::{Finding, Place};
use crate::ingress::AnalyzedIngress;
use crate::world::World;

const SUFFIX: &str = "auth-tls-secret";

/// Who asks the clients of a host for certificates.
#[derive(Clone, Copy)]
pub(super) struct Demand<'i> {
    ingress: &'i AnalyzedIngress,
    /// What this version answers in place of asking.
    pub(super) refusal: &'i Refusal,
}

/// Finds the demand of a host. Only an Ingress that names the host says how its handshakes go, and a canary never does.
pub(super) fn demand<'i>(host: &HostPattern, ingresses: &[&'i AnalyzedIngress]) -> Option<Demand<'i>> {
    let mut naming = ingresses.iter().filter(|i| i.policy.canary.is_none() && i.opens(host));
    naming.find_map(|ingress| {
        let refusal = ingress.policy.protections.tls_only.as_ref()?;
        Some(Demand { ingress, refusal })
    })
}

impl Demand<'_> {
    /// Returns what is said of a host without certificate: nobody is asked for one, and nothing is served.
    pub(super) fn without_certificate(&self, host: &HostPattern, world: &World<'_>) -> Finding {
        let message = format!("host `{host}` has no certificate, so no client is ever asked for one");
        Finding::new(&code::GW0405, self.place(world), message)
            .with_note("Higress serves the routes in clear text without any protection; here they answer 503")
            .with_help("give the host a certificate in `spec.tls`")
    }

    /// Returns what is said of a host that answers in clear text what it asks certificates for.
    pub(super) fn in_clear_text(
        &self,
        plain: &LoweredHost,
        drafts: &[Draft],
        world: &World<'_>,
    ) -> Option<Finding> {
        let host = &plain.host.host;
        let open = plain.host.routes.iter().find(|route| matches!(route.action, RouteAction::Forward(_)))?;
        let message =
            format!("host `{host}` asks clients for certificates, and answers in clear text without one");
        let mut finding = Finding::new(&code::GW0461, self.place(world), message)
            .with_note(format!("{}: forwarded, no certificate asked for", witness(host, open)))
            .with_help("add the annotation `higress.io/ssl-redirect: \"true\"` to each Ingress of the host");
        if let Some(draft) = drafts.iter().find(|draft| draft.id == open.id) {
            finding = finding.with_related(draft.place.clone(), "this route answers");
        }
        Some(finding)
    }

    fn place(&self, world: &World<'_>) -> Place {
        let key = &self.ingress.key;
        let annotations = world.manifests.get(key).map(|manifest| &manifest.metadata.annotations);
        let mut keys = annotations.into_iter().flat_map(|annotations| annotations.keys());
        let asking = keys.find(|key| lookup(key).is_some_and(|known| known.suffix == SUFFIX));
        match asking {
            Some(annotation) => Place::annotation(key, annotation),
            None => Place::key(key, "/metadata/annotations"),
        }
    }
}

/// Returns a URL that a route takes, or, where its path is an expression, words for it.
fn witness(host: &HostPattern, route: &Route) -> String {
    let host = host.example();
    match &route.matches.path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => format!("http://{host}{path}"),
        PathMatch::Regex(expression) => format!("http://{host} with a path like `{expression}`"),
    }
}
