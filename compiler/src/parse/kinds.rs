//! Which documents are read: the modelled kinds, older versions of them, kinds that could change routing, and the rest.

use gatewright_kinds::Kind;

use super::makers::{self, Maker};

/// What an `apiVersion` and a `kind` stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recognized {
    /// A modelled kind in its supported version.
    Modelled(Kind),
    /// `v1` Endpoints, read as an EndpointSlice.
    Endpoints,
    /// A list of objects.
    List,
    /// A modelled kind in another version or group.
    OtherVersion(Kind),
    /// Not modelled, though it can change routing; with the reason.
    CanRoute(&'static str),
    /// Not modelled, though it makes objects, or has to do with how they are made.
    Makes(&'static Maker),
    /// No part in routing.
    Ignored,
}

/// Returns what a document is.
pub(crate) fn recognize(api_version: &str, kind: &str) -> Recognized {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    if let Some(known) = Kind::named(kind) {
        if known.api_version() == api_version {
            return Recognized::Modelled(known);
        }
        if mistaken_group(group) {
            return Recognized::OtherVersion(known);
        }
    }
    match (group, kind) {
        ("", "Endpoints") => Recognized::Endpoints,
        ("", "List") => Recognized::List,
        _ if Kind::of_list(api_version, kind).is_some() => Recognized::List,
        _ => match (can_route(group, kind), makers::find(group, kind)) {
            (Some(how), _) => Recognized::CanRoute(how),
            (None, Some(maker)) => Recognized::Makes(maker),
            (None, None) => Recognized::Ignored,
        },
    }
}

/// Returns what to do with an object of another version.
pub(crate) fn migration(kind: Kind, api_version: &str) -> String {
    let supported = kind.api_version();
    match (kind, api_version.ends_with("beta1")) {
        (Kind::Ingress, true) => format!(
            "write `apiVersion: {supported}`, a `pathType` for each path, and `backend.service.name` and \
             `backend.service.port` in place of `serviceName` and `servicePort`"
        ),
        (Kind::EndpointSlice, true) => {
            format!("write `apiVersion: {supported}`, and `nodeName` and `zone` in place of `topology`")
        }
        _ => format!("write `apiVersion: {supported}`"),
    }
}

/// Returns whether a group is one that a modelled kind had, has, or is given by mistake. Other projects use the names
/// `Ingress`, `Service` and `WasmPlugin` for kinds of their own.
fn mistaken_group(group: &str) -> bool {
    matches!(group, "" | "extensions" | "networking" | "discovery")
        || matches!(group, "networking.k8s.io" | "discovery.k8s.io")
        || group.ends_with(".higress.io")
        || group == "higress.io"
}

/// Returns how a kind that is not modelled can change what the gateway does.
fn can_route(group: &str, kind: &str) -> Option<&'static str> {
    let reason = match group {
        "networking.istio.io" => match kind {
            "EnvoyFilter" => "it patches the xDS that Higress generates",
            "VirtualService" => "it adds routes",
            "DestinationRule" => "it changes how a service is spoken to",
            "ServiceEntry" | "WorkloadEntry" | "WorkloadGroup" => "it adds services or endpoints",
            "Gateway" => "it opens listeners and hosts",
            "Sidecar" => "it limits what a proxy sees",
            "ProxyConfig" => "it changes settings of a proxy",
            _ => return None,
        },
        "security.istio.io" => match kind {
            "AuthorizationPolicy" => "it refuses requests",
            "RequestAuthentication" => "it checks tokens of requests",
            "PeerAuthentication" => "it decides about mutual TLS",
            _ => return None,
        },
        "extensions.istio.io" if kind == "WasmPlugin" => "it adds a plugin beside those of Higress",
        "telemetry.istio.io" if kind == "Telemetry" => "it changes logs, metrics and traces of the gateway",
        "gateway.networking.k8s.io" => match kind {
            "Gateway" | "ListenerSet" => "it opens listeners and hosts",
            "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute" => "it adds routes",
            "BackendTLSPolicy" => "it changes how a service is spoken to",
            "GatewayClass" | "ReferenceGrant" => "routes of the Gateway API depend on it",
            _ => return None,
        },
        "gateway.networking.x-k8s.io" => "routes of the Gateway API depend on it",
        "inference.networking.k8s.io" | "inference.networking.x-k8s.io" => "it selects endpoints for routes",
        "networking.higress.io" if kind == "Http2Rpc" => "it maps HTTP requests to Dubbo calls",
        "networking.internal.knative.dev" if kind == "Ingress" => "it adds routes",
        "serving.knative.dev" => "Knative makes routes of it",
        _ => return None,
    };
    Some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_tell_kinds_of_the_same_name_apart() {
        for (api_version, kind, expected) in [
            ("networking.k8s.io/v1", "Ingress", Recognized::Modelled(Kind::Ingress)),
            ("extensions/v1beta1", "Ingress", Recognized::OtherVersion(Kind::Ingress)),
            ("networking.k8s.io/v1beta1", "Ingress", Recognized::OtherVersion(Kind::Ingress)),
            ("v1", "Ingress", Recognized::OtherVersion(Kind::Ingress)),
            ("config.openshift.io/v1", "Ingress", Recognized::Ignored),
            ("networking.internal.knative.dev/v1alpha1", "Ingress", Recognized::CanRoute("it adds routes")),
            ("serving.knative.dev/v1", "Service", Recognized::CanRoute("Knative makes routes of it")),
            ("extensions.higress.io/v1", "WasmPlugin", Recognized::OtherVersion(Kind::WasmPlugin)),
            ("v1", "Endpoints", Recognized::Endpoints),
            ("v1", "List", Recognized::List),
            ("networking.k8s.io/v1", "IngressList", Recognized::List),
            ("apps/v1", "Deployment", Recognized::Ignored),
        ] {
            assert_eq!(recognize(api_version, kind), expected, "{api_version} {kind}");
        }
        assert!(matches!(recognize("extensions.istio.io/v1alpha1", "WasmPlugin"), Recognized::CanRoute(_)));
    }
}
