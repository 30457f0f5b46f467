//! One route of the model to one Envoy route.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_ir::{
    Conditions, Cors, Forward, HeaderEdits, HeaderMatch, OriginMatch, PathMatch, PathRewrite, QueryMatch,
    Redirect, Refusal, RetryPolicy, Route, RouteAction, RouteMatch, RoutePolicy, Target, ValueMatch,
};
use gatewright_xds::any;
use gatewright_xds::envoy::config::core::v3::{
    DataSource, HeaderValue, HeaderValueOption, RuntimeFractionalPercent, data_source, header_value_option,
};
use gatewright_xds::envoy::config::route::v3::{
    self as xds, redirect_action, route_action, route_match, weighted_cluster,
};
use gatewright_xds::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use gatewright_xds::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use gatewright_xds::envoy::r#type::matcher::v3::{RegexMatchAndSubstitute, StringMatcher, string_matcher};
use gatewright_xds::envoy::r#type::v3::{FractionalPercent, fractional_percent};
use gatewright_xds::names;

use super::regex;

/// Tries of Envoy to find a host that was not tried before, as Istio sets it.
const HOST_SELECTION_ATTEMPTS: i64 = 5;

/// Emits a route. `common` is the retry policy that its host has already.
pub(super) fn emit(route: &Route, common: Option<&RetryPolicy>) -> xds::Route {
    // Plugins are not executed by this version: where one must not be passed over, the action is a refusal.
    let Route { id: _, name, matches, action, policy, plugins: _ } = route;
    // What concerns the way upstream is part of the action.
    let RoutePolicy { timeout_ms: _, retry: _, request_headers, response_headers, cors } = &**policy;
    let mut emitted = xds::Route {
        name: name.to_string(),
        r#match: Some(emit_match(matches)),
        request_headers_to_add: additions(request_headers),
        request_headers_to_remove: request_headers.remove.clone(),
        response_headers_to_add: additions(response_headers),
        response_headers_to_remove: response_headers.remove.clone(),
        action: Some(match action {
            RouteAction::Forward(forward) => xds::route::Action::Route(emit_forward(forward, policy, common)),
            RouteAction::Redirect(redirect) => xds::route::Action::Redirect(emit_redirect(redirect)),
            RouteAction::Refuse(refusal) => xds::route::Action::DirectResponse(emit_refusal(refusal)),
        }),
        ..xds::Route::default()
    };
    if let Some(cors) = cors {
        emitted.typed_per_filter_config =
            BTreeMap::from([("envoy.filters.http.cors".to_owned(), any(&emit_cors(cors)))]);
    }
    emitted
}

fn emit_match(matches: &RouteMatch) -> xds::RouteMatch {
    let RouteMatch { path, case_sensitive, conditions } = matches;
    let Conditions { methods, headers, queries } = &**conditions;
    let mut headers: Vec<xds::HeaderMatcher> = headers.iter().map(header_matcher).collect();
    if !methods.is_empty() {
        let methods = ValueMatch::Regex(methods.join("|"));
        headers.push(header_matcher(&HeaderMatch { name: ":method".to_owned(), value: methods }));
    }
    xds::RouteMatch {
        case_sensitive: Some((*case_sensitive).into()),
        headers,
        query_parameters: queries.iter().map(query_matcher).collect(),
        path_specifier: Some(match path {
            PathMatch::Exact(path) => route_match::PathSpecifier::Path(path.clone()),
            PathMatch::Prefix(prefix) => route_match::PathSpecifier::Prefix(prefix.clone()),
            PathMatch::Regex(expression) => route_match::PathSpecifier::SafeRegex(regex(expression)),
        }),
        ..xds::RouteMatch::default()
    }
}

fn header_matcher(header: &HeaderMatch) -> xds::HeaderMatcher {
    use xds::header_matcher::HeaderMatchSpecifier::{PresentMatch, StringMatch};
    let HeaderMatch { name, value } = header;
    let specifier = match string_matcher(value) {
        Some(matcher) => StringMatch(matcher),
        None => PresentMatch(true),
    };
    xds::HeaderMatcher {
        name: name.clone(),
        header_match_specifier: Some(specifier),
        ..xds::HeaderMatcher::default()
    }
}

