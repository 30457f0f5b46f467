//! From a YAML tree to the JSON value that the API server would get: scalars by Kubernetes' rules, aliases and merge
//! keys expanded within a budget, null members dropped.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::scalar::{self, Meaning, NoValue, Style, Tag};
use super::tree::{MAX_DEPTH, NodeId, NodeKind, Tree};

/// What all aliases of one document may expand to, in bytes of text and [`NODE_COST`] for each node.
const ALIAS_BUDGET: usize = 16 << 20;
const NODE_COST: usize = 64;

/// A value with what is remarkable about how it was written.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// The value.
    pub(crate) value: Value,
    /// Places where the text seems to say something else.
    pub(crate) surprises: Vec<(NodeId, Surprise)>,
    /// Scalars without a value; null stands for them.
    pub(crate) no_values: Vec<(NodeId, NoValue)>,
}

/// Why a place may mean something else than it seems to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Surprise {
    /// An unquoted value that YAML 1.2 reads otherwise.
    Value(Meaning, Meaning),
    /// An unquoted key that YAML 1.2 reads otherwise.
    Key(Meaning),
    /// A tag that Kubernetes drops.
    ForeignTag,
    /// A merge key below another key, whose value it replaces although the YAML specification says otherwise.
    MergeReplaces,
}

/// Says why a document was given up: the alias that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// The aliases expand to more than the budget.
    Budget(NodeId),
    /// The aliases nest deeper than [`MAX_DEPTH`].
    Depth(NodeId),
}

/// Returns the value of a node. Below members named in `free_form` nulls are kept.
pub(crate) fn convert(tree: &Tree<'_>, node: NodeId, free_form: &[&str]) -> Result<Converted, TooMuch> {
    converted(tree, node, free_form, false)
}

/// Returns the value of a node with all nulls, if it is not too much.
pub(crate) fn free_form(tree: &Tree<'_>, node: NodeId) -> Option<Value> {
    convert_all(tree, node).ok().map(|converted| converted.value)
}

/// Returns the value of a node with all nulls.
pub(crate) fn convert_all(tree: &Tree<'_>, node: NodeId) -> Result<Converted, TooMuch> {
    converted(tree, node, &[], true)
}

fn converted(
    tree: &Tree<'_>,
    node: NodeId,
    free_form: &[&str],
    keep_nulls: bool,
) -> Result<Converted, TooMuch> {
    let mut converter = Converter { tree, free_form, aliases: 0, spent: 0, result: Converted::default() };
    let value = converter.value(node, 0, keep_nulls)?;
    let mut result = converter.result;
    result.value = value;
    Ok(result)
}

struct Converter<'t, 'a> {
    tree: &'t Tree<'a>,
    free_form: &'t [&'t str],
    /// Aliases above the current node.
    aliases: usize,
    spent: usize,
    result: Converted,
}

impl Converter<'_, '_> {
    fn value(&mut self, id: NodeId, depth: usize, keep_nulls: bool) -> Result<Value, TooMuch> {
        if depth > MAX_DEPTH {
            return Err(TooMuch::Depth(id));
        }
        match self.tree.node(id).kind {
            NodeKind::Scalar { .. } => self.scalar(id),
            NodeKind::Alias(target) => {
                self.aliases += 1;
                let value = self.value(target, depth, keep_nulls);
                self.aliases -= 1;
                value
            }
            NodeKind::Sequence(children) => {
                self.charge(id, 0)?;
                let count = self.tree.children(children).len();
                let mut elements = Vec::with_capacity(count);
                for index in 0..count {
                    let element = self.tree.children(children)[index];
                    elements.push(self.value(element, depth + 1, keep_nulls)?);
                }
                Ok(Value::Array(elements))
            }
            NodeKind::Mapping(_) => {
                self.charge(id, 0)?;
                let mut members = Map::new();
                self.members(id, depth + 1, keep_nulls, &mut members)?;
                Ok(Value::Object(members))
            }
        }
    }

