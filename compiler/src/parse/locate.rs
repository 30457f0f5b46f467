//! Places of JSON pointers in a file, for findings and provenance that are shown. Reading the file again costs less
//! than keeping the place of every value of every file.

use std::borrow::Cow;

use gatewright_diagnostics::Span;

use super::finder::Finder;
use super::load::{Loader, Source};
use super::registry_lock::numbered;
use super::text::{self, CharSpan, LineIndex, Lines};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::{Part, Within};
use crate::manifest::DocumentIndex;

/// The documents of one file with the place of each key and value.
#[derive(Debug)]
pub struct Locator {
    text: String,
    index: LineIndex,
    /// Trees by document; none for documents that cannot be read.
    trees: Vec<Option<Tree<'static>>>,
}

impl Locator {
    /// Reads a file. Bytes that are no text give a locator that finds nothing.
    pub fn new(bytes: &[u8]) -> Self {
        let text = text::read(bytes).unwrap_or_default();
        let source = Source::new(&text);
        let mut trees = Vec::new();
        let mut loader = Loader::new(&source);
        loop {
            let mut tree = Tree::default();
            let Some(loaded) = loader.next(&mut tree) else { break };
            trees.push(loaded.usable.then(|| tree.into_owned()));
        }
        Locator { index: LineIndex::new(&text), text: text.into_owned(), trees }
    }

    /// Returns the place of the key or value at a JSON pointer below a document, or below an item of a `List`. It lies on
    /// one line: the first one, or the first key of a list or mapping that has several. Where the pointer leads to nothing, the nearest ancestor that exists
    /// stands in, and for a value of which nothing is written its key. None if there is no such document.
    pub fn locate(&self, document: DocumentIndex, pointer: &str, part: Part) -> Option<Span> {
        self.locate_within(document, pointer, part, None)
    }

    /// Returns the place as [`locate`](Self::locate) does, or that of a part of the text which stands there.
    pub fn locate_within(
        &self,
        document: DocumentIndex,
        pointer: &str,
        part: Part,
        within: Option<Within>,
    ) -> Option<Span> {
        let tree = self.trees.get(document.document as usize)?.as_ref()?;
        let mut object = tree.root()?;
        if let Some(item) = document.item {
            object = *items(tree, object).get(item as usize)?;
        }
        let lines = Lines::new(&self.text, &self.index);
        Some(Finder::new(tree, lines).span(object, pointer, part, within))
    }
}

/// Returns the objects that a document holds: the items of a `List`, or what stands in a snapshot of registries.
pub(crate) fn items<'t>(tree: &'t Tree<'_>, root: NodeId) -> Cow<'t, [NodeId]> {
    match tree.entry(root, "items") {
        Some((_, items)) => tree.elements(items).into(),
        None => numbered(tree, root).into(),
    }
}

/// Returns which node of an entry to mark; the key where there is nothing of a value to be seen.
pub(crate) fn marked(tree: &Tree<'_>, key: NodeId, value: NodeId, part: Part) -> NodeId {
    let span = tree.node(value).span;
    match part {
        Part::Value if span.end > span.start => value,
        _ => key,
    }
}

/// Longest collection that is marked wholly, in characters: more hides what is meant.
const MARKED_WHOLLY: u32 = 120;

/// Returns what to mark of a node: all of it if it is short and on one line, otherwise its first line or, of a
/// collection, its first key.
pub(crate) fn shown(tree: &Tree<'_>, lines: Lines<'_>, id: NodeId) -> CharSpan {
    let span = tree.node(id).span;
    let text = lines.slice(span);
    match tree.node(id).kind {
        NodeKind::Mapping(children) | NodeKind::Sequence(children) => match tree.children(children).first() {
            Some(&first) if span.end - span.start > MARKED_WHOLLY || text.contains(['\n', '\r']) => {
                CharSpan { start: span.start, end: shown(tree, lines, first).end }
            }
            _ => span,
        },
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {
            let first_line = text.split(['\n', '\r']).next().unwrap_or_default();
            CharSpan { end: span.start + first_line.chars().count() as u32, ..span }
        }
    }
}
