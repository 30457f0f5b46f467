//! The roles that the pages publish are exactly what the commands need.

use std::collections::BTreeSet;

use gatewright_testkit::cluster::Cluster;
use gatewright_testkit::process::ChildProcess;
use serde_json::Value;

use super::apply::EVERYTHING;
use super::live::Gateway;
use super::support::{Folder, Run, program};

const NAMESPACE: &str = "roles";

/// Binds a user to a published role.
fn bind(cluster: &Cluster, role: &str, user: &str) -> BTreeSet<String> {
    let path = gatewright_testkit::workspace_root().join(format!("docs/clusters/{role}.rbac.yaml"));
    cluster.admin(&["apply", "-f", path.to_str().expect("the path of the checkout is text")], "");
    let name = format!("gatewright-{role}");
    let (role, user) = (format!("--clusterrole={name}"), format!("--user={user}"));
    cluster.admin(&["create", "clusterrolebinding", &name, &role, &user], "");
    let live = cluster.get(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"));
    let rules = live["rules"].as_array().expect("a role has rules").iter();
    rules.flat_map(allowed).collect()
}

/// Returns what a rule allows as `verb resource`.
fn allowed(rule: &Value) -> Vec<String> {
    let list = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    list("verbs")
        .flat_map(|verb| list("resources").map(move |resource| format!("{verb} {resource}")))
        .collect()
}

/// Returns what a user has done as `verb resource`, and what was forbidden.
fn used(cluster: &Cluster, user: &str) -> (BTreeSet<String>, Vec<String>) {
    let entries: Vec<Value> =
        cluster.audit().into_iter().filter(|entry| entry["user"]["username"] == user).collect();
    let name = |entry: &Value| {
        let verb = entry["verb"].as_str().unwrap_or_default();
        format!("{verb} {}", entry["objectRef"]["resource"].as_str().unwrap_or_default())
    };
    let mut used: BTreeSet<String> = entries.iter().map(name).collect();
    // An apply that makes an object needs the right to make it.
    let made = entries.iter().filter(|entry| entry["responseStatus"]["code"] == 201);
    used.extend(
        made.map(|entry| format!("create {}", entry["objectRef"]["resource"].as_str().unwrap_or_default())),
    );
    let forbidden = entries.iter().filter(|entry| entry["responseStatus"]["code"] == 403);
    (used, forbidden.map(name).collect())
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn every_right_is_used_and_none_is_missing() {
    let cluster = Cluster::start();
    cluster.namespace(NAMESPACE);
    let folder = Folder::new();
    let run = |user: &str, arguments: &[&str]| -> Run {
        let kubeconfig = cluster.kubeconfig_of(user);
        let mut all = vec![arguments[0], "source", "--cluster", "--inventory", "roles/gatewright"];
        all.extend(["--kubeconfig", kubeconfig.to_str().expect("a temporary folder is text")]);
        all.extend(&arguments[1..]);
        let run = folder.run(&all);
        assert_eq!(run.code, 0, "{run:?}");
        run
    };
    let rights = [bind(&cluster, "plan", "planner"), bind(&cluster, "apply", "applier")];
    let of_sync = bind(&cluster, "sync", "syncer");
    let of_gateway = bind(&cluster, "gateway", "gateway");
    wait_for_rights(&cluster);
    let scene = EVERYTHING.replace("NS", NAMESPACE);
    folder.write("source/service.yaml", &format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {NAMESPACE}}}\nspec: {{ports: [{{port: 80}}]}}\n"));
    folder.write(
        "source/ingress.yaml",
        &super::support::ingress("web", "roles.example.com").replace("namespace: shop", "namespace: roles"),
    );
    folder.write("source/all.yaml", &scene);
    run("planner", &["plan"]);
    run("applier", &["apply", "--yes"]);
    run("planner", &["plan"]);
    let gateway = Gateway::start(&Folder::new(), &cluster, "gateway", &[]);
    gatewright_testkit::eventually("the gateway uses its rights", std::time::Duration::from_secs(30), || {
        let (used, forbidden) = used(&cluster, "gateway");
        assert_eq!(forbidden, [""; 0], "gateway is not allowed");
        let unused: Vec<&String> = of_gateway.difference(&used).collect();
        if unused.is_empty() { Ok(()) } else { Err(format!("{unused:?}")) }
    });
    drop(gateway);
    // One object of a kind stays, so that the source is not empty.
    folder.write("source/all.yaml", "");
    folder.write("source/ingress.yaml", "");
    folder.write(
        "source/service.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: roles}\n",
    );
    run("applier", &["apply", "--yes", "--prune-budget", "20"]);
    sync_from_all_to_one(&cluster, &of_sync);
    for (user, rights) in
        ["planner", "applier", "syncer"].into_iter().zip(rights.into_iter().chain([of_sync]))
    {
        let (used, forbidden) = used(&cluster, user);
        assert_eq!(forbidden, [""; 0], "{user} is not allowed");
        let unused: Vec<&String> = rights.difference(&used).collect();
        assert!(unused.is_empty(), "{user} does not use {unused:?}");
    }
}

/// Syncs a source with every kind, and then one where most of it is gone.
fn sync_from_all_to_one(cluster: &Cluster, rights: &BTreeSet<String>) {
    const NAMESPACE: &str = "roles-sync";
    cluster.namespace(NAMESPACE);
    let folder = Folder::new();
    let kubeconfig = cluster.kubeconfig_of("syncer");
    let kubeconfig = kubeconfig.to_str().expect("a temporary folder is text");
    let mut arguments = vec!["sync", "source", "--cluster", "--kubeconfig", kubeconfig];
    arguments.extend(["--inventory", "roles-sync/gatewright", "--prune-budget", "20"]);
    folder.write("source/all.yaml", &EVERYTHING.replace("NS", NAMESPACE));
    let service = super::support::SERVICE.replace("namespace: shop", "namespace: roles-sync");
    folder.write("source/service.yaml", &service);
    let ingress = super::support::ingress("web", "roles-sync.example.com");
    folder.write("source/ingress.yaml", &ingress.replace("namespace: shop", "namespace: roles-sync"));
    let mut process =
        ChildProcess::spawn("sync", program(folder.path()).args(&arguments).args(["--interval", "1"]));
    let soon = std::time::Duration::from_secs(60);
    gatewright_testkit::eventually("sync follows what it has applied", soon, || {
        let used = used(cluster, "syncer").0;
        let unused: Vec<&String> =
            rights.iter().filter(|right| right.starts_with("watch ") && !used.contains(*right)).collect();
        if unused.is_empty() { Ok(()) } else { Err(format!("{unused:?}\n{}", process.log())) }
    });
    assert!(process.terminate(soon).success());
    folder.write("source/all.yaml", "");
    folder.write("source/ingress.yaml", "");
    let left = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: roles-sync}\n";
    folder.write("source/service.yaml", left);
    arguments.push("--once");
    let run = folder.run(&arguments);
    assert_eq!(run.code, 0, "{run:?}");
}

