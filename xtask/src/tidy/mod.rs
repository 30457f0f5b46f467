//! Rules of the repository that no compiler knows; each is a function from the checkout to findings.

mod diagnostics;
mod documents;
mod layers;
mod purity;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::{changelog, workspace};

/// Runs every rule and prints the findings.
///
/// # Errors
/// When the checkout cannot be read.
pub(crate) fn run() -> Result<ExitCode> {
    let findings = check()?;
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check() -> Result<Vec<String>> {
    let files = TextFile::all()?;
    let mut findings = layers::check(&workspace::metadata()?)?;
    findings.extend(purity::check(&files));
    findings.extend(sources::check(&files));
    findings.extend(diagnostics::check(&files));
    findings.extend(documents::check(&files));
    findings.extend(changelog::check(files.iter().map(|file| (file.path.as_path(), file.text.as_str()))));
    Ok(findings)
}

/// A text file of the checkout.
struct TextFile {
    /// Relative to the root.
    path: PathBuf,
    text: String,
}

impl TextFile {
    fn all() -> Result<Vec<Self>> {
        let mut files = Vec::new();
        for path in workspace::files()? {
            let bytes = std::fs::read(workspace::root().join(&path))?;
            // What is not UTF-8 is data, and no rule speaks of it.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(Self { path, text });
            }
        }
        Ok(files)
    }

    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// Tells whether a tool wrote the file.
    fn is_generated(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "generated")
    }

    /// Tells whether the file lies in a test or bench folder, or is a file of tests.
    fn is_test(&self) -> bool {
        let folder =
            |part: &std::ffi::OsStr| ["tests", "benches", "testkit"].iter().any(|name| part == *name);
        let named = self.path.file_stem().is_some_and(|stem| stem == "tests");
        named || self.path.components().any(|part| folder(part.as_os_str()))
    }

    /// Returns the text before the inline test module, with the comments cut out.
    fn source_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }

    fn below(&self, folder: impl AsRef<Path>) -> bool {
        self.path.starts_with(folder)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checkout_follows_the_rules() {
        let findings = super::check().unwrap();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
