//! `validate`: exit codes, formats and paths.

use super::support::{Folder, broken_ingress, ingress, odd_ingress};

fn with_everything() -> Folder {
    let folder = Folder::clean();
    folder.write("shop/broken.yaml", &broken_ingress("broken", "broken.example.com"));
    folder.write("shop/odd.yaml", &odd_ingress("odd", "odd.example.com"));
    folder
}

#[test]
fn a_clean_source_is_fine() {
    let run = Folder::clean().run(&["validate", "shop", "--offline"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.ends_with("in 1 file\n"), "{run:?}");
}

#[test]
fn warnings_count_only_when_asked() {
    let folder = Folder::clean();
    folder.write("shop/odd.yaml", &odd_ingress("odd", "odd.example.com"));
    assert_eq!(folder.run(&["validate", "shop"]).code, 0);
    assert_eq!(folder.run(&["validate", "shop", "--fail-on", "warning"]).code, 1);
    assert_eq!(folder.run(&["validate", "shop", "--fail-on", "error,warning"]).code, 1);
    assert_eq!(folder.run(&["validate", "shop", "--fail-on", "error"]).code, 0);
}

#[test]
fn every_finding_is_shown_with_its_line() {
    let run = with_everything().run(&["validate", "shop"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("error[GW0101]"), "{run:?}");
    assert!(run.stdout.contains("--> shop/broken.yaml:14:"), "{run:?}");
    assert!(run.stdout.contains("pathTypo: x"), "{run:?}");
    assert!(run.stdout.contains("warning[GW0401]"), "{run:?}");
    assert!(run.stdout.ends_with(" in 3 files\n"), "{run:?}");
    assert_eq!(run.stderr, "");
}

#[test]
fn json_fits_its_schema_and_paths_are_relative() {
    let folder = with_everything();
    let schema = serde_json::from_str(&folder.run(&["schema", "diagnostics"]).stdout).unwrap();
    let absolute = folder.path().canonicalize().unwrap().join("shop");
    for source in ["shop", "./shop", absolute.to_str().unwrap()] {
        let run = folder.run(&["validate", source, "--format", "json"]);
        assert_eq!(run.code, 1);
        let document = run.json();
        jsonschema::validate(&schema, &document).unwrap();
        let paths: Vec<&str> = document["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["primary"]["path"].as_str().unwrap())
            .collect();
        assert!(paths.contains(&"shop/broken.yaml"), "{source}: {paths:?}");
        assert!(paths.iter().all(|path| path.starts_with("shop/")), "{source}: {paths:?}");
    }
}

#[test]
fn sarif_github_gitlab_and_junit_name_the_same_findings() {
    let folder = with_everything();
    let sarif = folder.run(&["validate", "shop", "--format", "sarif"]).json();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let uri = |result: &serde_json::Value| {
        let location = &result["locations"][0]["physicalLocation"];
        location["artifactLocation"]["uri"].as_str().unwrap().to_owned()
    };
    assert!(results.iter().any(|result| result["ruleId"] == "GW0101" && uri(result) == "shop/broken.yaml"));

    let gitlab = folder.run(&["validate", "shop", "--format", "gitlab"]).json();
    assert_eq!(gitlab.as_array().unwrap().len(), results.len());

    let github = folder.run(&["validate", "shop", "--format", "github"]).stdout;
    assert_eq!(github.lines().count(), results.len());
    assert!(github.contains("::error file=shop/broken.yaml,line=14"), "{github}");

    let junit = folder.run(&["validate", "shop", "--format", "junit"]).stdout;
    assert!(junit.contains("<testcase name=\"shop/broken.yaml\""), "{junit}");
    assert!(junit.contains("failures=\"1\""), "{junit}");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let folder = with_everything();
    let first = folder.run(&["validate", "shop", "--format", "sarif"]).stdout;
    assert_eq!(folder.run(&["validate", "shop", "--format", "sarif"]).stdout, first);
}

#[test]
fn one_entity_in_two_sources_labels_both() {
    let folder = Folder::clean();
    folder.write("other/web.yaml", &ingress("web", "other.example.com"));
    let run = folder.run(&["validate", "shop", "other"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("GW0201"), "{run:?}");
    assert!(run.stdout.contains("shop/web.yaml:") && run.stdout.contains("other/web.yaml:"), "{run:?}");
}

#[test]
fn charts_are_told_of() {
    let folder = Folder::clean();
    folder.write("shop/chart/Chart.yaml", "name: x\n").write("shop/chart/templates/a.yaml", "{{ broken\n");
    let run = folder.run(&["validate", "shop"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("GW0006") && run.stdout.contains("shop/chart/Chart.yaml"), "{run:?}");
}

#[test]
fn no_line_of_a_secret_is_shown() {
    let folder = Folder::new();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: tls\ndata:\n  tls.key: '*hunter2*'\n  tls.key: aHVudGVyMg==\n";
    folder.write("shop/secret.yaml", secret);
    for format in ["text", "json", "sarif", "junit", "github", "gitlab"] {
        let run = folder.run(&["validate", "shop", "--format", format]);
        assert!(run.code == 0 && run.stdout.contains("GW0002"), "{run:?}");
        let all = run.stdout + &run.stderr;
        assert!(!all.contains("hunter2") && !all.contains("aHVudGVyMg"), "{format}: {all}");
    }
}

#[test]
fn colors_come_when_wanted() {
    let folder = with_everything();
    let escape = '\u{1b}';
    assert!(!folder.run(&["validate", "shop"]).stdout.contains(escape));
    assert!(folder.run(&["validate", "shop", "--color", "always"]).stdout.contains(escape));
    let forced = super::support::program(folder.path())
        .args(["validate", "shop"])
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!String::from_utf8(forced.stdout).unwrap().contains(escape));
}
