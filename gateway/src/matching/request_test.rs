//! The tests of a route on a request's head.

use std::borrow::Cow;

use http::HeaderMap;

use crate::config::{HeaderTest, QueryTest, RouteMatch, TestedHeader, ValueTest};
use crate::message::RequestHead;

/// Returns whether all tests but that of the path hold.
pub(super) fn passes_beside_path(matches: &RouteMatch, head: &RequestHead) -> bool {
    matches.headers.iter().all(|test| header_passes(test, head))
        && matches.queries.iter().all(|test| query_passes(test, head.target.query()))
}

/// Returns whether one header test holds.
pub(crate) fn header_passes(test: &HeaderTest, head: &RequestHead) -> bool {
    let value = match &test.name {
        TestedHeader::Method => Some(Cow::Borrowed(head.method.as_str().as_bytes())),
        TestedHeader::Path => Some(Cow::Borrowed(head.target.as_str().as_bytes())),
        TestedHeader::Authority => Some(Cow::Borrowed(head.authority.as_bytes())),
        TestedHeader::Scheme => Some(Cow::Borrowed(head.scheme.as_str().as_bytes())),
        TestedHeader::Named(name) => joined(&head.headers, name),
    };
    let value = match value {
        None if test.missing_is_empty => Some(Cow::Borrowed(&b""[..])),
        value => value,
    };
    match &test.test {
        ValueTest::Present(present) => (value.is_some() == *present) != test.invert,
        // Even an inverted test of a value fails where there is none, as in Envoy.
        ValueTest::Text(text) => value.is_some_and(|value| text.passes(&value) != test.invert),
    }
}

/// Returns the value of a header; several lines are joined by commas.
fn joined<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?.as_bytes();
    let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
    let mut all = [first, second.as_bytes()].join(&b',');
    for line in lines {
        all.push(b',');
        all.extend_from_slice(line.as_bytes());
    }
    Some(Cow::Owned(all))
}

fn query_passes(test: &QueryTest, query: Option<&str>) -> bool {
    let value = query.and_then(|query| first_value(query, &test.name));
    match &test.test {
        ValueTest::Present(present) => value.is_some() == *present,
        ValueTest::Text(text) => value.is_some_and(|value| text.passes(value.as_bytes())),
    }
}

/// Returns the value of the first parameter with this name; one without `=` has an empty value.
fn first_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::route::v3 as xds;
    use gatewright_xds::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
    use gatewright_xds::envoy::r#type::matcher::v3::StringMatcher;
    use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
    use http::uri::PathAndQuery;
    use http::{HeaderValue, Method, Version};

    use super::*;
    use crate::message::Scheme;

    #[test]
    fn the_first_parameter_counts_and_is_not_decoded() {
        assert_eq!(first_value("a=1&b=%20&a=2", "a"), Some("1"));
        assert_eq!(first_value("a=1&b=%20", "b"), Some("%20"));
        assert_eq!(first_value("flag&x=a=b", "flag"), Some(""));
        assert_eq!(first_value("flag&x=a=b", "x"), Some("a=b"));
        assert_eq!(first_value("ab=1", "a"), None);
    }

    #[test]
    fn an_inverted_test_of_a_value_needs_a_value() {
        let test = HeaderTest::try_from(xds::HeaderMatcher {
            name: "x-test".to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                match_pattern: Some(MatchPattern::Exact("a".to_owned())),
                ..StringMatcher::default()
            })),
            invert_match: true,
            ..xds::HeaderMatcher::default()
        })
        .unwrap();
        let passes = |value: Option<&'static str>| {
            let lines = value.map(|value| ("x-test".parse().unwrap(), HeaderValue::from_static(value)));
            let head = RequestHead {
                method: Method::GET,
                target: PathAndQuery::from_static("/"),
                authority: HeaderValue::from_static("a"),
                scheme: Scheme::Http,
                headers: HeaderMap::from_iter(lines),
                version: Version::HTTP_11,
            };
            header_passes(&test, &head)
        };
        assert!(passes(Some("b")));
        assert!(!passes(Some("a")));
        assert!(!passes(None));
    }
}
