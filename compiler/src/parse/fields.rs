//! Takes typed fields out of a mapping of a tree. What has another type counts as missing: the schema has reported it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::json;
use super::scalar::{self, Meaning, Tag};
use super::tree::{NodeId, NodeKind, Tree};

/// A place in a tree whose members are wanted; without a node it has none.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'t> {
    tree: &'t Tree<'t>,
    node: Option<NodeId>,
}

impl<'t> Fields<'t> {
    /// Returns the members of a node.
    pub(crate) fn of(tree: &'t Tree<'t>, node: NodeId) -> Self {
        Fields { tree, node: Some(node) }
    }

    /// Returns the value of a member unless it is missing or null.
    fn member(self, name: &str) -> Option<NodeId> {
        let (_, value) = self.tree.entry(self.node?, name)?;
        (!self.tree.is_null(value)).then_some(value)
    }

    /// Returns whether there is a member that is not null.
    pub(crate) fn has(self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Returns the names of the members that are not null, in order.
    pub(crate) fn names(self) -> Vec<String> {
        let members = self.node.map(|node| self.tree.members(node)).unwrap_or_default();
        let present = members.into_iter().filter(|(_, value)| !self.tree.is_null(*value));
        present.map(|(name, _)| name.into_owned()).collect()
    }

    /// Returns whether there is a member that is none of `known`.
    pub(crate) fn has_others(self, known: &[&str]) -> bool {
        let members = self.node.map(|node| self.tree.members(node)).unwrap_or_default();
        members.keys().any(|name| !known.contains(&&**name))
    }

    /// Returns whether there is a member that is neither null nor a text.
    pub(crate) fn has_other_than_text(self, name: &str) -> bool {
        self.member(name).is_some_and(|value| text(self.tree, value).is_none())
    }

    /// Returns a text.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        Some(text(self.tree, self.member(name)?)?.into_owned())
    }

