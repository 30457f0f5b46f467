//! From the events of the YAML parser to trees, one document at a time. A document that is not well-formed does not
//! hide the next: reading goes on at the next line `---`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::scalar::{self, Style, Tag};
use super::stream;
use super::syntax::{self, Complaint};
use super::text::{CharSpan, LineIndex, Lines};
use super::tree::{MAX_DEPTH, NodeId, NodeKind, Tree};
use super::yaml::{Event, Fault, Parser};
use crate::manifest::DocumentIndex;

/// Syntax errors after which a file is given up: it is no YAML, and more of the same helps nobody.
const MAX_SYNTAX_ERRORS: usize = 100;

/// Duplicate or impossible keys after which a document is given up.
const MAX_KEY_PROBLEMS: usize = 1000;

/// A text with its line index, made when first needed.
pub(crate) struct Source<'a> {
    /// The text.
    pub(crate) text: &'a str,
    index: OnceCell<LineIndex>,
}

impl<'a> Source<'a> {
    /// Wraps a text.
    pub(crate) fn new(text: &'a str) -> Self {
        Source { text, index: OnceCell::new() }
    }

    /// Returns the line index.
    pub(crate) fn lines(&self) -> Lines<'_> {
        Lines::new(self.text, self.index.get_or_init(|| LineIndex::new(self.text)))
    }
}

/// What is wrong with the YAML of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Not well-formed; the document is lost.
    Syntax {
        /// Where.
        at: CharSpan,
        /// What the parser found or missed.
        complaint: Complaint,
        /// The bracket that is still open there.
        open: Option<CharSpan>,
        /// Whether the rest of the file is not read.
        last: bool,
    },
    /// One key twice in one mapping; the last one counts.
    DuplicateKey {
        /// The key.
        key: String,
        /// The earlier place.
        first: CharSpan,
        /// The later place.
        second: CharSpan,
    },
    /// A key that is null, a list or a mapping; the document is kept without it.
    KeyNotText {
        /// The key.
        at: CharSpan,
    },
    /// More problems of keys than anybody reads; the document is lost.
    TooManyKeyProblems {
        /// The end of the last mapping.
        at: CharSpan,
    },
    /// A node that contains itself; the document is lost.
    Recursive {
        /// The alias.
        alias: CharSpan,
        /// What it stands for.
        anchor: CharSpan,
    },
    /// Nesting beyond [`MAX_DEPTH`]; the document is lost.
    TooDeep {
        /// The innermost collection.
        at: CharSpan,
    },
}

/// Reads the documents of a text.
pub(crate) struct Loader<'s, 'a> {
    source: &'s Source<'a>,
    parser: Parser<'a>,
    /// Where the parser's text starts in the file.
    base: Base,
    /// Start of the current document, or of what follows the last one, in characters.
    boundary: u32,
    /// The values of a JSON stream that are still to be read.
    values: std::vec::IntoIter<std::ops::Range<usize>>,
    next_index: u32,
    syntax_errors: usize,
    ended: bool,
    /// Whether the current document cannot be used.
    lost: bool,
    stack: Vec<Open>,
    pending: Vec<NodeId>,
    anchors: BTreeMap<&'a str, NodeId>,
    /// The list whose items were handed over last, and how many there were.
    items: (Option<NodeId>, u32),
}

