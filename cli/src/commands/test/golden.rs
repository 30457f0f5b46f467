//! Goldens of compiled artefacts: one readable text per xDS type, and the findings.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use gatewright_compiler::Engine;
use gatewright_reconciler::source::Source;
use gatewright_xds::render::{self, Keys};
use gatewright_xds::type_url;
use similar::{ChangeTag, TextDiff};

use super::Case;
use crate::errors::CliError;
use crate::files::{self, Output};

/// First line of every golden, so that a foreign file is never taken for one.
const MARK: &str = "# Golden of `gatewright test`; accept changes with --update.";

/// Goldens by type, in the order in which they are compared.
const FILES: [(&str, &str); 7] = [
    (type_url::LISTENER, "listeners.txt"),
    (type_url::ROUTE, "routes.txt"),
    (type_url::VIRTUAL_HOST, "virtual-hosts.txt"),
    (type_url::CLUSTER, "clusters.txt"),
    (type_url::ENDPOINT, "endpoints.txt"),
    (type_url::SECRET, "secrets.txt"),
    (type_url::EXTENSION_CONFIG, "extensions.txt"),
];

/// A folder of goldens, and what it should hold.
pub(super) struct Goldens<'a> {
    pub(super) folder: &'a Path,
    pub(super) wanted: BTreeMap<String, String>,
}

/// Returns the artefacts of a compilation by file name. Types without resources have none; private keys are hidden.
pub(super) fn artefacts(engine: &Engine, source: &Source) -> Result<BTreeMap<String, String>, CliError> {
    let mut artefacts = BTreeMap::new();
    let xds = engine.xds().with_inline_chains();
    for (type_url, file) in FILES {
        if xds.count(type_url) == 0 {
            continue;
        }
        let mut text = format!("{MARK}\n");
        for resource in xds.of_type(type_url) {
            text.push_str("---\n");
            text.push_str(&render::yaml_text(&render::resource(resource, Keys::Hidden)?));
        }
        artefacts.insert(file.to_owned(), text);
    }
    let mut findings = format!("{MARK}\n");
    for found in engine.diagnostics()? {
        // Without a line: an edit above a finding is no change of it.
        let entity = found.entity.as_deref().map(|entity| format!("{entity}: ")).unwrap_or_default();
        let path = source.relative(&found.primary.path);
        writeln!(findings, "{} {path}: {entity}{}", found.code.id, found.message)
            .expect("writing to a string");
    }
    artefacts.insert("findings.txt".to_owned(), findings);
    Ok(artefacts)
}

impl Goldens<'_> {
    /// Compares every artefact with its golden; a golden that nothing makes any more fails too.
    pub(super) fn compare(&self) -> Result<Vec<Case>, CliError> {
        let present = self.present()?;
        let mut cases = Vec::new();
        for (name, wanted) in &self.wanted {
            let start = Instant::now();
            let failure = match present.get(name) {
                Some(found) if found == wanted => None,
                Some(found) => Some(difference(found, wanted)),
                None => Some("there is no such golden yet; accept it with --update".to_owned()),
            };
            cases.push(Case { name: name.clone(), place: None, failure, time: start.elapsed() });
        }
        for name in present.keys().filter(|name| !self.wanted.contains_key(*name)) {
            let failure = Some("nothing makes this file any more; remove it with --update".to_owned());
            cases.push(Case { name: name.clone(), place: None, failure, time: std::time::Duration::ZERO });
        }
        Ok(cases)
    }

    /// Writes every golden and removes those that nothing makes any more. Files that are no goldens stay.
    pub(super) fn write(&self) -> Result<(), CliError> {
        let outputs: Vec<Output> = self
            .wanted
            .iter()
            .map(|(name, content)| Output { name: name.clone(), content: content.clone(), private: false })
            .collect();
        files::write_all(self.folder, &outputs)?;
        for (name, content) in self.present()? {
            if self.wanted.contains_key(&name) || !content.starts_with(MARK) {
                continue;
            }
            let file = self.folder.join(&name);
            fs::remove_file(&file).map_err(|error| {
                CliError::environment(format!("cannot remove `{}`: {error}", file.display()))
            })?;
        }
        Ok(())
    }

    /// Returns the files of the folder by name.
    fn present(&self) -> Result<BTreeMap<String, String>, CliError> {
        let unreadable = |error: &std::io::Error| {
            CliError::environment(format!("cannot read `{}`: {error}", self.folder.display()))
        };
        let entries = match fs::read_dir(self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(unreadable(&error)),
        };
        let mut present = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let bytes = fs::read(entry.path()).map_err(|error| unreadable(&error))?;
            present.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(present)
    }
}

/// Returns the lines that differ with what is around them: `-` as accepted, `+` as compiled now.
fn difference(accepted: &str, now: &str) -> String {
    let diff = TextDiff::from_lines(accepted, now);
    let mut out = String::from("differs (- as accepted, + as compiled now)\n");
    for (index, group) in diff.grouped_ops(3).iter().enumerate() {
        if index > 0 {
            out.push_str("@@\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            writeln!(out, "{sign} {}", change.value().trim_end_matches('\n')).expect("writing to a string");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goldens<'a>(folder: &'a Path, wanted: &[(&str, &str)]) -> Goldens<'a> {
        let text = |text: &str| format!("{MARK}\n{text}\n");
        Goldens {
            folder,
            wanted: wanted.iter().map(|(name, body)| ((*name).to_owned(), text(body))).collect(),
        }
    }

    fn failures(goldens: &Goldens<'_>) -> Vec<(String, String)> {
        let cases = goldens.compare().unwrap();
        cases.into_iter().filter_map(|case| Some((case.name, case.failure?))).collect()
    }

    #[test]
    fn what_was_accepted_passes_until_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("snapshots");
        goldens(&folder, &[("a.txt", "one"), ("b.txt", "two")]).write().unwrap();
        assert_eq!(failures(&goldens(&folder, &[("a.txt", "one"), ("b.txt", "two")])), []);
        let moved = failures(&goldens(&folder, &[("a.txt", "other"), ("c.txt", "new")]));
        let names: Vec<&str> = moved.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.txt", "c.txt", "b.txt"]);
        assert!(moved[0].1.contains("- one\n+ other\n"), "{}", moved[0].1);
    }

    #[test]
    fn accepting_removes_old_goldens_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        goldens(folder.path(), &[("a.txt", "one"), ("b.txt", "two")]).write().unwrap();
        fs::write(folder.path().join("README.md"), "mine\n").unwrap();
        goldens(folder.path(), &[("a.txt", "one")]).write().unwrap();
        assert!(!folder.path().join("b.txt").exists());
        assert!(folder.path().join("README.md").exists());
        let orphans = failures(&goldens(folder.path(), &[("a.txt", "one")]));
        assert_eq!(orphans[0].0, "README.md");
    }
}
