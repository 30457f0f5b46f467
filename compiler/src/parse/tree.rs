//! One YAML document as an arena of nodes, each with its place in the file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::scalar::{self, Meaning, Style, Tag};
use super::text::CharSpan;

/// Deepest nesting of collections, aliases counted where they stand.
pub(crate) const MAX_DEPTH: usize = 128;

/// Index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// Returns the index.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// A node and its place.
#[derive(Debug)]
pub(crate) struct YamlNode<'a> {
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
    nodes: Vec<YamlNode<'a>>,
    children: Vec<NodeId>,
    root: Option<NodeId>,
    /// Whether a node stands for another.
    pub(crate) has_aliases: bool,
    /// Whether every node means what its place and text say: no alias, no merge key, no value or key that is read
    /// otherwise than YAML 1.2 reads it, no tag but `!!str`.
    pub(crate) straight: bool,
}

impl<'a> Tree<'a> {
    /// Returns whether two keys are one in JSON.
    pub(crate) fn same_key(&self, a: NodeId, b: NodeId) -> bool {
        match (&self.node(a).kind, &self.node(b).kind) {
            (
                NodeKind::Scalar { text: first, style, tag },
                NodeKind::Scalar { text: second, style: other_style, tag: other_tag },
            ) if scalar::is_plainly_text(first, *style, *tag)
                && scalar::is_plainly_text(second, *other_style, *other_tag) =>
            {
                first == second
            }
            _ => self.key(a).is_some() && self.key(a) == self.key(b),
        }
    }

    /// Returns the root; none for an empty document.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// Returns a node.
    pub(crate) fn node(&self, id: NodeId) -> &YamlNode<'a> {
        &self.nodes[id.0 as usize]
    }

    /// Returns a node for changes.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut YamlNode<'a> {
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
    pub(crate) fn entries(
        &self,
        id: NodeId,
    ) -> impl DoubleEndedIterator<Item = (NodeId, NodeId)> + ExactSizeIterator + '_ {
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

    /// Returns whether a key can be one in JSON.
    pub(crate) fn is_text_key(&self, id: NodeId) -> bool {
        match &self.node(id).kind {
            NodeKind::Scalar { text, style, tag } if scalar::is_plainly_text(text, *style, *tag) => true,
            _ => self.key(id).is_some(),
        }
    }

    /// Returns whether a key has this text in JSON.
    pub(crate) fn key_is(&self, id: NodeId, name: &str) -> bool {
        match &self.node(id).kind {
            NodeKind::Scalar { text, style, tag } if scalar::is_plainly_text(text, *style, *tag) => {
                text == name
            }
            _ => self.key(id).as_deref() == Some(name),
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
        self.entry_within(mapping, key, MAX_DEPTH, &mut BTreeSet::new())
    }

    /// Looks through a mapping and what is merged into it, each mapping once: merge keys can form very many paths.
    fn entry_within(
        &self,
        mapping: NodeId,
        key: &str,
        depth: usize,
        searched: &mut BTreeSet<NodeId>,
    ) -> Option<(NodeId, NodeId)> {
        let depth = depth.checked_sub(1)?;
        for (name, value) in self.entries(mapping).rev() {
            if self.key_is(name, key) && !self.is_merge(name) {
                return Some((name, value));
            }
            if self.is_merge(name) && searched.insert(self.target(value)) {
                let merged = std::iter::once(&value).chain(self.elements(value));
                let found = merged.copied().find_map(|from| self.entry_within(from, key, depth, searched));
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Returns the text of a scalar entry; none for null.
    pub(crate) fn text_of(&self, mapping: NodeId, key: &str) -> Option<&str> {
        let (_, value) = self.entry(mapping, key)?;
        match &self.node(self.target(value)).kind {
            NodeKind::Scalar { text, .. } if !self.is_null(value) => Some(text),
            _ => None,
        }
    }

    /// Returns the text of a scalar, whatever it means.
    pub(crate) fn written(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match &self.node(self.target(id)).kind {
            NodeKind::Scalar { text, .. } => Some(Cow::Borrowed(&**text)),
            _ => None,
        }
    }

    /// Returns whether a node is null.
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        match &self.node(self.target(id)).kind {
            NodeKind::Scalar { text, style, tag } => scalar::meaning(text, *style, *tag) == Ok(Meaning::Null),
            _ => false,
        }
    }

    /// Returns the members of a mapping as JSON has them: merge keys expanded, the last of equal keys in place of the
    /// others, null members left out.
    pub(crate) fn members(&self, mapping: NodeId) -> BTreeMap<Cow<'_, str>, NodeId> {
        let mut members = BTreeMap::new();
        self.add_members(mapping, MAX_DEPTH, &mut members);
        members.retain(|_, value| !self.is_null(*value));
        members
    }

    fn add_members<'t>(
        &'t self,
        mapping: NodeId,
        depth: usize,
        members: &mut BTreeMap<Cow<'t, str>, NodeId>,
    ) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for (key, value) in self.entries(mapping) {
            if self.is_merge(key) {
                let merged = self.elements(value).iter().rev().chain(std::iter::once(&value));
                merged.for_each(|&from| self.add_members(from, depth, members));
            } else if let Some(name) = self.key(key) {
                members.insert(name, value);
            }
        }
    }

    /// Returns the entry at a JSON pointer below `from`: its key (or the value itself, in lists) and its value. What
    /// does not exist resolves to the nearest ancestor that does.
    pub(crate) fn at(&self, from: NodeId, pointer: &str) -> (NodeId, NodeId) {
        self.at_by(from, pointer, |mapping, key| self.entry(mapping, key))
    }

    /// Returns the same where `entry` looks a key up in a mapping.
    pub(crate) fn at_by(
        &self,
        from: NodeId,
        pointer: &str,
        entry: impl Fn(NodeId, &str) -> Option<(NodeId, NodeId)>,
    ) -> (NodeId, NodeId) {
        let mut place = (from, from);
        for segment in pointer.split('/').skip(1) {
            let segment = unescape(segment);
            let next = match self.node(self.target(place.1)).kind {
                NodeKind::Mapping(_) => entry(place.1, &segment),
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
        let own = |node: YamlNode<'a>| YamlNode { kind: node.kind.into_owned(), span: node.span };
        Tree {
            nodes: self.nodes.into_iter().map(own).collect(),
            children: self.children,
            root: self.root,
            has_aliases: self.has_aliases,
            straight: self.straight,
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.children.clear();
        self.root = None;
        self.has_aliases = false;
        self.straight = true;
    }

    /// Forgets a node and all that came behind it.
    pub(super) fn forget_from(&mut self, id: NodeId) {
        let children = self.nodes[id.0 as usize..].iter().filter_map(|node| match node.kind {
            NodeKind::Sequence(children) | NodeKind::Mapping(children) => Some(children.start),
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
        });
        if let Some(first) = children.min() {
            self.children.truncate(first as usize);
        }
        self.nodes.truncate(id.0 as usize);
    }

    /// Adds a node.
    pub(super) fn push(&mut self, kind: NodeKind<'a>, span: CharSpan) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(YamlNode { kind, span });
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