/// Takes an item of a `List` as soon as it is read.
pub(crate) type EachItem<'h, 'a> = dyn FnMut(&Tree<'a>, NodeId, DocumentIndex) + 'h;

#[derive(Clone, Copy, Default)]
struct Base {
    bytes: usize,
    chars: u32,
}

/// A collection whose end is still to come.
struct Open {
    id: NodeId,
    /// Its children begin here in `pending`.
    first_child: usize,
    /// Whether its first token may be a bracket.
    bracket: bool,
}

/// One document that was read, its tree in the caller's hands.
pub(crate) struct Loaded {
    /// Document, from 0.
    pub(crate) index: u32,
    /// Whether the tree is worth reading.
    pub(crate) usable: bool,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
}

impl<'s, 'a> Loader<'s, 'a> {
    /// Starts at the beginning.
    pub(crate) fn new(source: &'s Source<'a>) -> Self {
        let mut values = stream::values(source.text).into_iter();
        let first = values.next().unwrap_or(0..source.text.len());
        Loader {
            source,
            parser: Parser::new(&source.text[..first.end]),
            base: Base::default(),
            boundary: 0,
            values,
            next_index: 0,
            syntax_errors: 0,
            ended: false,
            lost: false,
            stack: Vec::new(),
            pending: Vec::new(),
            anchors: BTreeMap::new(),
            items: (None, 0),
        }
    }

    /// Returns the number of the document that is read next.
    pub(crate) fn next_document(&self) -> u32 {
        self.next_index
    }

    /// Reads the next document into `tree`, whose former content is dropped.
    pub(crate) fn next(&mut self, tree: &mut Tree<'a>) -> Option<Loaded> {
        self.read(tree, None)
    }

    /// Reads the next document like [`next`](Self::next) and hands over what stands in its member `items`. An item is
    /// dropped behind that, unless something of it may be referred to: a list is as large as its largest item.
    pub(crate) fn next_by_item(
        &mut self,
        tree: &mut Tree<'a>,
        each: &mut EachItem<'_, 'a>,
    ) -> Option<Loaded> {
        self.read(tree, Some(each))
    }

    fn read(&mut self, tree: &mut Tree<'a>, mut each: Option<&mut EachItem<'_, 'a>>) -> Option<Loaded> {
        tree.clear();
        self.stack.clear();
        self.pending.clear();
        self.anchors.clear();
        self.lost = false;
        self.items = (None, 0);
        let mut problems = Vec::new();
        while !self.ended {
            match self.parser.next() {
                Ok((Event::StreamEnd, _)) => self.next_value(),
                Ok((Event::DocumentStart, span)) => self.boundary = self.place(span).start,
                Ok((Event::DocumentEnd, span)) => {
                    self.boundary = self.place(span).start;
                    return Some(self.loaded(problems));
                }
                Ok((event, span)) => {
                    self.event(tree, event, self.place(span), &mut problems);
                    if let Some(each) = &mut each {
                        self.hand_over(tree, *each);
                    }
                }
                Err(fault) => {
                    self.recover(tree, fault, &mut problems);
                    return Some(self.loaded(problems));
                }
            }
        }
        None
    }

    /// Hands an item over, if the last event ended one: it does where the list `items` is the innermost collection and
    /// holds something.
    fn hand_over(&mut self, tree: &mut Tree<'a>, each: &mut EachItem<'_, 'a>) {
        let [root, list] = self.stack.as_slice() else { return };
        let (id, first, before) = (list.id, list.first_child, list.first_child - root.first_child);
        let Some(&item) = self.pending.get(first..).and_then(<[_]>::last) else { return };
        // Behind an odd number of keys and values stands the value of the last key.
        let is_items = matches!(tree.node(root.id).kind, NodeKind::Mapping(_))
            && matches!(tree.node(id).kind, NodeKind::Sequence(_))
            && before % 2 == 1
            && tree.key_is(self.pending[first - 1], "items");
        if self.lost || !is_items {
            return;
        }
        let index = if self.items.0 == Some(id) { self.items.1 } else { 0 };
        self.items = (Some(id), index + 1);
        each(tree, item, DocumentIndex { document: self.next_index, item: Some(index) });
        if self.anchors.is_empty() {
            self.pending.pop();
            tree.forget_from(item);
        }
    }

    /// Goes on with the next value of a JSON stream, or ends.
    fn next_value(&mut self) {
        match self.values.next() {
            Some(value) => {
                self.restart(Some(value.start));
                self.parser = Parser::new(&self.source.text[value]);
            }
            None => self.ended = true,
        }
    }

    fn loaded(&mut self, problems: Vec<Problem>) -> Loaded {
        let index = self.next_index;
        self.next_index += 1;
        Loaded { index, usable: !self.lost, problems }
    }

    fn lose(&mut self, problems: &mut Vec<Problem>, why: Problem) {
        self.lost = true;
        problems.push(why);
    }

    /// Returns a place of the parser's text in the file.
    fn place(&self, span: CharSpan) -> CharSpan {
        CharSpan { start: self.base.chars + span.start, end: self.base.chars + span.end }
    }

    fn event(&mut self, tree: &mut Tree<'a>, event: Event<'a>, place: CharSpan, problems: &mut Vec<Problem>) {
        if self.lost {
            return;
        }
        match event {
            Event::Scalar { text, style, tag, anchor } => {
                tree.straight &= is_straight(&text, style, tag);
                let id = tree.push(NodeKind::Scalar { text, style, tag }, place);
                self.anchor(anchor, id);
                self.complete(tree, id);
            }
            Event::Alias(name) => self.alias(tree, name, place, problems),
            Event::SequenceStart(anchor) => self.open(tree, NodeKind::Sequence, anchor, place, problems),
            Event::MappingStart(anchor) => self.open(tree, NodeKind::Mapping, anchor, place, problems),
            Event::SequenceEnd => self.close(tree, place),
            Event::MappingEnd => {
                let id = self.stack.last().map(|open| open.id);
                self.close(tree, place);
                if let Some(id) = id {
                    let keys = check_keys(tree, id);
                    tree.straight &= keys.is_empty() && !tree.entries(id).any(|(key, _)| tree.is_merge(key));
                    problems.extend(keys);
                }
                if problems.len() > MAX_KEY_PROBLEMS {
                    self.lose(problems, Problem::TooManyKeyProblems { at: place });
                }
            }
            Event::StreamEnd | Event::DocumentStart | Event::DocumentEnd => {}
        }
    }

    fn anchor(&mut self, anchor: Option<&'a str>, id: NodeId) {
        if let Some(name) = anchor {
            self.anchors.insert(name, id);
        }
    }

    fn alias(&mut self, tree: &mut Tree<'a>, name: &str, place: CharSpan, problems: &mut Vec<Problem>) {
        match self.anchors.get(name) {
            None => {
                let complaint = syntax::unknown_anchor();
                self.lose(problems, Problem::Syntax { at: place, complaint, open: None, last: false });
            }
            Some(&target) if self.stack.iter().any(|open| open.id == target) => {
                self.lose(problems, Problem::Recursive { alias: place, anchor: tree.node(target).span });
            }
            Some(&target) => {
                tree.has_aliases = true;
                tree.straight = false;
                let id = tree.push(NodeKind::Alias(target), place);
                self.complete(tree, id);
            }
        }
    }

    fn open(
        &mut self,
        tree: &mut Tree<'a>,
        kind: fn(super::tree::Children) -> NodeKind<'a>,
        anchor: Option<&'a str>,
        place: CharSpan,
        problems: &mut Vec<Problem>,
    ) {
        if self.stack.len() == MAX_DEPTH {
            self.lose(problems, Problem::TooDeep { at: place });
            return;
        }
        let none = tree.adopt(&[]);
        let id = tree.push(kind(none), place);
        self.anchor(anchor, id);
        self.stack.push(Open { id, first_child: self.pending.len(), bracket: place.end == place.start + 1 });
    }

    fn close(&mut self, tree: &mut Tree<'a>, end: CharSpan) {
        let Some(open) = self.stack.pop() else { return };
        let children = tree.adopt(&self.pending[open.first_child..]);
        let last = self.pending.last().filter(|_| self.pending.len() > open.first_child);
        // A bracket ends its collection; the end of a block is told by the next token, however far away that is.
        let bracket = end.end > end.start;
        let end = match last {
            Some(&last) if !bracket => tree.node(last).span,
            _ => CharSpan { end: end.start + u32::from(bracket), ..end },
        };
        self.pending.truncate(open.first_child);
        let node = tree.node_mut(open.id);
        node.span = node.span.to(end);
        if let NodeKind::Sequence(held) | NodeKind::Mapping(held) = &mut node.kind {
            *held = children;
        }
        self.complete(tree, open.id);
    }

    fn complete(&mut self, tree: &mut Tree<'a>, id: NodeId) {
        if self.stack.is_empty() {
            tree.set_root(id);
        } else {
            self.pending.push(id);
        }
    }

    /// Goes on behind a syntax error, which ends the document that was asked for.
    fn recover(&mut self, tree: &Tree<'a>, fault: Fault, problems: &mut Vec<Problem>) {
        let lines = self.source.lines();
        let at = self.base.chars + fault.at;
        let separator = next_separator(self.source.text, lines.byte_of(self.boundary));
        let complete = tree.root().is_some() && self.stack.is_empty();
        if complete && separator.is_some_and(|separator| separator <= lines.byte_of(at)) {
            // The parser had looked ahead: it will meet the error again in the next document.
            self.restart(separator);
            return;
        }
        if !self.lost {
            self.syntax_errors += 1;
            let last = self.syntax_errors == MAX_SYNTAX_ERRORS;
            let open = self.stack.last().filter(|open| open.bracket).map(|open| tree.node(open.id).span);
            let open = open.map(|span| CharSpan { end: span.start + 1, ..span });
            let (at, complaint) = (CharSpan { start: at, end: at + 1 }, syntax::complaint(fault.why));
            self.lose(problems, Problem::Syntax { at, complaint, open, last });
        }
        self.restart(separator.filter(|_| self.syntax_errors < MAX_SYNTAX_ERRORS));
    }

    /// Sets a new parser on the rest of the text; none ends the reading.
    fn restart(&mut self, separator: Option<usize>) {
        let Some(bytes) = separator else {
            self.ended = true;
            return;
        };
        let skipped = self.source.text[self.base.bytes..bytes].chars().count() as u32;
        self.base = Base { bytes, chars: self.base.chars + skipped };
        self.boundary = self.base.chars;
        self.parser = Parser::new(&self.source.text[bytes..]);
    }
}

/// Returns the offset of the first line `---` behind the line that holds `from`.
fn next_separator(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(line_end) = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        at += line_end + 1;
        if bytes[at..].starts_with(b"---")
            && matches!(bytes.get(at + 3), None | Some(b' ' | b'\t' | b'\n' | b'\r'))
        {
            return Some(at);
        }
    }
    None
}

