//! Looks places up in one tree: nothing that is looked at twice costs what its size costs twice.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use gatewright_diagnostics::Span;

use super::load::FEW_KEYS;
use super::locate::{marked, shown};
use super::stretch::Stretches;
use super::text::{CharSpan, Lines};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::{Part, Within};

/// The places of one document.
pub(crate) struct Finder<'t, 'a> {
    tree: &'t Tree<'a>,
    lines: Lines<'t>,
    /// The entries of large mappings that were searched.
    large: RefCell<BTreeMap<NodeId, Option<Entries<'t>>>>,
    /// The text of which a part was looked for last.
    text: RefCell<Option<(NodeId, Stretches)>>,
}

/// The entries of a mapping by key: the last one of equal keys.
type Entries<'t> = BTreeMap<Cow<'t, str>, (NodeId, NodeId)>;

impl<'t, 'a> Finder<'t, 'a> {
    /// Looks places up in a tree of the file with these lines.
    pub(crate) fn new(tree: &'t Tree<'a>, lines: Lines<'t>) -> Self {
        Finder { tree, lines, large: RefCell::default(), text: RefCell::default() }
    }

    /// Returns the tree.
    pub(crate) fn tree(&self) -> &'t Tree<'a> {
        self.tree
    }

    /// Returns the lines of the file.
    pub(crate) fn lines(&self) -> Lines<'t> {
        self.lines
    }

    /// Returns the entry at a JSON pointer, like [`Tree::at`].
    pub(crate) fn at(&self, from: NodeId, pointer: &str) -> (NodeId, NodeId) {
        self.tree.at_by(from, pointer, |mapping, key| self.entry(mapping, key))
    }

    /// Returns the place of the key or value at a JSON pointer, or of a part of the text there; see
    /// [`Locator::locate`](super::Locator::locate).
    pub(crate) fn span(&self, from: NodeId, pointer: &str, part: Part, within: Option<Within>) -> Span {
        let (key, value) = self.at(from, pointer);
        let inside = within.and_then(|within| self.stretch(value, within));
        let shown = || shown(self.tree, self.lines, marked(self.tree, key, value, part));
        self.lines.span(inside.unwrap_or_else(shown))
    }

    fn entry(&self, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        let mapping = self.tree.target(mapping);
        if self.tree.entries(mapping).len() <= FEW_KEYS {
            return self.tree.entry(mapping, key);
        }
        match self.large.borrow_mut().entry(mapping).or_insert_with(|| entries(self.tree, mapping)) {
            Some(entries) => entries.get(key).copied(),
            None => self.tree.entry(mapping, key),
        }
    }

    /// Returns the place of a part of a text in quotes, in a block or without either.
    pub(crate) fn stretch(&self, id: NodeId, within: Within) -> Option<CharSpan> {
        let id = self.tree.target(id);
        let NodeKind::Scalar { text, style, .. } = &self.tree.node(id).kind else { return None };
        let span = self.tree.node(id).span;
        let mut last = self.text.borrow_mut();
        let of_this = || (id, Stretches::of(text, *style, self.lines.slice(span)));
        let (_, stretches) = match last.take() {
            Some(known) if known.0 == id => last.insert(known),
            _ => last.insert(of_this()),
        };
        let found = stretches.written(within)?;
        Some(CharSpan { start: span.start + found.start as u32, end: span.start + found.end as u32 })
    }
}

/// Returns the entries of a mapping by key; none where some are merged in, which a key alone does not tell.
fn entries<'t>(tree: &'t Tree<'_>, mapping: NodeId) -> Option<Entries<'t>> {
    let mut entries = BTreeMap::new();
    for (key, value) in tree.entries(mapping) {
        if tree.is_merge(key) {
            return None;
        }
        if let Some(name) = tree.key(key) {
            entries.insert(name, (key, value));
        }
    }
    Some(entries)
}
