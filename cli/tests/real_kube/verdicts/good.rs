//! Objects that the API server takes, with as many of their fields as go together.

use serde_json::{Value, json};

use super::NAMESPACE;

/// Returns the objects.
pub(super) fn objects() -> Vec<Value> {
    let mut objects = vec![ingress(), plain_ingress(), class(), plain_class(), config_map(), endpoints()];
    objects.extend(services());
    objects.extend(slices());
    objects.extend(secrets());
    objects
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/name": "shop", "tier": "Front_1"},
        "annotations": {"example.com/Note": "any text: \u{e9} \n", "plain": ""},
        "finalizers": ["example.com/keep"],
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "1-2", "controller": true},
            {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "3", "blockOwnerDeletion": false},
        ],
    })
}

fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata("good")});
    if let (Value::Object(members), Value::Object(rest)) = (&mut object, rest) {
        members.extend(rest);
    }
    object
}

fn ingress() -> Value {
    let service = |port: Value| json!({"service": {"name": "web", "port": port}});
    object(
        "networking.k8s.io/v1",
        "Ingress",
        json!({"spec": {
            "ingressClassName": "higress",
            "defaultBackend": service(json!({"number": 80})),
            "tls": [{"hosts": ["a.example.com", "*.example.com"], "secretName": "certs.a"}, {}],
            "rules": [
                {"host": "a.example.com", "http": {"paths": [
                    {"path": "/a", "pathType": "Prefix", "backend": service(json!({"name": "http"}))},
                    {"path": "/b/", "pathType": "Exact", "backend": service(json!({"number": 8080}))},
                    {"pathType": "ImplementationSpecific", "backend": {"resource":
                        {"apiGroup": "networking.higress.io", "kind": "McpBridge", "name": "default"}}},
                ]}},
                {"host": "*.example.com"},
                {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": service(json!({"number": 1}))}]}},
            ],
        }}),
    )
}

fn plain_ingress() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "plain", "annotations": {"kubernetes.io/ingress.class": "higress"}},
        "spec": {"defaultBackend": {"resource": {"kind": "K", "name": "n"}}},
    })
}

fn class() -> Value {
    let mut class = object(
        "networking.k8s.io/v1",
        "IngressClass",
        json!({"spec": {"controller": "higress.io/controller", "parameters":
            {"apiGroup": "example.com", "kind": "K", "name": "n", "scope": "Namespace", "namespace": "d"}}}),
    );
    class["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
    class
}

fn plain_class() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "plain"},
        "spec": {"controller": "a/b", "parameters": {"kind": "K", "name": "n"}},
    })
}

fn services() -> Vec<Value> {
    let service = |spec: Value| object("v1", "Service", json!({"spec": spec}));
    let two_ports = json!([
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"},
        {"name": "dns", "port": 80, "targetPort": 5353, "protocol": "UDP"},
    ]);
    vec![
        service(json!({"selector": {"app": "web"}, "ports": two_ports, "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}, "internalTrafficPolicy": "Local",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "trafficDistribution": "PreferClose"})),
        service(json!({"clusterIP": "None", "ports": [{"port": 80}]})),
        service(json!({"clusterIP": "10.0.3.4", "clusterIPs": ["10.0.3.4"], "ports": [{"port": 443}],
            "externalIPs": ["1.2.3.4"], "externalTrafficPolicy": "Cluster"})),
        service(json!({"type": "NodePort", "selector": {"app": "web"},
            "ports": [{"name": "a", "port": 80, "nodePort": 31080}, {"name": "b", "port": 81, "nodePort": 31081}]})),
        service(json!({"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": "Local",
            "loadBalancerClass": "example.com/lb", "allocateLoadBalancerNodePorts": false,
            "loadBalancerSourceRanges": ["10.0.0.0/8", " 192.168.1.1/32"], "loadBalancerIP": "1.2.3.4",
            "healthCheckNodePort": 31999, "publishNotReadyAddresses": true})),
        service(json!({"type": "ExternalName", "externalName": "a.example.com", "ports": [{"port": 80}]})),
    ]
}

fn slices() -> Vec<Value> {
    let slice = |rest: Value| object("discovery.k8s.io/v1", "EndpointSlice", rest);
    vec![
        slice(json!({"addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"}, {"name": "b", "port": 81}],
        "endpoints": [
            {"addresses": ["10.1.2.3", "10.1.2.4"], "hostname": "h", "nodeName": "node.a", "zone": "z",
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]},
                "targetRef": {"kind": "Pod", "name": "p", "namespace": "x"}},
            {"addresses": ["10.1.2.5"], "deprecatedTopology": {"a": "b"}},
        ]})),
        slice(
            json!({"addressType": "IPv6", "ports": [{"port": 80}], "endpoints": [{"addresses": ["2001:db8::1"]}]}),
        ),
        slice(json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"]}]})),
    ]
}

fn endpoints() -> Value {
    object(
        "v1",
        "Endpoints",
        json!({"subsets": [{
            "addresses": [{"ip": "10.1.2.3", "hostname": "h", "nodeName": "n"}],
            "notReadyAddresses": [{"ip": "2001:db8::1"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"}, {"name": "b", "port": 81}],
        }]}),
    )
}

fn secrets() -> Vec<Value> {
    let secret = |kind: &str, data: Value| object("v1", "Secret", json!({"type": kind, "data": data}));
    let mut token = secret("kubernetes.io/service-account-token", json!({}));
    token["metadata"]["annotations"]["kubernetes.io/service-account.name"] = json!("default");
    vec![
        secret("kubernetes.io/tls", json!({"tls.crt": "aGk=", "tls.key": "aGk="})),
        secret("kubernetes.io/basic-auth", json!({"username": "aGk="})),
        secret("kubernetes.io/ssh-auth", json!({"ssh-privatekey": "aGk="})),
        secret("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "e30="})),
        secret("kubernetes.io/dockercfg", json!({".dockercfg": "e30="})),
        secret("Opaque", json!({"a.b-c_D": "aGk=", "empty": ""})),
        object("v1", "Secret", json!({"immutable": true, "stringData": {"k": "v"}})),
        token,
    ]
}

fn config_map() -> Value {
    let rest = json!({"immutable": false, "data": {"a.txt": "text\n"}, "binaryData": {"b": "aGk="}});
    object("v1", "ConfigMap", rest)
}
