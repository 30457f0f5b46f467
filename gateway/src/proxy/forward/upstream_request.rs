//! The request as an upstream gets it.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Version};
use http_body::Body as _;

use super::super::body::RequestBody;
use crate::config::{PathMatch, PathRewrite, UpstreamProtocol};
use crate::message::RequestHead;

static ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Says that a request cannot be sent as the route makes it. It is not sent at all then.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable;

/// Builds a request from `head`, whose headers are copied with `keep` and moved without.
pub(super) fn build(
    head: &mut RequestHead,
    keep: bool,
    protocol: UpstreamProtocol,
    websocket: bool,
    body: RequestBody,
) -> Result<Request<RequestBody>, Unsendable> {
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
            *request.uri_mut() = absolute(head)?;
        }
    }
    Ok(request)
}

/// Returns the URI from which HTTP/2 takes its pseudo headers. An empty host of HTTP/1 is left out.
fn absolute(head: &RequestHead) -> Result<Uri, Unsendable> {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(head.target.clone());
    if !head.authority.is_empty() {
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(Authority::try_from(head.authority.as_bytes()).map_err(|_| Unsendable)?);
    }
    Uri::from_parts(parts).map_err(|_| Unsendable)
}

/// Changes the path as the route says, and notes the old one. Returns the new target where it is none that the HTTP library
/// takes: no beginning slash, or characters that Envoy sends all the same. As in Envoy, an empty path changes nothing.
pub(super) fn rewrite_path(
    head: &mut RequestHead,
    rewrite: &PathRewrite,
    matched: &PathMatch,
) -> Result<Option<Bytes>, Unsendable> {
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
            pattern.replace_all(path.as_bytes(), substitution).unwrap_or_else(|| path.into())
        }
    };
    if new.is_empty() {
        return Ok(None);
    }
    let text = Bytes::from(match head.target.query() {
        Some(query) => [&new, &b"?"[..], query.as_bytes()].concat(),
        None => new,
    });
    if text.iter().any(u8::is_ascii_control) {
        return Err(Unsendable);
    }
    if let Ok(original) = HeaderValue::from_str(head.target.as_str()) {
        head.headers.insert(&ORIGINAL_PATH, original);
    }
    // What the library would cut, complete or write in another way is not its own.
    let plain = text.starts_with(b"/") || *text == *b"*";
    match PathAndQuery::from_maybe_shared(text.clone()) {
        Ok(target) if plain && target.as_str().as_bytes() == text => {
            head.target = target;
            Ok(None)
        }
        _ => Ok(Some(text)),
    }
}

#[cfg(test)]
mod tests {
    use gatewright_http::re2::{Expression, Substitution};
    use http::{HeaderMap, Method};

    use super::*;
    use crate::message;

    fn rewritten(
        target: &'static str,
        pattern: &str,
        substitution: &str,
    ) -> (Result<Option<Bytes>, Unsendable>, String) {
        let mut head = RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static(target),
            authority: HeaderValue::from_static("a"),
            scheme: message::Scheme::Http,
            headers: HeaderMap::new(),
            version: Version::HTTP_11,
        };
        let expression = Expression::parse(pattern).unwrap();
        let matched = PathMatch::Regex(expression.whole().unwrap());
        let substitution = Substitution::new(substitution);
        let rewrite = PathRewrite::Regex { pattern: expression.anywhere().unwrap(), substitution };
        let result = rewrite_path(&mut head, &rewrite, &matched);
        (result, head.target.to_string())
    }

    #[test]
    fn what_a_rewrite_gives_is_sent_or_nothing() {
        for (target, substitution, plain, raw) in [
            ("/svc/a/b?q", r"/\1", "/a/b?q", None),
            ("/svc/", r"\1", "/svc/", None),
            ("/svc//a", r"\1", "/a", None),
            ("/svc/*", r"\1", "*", None),
            ("/svc/a/b?q", r"\1", "/svc/a/b?q", Some("a/b?q")),
            ("/svc/http://x/y", r"\1", "/svc/http://x/y", Some("http://x/y")),
            ("/svc/a", r"/b c/\1", "/svc/a", Some("/b c/a")),
            ("/svc/a", r"/b#\1", "/svc/a", Some("/b#a")),
            ("/svc/a", "?b", "/svc/a", Some("?b")),
        ] {
            let (result, left) = rewritten(target, "^/svc/(.*)$", substitution);
            assert_eq!(
                (result, left.as_str()),
                (Ok(raw.map(|text| Bytes::from_static(text.as_bytes()))), plain),
                "{target} {substitution}"
            );
        }
        assert_eq!(rewritten("/svc/a", "^/svc/", "/x\r\ny: z").0, Err(Unsendable));
    }

    #[test]
    fn a_host_that_http2_cannot_name_is_not_left_out() {
        let mut head = RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static("a b"),
            scheme: message::Scheme::Http,
            headers: HeaderMap::new(),
            version: Version::HTTP_11,
        };
        assert_eq!(absolute(&head), Err(Unsendable));
        head.authority = HeaderValue::from_static("a:80");
        assert_eq!(absolute(&head).unwrap().to_string(), "http://a:80/");
    }
}
