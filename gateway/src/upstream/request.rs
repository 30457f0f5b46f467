//! The request as an upstream gets it.

use http::header::{self, HeaderValue};
use http::uri::{Authority, Scheme, Uri};
use http::{Request, Version};
use http_body::Body as _;

use crate::body::RequestBody;
use crate::config::UpstreamProtocol;
use crate::message::{self, RequestHead};

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
        // The client's, as Envoy sends it: the way to the upstream may be another one.
        parts.scheme = Some(match head.scheme {
            message::Scheme::Http => Scheme::HTTP,
            message::Scheme::Https => Scheme::HTTPS,
        });
        parts.authority = Some(Authority::try_from(head.authority.as_bytes()).map_err(|_| Unsendable)?);
    }
    Uri::from_parts(parts).map_err(|_| Unsendable)
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;
    use http::{HeaderMap, Method};

    use super::*;

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
        head.scheme = message::Scheme::Https;
        assert_eq!(absolute(&head).unwrap().to_string(), "https://a:80/");
    }
}
