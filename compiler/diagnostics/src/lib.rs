//! What gatewright says about manifests: codes, positions, and the forms in which findings are shown.
//!
//! A [`Diagnostic`] is a value beside a result, never an error of the environment. Stages gather them, [`sort`] orders
//! them, and [`render`] shows them. [`outlet`] is the way out for text that others wrote, here and in other crates.

mod codes;
mod condense;
mod diagnostic;
pub mod outlet;
pub mod render;

pub use codes::{CODES, Code, Severity, find};
pub use condense::condense;
pub use diagnostic::{Diagnostic, Fix, Label, Position, Span, sort};

/// Every code by name, for the places that raise it.
pub mod code {
    pub use crate::codes::table::*;
}
