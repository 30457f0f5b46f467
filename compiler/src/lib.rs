//! The pure compiler: manifests as text in, model and xDS out.
//!
//! Stages, with what crosses each border:
//! 1. [`parse`]: bytes of a file to [`manifest::Manifest`]s and findings with spans;
//! 2. analysis: one Ingress normalized, its annotations read family by family;
//! 3. lower: Ingresses, Services, registries and plugins to the model ([`gatewright_ir::Ir`]), one host or cluster at
//!    a time;
//! 4. emit: the model to xDS resources.
//!
//! [`Engine`] runs them incrementally; [`compile`] is one run from nothing. Beside the stages stand views of what the engine
//! has reached, made when somebody asks: findings, [`Provenance`], [`Reach`] and the [`graph`] of objects.

#![forbid(unsafe_code)]

pub mod finding;
pub mod manifest;
pub mod options;
pub mod parse;
mod pool;
pub mod source;

mod annotations;
mod class;
mod dead;
mod emit;
mod engine;
mod global;
mod ingress;
pub mod input;
mod lower;
mod order;
mod path_text;
mod registry;
mod registry_fields;
mod rewrites;
mod service_policy;
mod small_set;
mod texts;
mod world;

pub use annotations::foreign::{
    Controller, Foreign, ForeignKey, Rest, Role, controllers, lookup as lookup_foreign_annotation,
};
pub use annotations::known::{KNOWN, KnownAnnotation, Support, lookup as lookup_annotation};
pub use emit::bootstrap::BootstrapOptions;
pub use engine::graph;
pub use engine::{Broken, Checked, Delta, Engine, Provenance, Reach, Said, WorkCounters, check};
pub use global::is_global;

use gatewright_diagnostics::{Diagnostic, Severity};

/// The result of one run.
pub struct Compiled {
    /// The engine, for the model, the xDS resources and everything else.
    pub engine: Engine,
    /// Everything that was found, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// Returns whether an error stands.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Compiles a source from nothing.
///
/// # Errors
/// A file of the tree cannot be read.
pub fn compile(
    tree: &source::SourceTree,
    options: &options::CompileOptions,
) -> Result<Compiled, source::ReadError> {
    let mut engine = Engine::new(options.clone());
    engine.update(tree)?;
    let diagnostics = engine.diagnostics()?;
    Ok(Compiled { engine, diagnostics })
}
