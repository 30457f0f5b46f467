//! What is deleted, and above all what is not.

use super::scene::Scene;

/// Applies five Ingresses and a Service.
fn five(namespace: &'static str) -> Scene {
    let scene = Scene::new(namespace);
    for name in ["a", "b", "c", "d"] {
        scene.write(&format!("{name}.yaml"), &scene.ingress(name));
    }
    scene.apply();
    scene
}

/// Checks that an apply is refused for this reason and nothing is deleted.
fn refused(scene: &Scene, arguments: &[&str], reason: &str) {
    let writes = scene.writes();
    let mut all = vec!["--yes"];
    all.extend(arguments);
    let run = scene.run("apply", &all);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains(&format!("error: GW0611 {reason}")), "{run:?}");
    assert_eq!(scene.writes(), writes, "{run:?}");
    let plan = scene.run("plan", &["--detailed-exitcode"]);
    assert_eq!(plan.code, 5, "{plan:?}");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn what_left_the_source_is_deleted_after_the_rest_was_applied() {
    let scene = five("leaves");
    scene.remove("a.yaml");
    scene.write("e.yaml", &scene.ingress("e"));
    let run = scene.apply();
    assert!(run.stdout.contains("1 created, 0 updated, 1 deleted, 5 as wanted"), "{run:?}");
    assert_eq!(scene.live_ingress("a"), None);
    let order = scene.cluster.writes_of("admin");
    let at = |write: &str| order.iter().rposition(|other| other == write).unwrap();
    assert!(at("patch ingresses leaves/e") < at("delete ingresses leaves/a"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_empty_or_suddenly_smaller_source_deletes_nothing() {
    let scene = five("smaller");
    for name in ["a", "b", "c", "d"] {
        scene.remove(&format!("{name}.yaml"));
    }
    refused(&scene, &[], "4 of the inventory's 6 objects left the source: nothing is changed");
    refused(
        &scene,
        &["--prune-budget", "3"],
        "4 objects left the source, and the budget is 3: nothing is changed",
    );
    scene.remove("ingress.yaml");
    scene.remove("service.yaml");
    let writes = scene.writes();
    // That it may hold nothing is said of the source, never of a cluster.
    let empty =
        "GW0611 the source has no object, and the inventory smaller/gatewright has 6: nothing is deleted";
    for (consent, reason) in [(None, "GW0008"), (Some("--allow-empty"), empty)] {
        let mut arguments = vec!["--yes", "--prune-budget", "100"];
        arguments.extend(consent);
        let run = scene.run("apply", &arguments);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(reason), "{run:?}");
    }
    assert_eq!(scene.writes(), writes);
    scene.write("service.yaml", &scene.service());
    let meant = scene.run("apply", &["--yes", "--prune-budget", "5"]);
    assert!(meant.stdout.contains("0 created, 0 updated, 5 deleted, 1 as wanted"), "{meant:?}");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_renamed_folder_deletes_nothing() {
    let scene = five("renamed");
    for name in ["a", "b", "c", "d", "ingress", "service"] {
        let source = scene.folder.path().join("source");
        std::fs::create_dir_all(source.join("elsewhere")).unwrap();
        std::fs::rename(source.join(format!("{name}.yaml")), source.join(format!("elsewhere/{name}.yml")))
            .unwrap();
    }
    let writes = scene.writes();
    assert!(scene.apply().stdout.contains("6 as wanted"));
    assert_eq!(scene.writes(), writes);
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_lost_inventory_is_written_anew_and_deletes_nothing_in_that_round() {
    let scene = five("lost");
    scene.cluster.admin(&["delete", "configmap", "gatewright", "-n", "lost"], "");
    scene.remove("a.yaml");
    let run = scene.apply();
    assert!(
        run.stdout.contains("GW0612 Ingress lost/a is not deleted: the inventory was not there"),
        "{run:?}"
    );
    assert!(scene.live_ingress("a").is_some());
    assert!(scene.apply().stdout.contains("1 deleted"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn what_others_applied_to_stays_with_what_they_wrote() {
    let scene = five("shared");
    scene.apply_as(
        "argocd",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: shared, annotations: {theirs: x}}}",
    );
    scene.remove("a.yaml");
    let run = scene.apply();
    assert!(
        run.stdout.contains("GW0613 Ingress shared/a is not deleted: argocd applied to it too"),
        "{run:?}"
    );
    let left = scene.live_ingress("a").unwrap();
    let annotations = serde_json::json!({"theirs": "x", "higress.io/timeout": "5"});
    assert_eq!(left["metadata"]["annotations"], annotations, "it stays as it is");
    assert_eq!(left["metadata"].get("labels"), None);
    let managers = left["metadata"]["managedFields"].as_array().unwrap().iter();
    let appliers: Vec<_> = managers.filter(|entry| entry["operation"] == "Apply").collect();
    assert_eq!((appliers.len(), &appliers[0]["manager"]), (1, &"argocd".into()));
    assert!(scene.apply().stdout.contains("5 as wanted"));
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn kubectl_reads_the_inventory_as_an_apply_set() {
    let scene = five("apply-set");
    let set = "--applyset=configmaps/gatewright";
    let source = scene.folder.path().join("source");
    let source = source.to_str().unwrap();
    let admin = scene.cluster.kubeconfig_of("admin");
    let kubectl = || {
        let arguments = [
            "apply",
            "--prune",
            set,
            "-n",
            "apply-set",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            source,
        ];
        scene.cluster.kubectl(&admin, &arguments, "")
    };
    // It is ours: kubectl sees whose set it is and keeps off.
    let kept_off = String::from_utf8(kubectl().stderr).unwrap();
    assert!(kept_off.contains("gatewright"), "{kept_off}");
    // Given over to kubectl, it finds every member and prunes exactly what is no longer in the folder.
    let annotation = "applyset.kubernetes.io/tooling=kubectl/v1.35.4";
    scene
        .cluster
        .admin(&["annotate", "--overwrite", "configmap", "gatewright", "-n", "apply-set", annotation], "");
    scene.remove("a.yaml");
    let output = kubectl();
    let (told, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{told}{errors}");
    let pruned: Vec<&str> = told.lines().filter(|line| line.contains("pruned")).collect();
    assert_eq!(pruned, ["ingress.networking.k8s.io/a pruned (server dry run)"], "{told}{errors}");
    // And now it is kubectl's, we keep off.
    refused(
        &scene,
        &[],
        "the ConfigMap apply-set/gatewright is the inventory of `kubectl/v1.35.4`: nothing is changed",
    );
}
