//! A route in the making: what Higress builds before it sorts, and how it becomes routes of the model.

use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{
    Conditions, Forward, HostPattern, ListenerId, PathKind, PathMatch, PathRewrite, Redirect, Refusal, Route,
    RouteAction, RouteId, RouteMatch, RoutePart, RoutePolicy, Shared, Target,
};

use super::backend::Destination;
use crate::annotations::redirect::RedirectPolicy;
use crate::annotations::route_policy;
use crate::finding::Place;
use crate::ingress::{AnalyzedIngress, PathRule};
use crate::order::SortKey;
use crate::world::World;

/// A route in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: RouteId,
    pub(super) name: Arc<str>,
    pub(super) place: Place,
    pub(super) rule_key: String,
    pub(super) kind: Option<PathKind>,
    pub(super) declared: Arc<str>,
    pub(super) default_backend: bool,
    pub(super) paths: Vec<PathMatch>,
    pub(super) case_sensitive: bool,
    pub(super) conditions: Shared<Conditions>,
    pub(super) destinations: Vec<Destination>,
    pub(super) weight_total: i64,
    pub(super) path_rewrite: Option<Arc<PathRewrite>>,
    pub(super) host_rewrite: Option<String>,
    pub(super) policy: Arc<RoutePolicy>,
    pub(super) url_redirect: Option<Redirect>,
    pub(super) https_redirect: bool,
    pub(super) refusal: Option<Refusal>,
}

impl Draft {
    /// Returns the route of a path with all annotations of its Ingress applied.
    pub(super) fn of_path(
        ingress: &AnalyzedIngress,
        rule: &PathRule,
        destinations: Vec<Destination>,
        weight_total: i64,
    ) -> Self {
        let policy = &ingress.policy;
        Draft {
            id: ingress.route_id(rule),
            name: ingress.route_name.clone(),
            place: Place::value(&ingress.key, rule.pointer()),
            rule_key: ingress.rule_key(rule),
            kind: Some(rule.kind),
            declared: rule.declared.clone(),
            default_backend: false,
            paths: rule.matches(),
            case_sensitive: policy.ignore_case.is_none(),
            conditions: policy.conditions.tests.clone(),
            destinations,
            weight_total,
            path_rewrite: policy.path.rewrite(&rule.matches()).map(Arc::new),
            host_rewrite: policy.path.host.clone().or_else(|| policy.edited_host.clone()),
            policy: policy.route.clone(),
            url_redirect: policy.redirect.url.clone(),
            https_redirect: policy.redirect.https.is_some(),
            refusal: policy.protections.everywhere.clone(),
        }
    }

    /// Returns a route for a whole host without any annotation applied.
    pub(super) fn bare(
        ingress: &AnalyzedIngress,
        host: &HostPattern,
        part: RoutePart,
        pointer: &str,
        path: PathMatch,
    ) -> Self {
        Draft {
            id: ingress.generated_id(host, part),
            name: ingress.route_name.clone(),
            place: Place::value(&ingress.key, pointer),
            rule_key: String::new(),
            kind: None,
            declared: "".into(),
            default_backend: false,
            paths: vec![path],
            case_sensitive: true,
            conditions: Shared::default(),
            destinations: Vec::new(),
            weight_total: 0,
            path_rewrite: None,
            host_rewrite: None,
            policy: route_policy::default(),
            url_redirect: None,
            https_redirect: false,
            refusal: None,
        }
    }

    /// Returns whether an error left the route without meaning.
    pub(super) fn is_broken(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.code == code::GW0501.id)
    }

    /// Returns whether the route asks nothing of a request but its path, in its own case.
    pub(super) fn tests_only_paths(&self) -> bool {
        self.case_sensitive && self.conditions.is_empty()
    }

    /// Returns what Higress sorts by.
    pub(super) fn sort_key(&self) -> SortKey {
        let Conditions { methods, headers, queries } = &*self.conditions;
        SortKey {
            default_backend: self.default_backend,
            catch_all: self.kind == Some(PathKind::Prefix)
                && &*self.declared == "/"
                && self.conditions.is_empty(),
            kind: self.kind,
            path_length: self.declared.len(),
            methods_length: (!methods.is_empty()).then(|| methods.join("|").len()),
            headers: headers.len(),
            queries: queries.len(),
        }
    }

    /// Returns the routes of the model behind one listener, one for each path test.
    pub(super) fn routes(
        &self,
        listener: ListenerId,
        host_refusal: Option<&Refusal>,
        world: &World<'_>,
    ) -> impl Iterator<Item = Route> {
        let action = self.action(listener, host_refusal, world);
        self.paths.iter().map(move |path| Route {
            id: self.id.clone(),
            name: self.name.clone(),
            matches: RouteMatch {
                path: path.clone(),
                case_sensitive: self.case_sensitive,
                conditions: self.conditions.clone(),
            },
            action: action.clone(),
            policy: self.policy.clone(),
            plugins: Vec::new(),
        })
    }

    fn action(&self, listener: ListenerId, host_refusal: Option<&Refusal>, world: &World<'_>) -> RouteAction {
        if let Some(refusal) = self.refusal.as_ref().or(host_refusal) {
            return RouteAction::Refuse(Arc::new(refusal.clone()));
        }
        if let Some(redirect) = &self.url_redirect {
            return RouteAction::Redirect(Arc::new(redirect.clone()));
        }
        if self.https_redirect && !listener.is_tls() {
            return RouteAction::Redirect(Arc::new(RedirectPolicy::to_https()));
        }
        RouteAction::Forward(world.shared_forward(Forward {
            targets: self.targets(listener, world),
            path_rewrite: self.path_rewrite.clone(),
            host_rewrite: self.host_rewrite.clone(),
        }))
    }

    /// Returns the targets that get requests; a single one gets all of them.
    fn targets(&self, listener: ListenerId, world: &World<'_>) -> Vec<Target> {
        let served = self.destinations.iter().filter(|destination| destination.weight > 0);
        // Nearly always one: what a list grows by would be most of it.
        let mut targets = Vec::with_capacity(self.destinations.len());
        targets.extend(served.map(|destination| Target {
            cluster: world.shared(destination.cluster(listener)),
            weight: u32::try_from(destination.weight).unwrap_or(u32::MAX),
            fallbacks: destination.fallbacks.clone(),
            request_headers: destination.request_headers.clone(),
            response_headers: destination.response_headers.clone(),
        }));
        if let [only] = targets.as_mut_slice() {
            only.weight = 100;
        }
        targets
    }
}
