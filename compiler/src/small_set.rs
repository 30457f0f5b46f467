//! Sets that rarely have more than a few members, of which there are as many as hosts: a `BTreeSet` takes room for
//! eleven members even where it holds one.

use std::collections::BTreeSet;

/// A sorted set that takes just the room of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SmallSet<T>(Box<[T]>);

impl<T> Default for SmallSet<T> {
    fn default() -> Self {
        SmallSet(Box::default())
    }
}

impl<T: Ord> SmallSet<T> {
    /// Returns the members in order.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Returns the number of members.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no member.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a value is a member.
    pub(crate) fn contains(&self, value: &T) -> bool {
        self.0.binary_search(value).is_ok()
    }

    /// Returns the member that is equal to a value.
    pub(crate) fn get(&self, value: &T) -> Option<&T> {
        self.0.binary_search(value).ok().map(|at| &self.0[at])
    }

    /// Returns the members that `other` does not have, in order.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.0.iter().filter(|member| other.0.binary_search(member).is_err())
    }

    /// Puts a member in; returns whether it is new.
    pub(crate) fn insert(&mut self, member: T) -> bool {
        let Err(at) = self.0.binary_search(&member) else { return false };
        let mut members = std::mem::take(&mut self.0).into_vec();
        members.reserve_exact(1);
        members.insert(at, member);
        self.0 = members.into();
        true
    }

    /// Puts members in.
    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = T>) {
        *self = std::mem::take(&mut self.0).into_vec().into_iter().chain(more).collect();
    }

    /// Keeps the members of which `keep` is true.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let mut members = std::mem::take(&mut self.0).into_vec();
        members.retain(keep);
        self.0 = members.into();
    }
}

impl<T: Ord> FromIterator<T> for SmallSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut sorted: Vec<T> = members.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        SmallSet(sorted.into())
    }
}

impl<T: Ord> From<BTreeSet<T>> for SmallSet<T> {
    fn from(members: BTreeSet<T>) -> Self {
        SmallSet(members.into_iter().collect())
    }
}

impl<T> IntoIterator for SmallSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

impl<'a, T: Ord> IntoIterator for &'a SmallSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_uniqueness() {
        let mut set = SmallSet::default();
        assert!(set.is_empty() && set.insert(2) && set.insert(1) && !set.insert(2) && set.insert(3));
        assert_eq!(set, SmallSet::from(BTreeSet::from([3, 2, 1])));
        set.retain(|member| *member != 2);
        assert_eq!(set.iter().copied().collect::<Vec<_>>(), [1, 3]);
        set.extend([5, 3, 4, 5]);
        assert_eq!(set.iter().copied().collect::<Vec<_>>(), [1, 3, 4, 5]);
        set.retain(|member| *member < 4);
        let other = SmallSet::from_iter([4, 3, 4]);
        assert_eq!(set.difference(&other).collect::<Vec<_>>(), [&1]);
    }
}
