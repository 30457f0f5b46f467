//! Commands that need no SOURCE.

use super::support::Folder;

#[test]
fn pages_of_codes_and_annotations_are_printed() {
    let folder = Folder::new();
    assert!(folder.run(&["explain", "GW0301"]).stdout.starts_with("# GW0301: duplicate-route\n"));
    assert!(folder.run(&["explain", "higress.io/timeout"]).stdout.starts_with("# higress.io/timeout\n"));
    assert!(folder.run(&["explain"]).stdout.contains("GW0901"));
    folder
        .run(&["explain", "duplicate-rout"])
        .assert_fails(2, "there is neither a code nor an annotation `duplicate-rout`");
}

#[test]
fn completions_exist_for_every_shell() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = folder.run(&["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("validate"), "{shell}");
    }
    let bash = folder.run(&["completions", "bash"]).stdout;
    folder.write("complete.sh", &bash);
    let checked =
        std::process::Command::new("bash").arg("-n").arg(folder.path().join("complete.sh")).status();
    assert!(checked.unwrap().success());
}

#[test]
fn version_facts_are_readable_by_programs() {
    let facts = Folder::new().run(&["version", "--format", "json"]).json();
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
}
