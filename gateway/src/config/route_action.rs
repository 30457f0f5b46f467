//! What a route does with a request: forward it, redirect it, or answer it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_http::re2::{Anywhere, Substitution};
use gatewright_xds::envoy::config::route::v3 as xds;
use gatewright_xds::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
};
use gatewright_xds::envoy::config::route::v3::route::Action;
use gatewright_xds::envoy::config::route::v3::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use gatewright_xds::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use http::{HeaderValue, StatusCode};

use super::error::{FieldError, Within};
use super::headers::HeaderEdits;
use super::retry::RetryPolicy;
use super::take::{duration, inline, name, nothing_left};
use super::text_test::anywhere;

/// Envoy's limit of a route that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// What a route does.
#[derive(Debug)]
pub(crate) enum RouteAction {
    Forward(Forward),
    Redirect(Redirect),
    Direct(DirectResponse),
}

/// Forwarding to an upstream cluster.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) targets: Targets,
    /// Limit from the end of the request to the end of the response; none is no limit.
    pub(crate) timeout: Option<Duration>,
    pub(crate) path_rewrite: Option<PathRewrite>,
    pub(crate) host_rewrite: Option<HeaderValue>,
    pub(crate) retry: Option<Arc<RetryPolicy>>,
}

/// The clusters of a route.
#[derive(Debug)]
pub(crate) enum Targets {
    Single(Arc<str>),
    /// Never empty; the sum of the weights is above 0.
    Weighted {
        targets: Box<[WeightedTarget]>,
        total: u64,
    },
}