fn query_matcher(query: &QueryMatch) -> xds::QueryParameterMatcher {
    use xds::query_parameter_matcher::QueryParameterMatchSpecifier::{PresentMatch, StringMatch};
    let QueryMatch { name, value } = query;
    let specifier = match string_matcher(value) {
        Some(matcher) => StringMatch(matcher),
        None => PresentMatch(true),
    };
    xds::QueryParameterMatcher { name: name.clone(), query_parameter_match_specifier: Some(specifier) }
}

/// Returns the matcher of a value; none where presence is enough.
fn string_matcher(value: &ValueMatch) -> Option<StringMatcher> {
    use string_matcher::MatchPattern::{Exact, Prefix, SafeRegex};
    let pattern = match value {
        ValueMatch::Exact(text) => Exact(text.clone()),
        // Envoy refuses an empty prefix; every value starts with it.
        ValueMatch::Prefix(text) if text.is_empty() => return None,
        ValueMatch::Prefix(text) => Prefix(text.clone()),
        ValueMatch::Regex(expression) => SafeRegex(regex(expression)),
        ValueMatch::Present => return None,
    };
    Some(StringMatcher { ignore_case: false, match_pattern: Some(pattern) })
}

fn emit_forward(forward: &Forward, policy: &RoutePolicy, common: Option<&RetryPolicy>) -> xds::RouteAction {
    let Forward { targets, path_rewrite, host_rewrite } = forward;
    let RoutePolicy { timeout_ms, retry, request_headers: _, response_headers: _, cors: _ } = policy;
    let timeout = Duration::from_millis(timeout_ms.unwrap_or_default());
    let mut action = xds::RouteAction {
        timeout: Some(timeout.into()),
        max_stream_duration: None,
        retry_policy: retry.as_deref().filter(|own| common != Some(*own)).map(emit_retry),
        host_rewrite_specifier: host_rewrite
            .clone()
            .map(route_action::HostRewriteSpecifier::HostRewriteLiteral),
        cluster_specifier: Some(match targets.as_slice() {
            [only] if only.request_headers.is_empty() && only.response_headers.is_empty() => {
                route_action::ClusterSpecifier::Cluster(cluster_name(only))
            }
            targets => route_action::ClusterSpecifier::WeightedClusters(xds::WeightedCluster {
                clusters: targets.iter().map(weighted).collect(),
                ..xds::WeightedCluster::default()
            }),
        }),
        ..xds::RouteAction::default()
    };
    match path_rewrite.as_deref() {
        Some(PathRewrite::Prefix(prefix)) => action.prefix_rewrite.clone_from(prefix),
        Some(PathRewrite::Regex { pattern, substitution }) => {
            action.regex_rewrite = Some(RegexMatchAndSubstitute {
                pattern: Some(regex(pattern)),
                substitution: substitution.clone(),
            });
        }
        None => {}
    }
    action
}

/// Returns the name of a target's cluster: an aggregate of it and its fallbacks, where it has some.
pub(super) fn cluster_name(target: &Target) -> String {
    if target.fallbacks.is_empty() {
        return target.cluster.0.to_string();
    }
    let fallbacks: Vec<&str> = target.fallbacks.iter().map(|name| &*name.0).collect();
    names::aggregate_fallback(&target.cluster.0, &fallbacks)
}

fn weighted(target: &Target) -> weighted_cluster::ClusterWeight {
    // Cluster and fallbacks are the name.
    let Target { cluster: _, weight, fallbacks: _, request_headers, response_headers } = target;
    weighted_cluster::ClusterWeight {
        name: cluster_name(target),
        weight: Some((*weight).into()),
        request_headers_to_add: additions(request_headers),
        request_headers_to_remove: request_headers.remove.clone(),
        response_headers_to_add: additions(response_headers),
        response_headers_to_remove: response_headers.remove.clone(),
        ..weighted_cluster::ClusterWeight::default()
    }
}

