//! `gatewright.yaml` and the flags above it.

use super::support::Folder;

const WRONG: &str = "ingressclass: x\nprofile: envoy\n";

#[test]
fn mistakes_in_the_settings_are_findings() {
    let folder = Folder::clean();
    folder.write("shop/gatewright.yaml", WRONG);
    let run = folder.run(&["validate", "shop"]);
    assert_eq!(run.code, 1, "{run:?}");
    let expected = "\
error[GW0801]: there is no setting `ingressclass`
 --> shop/gatewright.yaml:1:1
  |
1 | ingressclass: x
  | ^^^^^^^^^^^^
  |
  = help: write `ingressClass`
";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    assert!(run.stdout.contains("`profile` must be `higress` or `native`"), "{run:?}");
    let absolute = folder.path().canonicalize().unwrap().join("shop");
    let json = folder.run(&["validate", absolute.to_str().unwrap(), "--format", "json"]).json();
    assert_eq!(json["diagnostics"][0]["primary"]["path"], "shop/gatewright.yaml");
    let run = folder.run(&["compile", "shop"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("GW0801"), "{run:?}");
}

#[test]
fn flags_stand_above_the_file_of_the_source() {
    let folder = Folder::clean();
    folder.write("shop/gatewright.yaml", "ingressClass: other\n");
    let hosts = |arguments: &[&str]| {
        let run = folder.run(&[&["compile", "shop", "--format", "ir"][..], arguments].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout.contains("shop.example.com")
    };
    assert!(!hosts(&[]));
    assert!(hosts(&["--ingress-class", "higress"]));
    folder.write("mine.yaml", "{}\n");
    assert!(hosts(&["--config", "mine.yaml"]));
}

#[test]
fn the_working_folder_is_asked_last() {
    let folder = Folder::clean();
    folder.write("gatewright.yaml", WRONG);
    assert_eq!(folder.run(&["validate", "shop"]).code, 1);
    folder.write("shop/gatewright.yaml", "profile: native\n");
    assert_eq!(folder.run(&["validate", "shop"]).code, 0);
}

#[test]
fn a_missing_settings_file_exits_3() {
    let run = Folder::clean().run(&["validate", "shop", "--config", "gone.yaml"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.starts_with("error: cannot read `gone.yaml`: "), "{run:?}");
}

#[test]
fn commands_that_serve_stop_at_a_wrong_settings_file() {
    let folder = Folder::clean();
    folder.write("shop/gatewright.yaml", WRONG).write("sync.yaml", "sync: {target: []}\n");
    let refused = [
        (&["gateway", "shop"][..], "nothing is served", "shop/gatewright.yaml"),
        (&["xds", "shop"], "nothing is served", "shop/gatewright.yaml"),
        (&["apply", "shop", "--yes", "--control", "c.sock"], "nothing is applied", "shop/gatewright.yaml"),
        (&["sync", "--config", "sync.yaml"], "nothing is synced", "sync.yaml"),
    ];
    for (arguments, what, file) in refused {
        let run = folder.run(arguments);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("error[GW0801]"), "{run:?}");
        assert!(run.stderr.contains(&format!("error: {what} while an error stands in `{file}`")), "{run:?}");
    }
}

#[test]
fn sync_says_what_neither_arguments_nor_settings_name() {
    let folder = Folder::clean();
    folder.run(&["sync"]).assert_fails(2, "there is neither SOURCE nor `sync.source` in gatewright.yaml");
    folder.write("gatewright.yaml", "sync: {source: {repository: .}}\n");
    let lacking = "there is neither a target (--control, --cluster) nor `sync.targets` in gatewright.yaml";
    folder.run(&["sync"]).assert_fails(2, lacking);
}