impl Targets {
    /// Returns the number of a target drawn by weight; `draw` gives a number below its argument.
    pub(crate) fn drawn(&self, draw: impl FnOnce(u64) -> u64) -> usize {
        let Self::Weighted { targets, total } = self else { return 0 };
        let mut drawn = draw(*total);
        let chosen = targets.iter().position(|target| match drawn.checked_sub(target.weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        chosen.unwrap_or(0)
    }

    /// Returns the cluster of a target, and its edits of request and response where it has its own.
    pub(crate) fn get(&self, target: usize) -> (&Arc<str>, Option<(&HeaderEdits, &HeaderEdits)>) {
        match self {
            Self::Single(cluster) => (cluster, None),
            Self::Weighted { targets, .. } => {
                let target = &targets[target.min(targets.len() - 1)];
                (&target.cluster, Some((&target.request_headers, &target.response_headers)))
            }
        }
    }
}

/// One weighted cluster.
#[derive(Debug)]
pub(crate) struct WeightedTarget {
    pub(crate) cluster: Arc<str>,
    pub(crate) weight: u64,
    pub(crate) request_headers: HeaderEdits,
    pub(crate) response_headers: HeaderEdits,
}

/// How the path changes; the query stays.
#[derive(Debug)]
pub(crate) enum PathRewrite {
    /// In the place of what the path test matched: the prefix, or the whole path.
    Prefix(Box<str>),
    /// In the place of every match of the expression.
    Regex { pattern: Anywhere, substitution: Substitution },
}

/// A redirect answer; what is none stays as the request has it.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) status: StatusCode,
    pub(crate) scheme: Option<Box<str>>,
    pub(crate) host: Option<Box<str>>,
    pub(crate) port: Option<u16>,
    pub(crate) path: Option<Box<str>>,
    pub(crate) strip_query: bool,
}

/// A fixed answer.
#[derive(Debug)]
pub(crate) struct DirectResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

pub(super) fn action(
    message: Option<Action>,
    retry: Option<&Arc<RetryPolicy>>,
) -> Result<RouteAction, FieldError> {
    match message.ok_or_else(|| FieldError::missing("action"))? {
        Action::Route(message) => forward(message, retry).within("route").map(RouteAction::Forward),
        Action::Redirect(message) => redirect(message).within("redirect").map(RouteAction::Redirect),
        Action::DirectResponse(message) => direct(message).within("direct_response").map(RouteAction::Direct),
        Action::FilterAction(_) => Err(FieldError::unsupported("filter_action")),
        Action::NonForwardingAction(_) => Err(FieldError::unsupported("non_forwarding_action")),
    }
}

fn forward(
    mut message: xds::RouteAction,
    inherited: Option<&Arc<RetryPolicy>>,
) -> Result<Forward, FieldError> {
    let timeout = duration(message.timeout.take(), "timeout")?.unwrap_or(DEFAULT_TIMEOUT);
    let host_rewrite = match message.host_rewrite_specifier.take() {
        None => None,
        Some(HostRewriteSpecifier::HostRewriteLiteral(text)) => Some(
            HeaderValue::from_str(&text)
                .map_err(|_| FieldError::new("host_rewrite_literal", "is not a host"))?,
        ),
        Some(_) => return Err(FieldError::new("host_rewrite_specifier", "only a literal is supported")),
    };
    let retry = message.retry_policy.take().map(RetryPolicy::try_from).transpose().within("retry_policy")?;
    let forward = Forward {
        targets: targets(message.cluster_specifier.take())?,
        timeout: (!timeout.is_zero()).then_some(timeout),
        path_rewrite: path_rewrite(
            std::mem::take(&mut message.prefix_rewrite),
            message.regex_rewrite.take(),
        )?,
        host_rewrite,
        retry: retry.map(Arc::new).or_else(|| inherited.cloned()),
    };
    nothing_left(&message)?;
    Ok(forward)
}

fn targets(message: Option<ClusterSpecifier>) -> Result<Targets, FieldError> {
    match message.ok_or_else(|| FieldError::missing("cluster_specifier"))? {
        ClusterSpecifier::Cluster(cluster) => Ok(Targets::Single(name(cluster, "cluster")?)),
        ClusterSpecifier::WeightedClusters(message) => weighted(message).within("weighted_clusters"),
        _ => Err(FieldError::new("cluster_specifier", "use cluster or weighted_clusters")),
    }
}

fn weighted(mut message: xds::WeightedCluster) -> Result<Targets, FieldError> {
    let targets = std::mem::take(&mut message.clusters)
        .into_iter()
        .enumerate()
        .map(|(index, cluster)| target(cluster).within(format!("clusters[{index}]")))
        .collect::<Result<Box<[WeightedTarget]>, _>>()?;
    let total: u64 = targets.iter().map(|target| target.weight).sum();
    if total == 0 {
        return Err(FieldError::new("clusters", "the sum of the weights is 0"));
    }
    nothing_left(&message)?;
    Ok(Targets::Weighted { targets, total })
}

fn target(mut message: xds::weighted_cluster::ClusterWeight) -> Result<WeightedTarget, FieldError> {
    let request_add = std::mem::take(&mut message.request_headers_to_add);
    let response_add = std::mem::take(&mut message.response_headers_to_add);
    let target = WeightedTarget {
        cluster: name(std::mem::take(&mut message.name), "name")?,
        weight: message.weight.take().map_or(0, |weight| weight.value.into()),
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
    };
    nothing_left(&message)?;
    Ok(target)
}

fn path_rewrite(
    prefix: String,
    regex: Option<RegexMatchAndSubstitute>,
) -> Result<Option<PathRewrite>, FieldError> {
    match (prefix.is_empty(), regex) {
        (true, None) => Ok(None),
        (false, None) => Ok(Some(PathRewrite::Prefix(prefix.into()))),
        (true, Some(message)) => regex_rewrite(message).within("regex_rewrite").map(Some),
        (false, Some(_)) => Err(FieldError::new("prefix_rewrite", "excludes regex_rewrite")),
    }
}

fn regex_rewrite(message: RegexMatchAndSubstitute) -> Result<PathRewrite, FieldError> {
    let pattern = message.pattern.ok_or_else(|| FieldError::missing("pattern"))?;
    let pattern = anywhere(&pattern).within("pattern")?;
    Ok(PathRewrite::Regex { pattern, substitution: Substitution::new(&message.substitution) })
}

fn redirect(mut message: xds::RedirectAction) -> Result<Redirect, FieldError> {
    let path = match message.path_rewrite_specifier.take() {
        None => None,
        Some(PathRewriteSpecifier::PathRedirect(path)) => non_empty(path),
        Some(_) => return Err(FieldError::new("path_rewrite_specifier", "use path_redirect")),
    };
    let scheme = match message.scheme_rewrite_specifier.take() {
        None | Some(SchemeRewriteSpecifier::HttpsRedirect(false)) => None,
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".into()),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => non_empty(scheme),
    };
    let port = u16::try_from(message.port_redirect)
        .map_err(|_| FieldError::new("port_redirect", "is not a port"))?;
    Ok(Redirect {
        status: redirect_status(message.response_code)?,
        scheme,
        host: non_empty(message.host_redirect),
        port: (port != 0).then_some(port),
        path,
        strip_query: message.strip_query,
    })
}

fn redirect_status(code: i32) -> Result<StatusCode, FieldError> {
    Ok(match RedirectResponseCode::try_from(code) {
        Ok(RedirectResponseCode::MovedPermanently) => StatusCode::MOVED_PERMANENTLY,
        Ok(RedirectResponseCode::Found) => StatusCode::FOUND,
        Ok(RedirectResponseCode::SeeOther) => StatusCode::SEE_OTHER,
        Ok(RedirectResponseCode::TemporaryRedirect) => StatusCode::TEMPORARY_REDIRECT,
        Ok(RedirectResponseCode::PermanentRedirect) => StatusCode::PERMANENT_REDIRECT,
        Err(_) => return Err(FieldError::new("response_code", "has an unknown value")),
    })
}

fn non_empty(text: String) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn direct(mut message: xds::DirectResponseAction) -> Result<DirectResponse, FieldError> {
    let status = u16::try_from(message.status)
        .ok()
        .filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| FieldError::new("status", "is not between 200 and 599"))?;
    let body = match message.body.take() {
        None => Bytes::new(),
        body => inline(body, "body")?.into(),
    };
    message.status = 0;
    nothing_left(&message)?;
    Ok(DirectResponse { status, body })
}