pub(super) fn emit_retry(policy: &RetryPolicy) -> xds::RetryPolicy {
    let previous_hosts = xds::retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(xds::retry_policy::retry_host_predicate::ConfigType::TypedConfig(any(
            &PreviousHostsPredicate {},
        ))),
    };
    let RetryPolicy { retry_on, num_retries, excluded_methods } = policy;
    let excluded = (!excluded_methods.is_empty()).then(|| {
        let methods = ValueMatch::Regex(excluded_methods.join("|"));
        let matcher = header_matcher(&HeaderMatch { name: ":method".to_owned(), value: methods });
        xds::HeaderMatcher { invert_match: true, ..matcher }
    });
    xds::RetryPolicy {
        retry_on: retry_on.join(","),
        num_retries: Some((*num_retries).into()),
        retry_host_predicate: vec![previous_hosts],
        host_selection_retry_max_attempts: HOST_SELECTION_ATTEMPTS,
        retriable_request_headers: excluded.into_iter().collect(),
        ..xds::RetryPolicy::default()
    }
}

fn emit_redirect(redirect: &Redirect) -> xds::RedirectAction {
    use xds::redirect_action::RedirectResponseCode as Code;
    let Redirect { code, scheme, host, port, path } = redirect;
    let code = match code {
        302 => Code::Found,
        303 => Code::SeeOther,
        307 => Code::TemporaryRedirect,
        308 => Code::PermanentRedirect,
        _ => Code::MovedPermanently,
    };
    xds::RedirectAction {
        host_redirect: host.clone().unwrap_or_default(),
        port_redirect: port.map_or(0, u32::from),
        response_code: code as i32,
        scheme_rewrite_specifier: scheme.clone().map(redirect_action::SchemeRewriteSpecifier::SchemeRedirect),
        path_rewrite_specifier: path.clone().map(redirect_action::PathRewriteSpecifier::PathRedirect),
        ..xds::RedirectAction::default()
    }
}

fn emit_refusal(refusal: &Refusal) -> xds::DirectResponseAction {
    let Refusal { code, reason } = refusal;
    let body = format!("{code} {reason}\n");
    xds::DirectResponseAction {
        status: 503,
        body: Some(DataSource {
            specifier: Some(data_source::Specifier::InlineString(body)),
            ..DataSource::default()
        }),
        body_format: None,
    }
}

fn emit_cors(cors: &Cors) -> CorsPolicy {
    let origin = |origin: &OriginMatch| StringMatcher {
        ignore_case: false,
        match_pattern: Some(match origin {
            OriginMatch::Exact(text) => string_matcher::MatchPattern::Exact(text.clone()),
            OriginMatch::Regex(expression) => string_matcher::MatchPattern::SafeRegex(regex(expression)),
        }),
    };
    let Cors { allow_origins, allow_methods, allow_headers, expose_headers, allow_credentials, max_age_s } =
        cors;
    CorsPolicy {
        allow_origin_string_match: allow_origins.iter().map(origin).collect(),
        allow_methods: allow_methods.clone(),
        allow_headers: allow_headers.clone(),
        expose_headers: expose_headers.clone(),
        max_age: max_age_s.to_string(),
        allow_credentials: Some((*allow_credentials).into()),
        filter_enabled: Some(RuntimeFractionalPercent {
            default_value: Some(FractionalPercent {
                numerator: 100,
                denominator: fractional_percent::DenominatorType::Hundred as i32,
            }),
            runtime_key: String::new(),
        }),
        ..CorsPolicy::default()
    }
}

/// `set` before `add`, each by name, as Istio sorts them. Values are literal: a percent sign would open one of Envoy's
/// commands.
fn additions(edits: &HeaderEdits) -> Vec<HeaderValueOption> {
    use header_value_option::HeaderAppendAction::{AppendIfExistsOrAdd, OverwriteIfExistsOrAdd};
    // What is removed is a list of its own.
    let HeaderEdits { set, add, remove: _ } = edits;
    let set = set.iter().map(|pair| (pair, OverwriteIfExistsOrAdd));
    let add = add.iter().map(|pair| (pair, AppendIfExistsOrAdd));
    set.chain(add)
        .map(|((name, value), action)| HeaderValueOption {
            header: Some(HeaderValue {
                key: name.clone(),
                value: value.replace('%', "%%"),
                raw_value: Vec::new(),
            }),
            append_action: action as i32,
            ..HeaderValueOption::default()
        })
        .collect()
}
