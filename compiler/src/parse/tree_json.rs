//! Lets the validator look at trees themselves: making a JSON value of each document would cost more than the check.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use serde_json::{Number, Value};

use super::json;
use super::scalar::{self, Meaning};
use super::tree::{NodeId, NodeKind, Tree};

/// Trees as JSON. Only for trees that are [`Tree::straight`]: aliases, merge keys and the like need the value.
pub(crate) struct TreeJson;

/// A node as the validator sees it.
#[derive(Clone)]
pub(crate) enum TreeNode<'a> {
    /// A node of a tree.
    Of(&'a Tree<'a>, NodeId),
    /// The name of a member.
    Name(&'a str),
}

impl Json for TreeJson {
    type Node<'a> = TreeNode<'a>;
    type PreparedKey = String;
    type StringBuffer = String;

    // A lookup goes through all members.
    const KEYS_PER_LOOKUP: usize = 16;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut String, string: &str, f: impl FnOnce(TreeNode<'_>) -> T) -> T {
        buffer.clear();
        buffer.push_str(string);
        f(TreeNode::Name(buffer))
    }
}

impl<'a> TreeNode<'a> {
    fn meaning(&self) -> Option<Meaning> {
        match self {
            TreeNode::Name(_) => Some(Meaning::Text),
            TreeNode::Of(tree, id) => match &tree.node(*id).kind {
                NodeKind::Scalar { text, style, tag } => scalar::meaning(text, *style, *tag).ok(),
                _ => None,
            },
        }
    }
}

impl<'a> Node<'a, TreeJson> for TreeNode<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = Meaning;

    fn as_object(&self) -> Option<Members<'a>> {
        match self {
            TreeNode::Of(tree, id) => match tree.node(*id).kind {
                NodeKind::Mapping(children) => Some(Members { tree, pairs: tree.children(children) }),
                _ => None,
            },
            TreeNode::Name(_) => None,
        }
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        match self {
            TreeNode::Of(tree, id) => match tree.node(*id).kind {
                NodeKind::Sequence(children) => Some(Elements { tree, elements: tree.children(children) }),
                _ => None,
            },
            TreeNode::Name(_) => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            TreeNode::Name(text) => Some(Cow::Borrowed(text)),
            TreeNode::Of(tree, id) => match &tree.node(*id).kind {
                NodeKind::Scalar { text, .. } if self.meaning() == Some(Meaning::Text) => {
                    Some(Cow::Borrowed(text))
                }
                _ => None,
            },
        }
    }

    fn as_number(&self) -> Option<Meaning> {
        self.meaning()
            .filter(|meaning| matches!(meaning, Meaning::Int(_) | Meaning::Uint(_) | Meaning::Float(_)))
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.meaning() {
            Some(Meaning::Bool(value)) => Some(value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.meaning() == Some(Meaning::Null)
    }

    fn json_type(&self) -> JsonType {
        match self.meaning() {
            Some(Meaning::Null) => JsonType::Null,
            Some(Meaning::Bool(_)) => JsonType::Boolean,
            Some(Meaning::Int(_) | Meaning::Uint(_) | Meaning::Float(_)) => JsonType::Number,
            Some(Meaning::Text) => JsonType::String,
            None if self.as_array().is_some() => JsonType::Array,
            None => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (expected, self.as_string()) {
            (Value::String(expected), Some(text)) => text == *expected,
            (Value::String(_), None) | (_, Some(_)) => false,
            _ => jsonschema::json::cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        match self {
            TreeNode::Name(text) => Cow::Owned(Value::String((*text).to_owned())),
            TreeNode::Of(tree, id) => {
                let converted = json::convert(tree, *id, &[]).map(|converted| converted.value);
                Cow::Owned(converted.unwrap_or_default())
            }
        }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match self {
            TreeNode::Of(tree, id) => {
                Some(NodeIdentity::tagged(std::ptr::from_ref(*tree) as usize, id.number()))
            }
            TreeNode::Name(_) => None,
        }
    }
}

impl JsonNumber for Meaning {
    fn as_u64(&self) -> Option<u64> {
        match self {
            Meaning::Int(number) => u64::try_from(*number).ok(),
            Meaning::Uint(number) => Some(*number),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self {
            Meaning::Int(number) => Some(*number),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.as_number()
    }

    fn as_str(&self) -> Cow<'_, str> {
        self.literal().into()
    }

    fn to_number(&self) -> Cow<'_, Number> {
        let number = match self {
            Meaning::Int(number) => Some(Number::from(*number)),
            Meaning::Uint(number) => Some(Number::from(*number)),
            other => other.as_number().and_then(Number::from_f64),
        };
        Cow::Owned(number.unwrap_or_else(|| 0.into()))
    }

    fn is_integer(&self) -> bool {
        match self {
            Meaning::Int(_) | Meaning::Uint(_) => true,
            Meaning::Float(number) => number.fract() == 0.0,
            _ => false,
        }
    }
}

/// A mapping; null members are as good as none.
pub(crate) struct Members<'a> {
    tree: &'a Tree<'a>,
    pairs: &'a [NodeId],
}

impl<'a> Members<'a> {
    fn present(&self) -> Present<'a> {
        Present { tree: self.tree, pairs: self.pairs.chunks_exact(2) }
    }
}

impl<'a> Object<'a, TreeJson> for Members<'a> {
    type Node = TreeNode<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.present().count()
    }

    fn get(&self, key: &String) -> Option<TreeNode<'a>> {
        let (_, value) = self.present().find(|(name, _)| self.tree.key_is(*name, key))?;
        Some(TreeNode::Of(self.tree, value))
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.present())
    }
}

/// The entries of a mapping whose values are not null.
struct Present<'a> {
    tree: &'a Tree<'a>,
    pairs: std::slice::ChunksExact<'a, NodeId>,
}

impl Iterator for Present<'_> {
    type Item = (NodeId, NodeId);

    fn next(&mut self) -> Option<(NodeId, NodeId)> {
        self.pairs.by_ref().map(|pair| (pair[0], pair[1])).find(|(_, value)| !self.tree.is_null(*value))
    }
}

/// The members of a mapping in turn.
pub(crate) struct MembersIter<'a>(Present<'a>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (Cow<'a, str>, TreeNode<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tree = self.0.tree;
        let (name, value) = self.0.next()?;
        Some((tree.key(name).unwrap_or_default(), TreeNode::Of(tree, value)))
    }
}

/// A sequence.
pub(crate) struct Elements<'a> {
    tree: &'a Tree<'a>,
    elements: &'a [NodeId],
}

impl<'a> Array<'a, TreeJson> for Elements<'a> {
    type Node = TreeNode<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.elements.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter { tree: self.tree, elements: self.elements.iter() }
    }
}

/// The elements of a sequence in turn.
pub(crate) struct ElementsIter<'a> {
    tree: &'a Tree<'a>,
    elements: std::slice::Iter<'a, NodeId>,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = TreeNode<'a>;

    fn next(&mut self) -> Option<TreeNode<'a>> {
        self.elements.next().map(|element| TreeNode::Of(self.tree, *element))
    }
}
