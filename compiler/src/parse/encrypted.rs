//! What is encrypted in a file that was read: the marks of [`gatewright_kinds::encrypted`] on the nodes of a tree.

use gatewright_kinds::Kind;
use gatewright_kinds::encrypted::{BLOCK, maps_of, of_block, of_text};

use super::fields::Fields;
use super::tree::{NodeId, NodeKind, Tree};

/// Returns which tool has encrypted an object of a file, or values of it; without a kind, the object as a whole.
pub(super) fn of_node(tree: &Tree<'_>, node: NodeId, kind: Option<Kind>) -> Option<&'static str> {
    if !matches!(tree.node(tree.target(node)).kind, NodeKind::Mapping(_)) {
        return None;
    }
    let object = Fields::of(tree, node);
    let block = object.object(BLOCK);
    of_block(|member| block.has(member)).or_else(|| {
        maps_of(kind).iter().find_map(|map| object.text_map(map).values().find_map(|text| of_text(text)))
    })
}