/// Returns whether a scalar means what it says.
fn is_straight(text: &str, style: Style, tag: Tag) -> bool {
    match (style, tag) {
        (Style::Plain, Tag::Implicit) => scalar::difference(text).is_none() && scalar::is_finite(text),
        (_, Tag::Implicit | Tag::Text) => true,
        _ => false,
    }
}

/// Keys above which an index is quicker than comparing each pair.
pub(crate) const FEW_KEYS: usize = 16;

/// Finds keys that are twice in one mapping, as JSON has them, and keys that JSON cannot have.
fn check_keys(tree: &Tree<'_>, mapping: NodeId) -> Vec<Problem> {
    let mut problems = Vec::new();
    let keys = || tree.entries(mapping).map(|(key, _)| key).filter(|key| !tree.is_merge(*key));
    let mut index: BTreeMap<Cow<'_, str>, NodeId> = BTreeMap::new();
    let few = tree.entries(mapping).len() <= FEW_KEYS;
    for (count, key) in keys().enumerate() {
        if problems.len() > MAX_KEY_PROBLEMS {
            break;
        }
        let earlier = if few {
            keys().take(count).find(|earlier| tree.same_key(*earlier, key))
        } else {
            tree.key(key).and_then(|text| match index.entry(text) {
                Entry::Occupied(earlier) => Some(*earlier.get()),
                Entry::Vacant(free) => {
                    free.insert(key);
                    None
                }
            })
        };
        let second = tree.node(key).span;
        if let Some(earlier) = earlier {
            let text = tree.key(key).unwrap_or_default().into_owned();
            problems.push(Problem::DuplicateKey { key: text, first: tree.node(earlier).span, second });
        } else if !tree.is_text_key(key) {
            problems.push(Problem::KeyNotText { at: second });
        }
    }
    problems
}
