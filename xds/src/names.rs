//! Every generated name in one place. Names come from identity, never from position, and where Higress has a name for
//! the thing it is that name: plugins and dashboards read them.

/// The removed name that answers a virtual host subscription for which there is nothing: an empty response would leave
/// Envoy's listener waiting.
const NO_VIRTUAL_HOST: &str = "_none";

/// Returns `outbound|PORT|SUBSET|HOST`, the name of an upstream cluster and of its endpoints.
pub fn upstream_cluster(port: u32, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// Returns the name of an aggregate cluster that uses `fallbacks` in turn when `primary` has no healthy endpoint.
///
/// The primary's name stays at the end, so that what reads the host after the last `|` still finds it.
pub fn aggregate_fallback(primary: &str, fallbacks: &[&str]) -> String {
    format!("fallback[{}]{primary}", fallbacks.join(","))
}

/// Returns the SDS name of the certificate in a Kubernetes Secret (Higress's, with its default kube cluster id).
pub fn secret(namespace: &str, name: &str) -> String {
    format!("kubernetes-ingress://Kubernetes/{namespace}/{name}")
}

/// Returns the SDS name of the trusted authorities in a Kubernetes Secret (Istio's suffix).
pub fn secret_authorities(namespace: &str, name: &str) -> String {
    format!("{}-cacert", secret(namespace, name))
}

/// Returns the name of the listener on all IPv4 addresses at `port`.
pub fn listener(port: u16) -> String {
    format!("0.0.0.0_{port}")
}

/// Returns the resource and message name of the filter chain for a server name: `<listener>/<server name>`, with `*` for
/// connections that no other chain takes.
pub fn filter_chain(listener: &str, server_name: &str) -> String {
    format!("{listener}/{server_name}")
}

/// Splits the resource name of a filter chain into listener and server name, which holds no `/`.
pub fn filter_chain_parts(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('/')
}

/// Returns the name of the route configuration of the clear-text listener at `port`: `http.80`.
pub fn http_routes(port: u16) -> String {
    format!("http.{port}")
}

/// Returns the name of the route configuration of the TLS listener at `port`: `https.443`.
pub fn https_routes(port: u16) -> String {
    format!("https.{port}")
}

/// Returns the resource and message name of a virtual host: `<route configuration>/<host>`.
///
/// Envoy takes what stands before the last `/` as the route configuration, so `host` must hold no `/`.
pub fn virtual_host(route_configuration: &str, host: &str) -> String {
    format!("{route_configuration}/{host}")
}

/// Splits a virtual host's resource name into route configuration and host at the last `/`.
pub fn virtual_host_parts(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('/')
}

/// Returns the name that is sent as removed when a route configuration has no virtual host.
pub fn no_virtual_host(route_configuration: &str) -> String {
    virtual_host(route_configuration, NO_VIRTUAL_HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_higress() {
        assert_eq!(
            upstream_cluster(80, "", "web.shop.svc.cluster.local"),
            "outbound|80||web.shop.svc.cluster.local"
        );
        assert_eq!(upstream_cluster(8080, "v1", "a.static"), "outbound|8080|v1|a.static");
        assert_eq!(secret("shop", "tls"), "kubernetes-ingress://Kubernetes/shop/tls");
        assert_eq!(secret_authorities("shop", "tls"), "kubernetes-ingress://Kubernetes/shop/tls-cacert");
        assert_eq!(listener(443), "0.0.0.0_443");
        assert_eq!(filter_chain_parts(&filter_chain("a/b", "*.test")), Some(("a/b", "*.test")));
        assert_eq!(http_routes(80), "http.80");
        assert_eq!(https_routes(443), "https.443");
    }

    #[test]
    fn a_fallback_cluster_keeps_the_host_of_its_primary_last() {
        let name = aggregate_fallback("outbound|80||a.svc", &["outbound|80||b.svc", "outbound|81||c.svc"]);
        assert_eq!(name, "fallback[outbound|80||b.svc,outbound|81||c.svc]outbound|80||a.svc");
        assert_eq!(name.rsplit('|').next(), Some("a.svc"));
    }

    #[test]
    fn a_virtual_host_name_splits_where_envoy_splits_it() {
        let name = virtual_host("team/http.80", "*.example.com");
        assert_eq!(name, "team/http.80/*.example.com");
        assert_eq!(virtual_host_parts(&name), Some(("team/http.80", "*.example.com")));
        assert_eq!(virtual_host_parts("http.80"), None);
        assert_eq!(no_virtual_host("http.80"), "http.80/_none");
    }
}
