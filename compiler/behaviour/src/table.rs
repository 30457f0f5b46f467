//! A virtual host compiled for fast matching: whatever its number of routes, a request looks at those whose path fits.

use std::collections::HashMap;

use gatewright_ir::{PathMatch, Route, VirtualHost};

use crate::patterns::Patterns;

/// The route indices of one virtual host by what their path test asks.
#[derive(Debug, Default)]
pub(crate) struct HostTable {
    exact: HashMap<String, Vec<usize>>,
    exact_folded: HashMap<String, Vec<usize>>,
    prefixes: Prefixes,
    prefixes_folded: Prefixes,
    regexes: Vec<(usize, String)>,
}

impl HostTable {
    /// Compiles a virtual host.
    pub(crate) fn new(host: &VirtualHost) -> Self {
        let mut table = HostTable::default();
        for (index, route) in host.routes.iter().enumerate() {
            table.insert(index, route);
        }
        table
    }

    fn insert(&mut self, index: usize, route: &Route) {
        let sensitive = route.matches.case_sensitive;
        match &route.matches.path {
            PathMatch::Exact(path) if sensitive => self.exact.entry(path.clone()).or_default().push(index),
            PathMatch::Exact(path) => {
                self.exact_folded.entry(path.to_ascii_lowercase()).or_default().push(index);
            }
            PathMatch::Prefix(prefix) if sensitive => self.prefixes.insert(prefix.clone(), index),
            PathMatch::Prefix(prefix) => self.prefixes_folded.insert(prefix.to_ascii_lowercase(), index),
            PathMatch::Regex(pattern) => self.regexes.push((index, pattern.clone())),
        }
    }

    /// Returns the indices of the routes whose path test passes, in order.
    pub(crate) fn routes_for_path(&self, path: &str, patterns: &Patterns) -> Vec<usize> {
        let mut routes: Vec<usize> = self.exact.get(path).into_iter().flatten().copied().collect();
        self.prefixes.collect(path, &mut routes);
        if !self.exact_folded.is_empty() || !self.prefixes_folded.by_text.is_empty() {
            let folded = path.to_ascii_lowercase();
            routes.extend(self.exact_folded.get(&folded).into_iter().flatten());
            self.prefixes_folded.collect(&folded, &mut routes);
        }
        let matching = self.regexes.iter().filter(|(_, pattern)| patterns.matches(pattern, path));
        routes.extend(matching.map(|(index, _)| index));
        routes.sort_unstable();
        routes
    }
}

/// Prefixes by text, with the lengths that occur: a path is looked up once per length.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    by_text: HashMap<String, Vec<usize>>,
    lengths: Vec<usize>,
}

impl Prefixes {
    /// Adds the index of a route with this prefix.
    pub(crate) fn insert(&mut self, prefix: String, index: usize) {
        if let Err(place) = self.lengths.binary_search(&prefix.len()) {
            self.lengths.insert(place, prefix.len());
        }
        self.by_text.entry(prefix).or_default().push(index);
    }

    /// Adds the indices of the prefixes of a path.
    pub(crate) fn collect(&self, path: &str, routes: &mut Vec<usize>) {
        let lengths = self.lengths.iter().take_while(|length| **length <= path.len());
        for prefix in lengths.filter_map(|length| path.get(..*length)) {
            routes.extend(self.by_text.get(prefix).into_iter().flatten());
        }
    }
}
