//! Changes that a person would make, and what a plan says they are because of.

use std::path::Path;

use gatewright_compiler::options::CompileOptions;
use gatewright_plan::Plan;

use crate::ground::{Objects, plan_of, planned};

fn ingress(name: &str, host: &str, paths: &[(&str, &str)], more: &str) -> (String, String) {
    let path = |(path, service): &(&str, &str)| {
        format!(
            "{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
        )
    };
    let paths: Vec<String> = paths.iter().map(path).collect();
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: shop{more}}}\n\
         spec:\n  ingressClassName: higress\n  rules:\n  - host: '{host}'\n    http: {{paths: [{}]}}\n",
        paths.join(", ")
    );
    (format!("Ingress shop/{name}"), text)
}

fn service(name: &str) -> (String, String) {
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{name: web, port: 80}}]}}\n"
    );
    (format!("Service shop/{name}"), text)
}

fn objects<const N: usize>(all: [(String, String); N]) -> Objects {
    all.into_iter().collect()
}

/// Returns, for each class, its requests and what it is because of.
fn because(plan: &Plan) -> Vec<(String, Vec<String>)> {
    let told = plan.behaviour.classes.iter().map(|class| {
        assert!(!class.candidates);
        let causes = class.causes.iter().map(|cause| format!("{} {}", cause.change.sign(), cause.entity));
        (class.requests.clone(), causes.collect())
    });
    told.collect()
}

fn assert_because(plan: &Plan, expected: &[(&str, &[&str])]) {
    let told = because(plan);
    let told: Vec<(&str, Vec<&str>)> = told
        .iter()
        .map(|(requests, causes)| (requests.as_str(), causes.iter().map(String::as_str).collect()))
        .collect();
    let expected: Vec<(&str, Vec<&str>)> =
        expected.iter().map(|(requests, causes)| (*requests, causes.to_vec())).collect();
    assert_eq!(told, expected);
}

const WEB: &[(&str, &str)] = &[("/", "web")];

#[test]
fn each_class_of_a_host_names_its_own_change() {
    let timeout = ", annotations: {higress.io/timeout: '5'}";
    let base = objects([
        service("web"),
        ingress("cart", "a.test", &[("/cart", "web")], ""),
        ingress("pay", "a.test", &[("/pay", "web")], ""),
        ingress("web", "a.test", WEB, ""),
    ]);
    let head = objects([
        service("web"),
        ingress("cart", "a.test", &[("/cart", "web")], timeout),
        ingress("new", "a.test", &[("/new", "web")], ", annotations: {higress.io/timeout: '7'}"),
        ingress("web", "a.test", WEB, ""),
    ]);
    assert_because(
        &planned(&base, &head, 3, 2),
        &[
            ("a.test /cart and below, over http", &["~ Ingress shop/cart"]),
            ("a.test /new and below, over http", &["+ Ingress shop/new"]),
        ],
    );
}

/// The younger Ingress has been there all the time.
#[test]
fn who_takes_over_from_a_removed_ingress_is_no_change() {
    let old = ", creationTimestamp: '2024-01-01T00:00:00Z'";
    let young = ", creationTimestamp: '2025-01-01T00:00:00Z'";
    let base = objects([
        service("one"),
        service("two"),
        ingress("a", "a.test", &[("/", "one")], old),
        ingress("b", "a.test", &[("/", "two")], young),
        ingress("c", "c.test", &[("/", "two")], ""),
    ]);
    let head = objects([
        service("one"),
        service("two"),
        ingress("b", "a.test", &[("/", "two")], young),
        ingress("c", "c.test", &[("/", "one")], ""),
    ]);
    assert_because(
        &planned(&base, &head, 1, 5),
        &[
            ("a.test every path, over http", &["- Ingress shop/a"]),
            ("c.test every path, over http", &["~ Ingress shop/c"]),
        ],
    );
}

#[test]
fn two_changes_that_are_enough_only_together_are_both_named() {
    let base = objects([
        service("web"),
        ingress("a", "a.test", WEB, ", creationTimestamp: '2024-01-01T00:00:00Z'"),
        ingress("b", "a.test", WEB, ", creationTimestamp: '2025-01-01T00:00:00Z'"),
        ingress("c", "a.test", &[("/c", "web")], ""),
    ]);
    let head = objects([service("web"), ingress("c", "a.test", &[("/c", "web")], "")]);
    assert_because(
        &planned(&base, &head, 1, 1),
        &[("a.test every path but /c and below, over http", &["- Ingress shop/a", "- Ingress shop/b"])],
    );
}

