//! Places of JSON pointers in a file, for findings and provenance that are shown. Reading the file again costs less
//! than keeping the place of every value of every file.

use gatewright_diagnostics::Span;

use super::load::{Loader, Source};
use super::scalar::Style;
use super::text::{self, CharSpan, LineIndex, Lines};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::Part;
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
        let tree = self.trees.get(document.document as usize)?.as_ref()?;
        let mut object = tree.root()?;
        if let Some(item) = document.item {
            let (_, items) = tree.entry(object, "items")?;
            object = *tree.elements(items).get(item as usize)?;
        }
        let (key, value) = tree.at(object, pointer);
        let lines = Lines::new(&self.text, &self.index);
        Some(lines.span(shown(tree, lines, marked(tree, key, value, part))))
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

/// Returns the exact place of a node.
pub(crate) fn exact(tree: &Tree<'_>, lines: Lines<'_>, id: NodeId) -> CharSpan {
    let node = tree.node(id);
    match node.kind {
        // The parser counts what follows on the line, up to the end of a comment.
        NodeKind::Scalar { style: Style::Quoted, .. } => {
            let length = quoted_length(lines.slice(node.span)) as u32;
            CharSpan { end: node.span.start + length, ..node.span }
        }
        NodeKind::Sequence(children) | NodeKind::Mapping(children) => match tree.children(children).last() {
            Some(&last) if tree.node(last).span.end == node.span.end => {
                CharSpan { end: exact(tree, lines, last).end, ..node.span }
            }
            _ => node.span,
        },
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => node.span,
    }
}

/// Returns how many characters a quoted scalar has, with its tag, anchor and quotes.
fn quoted_length(text: &str) -> usize {
    let mut characters = text.chars().enumerate().skip_while(|(_, c)| !matches!(c, '"' | '\''));
    let Some((_, quote)) = characters.next() else { return text.chars().count() };
    let mut rest = characters.peekable();
    while let Some((index, c)) = rest.next() {
        if c == quote {
            if quote == '\'' && rest.next_if(|(_, next)| *next == '\'').is_some() {
                continue;
            }
            return index + 1;
        }
        if c == '\\' && quote == '"' {
            rest.next();
        }
    }
    text.chars().count()
}

/// Longest collection that is marked wholly, in characters: more hides what is meant.
const MARKED_WHOLLY: u32 = 120;

/// Returns what to mark of a node: all of it if it is short and on one line, otherwise its first line or, of a
/// collection, its first key.
pub(crate) fn shown(tree: &Tree<'_>, lines: Lines<'_>, id: NodeId) -> CharSpan {
    let span = exact(tree, lines, id);
    let text = lines.slice(span);
    let end_of_line = text.find(['\n', '\r']);
    match tree.node(id).kind {
        NodeKind::Mapping(children) | NodeKind::Sequence(children) => match tree.children(children).first() {
            Some(&first) if end_of_line.is_some() || span.end - span.start > MARKED_WHOLLY => {
                CharSpan { start: span.start, end: shown(tree, lines, first).end }
            }
            _ => span,
        },
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {
            let first_line = end_of_line.map_or(text, |end| &text[..end]);
            CharSpan { end: span.start + first_line.chars().count() as u32, ..span }
        }
    }
}
