//! `gatewright test`: route tests and goldens.

use super::support::{Folder, SERVICE, broken_ingress, ingress};

const TESTS: &str = "\
tests:
- name: the shop is served
  request: GET http://shop.example.com/cart
  expect: {forward: shop/web, route: shop/web}
- name: nobody else is
  request: {method: POST, url: 'http://other.example.com/'}
  expect: {no_route: true}
";

fn folder() -> Folder {
    let folder = Folder::clean();
    folder.write("shop/routes.gwtest.yaml", TESTS);
    folder
}

#[test]
fn route_tests_pass_and_are_no_manifests() {
    let folder = folder();
    let run = folder.run(&["test", "shop"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.ends_with("\n2 passed, 0 failed\n"), "{}", run.stdout);
    let validated = folder.run(&["validate", "shop"]);
    assert_eq!(validated.code, 0, "{validated:?}");
    assert!(!validated.stdout.contains("gwtest"), "{}", validated.stdout);
}

#[test]
fn a_failure_says_what_was_found_and_what_decided() {
    let folder = folder();
    folder.write("shop/routes.gwtest.yaml", &TESTS.replace("shop/web, route", "shop/other, route"));
    let run = folder.run(&["test", "shop"]);
    assert_eq!(run.code, 1, "{run:?}");
    for part in [
        "FAIL  the shop is served  shop/routes.gwtest.yaml:2",
        "forward: expected shop/other",
        "found outbound|80||web.shop.svc.cluster.local",
        "decided by shop/web (shop/web.yaml:12)",
        "request GET http://shop.example.com/cart",
        "1 passed, 1 failed",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn junit_has_a_suite_for_each_file() {
    let folder = folder();
    folder.write(
        "shop/more.gwtest.yaml",
        "tests:\n- request: GET http://shop.example.com/\n  expect: {status: 404}\n",
    );
    let run = folder.run(&["test", "shop", "--format", "junit"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout.contains(
            "<testsuite name=\"shop/more.gwtest.yaml\" tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"1\""
        ),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("<testsuite name=\"shop/routes.gwtest.yaml\" tests=\"2\""), "{}", run.stdout);
    assert!(run.stdout.contains("status: expected 404"), "{}", run.stdout);
}

#[test]
fn a_broken_test_file_is_located() {
    let folder = folder();
    folder.write("shop/routes.gwtest.yaml", &TESTS.replace("forward", "forwrad"));
    let run = folder.run(&["test", "shop"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(
        run.stderr.contains("GW0802") && run.stderr.contains("shop/routes.gwtest.yaml:4:12"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("write `forward`"), "{}", run.stderr);
}

#[test]
fn nothing_is_tested_while_an_error_stands_or_when_there_is_nothing() {
    let folder = Folder::clean();
    let run = folder.run(&["test", "shop"]);
    run.assert_fails(1, "there is nothing to test");
    folder.write("shop/web.yaml", &(broken_ingress("web", "shop.example.com") + "---\n" + SERVICE));
    let run = folder.run(&["test", "shop"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("GW0101"), "{}", run.stderr);
}

#[test]
fn goldens_are_accepted_compared_and_never_orphaned() {
    let folder = folder();
    let accepted = folder.run(&["test", "shop", "--update"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let goldens = folder.names("shop/snapshots");
    assert_eq!(goldens, ["clusters.txt", "findings.txt", "listeners.txt", "routes.txt", "virtual-hosts.txt"]);
    assert_eq!(folder.run(&["test", "shop"]).code, 0);
    assert_eq!(folder.run(&["validate", "shop"]).code, 0, "goldens are no manifests");

    folder.write("shop/web.yaml", &(ingress("web", "new.example.com") + "---\n" + SERVICE));
    folder.write("shop/routes.gwtest.yaml", "tests: []\n");
    let moved = folder.run(&["test", "shop"]);
    assert_eq!(moved.code, 1, "{moved:?}");
    assert!(moved.stdout.contains("FAIL  virtual-hosts.txt"), "{}", moved.stdout);
    assert!(moved.stdout.contains("- name: http.80/shop.example.com"), "{}", moved.stdout);
    assert!(moved.stdout.contains("+ name: http.80/new.example.com"), "{}", moved.stdout);
    assert_eq!(folder.names("shop/snapshots"), goldens, "a comparison writes nothing");

    folder.write("shop/snapshots/old.txt", "left over\n");
    assert_eq!(folder.run(&["test", "shop", "--update"]).code, 1, "a foreign file is not removed");
    assert!(folder.names("shop/snapshots").contains(&"old.txt".to_owned()));
}

#[test]
fn goldens_hold_no_private_key() {
    let folder = folder();
    folder.write("tls/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: shop}\ntype: Opaque\nstringData: {k: SESAME}\n");
    assert_eq!(folder.run(&["test", "shop", "tls", "--update"]).code, 0);
    for name in folder.names("shop/snapshots") {
        assert!(!folder.read(&format!("shop/snapshots/{name}")).contains("SESAME"), "{name}");
    }
}

#[test]
fn goldens_may_lie_elsewhere() {
    let folder = folder();
    assert_eq!(folder.run(&["test", "shop", "--snapshots", "golden", "--update"]).code, 0);
    assert_eq!(folder.run(&["test", "shop", "--snapshots", "golden"]).code, 0);
    assert_eq!(folder.run(&["test", "shop", "--snapshots", "nowhere"]).code, 3);
    assert_eq!(folder.run(&["test", "shop/web.yaml", "--update"]).code, 2);
}
