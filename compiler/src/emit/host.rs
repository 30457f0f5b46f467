//! A virtual host with what its wider hosts add: Envoy has no fall-through, so their routes are appended.

use std::sync::Arc;

use gatewright_ir::{LoweredHost, RetryPolicy, Route, RouteAction};
use gatewright_xds::envoy::config::route::v3::VirtualHost;
use gatewright_xds::names;

use super::route;

/// Emits the first host of a chain, with the routes of the others behind its own.
pub(crate) fn emit(routes_name: &str, chain: &[&Arc<LoweredHost>]) -> VirtualHost {
    let host = chain.first().map(|lowered| lowered.host.host.to_string()).unwrap_or_default();
    let routes = || chain.iter().flat_map(|lowered| &lowered.host.routes);
    let retry = common_retry(routes());
    VirtualHost {
        name: names::virtual_host(routes_name, &host),
        domains: vec![host],
        routes: routes().map(|route| route::emit(route, retry)).collect(),
        retry_policy: retry.map(route::emit_retry),
        ..VirtualHost::default()
    }
}

/// Returns the retry policy that all forwarding routes have: on the host it is said once, and Envoy keeps it once.
fn common_retry<'a>(routes: impl Iterator<Item = &'a Route>) -> Option<&'a RetryPolicy> {
    let mut policies = routes.filter_map(|route| match &route.action {
        RouteAction::Forward(_) => Some(route.policy.retry.as_deref()),
        _ => None,
    });
    let first = policies.next()??;
    policies.all(|policy| policy == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use gatewright_ir::{
        Forward, HostPattern, ListenerId, PathMatch, RouteId, RouteMatch, RoutePart, RoutePolicy,
        VirtualHost as Model,
    };
    use gatewright_kinds::{EntityKey, Kind};
    use gatewright_xds::envoy::config::route::v3::route::Action;

    use super::*;

    fn forward(retries: Option<u32>) -> Route {
        let retry = retries.map(|num_retries| {
            Arc::new(RetryPolicy { retry_on: Vec::new(), num_retries, excluded_methods: Vec::new() })
        });
        let action = Forward { targets: Vec::new(), path_rewrite: None, host_rewrite: None };
        Route {
            id: RouteId::new(
                EntityKey::new(Kind::Ingress, "shop", "web"),
                HostPattern::Any,
                RoutePart::DefaultBackend,
            ),
            name: "".into(),
            matches: RouteMatch::path(PathMatch::Prefix("/".into())),
            action: RouteAction::Forward(Arc::new(action)),
            policy: Arc::new(RoutePolicy { retry, ..RoutePolicy::default() }),
            plugins: Vec::new(),
        }
    }

    /// Returns the number of retries of the host, and of each of its routes.
    fn emitted(routes: Vec<Route>) -> (Option<u32>, Vec<Option<u32>>) {
        let host = Model { listener: ListenerId::HTTP, host: HostPattern::Any, routes };
        let host = emit("http", &[&Arc::new(LoweredHost::new(host))]);
        let retries = |policy: Option<gatewright_xds::envoy::config::route::v3::RetryPolicy>| {
            policy.and_then(|policy| policy.num_retries).map(|number| number.value)
        };
        let of_routes = host.routes.into_iter().map(|route| match route.action {
            Some(Action::Route(action)) => retries(action.retry_policy),
            _ => None,
        });
        (retries(host.retry_policy), of_routes.collect())
    }

    #[test]
    fn a_common_retry_policy_is_that_of_the_host() {
        assert_eq!(emitted(vec![forward(Some(2)), forward(Some(2))]), (Some(2), vec![None, None]));
    }

    #[test]
    fn a_route_that_differs_leaves_each_its_own() {
        assert_eq!(emitted(vec![forward(Some(2)), forward(Some(3))]), (None, vec![Some(2), Some(3)]));
        // A route without one would inherit that of the host.
        assert_eq!(emitted(vec![forward(Some(2)), forward(None)]), (None, vec![Some(2), None]));
        assert_eq!(emitted(vec![forward(None)]), (None, vec![None]));
    }
}
