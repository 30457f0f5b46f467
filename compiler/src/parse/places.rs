//! Places of many JSON pointers of one file, found in one pass and without keeping what it holds.

use std::ops::Range;

use gatewright_diagnostics::Span;

use super::finder::Finder;
use super::load::{Loader, Source};
use super::locate::items;
use super::text;
use super::tree::{NodeId, Tree};
use crate::finding::{Part, Within};
use crate::manifest::DocumentIndex;

/// A place that is asked for, as [`Locator::locate_within`](super::Locator::locate_within) has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked<'p> {
    /// The document, or the item of a `List`.
    pub document: DocumentIndex,
    /// JSON pointer below it.
    pub pointer: &'p str,
    /// Key or value there.
    pub part: Part,
    /// The part of the text there that is meant; the whole value where there is none.
    pub within: Option<Within>,
}

/// Returns the places that are asked for, each as [`Locator::locate_within`](super::Locator::locate_within) returns it.
/// Beside the text this takes the room of the largest document, or of the largest item where it is a list.
pub fn locate_all(bytes: &[u8], asked: &[Asked<'_>]) -> Vec<Option<Span>> {
    let text = text::read(bytes).unwrap_or_default();
    let source = Source::new(&text);
    let mut search = Search::new(&source, asked);
    search.by_item();
    // The items of a list may stand elsewhere, and be but referred to.
    if search.misses_items() {
        search.by_document();
    }
    search.found
}

struct Search<'s, 'p> {
    source: &'s Source<'s>,
    asked: &'s [Asked<'p>],
    /// Indices of `asked` in the order of documents, items and pointers.
    order: Vec<u32>,
    found: Vec<Option<Span>>,
}

impl<'s, 'p> Search<'s, 'p> {
    fn new(source: &'s Source<'s>, asked: &'s [Asked<'p>]) -> Self {
        let mut order: Vec<u32> = (0..).take(asked.len()).collect();
        order.sort_by_key(|index| &asked[*index as usize]);
        Search { source, asked, order, found: vec![None; asked.len()] }
    }

    /// Looks everything up while the file is read, in lists item by item.
    fn by_item(&mut self) {
        let mut loader = Loader::new(self.source);
        let mut tree = Tree::default();
        while !self.is_past(loader.next_document()) {
            // What is asked of a document itself may be anywhere in it.
            let itself = DocumentIndex { document: loader.next_document(), item: None };
            let loaded = match self.wanted(itself).is_empty() {
                true => loader.next_by_item(&mut tree, &mut |tree, item, document| {
                    self.look_up(tree, item, document);
                }),
                false => loader.next(&mut tree),
            };
            let Some(loaded) = loaded else { break };
            if let Some(root) = tree.root().filter(|_| loaded.usable) {
                self.look_up(&tree, root, itself);
            }
        }
    }

    /// Looks up what is missing, in whole documents.
    fn by_document(&mut self) {
        let mut loader = Loader::new(self.source);
        let mut tree = Tree::default();
        while !self.is_past(loader.next_document())
            && let Some(loaded) = loader.next(&mut tree)
        {
            let Some(root) = tree.root().filter(|_| loaded.usable) else { continue };
            for (item, node) in (0..).zip(items(&tree, root).iter()) {
                self.look_up(&tree, *node, DocumentIndex { document: loaded.index, item: Some(item) });
            }
        }
    }

    /// Returns whether nothing is asked of a document and all behind it.
    fn is_past(&self, document: u32) -> bool {
        let last = self.order.last().map(|index| self.asked[*index as usize].document.document);
        last.is_none_or(|last| last < document)
    }

    /// Returns what is asked of a document itself, or of an item: a stretch of `order`.
    fn wanted(&self, document: DocumentIndex) -> Range<usize> {
        let of = |index: &u32| self.asked[*index as usize].document;
        let start = self.order.partition_point(|index| of(index) < document);
        start..self.order.partition_point(|index| of(index) <= document)
    }

    fn look_up(&mut self, tree: &Tree<'_>, object: NodeId, document: DocumentIndex) {
        let wanted = self.wanted(document);
        if wanted.is_empty() {
            return;
        }
        let finder = Finder::new(tree, self.source.lines());
        for &index in &self.order[wanted] {
            let Asked { pointer, part, within, .. } = &self.asked[index as usize];
            self.found[index as usize] = Some(finder.span(object, pointer, *part, *within));
        }
    }

    fn misses_items(&self) -> bool {
        self.asked
            .iter()
            .zip(&self.found)
            .any(|(asked, found)| asked.document.item.is_some() && found.is_none())
    }
}
