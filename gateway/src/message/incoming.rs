//! From a request as it came to the head that filters and routes see: host found, path normalized, and the headers set
//! that tell upstreams about the client.

use gatewright_http::authority::{Place, is_valid, of_target};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Version};

use super::address::Ends;
use super::hop;
use super::path;
use super::{RequestHead, Scheme};
use crate::config::HttpConnections;
use crate::random::Random;

pub(crate) static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the names of [`INTERNAL`] headers begin with.
const INTERNAL_PREFIX: &str = "x-envoy-";
/// Headers that only the gateway itself may give an upstream.
const INTERNAL: [HeaderName; 7] = [
    HeaderName::from_static("x-envoy-internal"),
    HeaderName::from_static("x-envoy-original-host"),
    HeaderName::from_static("x-envoy-retry-on"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-original-path"),
];

/// Why a request is answered right away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadRefusal {
    /// No usable host or path, or a version that is not accepted.
    BadRequest,
    /// An `https` target on a connection in clear text.
    Scheme,
    /// A transfer coding other than chunks.
    TransferCoding,
    /// A path that routes cannot match.
    NotFound,
    /// An upgrade to something that is not offered.
    Upgrade,
}

/// A request as the proxy handles it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) head: RequestHead,
    /// Whether the client asks for a WebSocket.
    pub(crate) websocket: bool,
}

/// Reads the head of a request, of which the connection says whether it is `faulty`. With a refusal comes the head as far
/// as it could be read, for the log.
pub(crate) fn accept(
    parts: Parts,
    faulty: bool,
    ends: &Ends,
    scheme: Scheme,
    http: &HttpConnections,
    random: &Random,
) -> Result<Accepted, (HeadRefusal, Box<RequestHead>)> {
    let old = parts.version == Version::HTTP_10 && !http.http_10;
    let authority = authority(&parts);
    let mut refusal =
        (old || faulty || authority.is_none() || has_bad_headers(&parts)).then_some(HeadRefusal::BadRequest);
    if hop::has_foreign_coding(&parts.headers) {
        refusal.get_or_insert(HeadRefusal::TransferCoding);
    }
    let target = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if let Some(reason) = wrong_target(&parts, &target, scheme) {
        refusal.get_or_insert(reason);
    }
    let mut head = RequestHead {
        method: parts.method,
        target,
        authority: authority.unwrap_or_else(|| HeaderValue::from_static("")),
        scheme,
        headers: parts.headers,
        version: parts.version,
    };
    let upgrade = upgrade(&head);
    if upgrade == Upgrade::Other || upgrade == Upgrade::WebSocket && !http.websocket {
        refusal.get_or_insert(HeadRefusal::Upgrade);
    }
    // Whether the chunks end before the other protocol begins is what two readers see differently.
    if upgrade == Upgrade::WebSocket && head.headers.contains_key(header::TRANSFER_ENCODING) {
        refusal.get_or_insert(HeadRefusal::BadRequest);
    }
    if refusal.is_none() && http.normalize_path {
        match path::normalized(head.target.clone(), http.merge_slashes) {
            Ok(target) => head.target = target,
            Err(_) => refusal = Some(HeadRefusal::BadRequest),
        }
    }
    rewrite_headers(&mut head, ends, http, random);
    match refusal {
        Some(refusal) => Err((refusal, Box::new(head))),
        None => Ok(Accepted { head, websocket: upgrade == Upgrade::WebSocket }),
    }
}

/// Returns why a target is not served: it must be a path of visible ASCII, alone or behind a scheme and a host.
fn wrong_target(parts: &Parts, target: &PathAndQuery, scheme: Scheme) -> Option<HeadRefusal> {
    let (uri, text) = (&parts.uri, target.as_str());
    let absolute = uri.scheme().is_some() && parts.version < Version::HTTP_2;
    // Envoy lets these through, to no route.
    if parts.method == Method::CONNECT
        || parts.method == Method::OPTIONS && text.starts_with('*')
        || absolute && text.starts_with('?')
    {
        return Some(HeadRefusal::NotFound);
    }
    let only_host = uri.scheme().is_none() && uri.authority().is_some();
    if only_host || !text.starts_with('/') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(HeadRefusal::BadRequest);
    }
    match uri.scheme_str() {
        Some("https") if absolute && scheme == Scheme::Http => Some(HeadRefusal::Scheme),
        Some(named) if absolute && named != "http" && named != "https" => Some(HeadRefusal::BadRequest),
        _ => None,
    }
}

/// Returns whether headers are named as the connection's that are not, or a method came that HTTP/1 parsers of Envoy refuse.
fn has_bad_headers(parts: &Parts) -> bool {
    let http1 = parts.version < Version::HTTP_2;
    hop::names_foreign(&parts.headers) || http1 && !is_known_method(&parts.method)
}

