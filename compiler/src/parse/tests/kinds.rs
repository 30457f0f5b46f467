//! GW0103, GW0104, GW0105; lists; Endpoints.

use super::*;

#[test]
fn older_versions_are_refused_with_the_way_out() {
    let text = "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: old}\nspec:\n  rules:\n  - host: a.example.com\n    http: {paths: [{path: /, backend: {serviceName: a, servicePort: 80}}]}\n";
    check(
        text,
        &["GW0103 1:13 `networking.k8s.io/v1beta1` networking.k8s.io/v1beta1 Ingress is not supported"],
    );
    let parsed = parse(text);
    assert!(parsed.findings[0].help.as_ref().is_some_and(|help| help.contains("backend.service.name")));
    // What it says of hosts stays known, so that they are refused rather than left to others.
    let Body::Ingress(ingress) = &parsed.manifests[0].body else { panic!("an Ingress") };
    assert_eq!(&*ingress.rules[0].host, "a.example.com");
    assert_eq!(parsed.findings[0].entity, Some(parsed.manifests[0].key.clone()));
    for (api_version, kind) in [
        ("extensions/v1beta1", "Ingress"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice"),
        ("networking.higress.io/v1alpha1", "McpBridge"),
        ("v1beta1", "Service"),
    ] {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: old}}\n");
        assert_eq!(parse(&text).findings[0].code.id, "GW0103", "{api_version} {kind}");
    }
}

#[test]
fn kinds_that_can_route_are_told_apart_from_the_rest() {
    let code = |api_version: &str, kind: &str| {
        let parsed = parse(&format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{a: {{a: 1}}}}\n"
        ));
        assert!(parsed.manifests.is_empty());
        assert_eq!(parsed.findings.len(), 1);
        parsed.findings[0].code.id
    };
    for (api_version, kind) in [
        ("networking.istio.io/v1alpha3", "EnvoyFilter"),
        ("networking.istio.io/v1", "VirtualService"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("networking.higress.io/v1", "Http2Rpc"),
        ("extensions.istio.io/v1alpha1", "WasmPlugin"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
        ("networking.internal.knative.dev/v1alpha1", "Ingress"),
    ] {
        assert_eq!(code(api_version, kind), "GW0104", "{api_version} {kind}");
    }
    assert_eq!(code("apps/v1", "Deployment"), "GW0105");
    assert_eq!(code("config.openshift.io/v1", "Ingress"), "GW0105");
}

#[test]
fn members_of_lists_are_manifests_of_their_own() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- a: b\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n  data: {x: 1, x: 2}\n";
    check(
        text,
        &[
            "GW0005 7:3 `a: b` the document has neither `apiVersion` nor `kind` and is left out",
            "GW0002 11:16 `x` the key \"x\" is already in this mapping",
            "GW0102 11:19 `2` data.x must be text, found the number 2",
        ],
    );
    let parsed = parse(text);
    let items: Vec<_> = parsed.manifests.iter().map(|m| (&*m.key.name, m.document.item)).collect();
    assert_eq!(items, [("a", Some(0)), ("b", Some(2))]);
    assert_eq!(parsed.findings[1].entity, Some(parsed.manifests[1].key.clone()));
}

#[test]
fn items_of_typed_lists_need_no_kind() {
    let text =
        "apiVersion: v1\nkind: ConfigMapList\nmetadata: {}\nitems:\n- metadata: {name: a}\n  data: {x: v}\n";
    let Body::ConfigMap(config) = body(text) else { panic!("a ConfigMap") };
    assert_eq!(config.data["x"], "v");
    let nested = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n";
    check(nested, &["GW0104 4:26 `List` a list inside a list is not read"]);
    check("apiVersion: v1\nkind: List\nitems: []\n", &[]);
}

#[test]
fn endpoints_are_slices_of_their_service() {
    let text = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web, labels: {app: x}}\nsubsets:\n- addresses: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]\n  notReadyAddresses: [{ip: 10.0.0.2}]\n  ports: [{name: http, port: 8080}]\n- addresses: [{ip: 10.0.0.3}]\n  ports: [{name: http, port: 8081}]\n";
    let parsed = parse(text);
    assert_eq!(parsed.findings, []);
    let slices: Vec<String> = parsed
        .manifests
        .iter()
        .map(|manifest| {
            assert_eq!(manifest.metadata.labels.get("kubernetes.io/service-name"), Some("web"));
            let Body::EndpointSlice(slice) = &manifest.body else { panic!("an EndpointSlice") };
            let endpoints: Vec<String> = slice
                .endpoints
                .iter()
                .map(|endpoint| format!("{} {:?}", endpoint.addresses[0], endpoint.conditions.ready))
                .collect();
            format!("{} {} {endpoints:?} {:?}", manifest.key, slice.address_type, slice.ports[0].port)
        })
        .collect();
    assert_eq!(
        slices,
        [
            "EndpointSlice default/endpoints/web IPv4 [\"10.0.0.1 Some(true)\", \"10.0.0.2 Some(false)\"] Some(8080)",
            "EndpointSlice default/endpoints/web/1 IPv6 [\"fd00::1 Some(true)\"] Some(8080)",
            "EndpointSlice default/endpoints/web/2 IPv4 [\"10.0.0.3 Some(true)\"] Some(8081)",
        ]
    );
}

#[test]
fn endpoints_without_addresses_are_one_empty_slice() {
    let text = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\n";
    let Body::EndpointSlice(slice) = body(text) else { panic!("an EndpointSlice") };
    assert!(slice.endpoints.is_empty());
    check(
        "apiVersion: v1\nkind: Endpoints\n",
        &["GW0102 1:1 `apiVersion` the document lacks the field `metadata`"],
    );
}
