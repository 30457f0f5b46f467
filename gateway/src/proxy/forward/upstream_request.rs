//! The request as an upstream gets it.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Version};
use http_body::Body as _;

use super::super::body::RequestBody;
use super::super::message::RequestHead;
use crate::config::{PathMatch, PathRewrite, UpstreamProtocol};

static ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Builds a request from `head`, whose headers are copied with `keep` and moved without.
pub(super) fn build(
    head: &mut RequestHead,
    keep: bool,
    protocol: UpstreamProtocol,
    websocket: bool,
    body: RequestBody,
) -> Request<RequestBody> {
    let headers = if keep { head.headers.clone() } else { std::mem::take(&mut head.headers) };
    let streamed = !body.is_end_stream() && body.size_hint().exact().is_none();
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = headers;
    match protocol {
        UpstreamProtocol::Http1 => {
            *request.uri_mut() = Uri::from(head.target.clone());
            let headers = request.headers_mut();
            headers.insert(header::HOST, head.authority.clone());
            if websocket {
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            } else if streamed {
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        UpstreamProtocol::Http2 => {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = absolute(head);
        }
    }
    request
}

/// Returns the URI from which HTTP/2 takes its pseudo headers. A host that is none there (it was one in HTTP/1.1) leaves
/// `:authority` out.
fn absolute(head: &RequestHead) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(head.target.clone());
    if let Ok(authority) = Authority::try_from(head.authority.as_bytes()) {
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(authority);
    }
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from(head.target.clone()))
}

/// Changes the path as the route says, and notes the old one. A rewrite that gives no path changes nothing.
pub(super) fn rewrite_path(head: &mut RequestHead, rewrite: &PathRewrite, matched: &PathMatch) {
    let path = head.target.path();
    let new: Vec<u8> = match rewrite {
        PathRewrite::Prefix(replacement) => {
            let rest = match matched {
                PathMatch::Prefix(prefix) => path.get(prefix.text().len()..).unwrap_or_default(),
                PathMatch::Exact(_) | PathMatch::Regex(_) => "",
            };
            [replacement.as_bytes(), rest.as_bytes()].concat()
        }
        PathRewrite::Regex { pattern, substitution } => {
            pattern.replace_all(path.as_bytes(), &substitution[..]).into_owned()
        }
    };
    if new.is_empty() {
        return;
    }
    let text = match head.target.query() {
        Some(query) => [&new, &b"?"[..], query.as_bytes()].concat(),
        None => new,
    };
    let Ok(target) = PathAndQuery::from_maybe_shared(Bytes::from(text)) else { return };
    if let Ok(original) = HeaderValue::from_str(head.target.as_str()) {
        head.headers.insert(&ORIGINAL_PATH, original);
    }
    head.target = target;
}
