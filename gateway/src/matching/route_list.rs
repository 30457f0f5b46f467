//! The routes of a virtual host in their order, with an index by path where they are many.
//!
//! The index narrows the routes to those whose path test can hold and keeps their order, so it finds what a walk from
//! the first route finds; a property test compares the two.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::request_test::passes_beside_path;
use crate::config::{PathMatch, Route};
use crate::proxy::message::RequestHead;

/// Up to this many routes a walk is faster than the index.
const WALK: usize = 12;

/// Routes in order of precedence.
#[derive(Debug, Default)]
pub(crate) struct RouteList {
    routes: Box<[Arc<Route>]>,
    index: Option<Index>,
}

/// Positions of routes by what their path test needs.
#[derive(Debug, Default)]
struct Index {
    exact: HashMap<Box<[u8]>, Vec<u32>>,
    prefixes: HashMap<Box<[u8]>, Vec<u32>>,
    /// Lengths of the prefixes, ascending.
    lengths: Vec<usize>,
    /// Routes with an expression or without regard to case.
    others: Vec<u32>,
}

impl RouteList {
    pub(crate) fn new(routes: Vec<Arc<Route>>) -> Self {
        let index = (routes.len() > WALK).then(|| Index::new(&routes));
        Self { routes: routes.into(), index }
    }

    /// Returns the first route that takes the request.
    pub(crate) fn find(&self, head: &RequestHead) -> Option<&Arc<Route>> {
        match &self.index {
            None => self.walk(head),
            Some(index) => index.find(&self.routes, head),
        }
    }

    fn walk(&self, head: &RequestHead) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| takes(route, head))
    }
}

fn takes(route: &Route, head: &RequestHead) -> bool {
    route.matches.path.passes(head.target.path().as_bytes()) && passes_beside_path(&route.matches, head)
}

impl Index {
    fn new(routes: &[Arc<Route>]) -> Self {
        let mut index = Self::default();
        let mut lengths = BTreeSet::new();
        for (position, route) in (0..).zip(routes) {
            match &route.matches.path {
                PathMatch::Exact(path) if !path.ignores_case() => {
                    index.exact.entry(path.text().into()).or_default().push(position);
                }
                PathMatch::Prefix(path) if !path.ignores_case() => {
                    lengths.insert(path.text().len());
                    index.prefixes.entry(path.text().into()).or_default().push(position);
                }
                _ => index.others.push(position),
            }
        }
        index.lengths = lengths.into_iter().collect();
        index
    }

    fn find<'a>(&self, routes: &'a [Arc<Route>], head: &RequestHead) -> Option<&'a Arc<Route>> {
        let path = head.target.path().as_bytes();
        let exact = self.exact.get(path).map_or(&[][..], Vec::as_slice);
        let mut best = first(routes, exact, head, u32::MAX);
        for &length in self.lengths.iter().take_while(|&&length| length <= path.len()) {
            let prefixed = self.prefixes.get(&path[..length]).map_or(&[][..], Vec::as_slice);
            best = first(routes, prefixed, head, best);
        }
        let before = self.others.iter().take_while(|&&position| position < best);
        if let Some(&position) = before.into_iter().find(|&&position| takes(&routes[position as usize], head))
        {
            best = position;
        }
        routes.get(best as usize)
    }
}

/// Returns the first of `positions` before `limit` whose route takes the request (its path test holds), else `limit`.
fn first(routes: &[Arc<Route>], positions: &[u32], head: &RequestHead, limit: u32) -> u32 {
    positions
        .iter()
        .copied()
        .take_while(|&position| position < limit)
        .find(|&position| passes_beside_path(&routes[position as usize].matches, head))
        .unwrap_or(limit)
}
