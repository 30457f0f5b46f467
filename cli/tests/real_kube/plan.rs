//! What a plan against a cluster says, and that it goes stale.

use super::scene::Scene;

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_plan_shows_requests_objects_and_owners_and_writes_nothing() {
    let scene = Scene::new("plans");
    scene.apply();
    let writes = scene.writes();
    scene.write("ingress.yaml", &scene.ingress("web").replace("path: /\n", "path: /cart\n"));
    scene.write("other.yaml", &scene.ingress("other"));
    let run = scene.run("plan", &["--detailed-exitcode", "--format", "json"]);
    assert!(run.code == 4 || run.code == 5, "{run:?}");
    let plan = run.json();
    let classes = plan["behaviour"]["classes"].as_array().unwrap();
    assert!(classes.iter().any(|class| class["effect"] == "lost"), "{classes:#?}");
    let steps = plan["cluster"]["steps"].as_array().unwrap();
    let told: Vec<String> =
        steps.iter().map(|step| format!("{} {}", step["action"], step["entity"]["name"])).collect();
    assert_eq!(told, ["\"create\" \"other\"", "\"update\" \"web\""]);
    assert_eq!(plan["cluster"]["unchanged"], 1);
    let field = &steps[1]["fields"][0];
    assert_eq!(field["pointer"], "/spec/rules");
    // Lines are those of the manifest, though the model was made from the cluster.
    let object = plan["objects"]["changes"].as_array().unwrap().iter().find(|row| row["change"] == "changed");
    assert_eq!(object.unwrap()["after"]["path"], "source/ingress.yaml", "{plan:#}");
    assert_eq!(scene.writes(), writes);

    let text = scene.run("plan", &[]).stdout;
    assert!(text.contains("Cluster admin\n") && text.contains("+ create Ingress plans/other\n"), "{text}");
    let unchanged = scene.run("plan", &["--base", "source"]);
    assert_eq!(unchanged.code, 0, "{unchanged:?}");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_saved_plan_is_carried_out_once_and_refused_when_something_moved() {
    let scene = Scene::new("saved");
    let plan = |scene: &Scene| {
        let run = scene.run("plan", &["--out", "plan.json"]);
        assert_eq!(run.code, 0, "{run:?}");
    };
    let kubeconfig = scene.cluster.kubeconfig_of("admin");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let apply = |scene: &Scene| {
        let inventory = "saved/gatewright";
        scene.folder.run(&["apply", "plan.json", "--kubeconfig", kubeconfig, "--inventory", inventory])
    };
    plan(&scene);
    let done = apply(&scene);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("2 created"), "{done:?}");
    let again = apply(&scene);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("GW0601 "), "{again:?}");

    scene.write("ingress.yaml", &scene.ingress("web").replace("\"5\"", "\"6\""));
    plan(&scene);
    scene.apply_as(
        "annotator",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: saved, annotations: {theirs: x}}}",
    );
    let writes = scene.writes();
    let moved = apply(&scene);
    assert!(moved.stderr.contains("GW0601 Ingress saved/web moved in the cluster"), "{moved:?}");

    plan(&scene);
    scene.write("other.yaml", &scene.ingress("other"));
    let source = apply(&scene);
    assert!(source.stderr.contains("GW0601 the source or its settings are not those"), "{source:?}");
    assert_eq!(scene.writes(), writes);
}
