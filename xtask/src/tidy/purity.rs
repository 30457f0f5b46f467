//! Pure crates see no files, environment, network, process or clock: their whole input is a value.

use super::TextFile;

/// Folders of the pure crates' sources.
const PURE: &[&str] = &[
    "compiler/src",
    "compiler/behaviour/src",
    "compiler/diagnostics/src",
    "compiler/ir/src",
    "compiler/kinds/src",
    "reconciler/plan/src",
];

/// Parts of the standard library that reach outside.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::env",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread::sleep",
    "Instant::now",
    "SystemTime::now",
    "std::io::stdin",
    "println!",
    "eprintln!",
    "std::os",
];

/// The only part of the compiler that knows xDS words, and what hands its results on.
const XDS_USERS: &[&str] = &[
    "compiler/src/emit",
    "compiler/src/emit.rs",
    "compiler/src/engine",
    "compiler/src/engine.rs",
    "compiler/src/lib.rs",
];

/// Checks the sources of the pure crates.
pub(crate) fn check(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_test()) {
        let pure = PURE.iter().any(|folder| file.below(folder));
        let no_xds = file.below("compiler/src") && !XDS_USERS.iter().any(|place| file.below(place));
        for (number, line) in file.source_lines() {
            let place = || format!("{}:{number}", file.path.display());
            if let Some(word) = OUTSIDE.iter().find(|word| pure && line.contains(*word)) {
                findings.push(format!("{}: a pure crate may not use {word}", place()));
            }
            if no_xds && line.contains("gatewright_xds") {
                findings.push(format!("{}: xDS words belong to compiler/src/emit", place()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[TextFile { path: path.into(), text: text.to_owned() }])
    }

    #[test]
    fn files_are_banned_outside_tests() {
        assert_eq!(
            findings("compiler/src/a.rs", "//! x\nuse std::fs;\n"),
            ["compiler/src/a.rs:2: a pure crate may not use std::fs"]
        );
        assert!(findings("compiler/src/a.rs", "// std::fs\n#[cfg(test)]\nuse std::fs;\n").is_empty());
        assert!(findings("cli/src/a.rs", "use std::fs;\n").is_empty());
    }

    #[test]
    fn xds_words_stay_in_emit() {
        assert_eq!(findings("compiler/src/lower/a.rs", "use gatewright_xds as xds;\n").len(), 1);
        assert!(findings("compiler/src/emit/a.rs", "use gatewright_xds as xds;\n").is_empty());
    }
}