    fn members(
        &mut self,
        mapping: NodeId,
        depth: usize,
        keep_nulls: bool,
        members: &mut Map<String, Value>,
    ) -> Result<(), TooMuch> {
        let NodeKind::Mapping(children) = self.tree.node(mapping).kind else { return Ok(()) };
        for entry in 0..self.tree.children(children).len() / 2 {
            let pair = &self.tree.children(children)[entry * 2..entry * 2 + 2];
            let (key, value) = (pair[0], pair[1]);
            if self.tree.is_merge(key) {
                let mut merged = Map::new();
                self.merge(value, depth, keep_nulls, &mut merged)?;
                if merged.keys().any(|name| members.contains_key(name)) {
                    self.result.surprises.push((key, Surprise::MergeReplaces));
                }
                members.append(&mut merged);
                continue;
            }
            self.look_at_key(key);
            let Some(name) = self.tree.key(key).map(Cow::into_owned) else { continue };
            self.check_tag(key);
            let keep = keep_nulls || self.free_form.contains(&&*name);
            match self.value(value, depth, keep)? {
                Value::Null if !keep_nulls => drop(members.remove(&name)),
                value => drop(members.insert(name, value)),
            }
        }
        Ok(())
    }

    /// Adds the members of a merged mapping, or of a list of them, where the first one wins.
    fn merge(
        &mut self,
        value: NodeId,
        depth: usize,
        keep_nulls: bool,
        members: &mut Map<String, Value>,
    ) -> Result<(), TooMuch> {
        if depth > MAX_DEPTH {
            return Err(TooMuch::Depth(value));
        }
        let target = self.tree.target(value);
        let from_alias = usize::from(target != value);
        self.aliases += from_alias;
        self.charge(value, 0)?;
        match self.tree.node(target).kind {
            NodeKind::Mapping(_) => self.members(target, depth + 1, keep_nulls, members)?,
            NodeKind::Sequence(children) => {
                for index in (0..self.tree.children(children).len()).rev() {
                    let element = self.tree.children(children)[index];
                    self.merge(element, depth + 1, keep_nulls, members)?;
                }
            }
            _ => self.result.no_values.push((value, NoValue::Tag("!!merge"))),
        }
        self.aliases -= from_alias;
        Ok(())
    }

    fn scalar(&mut self, id: NodeId) -> Result<Value, TooMuch> {
        let NodeKind::Scalar { text, style, tag } = &self.tree.node(id).kind else { return Ok(Value::Null) };
        self.charge(id, text.len())?;
        match (*style, *tag) {
            (Style::Plain, Tag::Implicit) => {
                let difference = scalar::difference(text).map(|(a, b)| (id, Surprise::Value(a, b)));
                self.result.surprises.extend(difference);
            }
            (_, Tag::Foreign) => self.result.surprises.push((id, Surprise::ForeignTag)),
            _ => {}
        }
        Ok(scalar::value(text, *style, *tag).unwrap_or_else(|why| {
            self.result.no_values.push((id, why));
            Value::Null
        }))
    }

    fn look_at_key(&mut self, key: NodeId) {
        if let NodeKind::Scalar { text, style: Style::Plain, tag: Tag::Implicit } = &self.tree.node(key).kind
            && let Some((meaning, _)) = scalar::difference(text)
        {
            self.result.surprises.push((key, Surprise::Key(meaning)));
        }
    }

    /// A key whose text does not fit its tag is none.
    fn check_tag(&mut self, key: NodeId) {
        if let NodeKind::Scalar { text, style, tag } = &self.tree.node(self.tree.target(key)).kind
            && *tag != Tag::Implicit
            && let Err(why) = scalar::value(text, *style, *tag)
        {
            self.result.no_values.push((key, why));
        }
    }

    /// Counts what stands below an alias.
    fn charge(&mut self, id: NodeId, text: usize) -> Result<(), TooMuch> {
        if self.aliases == 0 {
            return Ok(());
        }
        self.spent += NODE_COST + text;
        if self.spent > ALIAS_BUDGET { Err(TooMuch::Budget(id)) } else { Ok(()) }
    }
}
