//! Host patterns: the host names that a virtual host serves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The set of host names that a virtual host serves, always in lower case and without a port.
///
/// Ordered as exact names, then wildcards, then [`HostPattern::Any`]; each group by text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// One name, `shop.example.com`.
    Exact(Arc<str>),
    /// `*.example.com`, stored as `example.com`: every name that ends in `.example.com`, however many labels stand
    /// before it, but not `example.com` itself (Envoy's suffix wildcard).
    Suffix(Arc<str>),
    /// `*`: every name.
    Any,
}

/// Says why a text is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPatternError(String);

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither a host name nor `*.` and a host name", self.0)
    }
}

impl std::error::Error for HostPatternError {}

impl HostPattern {
    /// Returns whether `host` (lower case, no port) is in the set.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            HostPattern::Exact(name) => **name == *host,
            HostPattern::Suffix(parent) => {
                host.len() > parent.len() + 1
                    && host.ends_with(&**parent)
                    && host.as_bytes()[host.len() - parent.len() - 1] == b'.'
            }
            HostPattern::Any => true,
        }
    }

    /// Returns the wider patterns that could serve a request which this host left unmatched, nearest first:
    /// for `a.b.com` these are `*.b.com`, `*.com` and `*`; for `*.b.com` they are `*.com` and `*`.
    ///
    /// Source: the host walk of Higress' scoped routes (`retry other scope when not found`).
    pub fn wider(&self) -> Vec<HostPattern> {
        let mut rest = match self {
            HostPattern::Exact(name) | HostPattern::Suffix(name) => &**name,
            HostPattern::Any => return Vec::new(),
        };
        let mut wider = Vec::new();
        while let Some((_, parent)) = rest.split_once('.') {
            wider.push(HostPattern::Suffix(parent.into()));
            rest = parent;
        }
        wider.push(HostPattern::Any);
        wider
    }

    /// Returns the patterns that could serve the host name `host`, nearest first: the name itself, then [`Self::wider`].
    pub fn candidates(host: &str) -> Vec<HostPattern> {
        let exact = HostPattern::Exact(host.into());
        let mut all = exact.wider();
        all.insert(0, exact);
        all
    }

    /// Returns a name in the set that reads well: the name itself, or `any.` before a suffix.
    pub fn example(&self) -> String {
        match self {
            HostPattern::Exact(name) => name.to_string(),
            HostPattern::Suffix(parent) => format!("any.{parent}"),
            HostPattern::Any => "any.example".to_owned(),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Suffix(parent) => write!(f, "*.{parent}"),
            HostPattern::Any => f.write_str("*"),
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    /// Reads `*`, `*.name` or `name`; upper-case letters are folded, as DNS does.
    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let lower = text.to_ascii_lowercase();
        let name_ok = |name: &str| {
            !name.is_empty() && !name.contains('*') && !name.contains(|c: char| c.is_whitespace() || c == '/')
        };
        match lower.strip_prefix("*.") {
            _ if lower == "*" => Ok(HostPattern::Any),
            Some(parent) if name_ok(parent) => Ok(HostPattern::Suffix(parent.into())),
            None if name_ok(&lower) => Ok(HostPattern::Exact(lower.into())),
            _ => Err(HostPatternError(text.to_owned())),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_suffix_covers_several_labels_but_not_its_parent() {
        let wildcard = pattern("*.Example.com");
        assert!(wildcard.covers("a.example.com"));
        assert!(wildcard.covers("a.b.example.com"));
        assert!(!wildcard.covers("example.com"));
        assert!(!wildcard.covers(".example.com"));
        assert!(!wildcard.covers("aexample.com"));
    }

    #[test]
    fn wider_patterns_come_nearest_first() {
        let texts: Vec<String> = HostPattern::candidates("a.b.com").iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a.b.com", "*.b.com", "*.com", "*"]);
        assert_eq!(pattern("*.b.com").wider(), [pattern("*.com"), HostPattern::Any]);
        assert!(HostPattern::Any.wider().is_empty());
    }

    #[test]
    fn inner_stars_are_no_pattern() {
        assert!("a.*.com".parse::<HostPattern>().is_err());
        assert!("*com".parse::<HostPattern>().is_err());
        assert!("".parse::<HostPattern>().is_err());
    }
}
