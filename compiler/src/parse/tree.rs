//! One YAML document as an arena of nodes, each with its place in the file.

use std::borrow::Cow;

use super::scalar::{self, Meaning, Style, Tag};
use super::text::CharSpan;

/// Deepest nesting of collections, aliases counted where they stand.
pub(crate) const MAX_DEPTH: usize = 128;

/// Index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

/// A node and its place.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Content.
    pub(crate) kind: NodeKind<'a>,
    /// Place, without trailing comments and blank lines.
    pub(crate) span: CharSpan,
}

/// The content of a node.
#[derive(Debug)]
pub(crate) enum NodeKind<'a> {
    /// A scalar.
    Scalar {
        /// Text, with quotes, escapes and folding resolved.
        text: Cow<'a, str>,
        /// With or without quotes.
        style: Style,
        /// Tag.
        tag: Tag,
    },
    /// A list.
    Sequence(Children),
    /// Keys and values in turn.
    Mapping(Children),
    /// Stands for another node.
    Alias(NodeId),
}

impl NodeKind<'_> {
    fn into_owned(self) -> NodeKind<'static> {
        match self {
            NodeKind::Scalar { text, style, tag } => {
                NodeKind::Scalar { text: text.into_owned().into(), style, tag }
            }
            NodeKind::Sequence(children) => NodeKind::Sequence(children),
            NodeKind::Mapping(children) => NodeKind::Mapping(children),
            NodeKind::Alias(target) => NodeKind::Alias(target),
        }
    }
}

/// A stretch of the arena's table of children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Children {
    start: u32,
    end: u32,
}

/// A document.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    children: Vec<NodeId>,
    root: Option<NodeId>,
    /// Whether a node stands for another, so that texts are read more than once.
    pub(crate) has_aliases: bool,
}

impl<'a> Tree<'a> {
    /// Returns the root; none for an empty document.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// Returns a node.
    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    /// Returns a node for changes.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node<'a> {
        &mut self.nodes[id.0 as usize]
    }

    /// Returns the node that an alias stands for, or the node itself.
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            // An alias of an alias cannot be written, so that one step suffices.
            NodeKind::Alias(target) => target,
            _ => id,
        }
    }

    /// Returns the children at a stretch: elements, or keys and values in turn.
    pub(crate) fn children(&self, children: Children) -> &[NodeId] {
        &self.children[children.start as usize..children.end as usize]
    }

    /// Returns the entries of a mapping, aliases resolved; nothing for other nodes.
    pub(crate) fn entries(&self, id: NodeId) -> impl DoubleEndedIterator<Item = (NodeId, NodeId)> + '_ {
        let pairs = match self.node(self.target(id)).kind {
            NodeKind::Mapping(children) => self.children(children),
            _ => &[],
        };
        pairs.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }

    /// Returns the elements of a sequence, aliases resolved; nothing for other nodes.
    pub(crate) fn elements(&self, id: NodeId) -> &[NodeId] {
        match self.node(self.target(id)).kind {
            NodeKind::Sequence(children) => self.children(children),
            _ => &[],
        }
    }

    /// Returns a mapping key as JSON has it; none where there is none (null, or not a scalar).
    pub(crate) fn key(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match &self.node(self.target(id)).kind {
            NodeKind::Scalar { text, style, tag } => scalar::key_text(text, *style, *tag),
            _ => None,
        }
    }

    /// Returns whether a key is the merge key `<<`.
    pub(crate) fn is_merge(&self, key: NodeId) -> bool {
        match &self.node(key).kind {
            NodeKind::Scalar { tag: Tag::Merge, text, .. } => text == "<<",
            NodeKind::Scalar { text, style: Style::Plain, tag: Tag::Implicit } => text == "<<",
            _ => false,
        }
    }

    /// Returns the last entry with this key, written here or merged in.
    pub(crate) fn entry(&self, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        self.entry_within(mapping, key, MAX_DEPTH)
    }

    fn entry_within(&self, mapping: NodeId, key: &str, depth: usize) -> Option<(NodeId, NodeId)> {
        let depth = depth.checked_sub(1)?;
        self.entries(mapping).rev().find_map(|(name, value)| {
            if self.is_merge(name) {
                return match self.node(self.target(value)).kind {
                    NodeKind::Sequence(_) => self
                        .elements(value)
                        .iter()
                        .find_map(|&element| self.entry_within(element, key, depth)),
                    _ => self.entry_within(value, key, depth),
                };
            }
            (self.key(name).as_deref() == Some(key)).then_some((name, value))
        })
    }

    /// Returns the text of a scalar entry; none for null.
    pub(crate) fn text_of(&self, mapping: NodeId, key: &str) -> Option<&str> {
        let (_, value) = self.entry(mapping, key)?;
        match &self.node(self.target(value)).kind {
            NodeKind::Scalar { text, style: Style::Plain, tag: Tag::Implicit }
                if scalar::kubernetes(text) == Meaning::Null =>
            {
                None
            }
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the entry at a JSON pointer below `from`: its key (or the value itself, in lists) and its value. What
    /// does not exist resolves to the nearest ancestor that does.
    pub(crate) fn at(&self, from: NodeId, pointer: &str) -> (NodeId, NodeId) {
        let mut place = (from, from);
        for segment in pointer.split('/').skip(1) {
            let segment = unescape(segment);
            let next = match self.node(self.target(place.1)).kind {
                NodeKind::Mapping(_) => self.entry(place.1, &segment),
                NodeKind::Sequence(children) => segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| self.children(children).get(index).map(|&element| (element, element))),
                _ => None,
            };
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        place
    }

    /// Returns the tree with texts of its own.
    pub(crate) fn into_owned(self) -> Tree<'static> {
        let own = |node: Node<'a>| Node { kind: node.kind.into_owned(), span: node.span };
        Tree {
            nodes: self.nodes.into_iter().map(own).collect(),
            children: self.children,
            root: self.root,
            has_aliases: self.has_aliases,
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.children.clear();
        self.root = None;
        self.has_aliases = false;
    }

    /// Adds a node.
    pub(super) fn push(&mut self, kind: NodeKind<'a>, span: CharSpan) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { kind, span });
        id
    }

    /// Adds children.
    pub(super) fn adopt(&mut self, children: &[NodeId]) -> Children {
        let start = self.children.len() as u32;
        self.children.extend_from_slice(children);
        Children { start, end: self.children.len() as u32 }
    }

    /// Sets the root.
    pub(super) fn set_root(&mut self, id: NodeId) {
        self.root = Some(id);
    }
}

/// Undoes [`crate::finding::escape`].
fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') { segment.replace("~1", "/").replace("~0", "~").into() } else { segment.into() }
}
