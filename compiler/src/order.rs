//! Every ordering of the compiler. Nothing else sorts by a rule of its own.

use std::cmp::Ordering;
use std::sync::Arc;

use gatewright_ir::PathKind;
use gatewright_kinds::EntityKey;

use crate::manifest::Metadata;

/// How old an Ingress is, oldest first.
///
/// Higress decides conflicts by `creationTimestamp`. Outside a kube cluster that is known only for exported objects;
/// the annotation `gatewright.io/order` (an integer, lower is older) stands in, and without it namespace and name
/// decide. Objects with a timestamp are older than those without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    class: AgeClass,
    tie: (Arc<str>, Arc<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AgeClass {
    Created(Box<str>),
    Ordered(i64),
    Unknown,
}

/// The annotation that stands in for age.
pub(crate) const ORDER_ANNOTATION: &str = "gatewright.io/order";

impl Age {
    /// Returns the age of an object.
    pub(crate) fn of(key: &EntityKey, metadata: &Metadata) -> Self {
        let ordered = metadata.annotations.get(ORDER_ANNOTATION).and_then(|text| text.trim().parse().ok());
        let class = match (&metadata.creation_timestamp, ordered) {
            (Some(created), _) => AgeClass::Created(created.as_str().into()),
            (None, Some(order)) => AgeClass::Ordered(order),
            (None, None) => AgeClass::Unknown,
        };
        // Higress breaks ties of equal timestamps by the text `name.namespace`.
        let tie = match class {
            AgeClass::Created(_) => (format!("{}.{}", key.name, key.namespace).into(), "".into()),
            _ => (key.namespace.clone(), key.name.clone()),
        };
        Age { class, tie }
    }

    /// Returns what decided between two ages, for messages.
    pub(crate) fn decided_by(&self, other: &Age) -> &'static str {
        match (&self.class, &other.class) {
            (a, b) if a == b => "namespace and name",
            (AgeClass::Unknown, _) | (_, AgeClass::Unknown) => "known age",
            (AgeClass::Created(_), _) | (_, AgeClass::Created(_)) => "creationTimestamp",
            _ => ORDER_ANNOTATION,
        }
    }
}

/// What Higress looks at when it sorts the routes of a host.
#[derive(Clone, Debug)]
pub(crate) struct SortKey {
    /// A `spec.defaultBackend` route.
    pub(crate) default_backend: bool,
    /// Prefix `/` without any condition.
    pub(crate) catch_all: bool,
    /// Path type.
    pub(crate) kind: Option<PathKind>,
    /// Length of the declared path in bytes.
    pub(crate) path_length: usize,
    /// Length of the method expression (`GET|POST`), where there is one.
    pub(crate) methods_length: Option<usize>,
    /// Number of header conditions.
    pub(crate) headers: usize,
    /// Number of query conditions.
    pub(crate) queries: usize,
}

impl SortKey {
    /// Returns whether Higress puts `self` before `other`. This relation is not transitive where regex kinds and
    /// untyped routes mix; see [`higress_sort`].
    pub(crate) fn before(&self, other: &SortKey) -> bool {
        if self.default_backend || other.default_backend {
            return !self.default_backend;
        }
        if self.catch_all || other.catch_all {
            return !self.catch_all;
        }
        if self.kind != other.kind {
            return match (self.kind, other.kind) {
                (Some(PathKind::Exact), _) => true,
                (_, Some(PathKind::Exact)) => false,
                (Some(PathKind::Prefix), _) => true,
                _ => false,
            };
        }
        self.before_in_kind(other)
    }

    fn before_in_kind(&self, other: &SortKey) -> bool {
        let methods = match (self.methods_length, other.methods_length) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        other
            .path_length
            .cmp(&self.path_length)
            .then(methods)
            .then(other.headers.cmp(&self.headers))
            .then(other.queries.cmp(&self.queries))
            .is_lt()
    }
}

/// Sorts as Go's `sort.SliceStable` does: insertion sort in blocks of 20, then in-place merges of neighbouring blocks
/// (SymMerge, Kim and Kutzner 2004).
///
/// Higress' comparison is not transitive, so the outcome depends on the algorithm and not only on the relation; the
/// input must come in a canonical order.
pub(crate) fn higress_sort<T>(items: &mut [T], before: &impl Fn(&T, &T) -> bool) {
    const BLOCK: usize = 20;
    for block in items.chunks_mut(BLOCK) {
        insertion_sort(block, before);
    }
    let mut size = BLOCK;
    while size < items.len() {
        for pair in items.chunks_mut(2 * size) {
            if pair.len() > size {
                merge(pair, size, before);
            }
        }
        size *= 2;
    }
}

