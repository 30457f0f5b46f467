//! What gatewright says about manifests: codes, positions, and the forms in which findings are shown.
//!
//! A [`Diagnostic`] is a value beside a result, never an error of the environment. Stages gather them, [`sort`] orders
//! them, and [`render`] shows them.

mod codes;
mod diagnostic;
pub mod render;

pub use codes::{CODES, Code, Severity, find};
pub use diagnostic::{Diagnostic, Fix, Label, Position, Span, sort};

/// Every code by name, for the places that raise it.
pub mod code {
    pub use crate::codes::table::*;
}
