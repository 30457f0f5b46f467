//! `gatewright trace` in both forms.

use gatewright_testkit::git::TempRepo;
use serde_json::{Value, json};

use super::support::{Folder, Run, SERVICE, ingress, run};

const SHOP: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: shop
  annotations:
    higress.io/rewrite-path: /v2
    higress.io/upstream-vhost: internal.example.com
    higress.io/request-header-control-add: x-area cart
    higress.io/response-header-control-remove: server
    higress.io/enable-cors: \"true\"
    higress.io/timeout: \"5\"
spec:
  ingressClassName: higress
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /exact, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /cart, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: shop
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
endpoints: [{addresses: [10.1.2.3]}]
ports: [{port: 8080}]
---
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("shop.yaml", &(SHOP.to_owned() + SERVICE));
    folder
}

fn trace(folder: &Folder, arguments: &[&str]) -> Run {
    let mut all = vec!["trace", "."];
    all.extend(arguments);
    folder.run(&all)
}

fn traced(folder: &Folder, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let run = trace(folder, &all);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let schema = folder.run(&["schema", "trace"]).json();
    let value = run.json();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .expect("the schema is a schema")
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{value:#}");
    value
}

#[test]
fn json_says_everything_that_an_answer_can_show() {
    let traced =
        traced(&folder(), &["POST http://shop.example.com/cart?x=1", "-H", "origin: https://a.example"]);
    let result = &traced["result"];
    assert_eq!(result["kind"], "forward");
    assert_eq!((&result["path"], &result["host"]), (&json!("/v2?x=1"), &json!("internal.example.com")));
    let upstream = &result["upstreams"][0];
    assert_eq!(upstream["cluster"], "outbound|80||web.shop.svc.cluster.local");
    assert_eq!(upstream["endpoints"], json!([{"address": "10.1.2.3", "port": 8080}]));
    assert_eq!(upstream["request_headers"]["x-area"], json!({"keep": true, "add": ["cart"]}));
    assert_eq!(upstream["response_headers"]["server"], json!({"keep": false, "add": []}));
    assert_eq!(result["cors"]["allow_origin"], "https://a.example");
    assert_eq!(result["timeout_ms"], 5000);
    let tried = traced["hosts"][0]["routes"].as_array().unwrap();
    assert_eq!(tried.len(), 2, "{tried:#?}");
    assert_eq!(tried[0]["mismatch"], "path is not `/exact`");
    assert_eq!(traced["matched"]["location"], json!({"path": "shop.yaml", "line": 20}));
}

#[test]
fn text_names_each_route_tried_and_the_line_that_decided() {
    let run = trace(&folder(), &["http://shop.example.com/cart"]);
    assert_eq!(run.code, 0, "{run:?}");
    for part in [
        "exact /exact (shop/shop): path is not `/exact`  shop.yaml:19",
        "=> exact /cart (shop/shop): matches  shop.yaml:20",
        "sees host internal.example.com, path /v2",
        "10.1.2.3:8080",
        "timeout 5000 ms; retries 2 on ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn what_is_not_served_says_where_it_ends() {
    let folder = folder();
    assert_eq!(
        traced(&folder, &["GET http://shop.example.com/other"])["result"],
        json!({"kind": "no_route", "status": 404})
    );
    assert_eq!(traced(&folder, &["GET http://nobody.example.com/"])["hosts"], json!([]));
    let closed = traced(&folder, &["GET https://shop.example.com/cart"]);
    assert_eq!(closed["result"]["kind"], "closed");
    assert_eq!(closed["listener"]["entry"], "tls");
}

#[test]
fn a_redirect_and_a_refusal_have_their_status() {
    let folder = Folder::clean();
    let annotated = |line: &str| {
        ingress("web", "shop.example.com").replace("spec:", &format!("  annotations:\n    {line}\nspec:"))
    };
    folder.write(
        "shop/web.yaml",
        &(annotated("higress.io/permanent-redirect: https://new.example.com/x") + "---\n" + SERVICE),
    );
    let result = traced(&folder, &["GET http://shop.example.com/"])["result"].clone();
    assert_eq!(
        (&result["kind"], &result["location"]),
        (&json!("redirect"), &json!("https://new.example.com/x"))
    );
    folder.write(
        "shop/web.yaml",
        &(annotated("higress.io/whitelist-source-range: 10.0.0.0/8") + "---\n" + SERVICE),
    );
    let run = trace(&folder, &["GET http://shop.example.com/", "--format", "json"]);
    let result = run.json()["result"].clone();
    assert_eq!(
        (&result["kind"], &result["status"], &result["code"]),
        (&json!("refused"), &json!(503), &json!("GW0404"))
    );
}

#[test]
fn the_line_of_a_revision_carries_it() {
    let repo = TempRepo::new();
    repo.write("shop/shop.yaml", &(SHOP.to_owned() + SERVICE));
    let id = repo.commit("one");
    repo.remove("shop/shop.yaml");
    let shown = run(repo.path(), &["trace", "git:HEAD:shop", "GET http://shop.example.com/cart"], "");
    assert!(shown.stdout.contains(&format!("shop/shop.yaml:20@{}", &id[..10])), "{shown:?}");
}

#[test]
fn malformed_requests_exit_2() {
    let folder = folder();
    for request in ["shop.example.com/cart", "GET", "GET ftp://a/", "GET http://a/ -H x", ""] {
        let run = trace(&folder, &[request]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{request}: {run:?}");
    }
    assert_eq!(folder.run(&["trace", "GET http://a/"]).code, 2);
    assert_eq!(trace(&folder, &["GET http://a/", "--source-address", "nonsense"]).code, 2);
    assert_eq!(folder.run(&["trace", "gone", "GET http://a/"]).code, 3);
}

const NACOS: &str = "\
apiVersion: networking.higress.io/v1
kind: McpBridge
metadata: {name: default, namespace: higress-system}
spec:
  registries: [{name: prod, type: nacos2, domain: nacos.test, port: 8848, nacosGroups: [g]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: orders
  annotations: {higress.io/destination: orders.g.public.nacos, higress.io/load-balance: round_robin}
spec:
  ingressClassName: higress
  rules:
  - host: orders.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}}
";

const SNAPSHOT: &str = r#"{"version": 1, "registries": [{"type": "nacos2", "name": "prod", "services": [
  {"host": "orders.g.public.nacos", "port": 8080, "instances": [
    {"ip": "127.0.1.1", "port": 8080}, {"ip": "127.0.1.2", "port": 8080, "weight": 300, "healthy": false}]}]}]}"#;

#[test]
fn what_a_registry_offered_is_where_requests_go() {
    let folder = Folder::new();
    folder.write("all.yaml", NACOS);
    folder.write("registries.lock.json", SNAPSHOT);
    let value = traced(&folder, &["http://orders.example.com/"]);
    let upstream = &value["result"]["upstreams"][0];
    assert_eq!(upstream["cluster"], "outbound|8080||orders.g.public.nacos", "{value}");
    let expected = json!([
        {"address": "127.0.1.1", "port": 8080},
        {"address": "127.0.1.2", "port": 8080, "weight": 3, "healthy": false},
    ]);
    assert_eq!(upstream["endpoints"], expected);
    assert_eq!(upstream["load_balancing"], "round_robin");
    let text = trace(&folder, &["http://orders.example.com/"]).stdout;
    assert!(text.contains("127.0.1.1:8080, 127.0.1.2:8080 (weight 3) (unhealthy), in turn"), "{text}");
}
