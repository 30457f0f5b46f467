//! The path test of a route. The path has no query.

use gatewright_http::re2::Whole;
use gatewright_xds::envoy::config::route::v3::route_match::PathSpecifier;

use super::error::{FieldError, Within};
use super::text_test::{Pattern, whole_text};

/// A compiled test of the path without its query.
#[derive(Clone, Debug)]
pub(crate) enum PathMatch {
    /// The whole path.
    Exact(Pattern),
    /// The first bytes of the path, wherever that ends.
    Prefix(Pattern),
    /// The expression matches the whole path; case always counts.
    Regex(Whole),
}

impl PathMatch {
    pub(super) fn new(message: Option<PathSpecifier>, ignore_case: bool) -> Result<Self, FieldError> {
        match message.ok_or_else(|| FieldError::missing("path_specifier"))? {
            PathSpecifier::Path(text) => Ok(Self::Exact(Pattern::new(text, ignore_case))),
            PathSpecifier::Prefix(text) => Ok(Self::Prefix(Pattern::new(text, ignore_case))),
            PathSpecifier::SafeRegex(regex) => whole_text(&regex).within("safe_regex").map(Self::Regex),
            PathSpecifier::ConnectMatcher(_) => Err(FieldError::unsupported("connect_matcher")),
            PathSpecifier::PathSeparatedPrefix(_) => Err(FieldError::unsupported("path_separated_prefix")),
            PathSpecifier::PathMatchPolicy(_) => Err(FieldError::unsupported("path_match_policy")),
        }
    }

    /// Returns whether `path` passes.
    pub(crate) fn passes(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(pattern) => pattern.equals(path),
            Self::Prefix(pattern) => pattern.starts(path),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}
