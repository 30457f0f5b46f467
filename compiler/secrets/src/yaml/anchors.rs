//! Anchors whose content is secret because an alias to it stands where a secret does.

use std::collections::BTreeSet;

/// How often a document is read for aliases behind aliases before every anchor counts.
const ROUNDS: usize = 4;

/// Names of anchors.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    names: BTreeSet<String>,
    /// Whether every name is among them.
    all: bool,
    rounds: usize,
}

impl Anchors {
    /// Takes the aliases in what is hidden. Returns whether that made another anchor of the document secret.
    pub(super) fn learn<'h>(&mut self, document: &str, hidden: impl Iterator<Item = &'h str>) -> bool {
        if self.all || !document.contains('*') {
            return false;
        }
        let before = self.names.len();
        let anchors: BTreeSet<&str> = names(document, '&').map(|(_, name)| name).collect();
        let aliases = hidden.flat_map(|text| names(text, '*')).map(|(_, name)| name);
        self.names.extend(aliases.filter(|name| anchors.contains(name)).map(str::to_owned));
        self.rounds += 1;
        self.all = self.rounds == ROUNDS;
        self.names.len() > before
    }

    /// Returns where in a line the content of a secret anchor begins.
    pub(super) fn content(&self, line: &str) -> Option<usize> {
        if !self.all && self.names.is_empty() {
            return None;
        }
        let (at, name) = names(line, '&').find(|(_, name)| self.all || self.names.contains(*name))?;
        let behind = at + 1 + name.len();
        Some(behind + line[behind..].len() - line[behind..].trim_start().len())
    }
}

/// Returns every word behind a mark, and where the mark stands.
fn names(text: &str, mark: char) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices(mark).filter_map(move |(at, _)| {
        let starts = text[..at]
            .chars()
            .next_back()
            .is_none_or(|before| before.is_whitespace() || "[{,:-\"'".contains(before));
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| c.is_whitespace() || ",[]{}\"'".contains(c)).unwrap_or(rest.len());
        (starts && end > 0).then(|| (at, &rest[..end]))
    })
}
