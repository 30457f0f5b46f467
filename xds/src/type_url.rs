//! The resource types that gatewright sends, and the order in which a push goes through them.

use crate::envoy::config::cluster::v3::Cluster;
use crate::envoy::config::core::v3::TypedExtensionConfig;
use crate::envoy::config::endpoint::v3::ClusterLoadAssignment;
use crate::envoy::config::listener::v3::{FilterChain, Listener};
use crate::envoy::config::route::v3::{RouteConfiguration, ScopedRouteConfiguration, VirtualHost};
use crate::envoy::extensions::transport_sockets::tls::v3::Secret;

/// Certificates and other secrets (SDS).
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// Upstream clusters (CDS).
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Endpoints of one upstream cluster (EDS).
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// Extension configurations, plugins among them (ECDS).
pub const EXTENSION_CONFIG: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// Listeners (LDS).
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// Filter chains of a listener (FCDS), for clients that say [`crate::features::FILTER_CHAINS`].
pub const FILTER_CHAIN: &str = "type.googleapis.com/envoy.config.listener.v3.FilterChain";
/// Scopes that map a request to a route configuration (SRDS).
pub const SCOPED_ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration";
/// Route configurations (RDS).
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Virtual hosts of a route configuration (VHDS).
pub const VIRTUAL_HOST: &str = "type.googleapis.com/envoy.config.route.v3.VirtualHost";

/// Additions and changes in the order in which they are sent: what is referred to comes before what refers to it.
///
/// Two pairs stand the other way round because a client asks for the second only once it has the first: endpoints
/// follow their upstream cluster; filter chains, routes and virtual hosts follow their listener.
pub const ADDITION_ORDER: [&str; 9] =
    [SECRET, CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, FILTER_CHAIN, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST];

/// Removals in the order in which they are sent, after all additions: what refers goes before what is referred to.
pub const REMOVAL_ORDER: [&str; 9] =
    [LISTENER, FILTER_CHAIN, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST, EXTENSION_CONFIG, CLUSTER, ENDPOINT, SECRET];

/// Returns the constant for a type URL that came over the wire, or nothing if it is not one of ours.
pub fn known(type_url: &str) -> Option<&'static str> {
    ADDITION_ORDER.into_iter().find(|known| *known == type_url)
}

/// Returns the message name without package: `Listener` for [`LISTENER`].
pub fn short(type_url: &str) -> &str {
    type_url.rsplit(['.', '/']).next().unwrap_or(type_url)
}

/// A message that is sent as an xDS resource of its own.
pub trait XdsMessage: prost::Message + prost::Name + Default {
    /// Its type URL, one of the constants of this module.
    const TYPE_URL: &'static str;

    /// Returns the name under which it is subscribed to.
    fn resource_name(&self) -> &str;
}

macro_rules! xds_message {
    ($message:ty, $type_url:expr, $name:ident) => {
        impl XdsMessage for $message {
            const TYPE_URL: &'static str = $type_url;

            fn resource_name(&self) -> &str {
                &self.$name
            }
        }
    };
}

xds_message!(Secret, SECRET, name);
xds_message!(Cluster, CLUSTER, name);
xds_message!(ClusterLoadAssignment, ENDPOINT, cluster_name);
xds_message!(TypedExtensionConfig, EXTENSION_CONFIG, name);
xds_message!(Listener, LISTENER, name);
xds_message!(FilterChain, FILTER_CHAIN, name);
xds_message!(ScopedRouteConfiguration, SCOPED_ROUTE, name);
xds_message!(RouteConfiguration, ROUTE, name);
xds_message!(VirtualHost, VIRTUAL_HOST, name);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check<M: XdsMessage>() {
        assert_eq!(M::type_url(), M::TYPE_URL);
        assert_eq!(known(M::TYPE_URL), Some(M::TYPE_URL));
    }

    #[test]
    fn constants_are_the_generated_type_urls() {
        check::<Secret>();
        check::<Cluster>();
        check::<ClusterLoadAssignment>();
        check::<TypedExtensionConfig>();
        check::<Listener>();
        check::<FilterChain>();
        check::<ScopedRouteConfiguration>();
        check::<RouteConfiguration>();
        check::<VirtualHost>();
    }

    #[test]
    fn both_orders_hold_every_type_once() {
        let additions: BTreeSet<_> = ADDITION_ORDER.into_iter().collect();
        let removals: BTreeSet<_> = REMOVAL_ORDER.into_iter().collect();
        assert_eq!(additions.len(), ADDITION_ORDER.len());
        assert_eq!(additions, removals);
    }

    #[test]
    fn foreign_types_are_unknown_and_short_names_drop_the_package() {
        assert_eq!(known("type.googleapis.com/envoy.service.runtime.v3.Runtime"), None);
        assert_eq!(short(VIRTUAL_HOST), "VirtualHost");
    }
}
