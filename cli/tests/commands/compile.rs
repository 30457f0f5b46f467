//! `compile`: artefacts, refusal, files.

use super::support::{Folder, broken_ingress, ingress};

#[test]
fn xds_comes_by_type_in_yaml_and_json() {
    let folder = Folder::clean();
    let run = folder.run(&["compile", "shop"]);
    assert_eq!(run.code, 0, "{run:?}");
    let types: Vec<&str> = run.stdout.lines().filter_map(|line| line.strip_prefix("type_url: ")).collect();
    assert_eq!(types.len(), 7);
    assert!(run.stdout.contains("outbound|80||web.shop.svc.cluster.local"), "{run:?}");
    let json = folder.run(&["compile", "shop", "--format", "xds-json"]).json();
    let of_json: Vec<&str> =
        json.as_array().unwrap().iter().map(|response| response["type_url"].as_str().unwrap()).collect();
    assert_eq!(of_json, types);
}

#[test]
fn the_order_of_files_changes_nothing() {
    let (one, two) = (Folder::clean(), Folder::new());
    one.write("shop/b.yaml", &ingress("b", "b.example.com"));
    two.write("shop/z/other.yml", &one.read("shop/web.yaml")).write("shop/a.yaml", &one.read("shop/b.yaml"));
    for format in ["xds-yaml", "xds-json", "ir", "summary", "envoy-bootstrap"] {
        let arguments = ["compile", "shop", "--format", format];
        assert_eq!(one.run(&arguments).stdout, two.run(&arguments).stdout, "{format}");
    }
}

#[test]
fn a_summary_counts_without_rendering() {
    let run = Folder::clean().run(&["compile", "shop", "--format", "summary"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let clusters = run.stdout.lines().find(|line| line.starts_with("Cluster ")).unwrap();
    let columns: Vec<&str> = clusters.split_whitespace().collect();
    assert_eq!(columns[1], "1");
    assert_eq!(columns[3].len(), 16);
}

#[test]
fn a_bootstrap_stands_alone_at_the_given_ports() {
    let folder = Folder::clean();
    let arguments = [
        "--format",
        "envoy-bootstrap",
        "--http-port",
        "18080",
        "--https-port",
        "18443",
        "--admin-port",
        "19000",
    ];
    let run = folder.run(&[&["compile", "shop"][..], &arguments].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let bootstrap: serde_json::Value = serde_yaml::from_str(&run.stdout).unwrap();
    assert_eq!(bootstrap["admin"]["address"]["socket_address"]["port_value"], 19000);
    let listener = &bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"];
    assert_eq!((&listener["address"], &listener["port_value"]), (&"127.0.0.1".into(), &18080.into()));
}

#[test]
fn nothing_is_emitted_while_an_error_stands() {
    let folder = Folder::clean();
    folder.write("shop/broken.yaml", &broken_ingress("broken", "broken.example.com"));
    let run = folder.run(&["compile", "shop", "-o", "out"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("error[GW0101]") && run.stderr.contains("--keep-going"), "{run:?}");
    assert!(!folder.path().join("out").exists());

    let run = folder.run(&["compile", "shop", "--keep-going", "--format", "xds-json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let hosts = run.json()[2].to_string();
    assert!(hosts.contains("shop.example.com") && hosts.contains("broken.example.com"), "{hosts}");
    assert!(hosts.contains("503"), "{hosts}");
}

#[test]
fn files_are_written_whole_and_stay_when_nothing_is_emitted() {
    let folder = Folder::clean();
    assert_eq!(folder.run(&["compile", "shop", "-o", "out"]).code, 0);
    let names = [
        "clusters.yaml",
        "endpoints.yaml",
        "extensions.yaml",
        "listeners.yaml",
        "routes.yaml",
        "secrets.yaml",
        "virtual-hosts.yaml",
    ];
    assert_eq!(folder.names("out"), names);
    let before = folder.read("out/virtual-hosts.yaml");
    folder.write("shop/broken.yaml", &broken_ingress("broken", "broken.example.com"));
    assert_eq!(folder.run(&["compile", "shop", "-o", "out"]).code, 1);
    assert_eq!(folder.read("out/virtual-hosts.yaml"), before);
    folder.write("shop/broken.yaml", &ingress("broken", "mended.example.com"));
    assert_eq!(folder.run(&["compile", "shop", "-o", "out"]).code, 0);
    assert!(folder.read("out/virtual-hosts.yaml").contains("mended.example.com"));
    assert_eq!(folder.names("out"), names);
}

#[test]
fn a_folder_that_cannot_be_written_exits_3() {
    let folder = Folder::clean();
    folder.write("out", "a file\n");
    let run = folder.run(&["compile", "shop", "-o", "out"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
    assert!(run.stderr.contains("error: cannot write to `"), "{run:?}");
    assert_eq!(folder.read("out"), "a file\n");
}

#[test]
fn private_keys_stand_in_the_bootstrap_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::clean();
    let pair = gatewright_testkit::certs::Authority::new("test").server(&["shop.example.com"]);
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "shop-tls", "namespace": "shop" },
        "stringData": { "tls.crt": pair.certificate, "tls.key": pair.key },
    });
    let tls = "spec:\n  tls:\n  - hosts: [shop.example.com]\n    secretName: shop-tls";
    folder.write("shop/web.yaml", &folder.read("shop/web.yaml").replacen("spec:", tls, 1));
    folder.write("shop/secret.json", &secret.to_string());
    // The middle of the key, as it stands in PEM.
    let needle = pair.key.lines().nth(1).unwrap();
    for format in ["xds-yaml", "xds-json", "ir", "summary"] {
        let run = folder.run(&["compile", "shop", "--format", format]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(!run.stdout.contains("PRIVATE KEY") && !run.stdout.contains(needle), "{format}");
    }
    assert!(folder.run(&["compile", "shop"]).stdout.contains("[redacted]"));
    assert_eq!(folder.run(&["compile", "shop", "--format", "envoy-bootstrap", "-o", "out"]).code, 0);
    let file = folder.path().join("out/envoy-bootstrap.yaml");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(folder.read("out/envoy-bootstrap.yaml").contains("private_key"));
}
