//! The examples of the pages under `docs/diagnostics/` do what they say. The words behind the fence of a block tell what
//! to expect:
//!
//! - `yaml triggers`: the page's code is found;
//! - `yaml fixed`: no error and no warning is found;
//! - `yaml fixed leaves GW0431`: the same but for these codes, which are found;
//! - `higress` behind any of them: in the profile of that name;
//! - `json snapshot`: the snapshot of registries that stands beside the manifests of the next block.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gatewright_compiler::options::{CompileOptions, Profile};
use gatewright_compiler::parse::REGISTRY_LOCK;
use gatewright_compiler::source::SourceTree;
use gatewright_diagnostics::{CODES, Diagnostic, Severity};

/// A fenced block of a page.
struct Block {
    /// The words behind the fence.
    kind: String,
    /// Line of the fence in the page, from 1.
    line: usize,
    text: String,
    /// The `json snapshot` in front of it.
    snapshot: Option<String>,
}

impl Block {
    /// Returns what is wrong with the example; none for blocks that are no manifests.
    fn check(&self, code: &str) -> Option<String> {
        let mut words = self.kind.split(' ').filter(|word| *word != "higress");
        if words.next() != Some("yaml") {
            return None;
        }
        let diagnostics = self.compile();
        match (words.next(), words.next()) {
            (Some("triggers"), None) => {
                let triggered = diagnostics.iter().any(|diagnostic| diagnostic.code.id == code);
                (!triggered).then(|| format!("does not trigger {code}, but {}", listed(&diagnostics)))
            }
            (Some("fixed"), None | Some("leaves")) => {
                let expected: BTreeSet<&str> = words.collect();
                let left: Vec<&Diagnostic> =
                    diagnostics.iter().filter(|found| found.severity < Severity::Info).collect();
                let found: BTreeSet<&str> = left.iter().map(|found| found.code.id).collect();
                (found != expected).then(|| format!("leaves {}", listed(left)))
            }
            _ => Some(format!("`{}` says nothing to check", self.kind)),
        }
    }

    /// Compiles the block as the only file of a source, but for a snapshot of registries.
    fn compile(&self) -> Vec<Diagnostic> {
        let mut options = CompileOptions::higress_defaults();
        if self.kind.split(' ').any(|word| word == "higress") {
            options.profile = Profile::Higress;
        }
        let snapshot = self.snapshot.iter().map(|text| (REGISTRY_LOCK, text.as_str()));
        let tree = SourceTree::in_memory(snapshot.chain([("example.yaml", &*self.text)]));
        gatewright_compiler::compile(&tree, &options).expect("the tree is in memory").diagnostics
    }
}

#[test]
fn examples_trigger_their_code_and_fixes_settle_it() {
    let mut broken = Vec::new();
    let mut examples = 0;
    for (code, path) in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        for block in blocks(&page) {
            examples += usize::from(block.kind.starts_with("yaml "));
            let complaint = block.check(code);
            broken.extend(complaint.map(|what| format!("docs/diagnostics/{code}.md:{}: {what}", block.line)));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(examples > 100, "only {examples} examples");
}

#[test]
fn every_page_has_the_same_parts() {
    const PARTS: [&str; 5] = [
        "## What it means",
        "## Why it matters",
        "## Example that triggers it",
        "## How to fix it",
        "## Related",
    ];
    let mut broken = Vec::new();
    for code in CODES {
        let title = format!("# {}: {}", code.id, code.slug);
        if code.page.lines().next() != Some(&title) {
            broken.push(format!("{} does not begin with `{title}`", code.id));
        }
        let parts: Vec<&str> = code.page.lines().filter(|line| line.starts_with("## ")).collect();
        if parts != PARTS {
            broken.push(format!("{} has the parts {parts:?}", code.id));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn pages() -> Vec<(&'static str, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics");
    CODES.iter().map(|code| (code.id, folder.join(format!("{}.md", code.id)))).collect()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut snapshot = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(block)) if block.kind == "json snapshot" => {
                snapshot = open.take().map(|block| block.text);
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => {
                let (kind, snapshot) = (kind.trim().to_owned(), snapshot.take());
                open = Some(Block { kind, line: index + 1, text: String::new(), snapshot });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn listed<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> String {
    let lines = diagnostics.into_iter().map(|found| format!("{} {}", found.code.id, found.message));
    lines.collect::<Vec<_>>().join("; ")
}
