//! What an apply writes, and what it leaves alone.

use serde_json::Value;

use super::scene::Scene;

/// One object of each kind that a scene does not have by itself; `NS` stands for the namespace.
pub(crate) const EVERYTHING: &str = "
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: NS}
type: kubernetes.io/tls
stringData: {tls.crt: SESAME, tls.key: SESAME}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notes, namespace: NS}
data: {note: hello}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: NS, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
ports: [{port: 8080}]
---
apiVersion: networking.higress.io/v1
kind: McpBridge
metadata: {name: default, namespace: NS}
spec: {registries: [{name: api, type: dns, domain: api.example.com, port: 443}]}
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {name: headers, namespace: NS}
spec: {url: 'oci://registry.example.com/headers:1', priority: 10, failStrategy: FAIL_OPEN, defaultConfig: {a: [], b: false}}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: class-of-NS}
spec: {controller: higress.io/higress-controller}
";

/// Returns the field managers of an object that applied to it.
fn appliers(object: &Value) -> Vec<&str> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["operation"] == "Apply")
        .filter_map(|entry| entry["manager"].as_str())
        .collect()
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn every_kind_is_applied_once_and_then_nothing_is_written() {
    let scene = Scene::new("every-kind");
    scene.write("everything.yaml", &EVERYTHING.replace("NS", scene.namespace));
    let run = scene.apply();
    assert!(
        run.stdout.ends_with("applied to admin: 8 created, 0 updated, 0 deleted, 0 as wanted, 0 failed\n"),
        "{run:?}"
    );
    assert!(!run.stdout.contains("SESAME") && !run.stderr.contains("SESAME"), "{run:?}");
    let ingress = scene.live_ingress("web").unwrap();
    assert_eq!(appliers(&ingress), ["gatewright"]);
    let secret = scene.object("api/v1", "secrets", "tls").unwrap();
    assert_eq!(secret["data"]["tls.key"], "U0VTQU1F");

    let writes = scene.writes();
    let again = scene.apply();
    assert_eq!(again.stdout, "applied to admin: 0 created, 0 updated, 0 deleted, 8 as wanted, 0 failed\n");
    assert_eq!(scene.writes(), writes, "a round without changes writes nothing");
    let plan = scene.run("plan", &["--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{plan:?}");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn only_what_differs_is_sent_and_what_left_the_manifest_is_removed() {
    let scene = Scene::new("differs");
    scene.apply();
    scene.apply_as(
        "annotator",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: differs, annotations: {theirs: x}}}",
    );
    scene.write(
        "ingress.yaml",
        &scene.ingress("web").replace("  annotations:\n    higress.io/timeout: \"5\"\n", ""),
    );
    let run = scene.apply();
    assert!(run.stdout.contains("0 created, 1 updated, 0 deleted, 1 as wanted"), "{run:?}");
    let annotations = scene.live_ingress("web").unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations, serde_json::json!({"theirs": "x"}));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn fields_of_another_owner_are_left_to_it_unless_the_manifest_takes_them() {
    let scene = Scene::new("owners");
    scene.apply();
    scene.apply_as(
        "helm",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: owners, annotations: {higress.io/timeout: '9'}}}",
    );
    scene.write("other.yaml", &scene.ingress("other"));
    let run = scene.run("apply", &["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    let told =
        "GW0610 Ingress owners/web is left alone: `helm` owns /metadata/annotations/higress.io~1timeout";
    assert!(run.stderr.contains(told), "{run:?}");
    assert!(run.stdout.contains("1 created, 0 updated, 0 deleted, 1 as wanted, 1 failed"), "{run:?}");
    let timeout = |scene: &Scene| {
        scene.live_ingress("web").unwrap()["metadata"]["annotations"]["higress.io/timeout"].clone()
    };
    assert_eq!(timeout(&scene), "9");

    let forced = scene
        .ingress("web")
        .replace("annotations:\n", "annotations:\n    gatewright.io/force-conflicts: \"true\"\n");
    scene.write("ingress.yaml", &forced);
    scene.apply();
    assert_eq!(timeout(&scene), "5");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn every_error_is_told_and_the_sound_rest_is_applied() {
    let scene = Scene::new("errors");
    scene.write("gone.yaml", &scene.ingress("gone"));
    scene.apply();
    scene.remove("gone.yaml");
    let nowhere = |name: &str| scene.ingress(name).replace("namespace: errors", "namespace: no-such");
    scene.write("nowhere.yaml", &format!("{}---\n{}", nowhere("one"), nowhere("two")));
    scene.write("more.yaml", &scene.ingress("more"));
    let run = scene.run("apply", &["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    for name in ["one", "two"] {
        let told = format!("GW0615 Ingress no-such/{name}: namespaces \"no-such\" not found (status 404)");
        assert!(run.stderr.contains(&told), "{run:?}");
    }
    // What should stand in for it may be what failed.
    assert!(run.stderr.contains("GW0615 Ingress errors/gone is left alone: "), "{run:?}");
    assert!(scene.live_ingress("more").is_some() && scene.live_ingress("gone").is_some());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_dry_run_of_the_api_server_writes_nothing() {
    let scene = Scene::new("dry-run");
    let run = scene.run("apply", &["--server-dry-run"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("would apply to admin: 2 created"), "{run:?}");
    assert_eq!(scene.live_ingress("web"), None);
    assert_eq!(scene.writes(), 0);
    // The API server knows what no manifest says.
    let nowhere = scene.service().replace("namespace: dry-run", "namespace: no-such");
    scene.write("service.yaml", &nowhere);
    let refused = scene.run("apply", &["--server-dry-run"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("GW0615 Service no-such/web: "), "{refused:?}");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn without_consent_or_with_errors_nothing_is_applied() {
    let scene = Scene::new("consent");
    let run = scene.run("apply", &[]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("create Ingress consent/web"), "{run:?}");
    scene.write("broken.yaml", &scene.ingress("broken").replace("pathType: Prefix", "pathTypo: Prefix"));
    let run = scene.run("apply", &["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(scene.live_ingress("web"), None);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_server_that_is_away_or_knows_nobody_is_one_clear_error() {
    let scene = Scene::new("away");
    let config = |port: u16, token: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', \
             certificate-authority: '{}'}}}}], users: [{{name: u, user: {{token: {token}}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}",
            scene.cluster.folder().join("ca.pem").display()
        );
        scene.folder.write("config", &text);
    };
    let run = |scene: &Scene| {
        scene.folder.run(&["apply", "source", "--cluster", "--kubeconfig", "config", "--yes"])
    };
    config(gatewright_testkit::free_port(), "x");
    let away = run(&scene);
    assert_eq!(away.code, 3, "{away:?}");
    assert!(away.stderr.contains("error: the API server https://127.0.0.1:"), "{away:?}");
    assert!(away.stderr.contains("cannot be reached: "), "{away:?}");
    config(scene.cluster.address().port(), "unknown");
    let unknown = run(&scene);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.stderr.contains("error: the API server does not accept the credentials"), "{unknown:?}");
    config(scene.cluster.address().port(), "token-of-nobody");
    let forbidden = run(&scene);
    assert_eq!(forbidden.code, 3, "{forbidden:?}");
    assert!(forbidden.stderr.contains("error: not allowed: "), "{forbidden:?}");
    assert_eq!(scene.live_ingress("web"), None);
}