    /// Returns an object; without members if there is none.
    pub(crate) fn object(self, name: &str) -> Fields<'t> {
        Fields { node: self.member(name), ..self }
    }

    /// Returns an object if there is one.
    pub(crate) fn some_object(self, name: &str) -> Option<Fields<'t>> {
        self.member(name).map(|node| Fields { node: Some(node), ..self })
    }

    /// Returns the elements of a list as objects.
    pub(crate) fn list(self, name: &str) -> impl ExactSizeIterator<Item = Fields<'t>> {
        let elements = self.member(name).map_or(&[][..], |value| self.tree.elements(value));
        elements.iter().map(move |element| Fields { node: Some(*element), ..self })
    }

    /// Returns a list of texts; another element becomes an empty text, so that indices stay.
    pub(crate) fn texts(self, name: &str) -> Vec<String> {
        let texts = self.list(name).map(|element| element.own_text().unwrap_or_default());
        texts.collect()
    }

    /// Returns the place itself as a text.
    pub(crate) fn own_text(self) -> Option<String> {
        Some(text(self.tree, self.node?)?.into_owned())
    }

    /// Returns whether a member is a list.
    pub(crate) fn is_list(self, name: &str) -> bool {
        self.some_object(name).is_some_and(Fields::is_a_list)
    }

    /// Returns whether the place itself is a list.
    pub(crate) fn is_a_list(self) -> bool {
        self.kind().is_some_and(|kind| matches!(kind, NodeKind::Sequence(_)))
    }

    /// Returns whether the place itself is a mapping.
    pub(crate) fn is_a_mapping(self) -> bool {
        self.kind().is_some_and(|kind| matches!(kind, NodeKind::Mapping(_)))
    }

    /// Returns the elements of the place itself.
    pub(crate) fn elements(self) -> impl ExactSizeIterator<Item = Fields<'t>> {
        let elements = self.node.map_or(&[][..], |node| self.tree.elements(node));
        elements.iter().map(move |element| Fields { node: Some(*element), ..self })
    }

    /// Returns the place itself as a text, borrowed where it can be.
    pub(crate) fn as_text(self) -> Option<Cow<'t, str>> {
        text(self.tree, self.node?)
    }

    /// Returns the place itself as a whole number.
    pub(crate) fn as_number(self) -> Option<i64> {
        match self.kind()? {
            NodeKind::Scalar { text, style, tag } => match scalar::meaning(text, *style, *tag).ok()? {
                Meaning::Int(number) => Some(number),
                _ => None,
            },
            _ => None,
        }
    }

    fn kind(self) -> Option<&'t NodeKind<'t>> {
        Some(&self.tree.node(self.tree.target(self.node?)).kind)
    }

    /// Returns whether a member is a mapping or not there at all.
    pub(crate) fn is_mapping_or_missing(self, name: &str) -> bool {
        self.some_object(name).is_none_or(Fields::is_a_mapping)
    }

    /// Returns an object of texts.
    pub(crate) fn text_map(self, name: &str) -> BTreeMap<String, String> {
        self.object(name).own_text_map()
    }

    /// Returns the place itself as an object of texts.
    pub(crate) fn own_text_map(self) -> BTreeMap<String, String> {
        let texts = self.own_texts().into_iter();
        texts.map(|(key, text)| (key.into_owned(), text.into_owned())).collect()
    }

    /// Returns the place itself as an object of texts, which stay where they are.
    pub(crate) fn own_texts(self) -> BTreeMap<Cow<'t, str>, Cow<'t, str>> {
        let members = self.node.map(|node| self.tree.members(node)).unwrap_or_default();
        members.into_iter().filter_map(|(key, value)| Some((key, text(self.tree, value)?))).collect()
    }

    /// Returns an object of scalars as they are written, numbers and booleans too.
    pub(crate) fn written_map(self, name: &str) -> BTreeMap<Cow<'t, str>, Cow<'t, str>> {
        let members = self.member(name).map(|value| self.tree.members(value)).unwrap_or_default();
        let written = |value| text(self.tree, value).or_else(|| self.tree.written(value));
        members.into_iter().filter_map(|(key, value)| Some((key, written(value)?))).collect()
    }

    /// Returns the keys of the place itself whose values are not null.
    pub(crate) fn keys(self) -> Vec<Cow<'t, str>> {
        self.node.map(|node| self.tree.members(node)).unwrap_or_default().into_keys().collect()
    }

    /// Returns a boolean.
    pub(crate) fn boolean(self, name: &str) -> Option<bool> {
        match self.meaning(name)? {
            Meaning::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns a whole number that fits.
    pub(crate) fn number<T: TryFrom<i64>>(self, name: &str) -> Option<T> {
        match self.meaning(name)? {
            Meaning::Int(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    /// Returns any value as JSON, nulls below it included.
    pub(crate) fn free_form(self, name: &str) -> Option<Value> {
        json::free_form(self.tree, self.member(name)?)
    }

    fn meaning(self, name: &str) -> Option<Meaning> {
        match &self.tree.node(self.tree.target(self.member(name)?)).kind {
            NodeKind::Scalar { text, style, tag } => scalar::meaning(text, *style, *tag).ok(),
            _ => None,
        }
    }
}

fn text<'t>(tree: &'t Tree<'t>, node: NodeId) -> Option<Cow<'t, str>> {
    match &tree.node(tree.target(node)).kind {
        NodeKind::Scalar { text, style, tag: Tag::Binary } => {
            match scalar::value(text, *style, Tag::Binary) {
                Ok(Value::String(decoded)) => Some(decoded.into()),
                _ => None,
            }
        }
        NodeKind::Scalar { text, style, tag } => {
            (scalar::meaning(text, *style, *tag) == Ok(Meaning::Text)).then_some(Cow::Borrowed(&**text))
        }
        _ => None,
    }
}
