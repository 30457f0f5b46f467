//! No output of any command holds a secret: findings in every form, and the program itself at every log level.

mod plant;
mod serving;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use gatewright_compiler::options::{CompileOptions, Profile};
use gatewright_compiler::source::SourceTree;
use gatewright_diagnostics::Severity;
use gatewright_diagnostics::render::{self, Report, TextOptions};

use self::plant::{MARK, flow, objects, spellings};
use super::support::{Folder, SERVICE, ingress, program};

/// Checks a text. What stands before the mark says where it came from.
fn assert_hidden(text: &str, what: &str) {
    if let Some(at) = text.find(MARK) {
        let start = text.floor_char_boundary(at.saturating_sub(300));
        let end = text.ceil_char_boundary((at + 60).min(text.len()));
        panic!("{what} shows a secret:\n{}", &text[start..end]);
    }
}

#[test]
fn no_form_of_findings_holds_a_secret_of_any_field() {
    for profile in [Profile::Higress, Profile::Native] {
        let files = objects().iter().flat_map(spellings).enumerate().collect::<Vec<_>>();
        let files: Vec<(String, String)> =
            files.into_iter().map(|(number, text)| (format!("{number}.yaml"), text)).collect();
        let tree = SourceTree::in_memory(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let options = CompileOptions { profile, ..CompileOptions::higress_defaults() };
        let compiled = gatewright_compiler::compile(&tree, &options).unwrap();
        let names: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let report = Report {
            diagnostics: &compiled.diagnostics,
            files: &names,
            passed_over: 0,
            version: "0",
            fail_on: Severity::Error,
        };
        assert!(compiled.diagnostics.len() > files.len(), "every spelling has findings");
        let source = |path: &str| {
            files.iter().find(|(known, _)| known == path).map(|(_, text)| Arc::from(text.as_bytes()))
        };
        let mut leaks = std::collections::BTreeMap::new();
        for of_file in compiled.diagnostics.chunk_by(|one, next| one.primary.path == next.primary.path) {
            let part = Report { diagnostics: of_file, ..report };
            let options = TextOptions { color: false, source: &source };
            let text = render::in_memory(|out| render::text(&part, &options, out));
            if let Some(line) = text.lines().find(|line| line.contains(MARK)) {
                leaks.entry(of_file[0].code.id).or_insert(line.to_owned());
            }
        }
        assert!(leaks.is_empty(), "{leaks:#?}");
        assert_hidden(&render::in_memory(|out| render::json(&report, out)), "json");
        assert_hidden(&render::in_memory(|out| render::sarif(&report, out)), "sarif");
        assert_hidden(&render::in_memory(|out| render::junit(&report, out)), "junit");
        assert_hidden(&render::in_memory(|out| render::github(&report, out)), "github");
        assert_hidden(&render::in_memory(|out| render::gitlab(&report, out)), "gitlab");
    }
}

/// Writes a source that is served, with secrets that end in `end`.
fn write_served(folder: &Folder, name: &str, end: &str) {
    let secret = format!("{MARK}{end}");
    let web = ingress("web", "shop.example.com").replace(
        "  namespace: shop\n",
        &format!(
            "  namespace: shop\n  annotations:\n    example.com/key: |\n      -----BEGIN PRIVATE KEY-----\n      {secret}\n      -----END PRIVATE KEY-----\n    example.com/db-password: {secret}\n    higress.io/exact-match-header-x-api-key: {secret}\n    higress.io/exact-match-query-token: {secret}\n    higress.io/request-header-control-add: |\n      authorization Bearer {secret}\n      x-url https://u:{secret}@h.test/\n    higress.io/response-header-control-update: set-cookie a={secret}; b={secret}\n    higress.io/tiemout: '{{token: {secret}}}'\n"
        ),
    );
    let old = ingress("old", "old.example.com").replace(
        "  namespace: shop\n",
        &format!("  namespace: shop\n  annotations:\n    higress.io/permanent-redirect: http://u:{secret}@new.example.com/?token={secret}\n"),
    );
    let plugin = format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: auth, namespace: higress-system}}\nspec: {{url: \"https://u:{secret}@h.test/p.wasm\", failStrategy: FAIL_OPEN, defaultConfig: {{consumers: [{{credential: {secret}, name: {secret}}}]}}}}\n"
    );
    let bridge = format!(
        "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata: {{name: default, namespace: higress-system}}\nspec: {{registries: [{{type: nacos2, name: n, port: 8848, nacosAccessKey: {secret}, nacosSecretKey: {secret}, consulToken: {secret}, domain: \"u:{secret}@nacos.test\"}}, {{type: dns, name: d, port: 80, domain: \"u:{secret}@d.test\"}}]}}\n"
    );
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: higress-config, namespace: higress-system}}\ndata:\n  higress: |\n    redis: {{address: r.test, password: {secret}}}\n  mesh: |\n    token: {secret}\n"
    );
    let anchors = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: anchors, namespace: shop}}\nx-anchor: &s {secret}\nx-more: &m\n  a: {secret}\nzz: 1\ndata:\n  password: *s\ncredentials:\n  <<: *m\n  b: |\n    # {secret}\n"
    );
    let own = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\nstringData: {{tls.key: {secret}, tls.crt: {secret}}}\n"
    );
    let all = [web, old, plugin, bridge, map, anchors, own, SERVICE.to_owned()];
    folder.write(&format!("{name}/all.yaml"), &all.join("---\n"));
}