/// A right takes a moment to count; the question whether it does is not one of the users' requests.
fn wait_for_rights(cluster: &Cluster) {
    for (user, verb) in
        [("planner", "list"), ("applier", "delete"), ("syncer", "delete"), ("gateway", "watch")]
    {
        gatewright_testkit::eventually("the roles count", std::time::Duration::from_secs(30), || {
            let kubeconfig = cluster.kubeconfig_of("admin");
            let user = format!("--as={user}");
            let arguments = ["auth", "can-i", verb, "ingresses.networking.k8s.io", "-A", &user];
            let answer = cluster.kubectl(&kubeconfig, &arguments, "");
            if answer.status.success() { Ok(()) } else { Err(format!("{user} may not {verb}")) }
        });
    }
}

/// Binds a user to a published role in one namespace alone.
fn bind_in(cluster: &Cluster, role: &str, user: &str, namespace: &str) {
    let path = gatewright_testkit::workspace_root().join(format!("docs/clusters/{role}.rbac.yaml"));
    let text = std::fs::read_to_string(path).expect("a published role");
    let namespaced = format!("kind: Role\nmetadata:\n  namespace: {namespace}\n");
    let text = text.replace("kind: ClusterRole\nmetadata:\n", &namespaced);
    cluster.admin(&["apply", "-f", "-"], &text);
    let name = format!("gatewright-{role}");
    let (role, user) = (format!("--role={name}"), format!("--user={user}"));
    cluster.admin(&["create", "rolebinding", &name, &role, &user, "-n", namespace], "");
}