fn is_known_method(method: &Method) -> bool {
    const RARE: [&str; 27] = [
        "ACL",
        "BIND",
        "CHECKOUT",
        "COPY",
        "LINK",
        "LOCK",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "MSEARCH",
        "NOTIFY",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "REBIND",
        "REPORT",
        "SEARCH",
        "SOURCE",
        "SUBSCRIBE",
        "UNBIND",
        "UNLINK",
        "UNLOCK",
        "UNSUBSCRIBE",
        "TRACE",
        "CONNECT",
    ];
    matches!(*method, Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD)
        || matches!(*method, Method::OPTIONS | Method::PATCH)
        || RARE.contains(&method.as_str())
}

/// Returns the host that the request names: in its target, where it stands there, else in `Host`. None where there is
/// none, two, or one that no host can be.
fn authority(parts: &Parts) -> Option<HeaderValue> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let (host, second) = (lines.next(), lines.next());
    if second.is_some() {
        return None;
    }
    let named = parts.uri.authority().map(Authority::as_str);
    if parts.version < Version::HTTP_2 {
        return match named {
            Some(named) => HeaderValue::from_str(of_target(named)?).ok(),
            None => host.filter(|host| is_valid(host.as_bytes(), Place::Host)).cloned(),
        };
    }
    if host.is_some_and(|host| !is_valid(host.as_bytes(), Place::Authority)) {
        return None;
    }
    match named {
        Some(named) => {
            HeaderValue::from_str(named).ok().filter(|_| is_valid(named.as_bytes(), Place::Authority))
        }
        None => host.cloned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    None,
    WebSocket,
    Other,
}

fn upgrade(head: &RequestHead) -> Upgrade {
    if head.version >= Version::HTTP_2 {
        return Upgrade::None;
    }
    let Some(protocol) = head.headers.get(header::UPGRADE) else { return Upgrade::None };
    let asked = head.headers.get_all(header::CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    match asked {
        false => Upgrade::None,
        true if protocol.as_bytes().eq_ignore_ascii_case(b"websocket") => {
            // HTTP/1.0 has no 101, by which the other protocol could begin; what else is asked for is refused all the same.
            if head.version == Version::HTTP_11 { Upgrade::WebSocket } else { Upgrade::None }
        }
        // An offer of HTTP/2 can be declined by simply answering.
        true if protocol.as_bytes().eq_ignore_ascii_case(b"h2c") => Upgrade::None,
        true => Upgrade::Other,
    }
}

fn rewrite_headers(head: &mut RequestHead, ends: &Ends, http: &HttpConnections, random: &Random) {
    let headers = &mut head.headers;
    headers.remove(header::HOST);
    hop::strip(headers);
    // Answered by the server side itself as soon as the body is read.
    headers.remove(header::EXPECT);
    if head.version == Version::HTTP_2 {
        join_lines(headers, &header::COOKIE, b"; ");
        // Put together from nothing there is none.
        if headers.get(header::COOKIE).is_some_and(HeaderValue::is_empty) {
            headers.remove(header::COOKIE);
        }
    }
    if http.use_remote_address {
        // Clients send none of them, and to look once costs less than to look for each.
        if headers.keys().any(|name| name.as_str().starts_with(INTERNAL_PREFIX)) {
            for name in &INTERNAL {
                headers.remove(name);
            }
        }
        append_client(headers, &ends.client);
        headers.insert(&EXTERNAL_ADDRESS, ends.client.clone());
        headers.insert(&FORWARDED_PROTO, head.scheme.header());
    } else if !headers.contains_key(&FORWARDED_PROTO) {
        headers.insert(&FORWARDED_PROTO, head.scheme.header());
    }
    let keep = http.keep_request_id || !http.use_remote_address;
    if http.generate_request_id && !(keep && headers.contains_key(&REQUEST_ID)) {
        let id = HeaderValue::from_bytes(&random.uuid()).expect("hexadecimal digits may stand in a header");
        headers.insert(&REQUEST_ID, id);
    }
}

/// Appends the client's address to `x-forwarded-for`, making one line of it.
fn append_client(headers: &mut HeaderMap, client: &HeaderValue) {
    headers.append(&FORWARDED_FOR, client.clone());
    join_lines(headers, &FORWARDED_FOR, b",");
}

/// Makes one line of several. HTTP/2 clients split cookies into many, which HTTP/1.1 does not allow; what an HTTP/1.1
/// client sends in several lines stays so, as in Envoy.
fn join_lines(headers: &mut HeaderMap, name: &HeaderName, separator: &[u8]) {
    let mut lines = headers.get_all(name).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return };
    let mut all = [first.as_bytes(), second.as_bytes()].join(separator);
    for line in lines {
        all.extend_from_slice(separator);
        all.extend_from_slice(line.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&all) {
        headers.insert(name, value);
    }
}
