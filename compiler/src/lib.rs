//! The pure compiler: manifests as text in, model and xDS out.
//!
//! Stages, with what crosses each border:
//! 1. [`parse`]: bytes of a file to [`manifest::Manifest`]s and findings with spans;
//! 2. graph: manifests to entities and references;
//! 3. lower: entities to the model ([`gatewright_ir::Ir`]), one host, cluster or TLS name at a time;
//! 4. emit: model to xDS resources.

pub mod finding;
pub mod manifest;
pub mod options;
pub mod parse;
pub mod source;
