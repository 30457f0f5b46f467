//! Answers that the gateway gives itself: what each failure says, and redirects.

use std::fmt::Write as _;

use bytes::Bytes;
use gatewright_http::authority::kept_by_redirect;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::{LocalReply, RequestHead, Scheme};
use crate::config::{DirectResponse, HeaderEdits, Redirect};

/// No route takes the request.
pub(crate) fn not_found() -> LocalReply {
    LocalReply::new(StatusCode::NOT_FOUND, Bytes::new())
}

/// The route's cluster does not exist.
pub(crate) fn no_cluster() -> LocalReply {
    LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
}

/// The cluster has no endpoint to choose.
pub(crate) fn no_healthy_upstream() -> LocalReply {
    LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream")
}

/// The route's limit of time is over.
pub(crate) fn upstream_timeout() -> LocalReply {
    LocalReply::new(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout")
}

/// Nothing moved on the request for too long.
pub(crate) fn stream_timeout(request_complete: bool) -> LocalReply {
    let status = if request_complete { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::REQUEST_TIMEOUT };
    LocalReply::new(status, "stream timeout")
}

/// The upstream gave no response.
pub(crate) fn upstream_failure(reason: &str) -> LocalReply {
    let body = format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
    LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, body)
}

/// The request cannot be understood.
pub(crate) fn bad_request() -> LocalReply {
    LocalReply::new(StatusCode::BAD_REQUEST, Bytes::new())
}

/// The client asks for a protocol that is not offered here.
pub(crate) fn forbidden() -> LocalReply {
    LocalReply::new(StatusCode::FORBIDDEN, Bytes::new())
}

/// The request uses what nobody here understands.
pub(crate) fn not_implemented() -> LocalReply {
    LocalReply::new(StatusCode::NOT_IMPLEMENTED, Bytes::new())
}

/// The upstream's response cannot be understood.
pub(crate) fn upstream_protocol_error() -> LocalReply {
    LocalReply { status: StatusCode::BAD_GATEWAY, ..upstream_failure("protocol error") }
}

/// The route makes a request of it that this upstream cannot be sent.
pub(crate) fn unsendable() -> LocalReply {
    LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, "the rewritten request cannot be sent to the upstream")
}

/// Carries out a direct response.
pub(crate) fn direct(action: &DirectResponse, edits: &HeaderEdits) -> LocalReply {
    let mut reply = LocalReply::new(action.status, action.body.clone());
    edits.apply(&mut reply.headers);
    reply
}

/// Carries out a redirect.
pub(crate) fn redirect(action: &Redirect, head: &RequestHead, edits: &HeaderEdits) -> LocalReply {
    let mut headers = HeaderMap::new();
    match HeaderValue::try_from(location(action, head)) {
        Ok(location) => drop(headers.insert(header::LOCATION, location)),
        Err(_) => return bad_request(),
    }
    edits.apply(&mut headers);
    LocalReply { status: action.status, headers, body: Bytes::new() }
}

fn location(action: &Redirect, head: &RequestHead) -> String {
    let authority = head.authority.to_str().unwrap_or_default();
    let scheme = action.scheme.as_deref().unwrap_or(head.scheme.as_str());
    let mut out = format!("{scheme}://");
    out.push_str(&redirect_authority(action, authority, scheme, head.scheme));
    match &action.path {
        Some(path) => {
            if !path.starts_with('/') {
                out.push('/');
            }
            out.push_str(path);
            // A path with its own query keeps that.
            if let Some(query) = head.target.query().filter(|_| !action.strip_query && !path.contains('?')) {
                let _ = write!(out, "?{query}");
            }
        }
        None if action.strip_query => out.push_str(head.target.path()),
        None => out.push_str(head.target.as_str()),
    }
    out
}

/// Returns host and port: those of the action, else what a redirect keeps of the request's.
fn redirect_authority(action: &Redirect, authority: &str, scheme: &str, old_scheme: Scheme) -> String {
    let host = action
        .host
        .as_deref()
        .unwrap_or_else(|| kept_by_redirect(authority, old_scheme.as_str(), scheme, action.port.is_some()));
    match action.port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;
    use http::{Method, Version};

    use super::*;

    fn head(authority: &'static str, target: &'static str) -> RequestHead {
        RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static(target),
            authority: HeaderValue::from_static(authority),
            scheme: Scheme::Http,
            headers: HeaderMap::new(),
            version: Version::HTTP_11,
        }
    }

    fn redirect() -> Redirect {
        let status = StatusCode::MOVED_PERMANENTLY;
        Redirect { status, scheme: None, host: None, port: None, path: None, strip_query: false }
    }

    #[test]
    fn a_changed_scheme_drops_the_default_port_only() {
        let https = Redirect { scheme: Some("https".into()), ..redirect() };
        assert_eq!(location(&https, &head("a.com:80", "/x?y=1")), "https://a.com/x?y=1");
        assert_eq!(location(&https, &head("a.com:8080", "/")), "https://a.com:8080/");
        assert_eq!(location(&https, &head("a.com", "/")), "https://a.com/");
        let port = Redirect { port: Some(8443), ..https };
        assert_eq!(location(&port, &head("a.com:80", "/")), "https://a.com:8443/");
        let path = Redirect { path: Some("start".into()), ..redirect() };
        assert_eq!(location(&path, &head("a.com:", "/?x")), "http://a.com:/start?x");
    }

    #[test]
    fn a_new_host_or_path_replaces_and_the_query_stays() {
        let host = Redirect { host: Some("b.com".into()), ..redirect() };
        assert_eq!(location(&host, &head("a.com:8080", "/x")), "http://b.com/x");
        let path = Redirect { path: Some("/new".into()), ..redirect() };
        assert_eq!(location(&path, &head("a.com", "/x?y=1")), "http://a.com/new?y=1");
        let own_query = Redirect { path: Some("/new?z=2".into()), ..redirect() };
        assert_eq!(location(&own_query, &head("a.com", "/x?y=1")), "http://a.com/new?z=2");
    }
}
