//! Kinds of Kubernetes objects, the keys of objects, and what is read of an object whatever its kind.
//!
//! The compiler knows objects from manifests and `gatewright-cluster` knows them from an API server; this crate is what the
//! two have in common. [`Kind`] is the one table of kinds: their names, versions, plurals and scopes stand nowhere else.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod encrypted;
mod key;
mod kind;

pub use key::{EntityKey, EntityKeyError};
pub use kind::Kind;

/// An annotation of a manifest: `"true"` lets an apply to a kube cluster take fields from other owners. It has no part in
/// compiling.
pub const FORCE_CONFLICTS: &str = "gatewright.io/force-conflicts";