#[test]
fn what_is_shared_is_named_where_it_matters_and_nowhere_else() {
    let base = objects([
        service("web"),
        ingress("a", "a.test", WEB, ""),
        ingress("b", "b.test", WEB, ""),
        ingress("wide", "'*.c.test'", WEB, "").clone(),
        ingress("narrow", "x.c.test", &[("/x", "web")], ""),
    ]);
    let mut head = base.clone();
    head.remove("Service shop/web");
    head.extend([ingress("b", "b.test", &[("/", "gone")], ""), ingress("c", "d.test", &[("/", "gone")], "")]);
    let told = because(&planned(&base, &head, 2, 2));
    for (requests, causes) in &told {
        let expected: &[&str] = match requests {
            // It names a Service that is not there and never was.
            requests if requests.starts_with("b.test") => &["~ Ingress shop/b"],
            requests if requests.starts_with("d.test") => &["+ Ingress shop/c"],
            _ => &["- Service shop/web"],
        };
        assert_eq!(causes, expected, "{requests}: {told:?}");
    }
    assert!(told.len() >= 3, "{told:?}");
}

/// Requests that a host leaves unmatched go to a wider one: so does what changes there.
#[test]
fn a_change_of_a_wider_host_is_found_behind_a_narrower_one() {
    let wide = |service: &str| ingress("wide", "*.a.test", &[("/", service)], "");
    let narrow = |service: &str| ingress("narrow", "x.a.test", &[("/x", service)], "");
    let services = [service("one"), service("two"), service("three")];
    let mut base: Objects = services.into_iter().collect();
    let mut head = base.clone();
    base.extend([wide("one"), narrow("one")]);
    head.extend([wide("two"), narrow("three")]);
    assert_because(
        &planned(&base, &head, 1, 1),
        &[
            ("x.a.test /x and below, over http", &["~ Ingress shop/narrow"]),
            (
                "x.a.test every path but /x and below, over http; *.a.test every path, over http",
                &["~ Ingress shop/wide"],
            ),
        ],
    );
}

#[test]
fn what_was_defined_twice_is_named_although_it_is_written_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write(folder.path(), path, text);
    let (_, web) = ingress("web", "a.test", WEB, "");
    let (_, api) = ingress("api", "b.test", WEB, "");
    let (_, other) = ingress("api", "b.test", WEB, ", annotations: {higress.io/timeout: '5'}");
    write("base/web.yaml", &web);
    write("base/again.yaml", &web);
    write("base/api.yaml", &api);
    write("head/web.yaml", &web);
    write("head/api.yaml", &other);
    let options = CompileOptions::higress_defaults();
    assert_because(
        &plan_of(folder.path(), &options, &options),
        &[
            ("a.test every path, over http", &["~ Ingress shop/web"]),
            ("b.test every path, over http", &["~ Ingress shop/api"]),
        ],
    );
}

#[test]
fn settings_that_change_what_is_served_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write(folder.path(), path, text);
    let (_, web) = ingress("web", "a.test", WEB, "");
    let (_, api) = ingress("api", "b.test", WEB, "");
    write("base/web.yaml", &web);
    write("head/web.yaml", &web);
    write("base/api.yaml", &api.replace("ingressClassName: higress", "ingressClassName: other"));
    write("head/api.yaml", &api);
    write("head/gatewright.yaml", "ingressClass: ''\n");
    let old = CompileOptions::higress_defaults();
    let none = CompileOptions { ingress_class: String::new(), ..old.clone() };
    let plan = plan_of(folder.path(), &old, &none);
    // Every class is served now: the Ingress would be without its change, too.
    let told = because(&plan);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "b.test every path, over http");
    assert_eq!(told[0].1.len(), 1, "{told:?}");
    let other = CompileOptions { ingress_class: "other".to_owned(), ..old.clone() };
    let told = because(&plan_of(folder.path(), &old, &other));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "a.test every path, over http");
    assert!(told[0].1[0].starts_with("~ Settings "), "{told:?}");
}

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}
