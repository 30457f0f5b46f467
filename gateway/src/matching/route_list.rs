//! The routes of a virtual host in their order, with an index by path where they are many.
//!
//! The index narrows the routes to those whose path test can hold and keeps their order, so it finds what a walk from
//! the first route finds; a property test compares the two.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::request_test::passes_beside_path;
use crate::config::{PathMatch, Route};
use crate::message::RequestHead;

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

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::route::v3 as xds;
    use gatewright_xds::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
    use gatewright_xds::envoy::config::route::v3::route_match::PathSpecifier;
    use gatewright_xds::envoy::r#type::matcher::v3::RegexMatcher;
    use http::uri::PathAndQuery;
    use http::{HeaderMap, HeaderValue, Method, Version};
    use proptest::prelude::*;

    use super::*;
    use crate::message::Scheme;
    use crate::stream::Loader;

    #[derive(Clone, Debug)]
    struct Drawn {
        path: PathSpecifier,
        ignore_case: bool,
        header: bool,
    }

    fn drawn_path() -> impl Strategy<Value = String> {
        // Few letters and short paths, so that many routes take many requests.
        "(/[abA]{0,2}){1,3}"
    }

    fn drawn_route() -> impl Strategy<Value = Drawn> {
        let path = prop_oneof![
            3 => drawn_path().prop_map(PathSpecifier::Path),
            3 => drawn_path().prop_map(PathSpecifier::Prefix),
            1 => drawn_path().prop_map(|path| PathSpecifier::SafeRegex(RegexMatcher {
                regex: format!("{path}.?"),
                ..RegexMatcher::default()
            })),
        ];
        (path, prop::bool::weighted(0.2), prop::bool::weighted(0.3))
            .prop_map(|(path, ignore_case, header)| Drawn { path, ignore_case, header })
    }

    fn route((index, drawn): (usize, Drawn)) -> Arc<Route> {
        let header = xds::HeaderMatcher {
            name: "x-test".to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(true)),
            ..xds::HeaderMatcher::default()
        };
        let message = xds::Route {
            name: index.to_string(),
            r#match: Some(xds::RouteMatch {
                path_specifier: Some(drawn.path),
                case_sensitive: Some((!drawn.ignore_case).into()),
                headers: if drawn.header { vec![header] } else { Vec::new() },
                ..xds::RouteMatch::default()
            }),
            action: Some(xds::route::Action::DirectResponse(xds::DirectResponseAction {
                status: 200,
                ..xds::DirectResponseAction::default()
            })),
            ..xds::Route::default()
        };
        Arc::new(Route::new(message, None, &Loader::new(crate::filters::standard())).unwrap())
    }

    fn head(path: &str, header: bool) -> RequestHead {
        let mut headers = HeaderMap::new();
        if header {
            headers.insert("x-test", HeaderValue::from_static("1"));
        }
        RequestHead {
            method: Method::GET,
            target: PathAndQuery::try_from(path).unwrap(),
            authority: HeaderValue::from_static("a"),
            scheme: Scheme::Http,
            headers,
            version: Version::HTTP_11,
        }
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_finds(
            drawn in prop::collection::vec(drawn_route(), WALK + 1..60),
            requests in prop::collection::vec((drawn_path(), any::<bool>()), 1..20),
        ) {
            let list = RouteList::new(drawn.into_iter().enumerate().map(route).collect());
            prop_assert!(list.index.is_some());
            for (path, header) in requests {
                let head = head(&path, header);
                let (found, walked) = (list.find(&head), list.walk(&head));
                prop_assert_eq!(found.map(|route| route.name()), walked.map(|route| route.name()), "{}", path);
            }
        }
    }

    #[test]
    fn few_routes_are_walked() {
        let drawn = Drawn { path: PathSpecifier::Prefix("/".to_owned()), ignore_case: false, header: false };
        let list = RouteList::new(vec![route((0, drawn))]);
        assert!(list.index.is_none());
        assert!(list.find(&head("/x", false)).is_some());
    }
}