/// Rights in one namespace are enough for a source that lies in it: what stands elsewhere is told to be unknown.
#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn rights_in_a_namespace_are_enough_for_a_source_that_lies_in_it() {
    const NAMESPACE: &str = "roles-inside";
    // With a cluster of its own, as the users have further rights in the shared one.
    let cluster = Cluster::start();
    cluster.namespace(NAMESPACE);
    cluster.namespace("roles-outside");
    for (role, user) in [("plan", "planner"), ("apply", "applier")] {
        bind_in(&cluster, role, user, NAMESPACE);
        gatewright_testkit::eventually("the roles count", std::time::Duration::from_secs(30), || {
            let arguments = [
                "auth",
                "can-i",
                "list",
                "ingresses.networking.k8s.io",
                "-n",
                NAMESPACE,
                &format!("--as={user}"),
            ];
            let answer = cluster.kubectl(&cluster.kubeconfig_of("admin"), &arguments, "");
            if answer.status.success() { Ok(()) } else { Err(format!("{user} may not list")) }
        });
    }
    let folder = Folder::new();
    let run = |user: &str, arguments: &[&str]| -> Run {
        let kubeconfig = cluster.kubeconfig_of(user);
        let mut all = vec![arguments[0], "source", "--cluster", "--inventory", "roles-inside/gatewright"];
        all.extend(["--kubeconfig", kubeconfig.to_str().expect("a temporary folder is text")]);
        all.extend(&arguments[1..]);
        folder.run(&all)
    };
    let inside = |text: &str| text.replace("namespace: shop", "namespace: roles-inside");
    folder.write("source/service.yaml", &inside(super::support::SERVICE));
    folder.write("source/web.yaml", &inside(&super::support::ingress("web", "inside.example.com")));
    const TOLD: &str =
        "not allowed to look at all namespaces: what stands outside of roles-inside is not known\n";
    let plan = run("planner", &["plan", "--format", "json"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stderr.contains(TOLD), "{plan:?}");
    assert_eq!(plan.json()["cluster"]["steps"].as_array().map(Vec::len), Some(2), "{plan:?}");
    let applied = run("applier", &["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stderr.contains(TOLD) && applied.stdout.contains("2 created"), "{applied:?}");
    let again = run("planner", &["plan", "--detailed-exitcode"]);
    assert_eq!(again.code, 0, "{again:?}");
    // Deletions are found by the inventory, without a look at other namespaces.
    folder.write("source/web.yaml", "");
    let deleted = run("applier", &["apply", "--yes", "--prune-budget", "1"]);
    assert!(deleted.stdout.contains("0 created, 0 updated, 1 deleted, 1 as wanted, 0 failed"), "{deleted:?}");
    // What may not be looked at is one clear error.
    folder.write(
        "source/out.yaml",
        &super::support::SERVICE.replace("namespace: shop", "namespace: roles-outside"),
    );
    for run in [run("planner", &["plan"]), run("applier", &["apply", "--yes"])] {
        assert_eq!(run.code, 3, "{run:?}");
        assert!(
            run.stderr.contains("error: not allowed: ") && run.stderr.contains("roles-outside"),
            "{run:?}"
        );
    }
}
