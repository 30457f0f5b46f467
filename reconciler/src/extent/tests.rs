//! What counts as a loss, and how much of it is refused.

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_testkit::certs::Authority;

use super::*;

/// Measures one Ingress for each host, with these paths.
fn extent(hosts: &[(&str, &[&str])]) -> Extent {
    let files = hosts.iter().map(|(host, paths)| (format!("{host}.yaml"), ingress(host, paths)));
    measure(files)
}

fn measure(files: impl IntoIterator<Item = (String, String)>) -> Extent {
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&SourceTree::in_memory(files)).unwrap();
    Extent::of(&engine)
}

fn ingress(host: &str, paths: &[&str]) -> String {
    let rules: String = paths
        .iter()
        .map(|path| {
            format!("      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}\n")
        })
        .collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {host}, namespace: shop}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: {host}\n    http:\n      paths:\n{rules}"
    )
}

fn hosts(count: usize) -> Extent {
    let names: Vec<String> = (0..count).map(|number| format!("h{number:02}.test")).collect();
    extent(&names.iter().map(|name| (name.as_str(), &["/"][..])).collect::<Vec<_>>())
}

fn refused(last: &Extent, next: &Extent, budget: PruneBudget) -> Option<String> {
    let consent = Consent { budget, empty: false };
    Extent::shrinkage(Some(last), next, consent).map(|shrinkage| shrinkage.to_string())
}

#[test]
fn nothing_is_refused_with_and_without_a_last_state_unless_it_is_meant() {
    let meant = Consent { empty: true, ..Consent::default() };
    let none = Extent::default();
    assert_eq!(Extent::shrinkage(None, &none, Consent::default()), Some(Shrinkage::Empty { before: 0 }));
    assert_eq!(
        refused(&hosts(2), &none, PruneBudget::Objects(100)).as_deref(),
        Some("the source serves no host, and the last good state serves 2")
    );
    assert_eq!(Extent::shrinkage(Some(&hosts(20)), &none, meant), None);
    assert_eq!(Extent::shrinkage(None, &hosts(1), Consent::default()), None);
}

#[test]
fn hosts_are_lost_within_a_budget() {
    assert_eq!(refused(&hosts(3), &hosts(1), PruneBudget::Default), None);
    assert_eq!(
        refused(&hosts(5), &hosts(1), PruneBudget::Default).as_deref(),
        Some(
            "4 of 5 hosts left the source (h01.test, h02.test, h03.test and 1 more), and that is more than half"
        )
    );
    assert_eq!(refused(&hosts(30), &hosts(20), PruneBudget::Default), None);
    let eleven = refused(&hosts(30), &hosts(19), PruneBudget::Default).unwrap();
    assert!(eleven.ends_with(" and 8 more), and the budget is 10"), "{eleven}");
    assert_eq!(refused(&hosts(30), &hosts(19), PruneBudget::Objects(11)), None);
    let shrinkage = Extent::shrinkage(Some(&hosts(30)), &hosts(2), Consent::default()).unwrap();
    assert_eq!(shrinkage.consent(), "--prune-budget 28");
}

#[test]
fn a_host_that_stays_may_lose_its_paths_no_more_easily() {
    let all = extent(&[("big.test", &["/a", "/b", "/c", "/d"])]);
    let few = extent(&[("big.test", &["/a"])]);
    assert_eq!(
        refused(&all, &few, PruneBudget::Default).as_deref(),
        Some("3 of 4 paths left hosts that stay (big.test), and that is more than half")
    );
    assert_eq!(refused(&few, &all, PruneBudget::Default), None);
}

#[test]
fn other_names_and_other_files_for_the_same_paths_are_no_loss() {
    let apart = measure((0..6).map(|n| {
        (format!("{n}.yaml"), ingress("one.test", &["/"]).replace("name: one.test", &format!("name: n{n}")))
    }));
    let together = extent(&[("one.test", &["/"])]);
    assert_eq!(refused(&apart, &together, PruneBudget::Default), None);
}

#[test]
fn objects_that_hosts_depend_on_are_counted_by_kind() {
    let service = |name: usize| {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s{name}, namespace: shop}}\nspec: {{ports: [{{port: 80}}]}}\n"
        );
        (format!("s{name}.yaml"), text)
    };
    let web = || ("web.yaml".to_owned(), ingress("web.test", &["/"]));
    let all = measure((0..5).map(service).chain([web()]));
    let less = measure([service(0), web()]);
    assert_eq!(
        refused(&all, &less, PruneBudget::Default).as_deref(),
        Some("4 of 5 objects left the source (Service), and that is more than half")
    );
    let renamed = measure((5..10).map(service).chain([web()]));
    assert_eq!(refused(&all, &renamed, PruneBudget::Default), None);
}

/// A host that comes, moves, is written in two cases, gets a certificate, loses its paths, and goes.
#[test]
fn a_gauge_that_follows_reads_what_a_new_one_does() {
    let with_tls =
        ingress("a.test", &["/x"]).replace("spec:\n", "spec:\n  tls: [{hosts: [a.test], secretName: a}]\n");
    let states: [&[(&str, String)]; 7] = [
        &[("a.yaml", ingress("a.test", &["/", "/x"]))],
        &[("a.yaml", ingress("a.test", &["/x"])), ("b.yaml", ingress("b.test", &["/"]))],
        &[("a.yaml", with_tls.clone()), ("s.yaml", secret()), ("b.yaml", ingress("b.test", &["/"]))],
        &[("a.yaml", with_tls), ("b.yaml", ingress("*.test", &["/"]))],
        &[("c.yaml", ingress("a.test", &[])), ("b.yaml", ingress("*.test", &["/y"]))],
        &[("c.yaml", "- no manifest\n".to_owned())],
        &[("a.yaml", ingress("a.test", &["/", "/x"]))],
    ];
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let mut gauge = Gauge::default();
    let mut read = Vec::new();
    for state in states {
        let files = state.iter().map(|(path, text)| (*path, text.as_bytes()));
        engine.update(&SourceTree::in_memory(files)).unwrap();
        read.push(gauge.read(&engine));
        assert_eq!(read.last(), Some(&Extent::of(&engine)));
    }
    assert_eq!(read[2].certificates.len(), 1, "the certificate counts");
    assert_eq!((read[3].certificates.len(), &read[0]), (0, &read[6]));
}

fn secret() -> String {
    let identity = Authority::new("test").server(&["a.test"]);
    let [crt, key] = [&identity.certificate, &identity.key].map(|pem| pem.replace('\n', "\\n"));
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a, namespace: shop}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: \"{crt}\"\n  tls.key: \"{key}\"\n"
    )
}
