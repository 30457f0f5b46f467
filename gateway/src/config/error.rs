//! The error of a conversion: which field of the xDS resource, and what is wrong with it. It becomes NACK text.

use std::fmt;

/// Says which field of an xDS resource cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    path: String,
    problem: String,
}

impl FieldError {
    /// Makes an error about `field`. The problem starts in lower case and has no final full stop.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: field.into(), problem: problem.into() }
    }

    /// Makes the error of a field that must be set.
    pub fn missing(field: &str) -> Self {
        Self::new(field, "is required")
    }

    /// Makes the error of a setting that this gateway does not implement.
    pub fn unsupported(field: &str) -> Self {
        Self::new(field, "is not supported")
    }

    /// Returns the field as a dotted path from the resource.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for FieldError {}

/// Prefixes the field of an error with the field that holds it.
pub(crate) trait Within {
    /// Puts `parent` before the path.
    fn within(self, parent: impl fmt::Display) -> Self;
}

impl<T> Within for Result<T, FieldError> {
    fn within(self, parent: impl fmt::Display) -> Self {
        self.map_err(|error| FieldError { path: format!("{parent}.{}", error.path), ..error })
    }
}
