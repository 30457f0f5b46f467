//! What goes wrong before anything is compiled, and the forms of SOURCE.

use std::process::{Command, Stdio};

use gatewright_testkit::git::TempRepo;

use super::support::{Folder, SERVICE, broken_ingress, ingress, program};

#[test]
fn wrong_arguments_exit_2() {
    let folder = Folder::clean();
    for arguments in [
        &["validate"][..],
        &["validate", "shop", "--nonsense"],
        &["validate", "shop", "--format", "xml"],
        &["validate", "git:"],
        &["validate", "git+https://example.com/repo"],
        &["validate", "git+https://example.com/repo@main", "--offline"],
        &["validate", "-", "-"],
        &["compile", "shop", "--format", "summary", "-o", "out"],
        &["compile", "shop", "--http-port", "99999"],
        &["graph", "shop", "--dependents"],
        &["graph", "shop", "--focus", "nonsense"],
        &["graph", "shop", "--focus", "Service/shop/gone"],
        &["explain", "GW9999"],
        &["schema", "nonsense"],
        &["nonsense"],
        &[],
    ] {
        let run = folder.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_fine() {
    let folder = Folder::new();
    for arguments in [&["--help"][..], &["validate", "--help"], &["--version"], &["version"]] {
        let run = folder.run(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}: {run:?}");
        assert!(!run.stdout.is_empty());
    }
}

#[test]
fn what_is_missing_is_named_with_exit_3() {
    let folder = Folder::clean();
    folder.run(&["validate", "gone"]).assert_fails(3, "there is no file or folder `gone`");
    folder.run(&["compile", "gone.yaml"]).assert_fails(3, "there is no file or folder `gone.yaml`");
    let path = folder.path().canonicalize().unwrap();
    let sentence = format!("`{}` is not in a git repository", path.display());
    folder.run(&["validate", "git:HEAD"]).assert_fails(3, &sentence);
    std::os::unix::fs::symlink("loop.yaml", folder.path().join("shop/loop.yaml")).unwrap();
    let run = folder.run(&["validate", "shop"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.starts_with("error: cannot read `shop/loop.yaml`: "), "{run:?}");
}

#[test]
fn an_unreachable_remote_exits_3_without_credentials() {
    let folder = Folder::new();
    let port = gatewright_testkit::free_port();
    let run = folder.run(&["validate", &format!("git+http://me:hunter2@127.0.0.1:{port}/x.git@main")]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
    assert!(
        run.stderr.starts_with(&format!("error: cannot reach http://127.0.0.1:{port}/x.git: ")),
        "{run:?}"
    );
    assert!(!run.stderr.contains("hunter2"));
}

#[test]
fn revisions_are_compared_without_a_checkout() {
    let repo = TempRepo::new();
    repo.write("deploy/web.yaml", &(ingress("web", "a.example.com") + "---\n" + SERVICE)).commit("good");
    repo.write("deploy/web.yaml", &broken_ingress("web", "a.example.com")).commit("bad");
    let run = |source: &str| {
        let output = program(repo.path()).args(["validate", source]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("git:HEAD~1:deploy").0, 0);
    let (code, text) = run("git:HEAD:deploy");
    assert_eq!(code, 1);
    assert!(text.contains("--> deploy/web.yaml:14:"), "{text}");
    assert_eq!(run(&format!("git+{}@main~1:deploy", repo.url())).0, 0);
    let missing = program(repo.path()).args(["validate", "git:gone"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(3));
    let stderr = String::from_utf8(missing.stderr).unwrap();
    assert!(
        stderr.starts_with("error: there is no revision `gone` in this repository\n  = help: "),
        "{stderr}"
    );
}

#[test]
fn standard_input_is_a_source() {
    let folder = Folder::new();
    let run = folder.run_with_stdin(&["validate", "-"], &broken_ingress("web", "a.example.com"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("--> stdin:14:"), "{run:?}");
    let run =
        folder.run_with_stdin(&["compile", "-", "--format", "summary"], &ingress("web", "a.example.com"));
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn an_empty_source_is_fine_where_it_is_meant() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["validate", "."]).code, 1);
    let run = folder.run(&["validate", ".", "--allow-empty"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "no findings in 0 files\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new();
    let mut child = program(folder.path())
        .args(["explain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let shell = format!("'{}' schema Ingress | head -n 1", env!("CARGO_BIN_EXE_gatewright"));
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_run_without_a_manifest_is_an_error_unless_it_is_meant() {
    let folder = Folder::new();
    folder.write("chart/Chart.yaml", "name: x\n").write("chart/templates/a.yaml", "{{ broken\n");
    folder.write("chart/tasks.yaml", "tasks: [greet]\n").write("shop/web.yaml", &ingress("web", "a.test"));
    let message = "no manifest was read: 1 file without one, 1 file of a chart or a Kustomization";
    let commands = [
        &["validate", "chart"][..],
        &["compile", "chart"],
        &["plan", "chart", "--base", "shop"],
        &["graph", "chart"],
        &["apply", "chart", "--control", "c.sock", "--yes"],
    ];
    for arguments in commands {
        let run = folder.run(arguments);
        assert!(run.code == 1 || arguments[0] == "graph", "{run:?}");
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains(&format!("error[GW0008]: {message}")), "{told}");
        assert!(arguments[0] == "graph" || told.contains("GW0006"), "{told}");
    }
    let json = folder.run(&["validate", "chart", "--format", "json"]).json();
    assert_eq!(json["summary"]["passed_over"], 1);
    for arguments in [&["validate", "chart"][..], &["compile", "chart"], &["plan", "chart", "--base", "shop"]]
    {
        let run = folder.run(&[arguments, &["--allow-empty"]].concat());
        assert_eq!(run.code, 0, "{run:?}");
    }
    // The base of a plan may be from a time before there was anything.
    assert_eq!(folder.run(&["plan", "shop", "--base", "chart"]).code, 0);
}

#[test]
fn a_kustomization_hides_what_it_names_and_the_rest_is_checked() {
    let folder = Folder::new();
    folder.write("shop/kustomization.yaml", "resources: [namespace.yaml, teams]\n");
    folder.write("shop/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    folder.write("shop/teams/cart/web.yaml", &ingress("web", "BAD.test"));
    folder.write("shop/notes.json", "{\"a\": 1}\n{\"a\": 2}\n");
    let run = folder.run(&["validate", "shop"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout.contains("the folder holds a Kustomization: 1 file that it names is not read"),
        "{run:?}"
    );
    assert!(run.stdout.contains("shop/teams/cart/web.yaml"), "{run:?}");
    assert!(run.stdout.contains(" in 2 files; 1 of them holds no manifest and was passed over\n"), "{run:?}");
}
