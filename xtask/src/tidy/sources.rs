//! Rules about single files: module docs, names of ignored tests, paths of a machine, places of goldens.

use super::TextFile;

/// First folders below `snapshots/`: complete examples, the program's own texts, and one per crate.
const SNAPSHOTS: &[&str] = &[
    "behaviour",
    "cli",
    "compiler",
    "diagnostics",
    "examples",
    "gateway",
    "ir",
    "plan",
    "reconciler",
    "xds",
    "xds-client",
];

/// Checks every file by itself.
pub(crate) fn check(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        if file.is_rust() && !file.is_generated() {
            findings.extend(module_doc(file));
            findings.extend(ignored_tests(file));
        }
        findings.extend(machine_paths(file));
        findings.extend(golden_place(file));
    }
    findings
}

fn module_doc(file: &TextFile) -> Option<String> {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| format!("{}:1: no module doc", file.path.display()))
}

/// `cargo xtask test` finds the tests that need a real component by the name of test or file; other ignored tests are
/// for runs by hand.
fn ignored_tests(file: &TextFile) -> Vec<String> {
    let mut findings = Vec::new();
    let real_file = file.path.iter().any(|part| part.to_string_lossy().starts_with("real_"));
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("#[ignore")) {
        let place = format!("{}:{}", file.path.display(), index + 1);
        let reason = line.split_once('=').map_or("", |(_, reason)| reason.trim());
        if !reason.contains(' ') {
            findings.push(format!("{place}: an ignored test says why"));
        }
        let function = lines[index..].iter().find(|line| line.contains("fn ")).unwrap_or(&"");
        let needs_component = reason.contains("needs ");
        if needs_component && !real_file && !function.contains("fn real_") {
            findings.push(format!("{place}: a test that needs a component, or its file, is named real_*"));
        }
    }
    findings
}

fn machine_paths(file: &TextFile) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for folder in ["work", "root", "tmp", "home"] {
            let needle = format!("/{folder}/");
            let Some(at) = line.find(&needle) else { continue };
            // A folder of that name inside a longer path or URL is nobody's machine.
            let inside = line[..at]
                .chars()
                .next_back()
                .is_some_and(|before| before.is_alphanumeric() || "._-*}>)".contains(before));
            if !inside {
                findings.push(format!(
                    "{}:{}: a path of a machine: {needle}",
                    file.path.display(),
                    index + 1
                ));
            }
        }
    }
    findings
}

fn golden_place(file: &TextFile) -> Option<String> {
    let below = file.path.strip_prefix("snapshots").ok()?;
    let mut parts = below.components();
    let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
    // A file of the folder itself, as its README.
    parts.next()?;
    (!SNAPSHOTS.contains(&first.as_str()))
        .then(|| format!("{}: goldens lie below snapshots/CRATE or snapshots/examples", file.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[TextFile { path: path.into(), text: text.to_owned() }])
    }

    #[test]
    fn a_file_opens_with_its_doc() {
        assert_eq!(findings("a.rs", "use x;\n"), ["a.rs:1: no module doc"]);
        assert!(findings("a.rs", "//! What lives here.\n").is_empty());
        assert!(findings("xds/src/generated/a.rs", "pub struct A;\n").is_empty());
    }

    #[test]
    fn ignored_tests_can_be_run_by_name() {
        let ignored_in = |file: &str, attribute: &str, name: &str| {
            findings(file, &format!("//! x\n    #[test]\n    {attribute}\n    fn {name}() {{}}\n")).len()
        };
        let ignored = |attribute: &str, name: &str| ignored_in("a.rs", attribute, name);
        assert_eq!(ignored("#[ignore = \"needs Envoy\"]", "real_envoy"), 0);
        assert_eq!(ignored_in("tests/real_envoy.rs", "#[ignore = \"needs Envoy\"]", "serves"), 0);
        assert_eq!(ignored_in("tests/real_kube/apply.rs", "#[ignore = \"needs Envoy\"]", "serves"), 0);
        assert_eq!(ignored("#[ignore]", "real_envoy"), 1);
        assert_eq!(ignored("#[ignore = \"needs Envoy\"]", "all_hosts"), 1);
        assert_eq!(ignored("#[ignore = \"later\"]", "all_hosts"), 1);
        assert_eq!(ignored("#[ignore = \"many pairs: run by hand\"]", "all_hosts"), 0);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let path = ["see ", "/root", "/x"].concat();
        assert_eq!(findings("a.md", &path).len(), 1);
        assert!(findings("a.md", "https://example.com/root/x, target/tmp/y").is_empty());
    }

    #[test]
    fn goldens_have_their_folders() {
        assert!(findings("snapshots/compiler/routes/exact/ir.yaml", "").is_empty());
        assert!(findings("snapshots/README.md", "").is_empty());
        assert_eq!(findings("snapshots/misc/a.yaml", "").len(), 1);
    }
}
