//! Messages: the heads of requests and responses as filters and the router see them, the same for HTTP/1.1 and HTTP/2; and,
//! each in a module, how a head is made of what came, which headers end at a connection, and what the gateway answers itself.
//! Nothing here knows connections, upstreams or workers.

pub(crate) mod address;
pub(crate) mod hop;
pub(crate) mod incoming;
mod path;
pub(crate) mod reply;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Version};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// Path and query, normalized.
    pub target: PathAndQuery,
    /// `Host`, or `:authority`.
    pub authority: HeaderValue,
    /// Whether the client came by TLS.
    pub scheme: Scheme,
    /// Headers without `Host`.
    pub headers: HeaderMap,
    /// The client's protocol.
    pub version: Version,
}

/// The scheme of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// Returns `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

/// How an answer to a request must look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplyForm {
    /// The client speaks gRPC.
    pub(crate) grpc: bool,
    /// The request is `HEAD`: the answer says how long its body would be, and has none.
    pub(crate) bodiless: bool,
}

impl RequestHead {
    /// Returns how the gateway's own answer to the request must look.
    pub(crate) fn reply_form(&self) -> ReplyForm {
        ReplyForm { grpc: self.is_grpc(), bodiless: self.method == Method::HEAD }
    }

    /// Returns whether the request is one of gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        self.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let value = value.as_bytes();
            value.starts_with(b"application/grpc") && matches!(value.get(16), None | Some(b'+' | b';'))
        })
    }
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
}

/// An answer that the gateway gives itself.
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// Status.
    pub status: StatusCode,
    /// Headers beside those that describe the body.
    pub headers: HeaderMap,
    /// Body, sent as plain text unless the headers say otherwise.
    pub body: Bytes,
}

impl LocalReply {
    /// Makes an answer without further headers.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// Splits the answer into head and body. A gRPC client gets the status as gRPC has it, as from Envoy.
    pub(crate) fn into_parts(mut self, form: ReplyForm) -> (ResponseHead, Bytes) {
        if form.grpc {
            return (self.grpc_head(), Bytes::new());
        }
        if !self.body.is_empty() && !self.headers.contains_key(header::CONTENT_TYPE) {
            self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        // Left to the HTTP library this holds for HTTP/1.1 only; HTTP/2 clients refuse a body here.
        if form.bodiless && !self.body.is_empty() {
            self.headers.insert(header::CONTENT_LENGTH, self.body.len().into());
            self.body = Bytes::new();
        }
        (ResponseHead { status: self.status, headers: self.headers }, self.body)
    }

    fn grpc_head(mut self) -> ResponseHead {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        self.headers.insert("grpc-status", grpc_status(self.status).into());
        if !self.body.is_empty()
            && let Ok(message) = HeaderValue::from_str(&percent_encoded(&self.body))
        {
            self.headers.insert("grpc-message", message);
        }
        ResponseHead { status: StatusCode::OK, headers: self.headers }
    }
}

/// Translates a status as the gRPC specification says for clients.
fn grpc_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// Writes what is no printable ASCII, and the percent sign, as `%XX`.
fn percent_encoded(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_client_gets_the_status_in_grpc_words() {
        let reply = LocalReply::new(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream\n");
        let (head, body) = reply.into_parts(ReplyForm { grpc: true, bodiless: false });
        assert_eq!((head.status, body.len()), (StatusCode::OK, 0));
        assert_eq!(head.headers["grpc-status"], "14");
        assert_eq!(head.headers["grpc-message"], "no healthy upstream%0A");
    }

    #[test]
    fn an_answer_to_head_has_the_length_of_a_body_and_none() {
        let form = ReplyForm { bodiless: true, ..ReplyForm::default() };
        let (head, body) = LocalReply::new(StatusCode::NOT_FOUND, "four").into_parts(form);
        assert_eq!((&head.headers[header::CONTENT_LENGTH], body.len()), (&HeaderValue::from_static("4"), 0));
    }

    #[test]
    fn plain_text_is_named() {
        let plain = ReplyForm::default();
        let (head, body) = LocalReply::new(StatusCode::NOT_FOUND, "x").into_parts(plain);
        assert_eq!(head.headers[header::CONTENT_TYPE], "text/plain");
        assert_eq!(body, "x");
        assert!(LocalReply::new(StatusCode::NOT_FOUND, "").into_parts(plain).0.headers.is_empty());
    }
}
