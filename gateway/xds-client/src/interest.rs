//! What a client wants to hear about.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdSet;
use imbl::ordset::DiffItem;

/// The name that stands for every resource of a type.
pub(crate) const WILDCARD: &str = "*";

/// Which resources of one type a client wants. A copy costs the same however many there are, and what differs between it and
/// its successor is found in the time that the difference asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    names: OrdSet<Arc<str>>,
}

/// The wanted resources by type URL.
pub type Interests = BTreeMap<&'static str, Interest>;

impl Interest {
    /// Wants every resource of the type.
    pub fn all() -> Self {
        Self::named([WILDCARD])
    }

    /// Wants the resources with these names, which may be none.
    pub fn named<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// Returns whether every resource of the type is wanted.
    pub fn is_all(&self) -> bool {
        self.names.contains(WILDCARD)
    }

    /// Returns whether a resource of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.is_all() || self.names.contains(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns the names of the first request. Every resource is written as the empty list, the form that all servers
    /// know.
    pub(crate) fn first_names(&self) -> Vec<String> {
        if self.is_all() && self.names.len() == 1 {
            return Vec::new();
        }
        self.names.iter().map(|name| name.to_string()).collect()
    }

    /// Returns the names that are in `self` and not in `other`.
    pub(crate) fn beyond(&self, other: &Self) -> Vec<String> {
        let added = other.names.diff(&self.names).filter_map(|item| match item {
            DiffItem::Add(name) => Some(name.to_string()),
            DiffItem::Remove(_) => None,
        });
        added.collect()
    }
}

impl From<OrdSet<Arc<str>>> for Interest {
    fn from(names: OrdSet<Arc<str>>) -> Self {
        Self { names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_asked_for_by_the_empty_list() {
        assert_eq!(Interest::all().first_names(), Vec::<String>::new());
        assert_eq!(Interest::named(["*", "a"]).first_names(), ["*", "a"]);
        assert!(Interest::named(Vec::<String>::new()).is_empty());
    }

    #[test]
    fn wants_what_it_names() {
        assert!(Interest::all().wants("x"));
        assert!(Interest::named(["x"]).wants("x") && !Interest::named(["x"]).wants("y"));
    }
}