/// Runs the program with every event of the log, and checks all that it says.
fn check(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = program(folder.path());
    command.args(arguments).env("GATEWRIGHT_LOG", "trace").stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_hidden(&said, &arguments.join(" "));
    said
}

#[test]
fn no_output_of_any_command_holds_a_secret() {
    let folder = Folder::new();
    write_served(&folder, "old", "1");
    write_served(&folder, "new", "2");
    for format in ["text", "json", "sarif", "junit", "github", "gitlab"] {
        check(&folder, &["validate", "new", "--format", format]);
    }
    for format in ["xds-yaml", "xds-json", "ir", "summary"] {
        let said = check(&folder, &["compile", "new", "--keep-going", "--format", format]);
        assert!(format == "summary" || said.contains("shop.example.com"), "{format}: {said}");
    }
    check(&folder, &["compile", "new", "--keep-going", "--format", "xds-yaml", "--output", "written"]);
    for format in ["text", "markdown", "json"] {
        check(&folder, &["plan", "new", "--base", "old", "--show-xds", "--format", format]);
    }
    let plan = check(&folder, &["plan", "new", "--base", "old", "--out", "written/plan.json"]);
    assert!(plan.contains("hidden"), "a plan says that something differs: {plan}");
    for format in ["text", "json", "dot", "mermaid"] {
        check(&folder, &["graph", "new", "--format", format]);
    }
    let tests = format!(
        "tests:\n- name: t\n  request: GET https://shop.example.com/?token={MARK}3 -H 'x-api-key: {MARK}2' -H 'authorization: Bearer {MARK}4'\n  expect:\n    request_headers: {{authorization: Bearer {MARK}5}}\n"
    );
    folder.write("new/a.gwtest.yaml", &tests);
    check(&folder, &["test", "new"]);
    check(&folder, &["test", "new", "--format", "junit"]);
    for format in ["text", "json"] {
        let header = format!("authorization: Bearer {MARK}3");
        let url = format!("GET http://shop.example.com/?token={MARK}2");
        check(&folder, &["trace", "new", &url, "-H", &header, "--format", format]);
        check(&folder, &["trace", "new", "GET http://old.example.com/", "--format", format]);
    }
    assert_nothing_written(&folder.path().join("written"));
}

#[test]
fn no_complaint_about_arguments_holds_a_secret() {
    let folder = Folder::clean();
    for source in [
        format!("git+ftp://user:{MARK}@h.test/x"),
        format!("git+https://user:{MARK}@h.test/x.git"),
        format!("git+https://{MARK}@h.test/x.git"),
        format!("git+https://user:{MARK}@127.0.0.1:1/x.git@main"),
        format!("git+https://127.0.0.1:1/x.git?private_token={MARK}@main"),
        format!("git+ssh://git:{MARK}@127.0.0.1:1/x.git@main"),
        format!("https://user:{MARK}@h.test/x.git"),
        format!("user:{MARK}@h.test:x.git"),
        format!("git+user:{MARK}@127.0.0.1:path"),
        format!("git+git:{MARK}@127.0.0.1:path@main"),
        format!("git+user:{MARK}/y@127.0.0.1:path@main:sub"),
        format!("git+user:{MARK}@[::1]:1/path"),
        format!("git+user:{MARK}@127.0.0.1"),
        format!("git+https://127.0.0.1:1/x.git@main?token={MARK}"),
        format!("git+file://user:{MARK}@h.test/x@main"),
    ] {
        check(&folder, &["validate", &source]);
        check(&folder, &["plan", "shop", "--base", &source]);
        check(&folder, &["apply", &source, "--control", "none.sock", "--yes"]);
    }
    for arguments in [
        vec![format!("--git-password={MARK}")],
        vec!["validate".into(), "shop".into(), format!("--token={MARK}")],
        vec!["explain".into(), format!("https://u:{MARK}@h.test")],
        vec!["trace".into(), "shop".into(), format!("GET ftp://u:{MARK}@h.test/")],
        vec!["trace".into(), "shop".into(), format!("GET http://u:{MARK}@h.test/")],
        vec!["trace".into(), "shop".into(), format!("GET http://h.test/ -H authorization={MARK}")],
        vec![
            "trace".into(),
            "shop".into(),
            "GET http://h.test/".into(),
            "-H".into(),
            format!("x-api-key {MARK}"),
        ],
        vec![
            "trace".into(),
            "shop".into(),
            "GET http://h.test/".into(),
            "--header".into(),
            format!("authorization: {MARK}\u{1}"),
        ],
        vec!["trace".into(), "shop".into(), format!("GET https://h.test/ --sni u:{MARK}@h.test")],
        vec!["sync".into(), format!("--webhook-secret={MARK}")],
        vec!["sync".into(), "--webhook-secret".into(), format!("{MARK}")],
        vec!["graph".into(), "shop".into(), "--focus".into(), format!("https://u:{MARK}@h.test")],
        vec!["gateway".into(), "--xds".into(), format!("ftp://u:{MARK}@h.test")],
        vec![format!("https://u:{MARK}@h.test")],
    ] {
        check(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn a_flow_style_line_is_as_readable_as_it_may_be() {
    let object = serde_json::json!({"a": ["b", {"c": "d"}]});
    assert_eq!(flow(&object), r#"{a: ["b", {c: "d"}]}"#);
}

fn assert_nothing_written(folder: &Path) {
    let entries: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")).collect();
    assert!(entries.len() > 5, "{entries:?}");
    for entry in entries {
        assert_hidden(&fs::read_to_string(entry.path()).expect("text"), &entry.path().display().to_string());
    }
}
