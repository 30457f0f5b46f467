//! Places of JSON pointers in a file, for findings and provenance that are shown. Reading the file again costs less
//! than keeping the place of every value of every file.

use gatewright_diagnostics::Span;

use super::load::{Loader, Source};
use super::text::{self, CharSpan};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::Part;
use crate::manifest::DocumentIndex;

/// The documents of one file with the place of each key and value.
pub struct Locator<'a> {
    source: Source<'a>,
    /// Trees by document; none for documents that cannot be read.
    trees: Vec<Option<Tree<'a>>>,
}

impl<'a> Locator<'a> {
    /// Reads a file. Bytes that are no text give a locator that finds nothing.
    pub fn new(bytes: &'a [u8]) -> Self {
        let source = Source::new(text::read(bytes).unwrap_or_default());
        let mut trees = Vec::new();
        let mut loader = Loader::new(&source);
        loop {
            let mut tree = Tree::default();
            let Some(loaded) = loader.next(&mut tree) else { break };
            trees.push(loaded.usable.then_some(tree));
        }
        drop(loader);
        Locator { source, trees }
    }

    /// Returns the place of the key or value at a JSON pointer below a document, or below an item of a `List`. Where
    /// the pointer leads to nothing, the nearest ancestor that exists stands in. None if there is no such document.
    pub fn locate(&self, document: DocumentIndex, pointer: &str, part: Part) -> Option<Span> {
        let tree = self.trees.get(document.document as usize)?.as_ref()?;
        let mut object = tree.root()?;
        if let Some(item) = document.item {
            let (_, items) = tree.entry(object, "items")?;
            object = *tree.elements(items).get(item as usize)?;
        }
        let (key, value) = tree.at(object, pointer);
        let node = match part {
            Part::Key => key,
            Part::Value => value,
        };
        Some(self.source.lines().span(shown(tree, node)))
    }
}

/// Returns what to mark of a node: scalars wholly, of a collection its first key or its first line.
pub(crate) fn shown(tree: &Tree<'_>, id: NodeId) -> CharSpan {
    let node = tree.node(id);
    match node.kind {
        NodeKind::Mapping(children) => tree.children(children).first().map_or(node.span, |&key| {
            let first = tree.node(key).span;
            // A mapping in braces starts before its first key; its brace is shown with it.
            CharSpan { start: node.span.start.min(first.start), end: first.end }
        }),
        NodeKind::Sequence(children) => tree
            .children(children)
            .first()
            .map_or(node.span, |&first| CharSpan { start: node.span.start, end: shown(tree, first).end }),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => node.span,
    }
}
