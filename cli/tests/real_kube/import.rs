//! A running cluster becomes a repository that says the same.

use super::scene::Scene;

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_plan_of_what_was_imported_is_empty() {
    let scene = Scene::new("imported");
    let odd = scene
        .ingress("odd")
        .replace("timeout: \"5\"", "timeout: \"5\"\n    note: \"on\"\n    other: \"0755\"");
    let manifests = [scene.ingress("web"), odd, scene.service()].join("---\n");
    // As somebody else would have made them.
    scene.cluster.admin(&["apply", "-f", "-"], &manifests);
    let bridge = "{apiVersion: networking.higress.io/v1, kind: McpBridge, metadata: {name: default, namespace: imported}, \
        spec: {registries: [{name: api, type: dns, domain: api.example.com, port: 443}]}}";
    scene.cluster.admin(&["create", "-f", "-"], bridge);
    let import = |folder: &str| {
        let kubeconfig = scene.cluster.kubeconfig_of("admin");
        let kubeconfig = kubeconfig.to_str().unwrap();
        scene.folder.run(&["import", folder, "--namespace", "imported", "--kubeconfig", kubeconfig])
    };
    std::fs::remove_dir_all(scene.folder.path().join("source")).unwrap();
    let run = import("source");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "wrote 3 manifests of 1 namespaces to source\n"),
        "{run:?}"
    );
    let files = ["ingress-odd.yaml", "ingress-web.yaml", "mcpbridge-default.yaml"];
    assert_eq!(scene.folder.names("source/imported"), files);
    let web = scene.folder.read("source/imported/ingress-web.yaml");
    for word in ["status", "managedFields", "uid", "creationTimestamp", "last-applied"] {
        assert!(!web.contains(word), "{web}");
    }
    let again = import("again");
    assert_eq!(again.code, 0, "{again:?}");
    for file in files {
        let path = |folder: &str| scene.folder.read(&format!("{folder}/imported/{file}"));
        assert_eq!(path("source"), path("again"));
    }
    let plan = scene.run("plan", &["--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stdout.contains("3 to adopt"), "{plan:?}");
    scene.apply();
    assert!(scene.run("plan", &[]).stdout.contains("3 as wanted"));
    let taken = import("source");
    assert_eq!(taken.code, 2, "{taken:?}");
}