fn insertion_sort<T>(items: &mut [T], before: &impl Fn(&T, &T) -> bool) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && before(&items[at], &items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Merges the sorted runs `items[..middle]` and `items[middle..]`, both non-empty.
fn merge<T>(items: &mut [T], middle: usize, before: &impl Fn(&T, &T) -> bool) {
    let length = items.len();
    if middle == 1 {
        let target = 1 + partition(length - 1, |step| before(&items[1 + step], &items[0]));
        items[..target].rotate_left(1);
        return;
    }
    if length - middle == 1 {
        let target = partition(middle, |step| !before(&items[middle], &items[step]));
        items[target..].rotate_right(1);
        return;
    }
    let half = length / 2;
    let sum = half + middle;
    let (low, high) = if middle > half { (sum - length, half) } else { (0, middle) };
    let start =
        low + partition(high - low, |step| !before(&items[sum - 1 - (low + step)], &items[low + step]));
    let end = sum - start;
    if start < middle && middle < end {
        items[start..end].rotate_left(middle - start);
    }
    if 0 < start && start < half {
        merge(&mut items[..half], start, before);
    }
    if half < end && end < length {
        merge(&mut items[half..], end - half, before);
    }
}

/// Returns how many of the steps `0..length` hold, found by halving as if those that hold came first.
fn partition(length: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_stable_sort_on_a_total_preorder(items in prop::collection::vec(0u8..12, 0..200)) {
            let mut ours: Vec<(u8, usize)> = items.iter().copied().enumerate().map(|(i, v)| (v, i)).collect();
            let mut expected = ours.clone();
            higress_sort(&mut ours, &|a, b| a.0 < b.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, expected);
        }
    }

    /// The order in which Go 1.26 leaves these items: only those of one kind compare, so nothing but its own steps leads
    /// there.
    #[test]
    fn agrees_with_go_where_the_comparison_is_not_transitive() {
        let mut state = 7u32;
        let mut items: Vec<(u32, u32, usize)> = (0..90)
            .map(|index| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) % 3, (state >> 24) % 9, index)
            })
            .collect();
        higress_sort(&mut items, &|a, b| a.0 == b.0 && a.1 > b.1);
        let order: Vec<usize> = items.iter().map(|item| item.2).collect();
        #[rustfmt::skip]
        let go = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 16, 19, 20, 21, 22, 23,
            24, 25, 40, 41, 42, 43, 26, 27, 28, 29, 30, 31, 34, 44, 46, 47, 33, 35, 80, 81, 32, 36,
            37, 39, 38, 45, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65,
            66, 67, 69, 68, 70, 71, 72, 73, 74, 75, 76, 77, 82, 78, 83, 85, 84, 86, 87, 79, 88, 89,
        ];
        assert_eq!(order, go);
    }

    fn key(kind: PathKind, path: &str) -> SortKey {
        SortKey {
            default_backend: false,
            catch_all: kind == PathKind::Prefix && path == "/",
            kind: Some(kind),
            path_length: path.len(),
            methods_length: None,
            headers: 0,
            queries: 0,
        }
    }

    #[test]
    fn exact_beats_prefix_beats_regex_beats_catch_all() {
        let exact = key(PathKind::Exact, "/a");
        let prefix = key(PathKind::Prefix, "/a/much/longer");
        let regex = key(PathKind::PrefixRegex, "/[a-z]+/even/longer/than/that");
        let all = key(PathKind::Prefix, "/");
        assert!(exact.before(&prefix) && !prefix.before(&exact));
        assert!(prefix.before(&regex) && !regex.before(&prefix));
        assert!(regex.before(&all) && !all.before(&regex));
    }

    #[test]
    fn shorter_method_text_comes_first() {
        let with = |length| SortKey { methods_length: length, ..key(PathKind::Prefix, "/a") };
        assert!(with(Some(3)).before(&with(Some(8))));
        assert!(with(Some(8)).before(&with(None)));
        assert!(!with(None).before(&with(Some(3))));
    }

    #[test]
    fn ages_fall_back_to_namespace_and_name() {
        let age = |ns: &str, name: &str, created: Option<&str>, order: Option<&str>| {
            let mut metadata =
                Metadata { creation_timestamp: created.map(Into::into), ..Metadata::default() };
            if let Some(order) = order {
                metadata.annotations.insert(ORDER_ANNOTATION, order);
            }
            Age::of(&EntityKey::new(gatewright_kinds::Kind::Ingress, ns, name), &metadata)
        };
        assert!(
            age("b", "a", Some("2024-01-01T00:00:00Z"), None)
                < age("a", "a", Some("2025-01-01T00:00:00Z"), None)
        );
        assert!(age("z", "z", None, Some("1")) < age("a", "a", None, Some("2")));
        assert!(age("z", "z", None, Some("9")) < age("a", "a", None, None));
        assert!(age("a", "b", None, None) < age("b", "a", None, None));
    }
}
