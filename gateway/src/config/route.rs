//! A route: its tests of a request, its action, and the settings that filters read from it.

use std::any::Any;
use std::sync::Arc;

use gatewright_xds::envoy::config::route::v3 as xds;
use gatewright_xds::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use gatewright_xds::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use gatewright_xds::google::protobuf;
use http::HeaderName;

use super::error::{FieldError, Within};
use super::headers::HeaderEdits;
use super::path_match::PathMatch;
use super::retry::RetryPolicy;
use super::route_action::{RouteAction, action};
use super::take::{nothing_left, unpack};
use super::text_test::TextTest;
use crate::stream::Loader;

/// What a filter reads from a route, in the type that the filter's kind made.
type Settings = Arc<dyn Any + Send + Sync>;

const FILTER_CONFIG: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
const EMPTY: &str = "type.googleapis.com/google.protobuf.Empty";

/// What a route says of a filter.
#[derive(Debug)]
struct OfFilter {
    name: Arc<str>,
    /// Whether the filter runs, also where the chain says something else.
    runs: bool,
    settings: Option<Settings>,
}

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) matches: RouteMatch,
    pub(crate) action: RouteAction,
    pub(crate) request_headers: HeaderEdits,
    pub(crate) response_headers: HeaderEdits,
    filters: Box<[OfFilter]>,
}

impl Route {
    /// Returns the route's name, which access logs show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the settings that this route has for the filter with this name.
    pub fn filter_settings<T: Any>(&self, filter: &str) -> Option<&T> {
        self.of_filter(filter)?.settings.as_ref()?.downcast_ref()
    }

    /// Returns whether the filter with this name runs on this route, if the route says so.
    pub(crate) fn filter_switch(&self, filter: &str) -> Option<bool> {
        self.of_filter(filter).map(|of_filter| of_filter.runs)
    }

    fn of_filter(&self, filter: &str) -> Option<&OfFilter> {
        self.filters.iter().find(|of_filter| *of_filter.name == *filter)
    }

    /// Reads a route. `retry` is the policy of its host, which holds where the route has none of its own.
    pub(crate) fn new(
        mut message: xds::Route,
        retry: Option<&Arc<RetryPolicy>>,
        filters: &Loader,
    ) -> Result<Self, FieldError> {
        let matches = message.r#match.take().ok_or_else(|| FieldError::missing("match"))?;
        let mut of_filters = Vec::new();
        for (name, any) in std::mem::take(&mut message.typed_per_filter_config) {
            let field = format!("typed_per_filter_config[{name}]");
            of_filters.push(OfFilter::new(&name, any, filters).within(field)?);
        }
        let request_add = std::mem::take(&mut message.request_headers_to_add);
        let response_add = std::mem::take(&mut message.response_headers_to_add);
        let route = Self {
            name: std::mem::take(&mut message.name).into(),
            matches: RouteMatch::try_from(matches).within("match")?,
            action: action(message.action.take(), retry)?,
            request_headers: HeaderEdits::new(
                "request",
                request_add,
                std::mem::take(&mut message.request_headers_to_remove),
            )?,
            response_headers: HeaderEdits::new(
                "response",
                response_add,
                std::mem::take(&mut message.response_headers_to_remove),
            )?,
            filters: of_filters.into(),
        };
        // Metadata is for people and tools.
        message.metadata = None;
        nothing_left(&message)?;
        Ok(route)
    }
}

impl OfFilter {
    /// Reads settings, plain or within a message that says as well whether the filter runs. Whoever holds settings runs
    /// the filter.
    fn new(name: &str, any: protobuf::Any, filters: &Loader) -> Result<Self, FieldError> {
        let name = Arc::from(name);
        if any.type_url != FILTER_CONFIG {
            return Ok(Self { name, runs: true, settings: Some(filters.route_settings(any)?) });
        }
        let message: xds::FilterConfig = unpack(Some(any), "type_url")?;
        if message.is_optional {
            return Err(FieldError::unsupported("is_optional"));
        }
        let settings = match message.config {
            None if message.disabled => None,
            None => return Err(FieldError::missing("config")),
            Some(any) if any.type_url == EMPTY => None,
            Some(any) => Some(filters.route_settings(any).within("config")?),
        };
        Ok(Self { name, runs: !message.disabled, settings })
    }
}

