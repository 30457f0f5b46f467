//! Which routes of a list may match in a set of paths, found without a look at all of them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use gatewright_ir::{PathMatch, RouteMatch};

use crate::paths::{PathAtom, Shape};
use crate::table::Prefixes;

/// The routes of a list by what their path tests ask.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    fold: bool,
    exact: HashMap<String, Vec<usize>>,
    prefixes: Prefixes,
    /// Expressions by the text with which everything begins that they match.
    regexes: Prefixes,
    /// The same in the order of those texts.
    regexes_in_order: BTreeMap<String, Vec<usize>>,
    /// Whether a route takes every request that passes its path test, and that is certain for every path of an atom.
    ends: Vec<bool>,
}

impl Candidates {
    /// Sorts routes in; `fold` is that of the atoms.
    pub(crate) fn new<'m>(tests: impl Iterator<Item = &'m RouteMatch>, fold: bool) -> Self {
        let mut candidates = Candidates { fold, ..Candidates::default() };
        for (index, test) in tests.enumerate() {
            candidates.insert(index, test);
        }
        candidates
    }

    fn insert(&mut self, index: usize, test: &RouteMatch) {
        let literal = !matches!(test.path, PathMatch::Regex(_));
        let certain = literal && !(self.fold && test.case_sensitive);
        self.ends.push(certain && test.conditions.is_empty());
        match &test.path {
            PathMatch::Exact(path) => self.exact.entry(self.folded(path)).or_default().push(index),
            PathMatch::Prefix(prefix) => self.prefixes.insert(self.folded(prefix), index),
            PathMatch::Regex(pattern) => {
                let start = self.folded(literal_start(pattern));
                self.regexes_in_order.entry(start.clone()).or_default().push(index);
                self.regexes.insert(start, index);
            }
        }
    }

    /// Returns the routes that may match in an atom, in order, up to the first that takes all of it.
    pub(crate) fn of(&self, atom: &PathAtom) -> Vec<usize> {
        let mut found = Vec::new();
        match &atom.shape {
            Shape::Point(point) => {
                found.extend(self.exact.get(point).into_iter().flatten());
                self.add_beginnings(point, &mut found);
            }
            Shape::Cone { prefix, .. } => {
                self.add_beginnings(prefix, &mut found);
                let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
                let below = self.regexes_in_order.range::<str, _>(from);
                let below = below.take_while(|(start, _)| start.starts_with(prefix.as_str()));
                found.extend(below.filter(|(start, _)| *start != prefix).flat_map(|(_, indices)| indices));
            }
        }
        self.in_order(found)
    }

    /// Returns the routes that may match a path, in order, up to the first that takes it.
    pub(crate) fn of_path(&self, path: &str) -> Vec<usize> {
        let path = self.folded(path);
        let mut found: Vec<usize> = self.exact.get(&path).into_iter().flatten().copied().collect();
        self.add_beginnings(&path, &mut found);
        self.in_order(found)
    }

    fn add_beginnings(&self, text: &str, found: &mut Vec<usize>) {
        self.prefixes.collect(text, found);
        self.regexes.collect(text, found);
    }

    fn in_order(&self, mut found: Vec<usize>) -> Vec<usize> {
        let last = found.iter().copied().filter(|index| self.ends[*index]).min();
        found.retain(|index| last.is_none_or(|last| *index <= last));
        found.sort_unstable();
        found
    }

    fn folded(&self, text: &str) -> String {
        if self.fold { text.to_ascii_lowercase() } else { text.to_owned() }
    }
}

/// Returns a text with which everything begins that an expression matches as a whole; perhaps not the longest one.
pub(crate) fn literal_start(pattern: &str) -> &str {
    let end = pattern.find(|c: char| !c.is_ascii() || r"\.+*?()|[]{}^$".contains(c)).unwrap_or(pattern.len());
    match pattern[end..].chars().next() {
        // Either side of it may be all that is matched.
        _ if pattern.contains('|') => "",
        Some('*' | '?' | '{') => &pattern[..end.saturating_sub(1)],
        _ => &pattern[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::path_matches;
    use crate::paths::PathAtoms;
    use crate::patterns::Patterns;

    #[test]
    fn what_an_expression_begins_with_is_certain() {
        for (pattern, start) in [
            ("/a/b", "/a/b"),
            ("/a.*", "/a"),
            ("/ab*", "/a"),
            ("/ab?c", "/a"),
            ("/ab{0,2}", "/a"),
            ("/ab+", "/ab"),
            ("/a|/b", ""),
            ("(?i)/a", ""),
            (r"/a\.b", "/a"),
            ("*", ""),
            ("/é*", "/"),
        ] {
            assert_eq!(literal_start(pattern), start, "{pattern}");
        }
    }

    /// The first route that matches a path is among those of the path, and of the region that holds it.
    #[test]
    fn nothing_that_may_match_is_left_out() {
        let exact = |path: &str| PathMatch::Exact(path.to_owned());
        let prefix = |path: &str| PathMatch::Prefix(path.to_owned());
        let regex = |path: &str| PathMatch::Regex(path.to_owned());
        let tests = [
            regex("/a/[0-9]+.*"),
            exact("/a"),
            prefix("/a/b/"),
            regex("/[ab].*"),
            exact("/A/b"),
            prefix("/a/"),
            regex("/c|/d"),
            exact("/z"),
            regex("/x"),
            prefix("/"),
        ];
        let paths =
            ["/a", "/A", "/a/1", "/A/1", "/a/b", "/A/B", "/a/b/x", "/A/B/x", "/b", "/c", "/d", "/z", "/Z"];
        let patterns = Patterns::default();
        for sensitive in [[true; 10], std::array::from_fn(|index| index % 3 > 0)] {
            let test = |(path, case_sensitive): (&PathMatch, bool)| RouteMatch {
                case_sensitive,
                ..RouteMatch::path(path.clone())
            };
            let tests: Vec<RouteMatch> = tests.iter().zip(sensitive).map(test).collect();
            let atoms = PathAtoms::new(tests.iter());
            let candidates = Candidates::new(tests.iter(), atoms.fold());
            for path in paths {
                let matches =
                    |test: &RouteMatch| path_matches(&test.path, test.case_sensitive, path, &patterns);
                let first = tests.iter().position(matches).unwrap();
                assert!(candidates.of_path(path).contains(&first), "{path} {first}");
                let atom = atoms.atoms().find(|atom| atom.contains(path)).unwrap();
                assert!(candidates.of(&atom).contains(&first), "{path} {first} {atom:?}");
            }
        }
    }

    /// However many routes there are, each path region has those that may match it.
    #[test]
    fn many_routes_are_not_looked_at_for_each_path() {
        let test = |n: usize| match n % 3 {
            0 => PathMatch::Exact(format!("/p{n}")),
            1 => PathMatch::Prefix(format!("/p{n}/")),
            _ => PathMatch::Regex(format!("/p{n}/[0-9]+.*")),
        };
        let looks = |count: usize| {
            let tests: Vec<RouteMatch> = (0..count).map(|n| RouteMatch::path(test(n))).collect();
            let candidates = Candidates::new(tests.iter(), false);
            let atoms = PathAtoms::new(tests.iter());
            atoms.atoms().map(|atom| candidates.of(&atom).len()).sum::<usize>()
        };
        assert!(looks(3_000) <= 11 * looks(300), "{} {}", looks(300), looks(3_000));
    }
}