/// What a route asks of a request; all tests must hold.
#[derive(Clone, Debug)]
pub(crate) struct RouteMatch {
    pub(crate) path: PathMatch,
    pub(crate) headers: Box<[HeaderTest]>,
    pub(crate) queries: Box<[QueryTest]>,
}

impl TryFrom<xds::RouteMatch> for RouteMatch {
    type Error = FieldError;

    fn try_from(mut message: xds::RouteMatch) -> Result<Self, FieldError> {
        let ignore_case = message.case_sensitive.take().is_some_and(|value| !value.value);
        let headers = std::mem::take(&mut message.headers)
            .into_iter()
            .enumerate()
            .map(|(index, test)| HeaderTest::try_from(test).within(format!("headers[{index}]")))
            .collect::<Result<_, _>>()?;
        let queries = std::mem::take(&mut message.query_parameters)
            .into_iter()
            .enumerate()
            .map(|(index, test)| QueryTest::try_from(test).within(format!("query_parameters[{index}]")))
            .collect::<Result<_, _>>()?;
        let matches =
            Self { path: PathMatch::new(message.path_specifier.take(), ignore_case)?, headers, queries };
        nothing_left(&message)?;
        Ok(matches)
    }
}

/// A test of one header or pseudo header.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTest {
    pub(crate) name: TestedHeader,
    pub(crate) test: ValueTest,
    pub(crate) invert: bool,
    pub(crate) missing_is_empty: bool,
}

/// What a header test looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TestedHeader {
    Method,
    Path,
    Authority,
    Scheme,
    Named(HeaderName),
}

/// A test of a value that may be missing.
#[derive(Clone, Debug)]
pub(crate) enum ValueTest {
    /// Whether it is there.
    Present(bool),
    /// It is there and passes.
    Text(TextTest),
}

impl TryFrom<xds::HeaderMatcher> for HeaderTest {
    type Error = FieldError;

    fn try_from(message: xds::HeaderMatcher) -> Result<Self, FieldError> {
        use HeaderMatchSpecifier as Specifier;
        let test = match message.header_match_specifier {
            None => ValueTest::Present(true),
            Some(Specifier::PresentMatch(present)) => ValueTest::Present(present),
            Some(Specifier::StringMatch(text)) => {
                ValueTest::Text(TextTest::try_from(text).within("string_match")?)
            }
            Some(_) => return Err(FieldError::new("header_match_specifier", "use string_match")),
        };
        Ok(Self {
            name: TestedHeader::new(&message.name)?,
            test,
            invert: message.invert_match,
            missing_is_empty: message.treat_missing_header_as_empty,
        })
    }
}

impl TestedHeader {
    fn new(name: &str) -> Result<Self, FieldError> {
        Ok(match name {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" => Self::Authority,
            ":scheme" => Self::Scheme,
            _ if name.eq_ignore_ascii_case("host") => Self::Authority,
            _ => Self::Named(
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| FieldError::new("name", format!("`{name}` is not a header name")))?,
            ),
        })
    }
}

/// A test of the first query parameter with a name; values are not percent-decoded.
#[derive(Clone, Debug)]
pub(crate) struct QueryTest {
    pub(crate) name: Box<str>,
    pub(crate) test: ValueTest,
}

impl TryFrom<xds::QueryParameterMatcher> for QueryTest {
    type Error = FieldError;

    fn try_from(message: xds::QueryParameterMatcher) -> Result<Self, FieldError> {
        let test = match message.query_parameter_match_specifier {
            None => ValueTest::Present(true),
            Some(QueryParameterMatchSpecifier::PresentMatch(present)) => ValueTest::Present(present),
            Some(QueryParameterMatchSpecifier::StringMatch(text)) => {
                ValueTest::Text(TextTest::try_from(text).within("string_match")?)
            }
        };
        if message.name.is_empty() {
            return Err(FieldError::missing("name"));
        }
        Ok(Self { name: message.name.into(), test })
    }
}
