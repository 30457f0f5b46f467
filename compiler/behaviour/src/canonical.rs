//! The canonical request: what route matching looks at after Envoy's connection manager has been over it.
//!
//! What an authority and a path mean stands in [`gatewright_http`], for the gateway too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gatewright_http::authority::{self, Place};
use gatewright_http::path::{BadPath, is_legal, normalize};
use gatewright_ir::ListenerId;

use crate::Request;

/// A request in the form in which it is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// The listener.
    pub listener: ListenerId,
    /// The server name of the TLS handshake in lower case.
    pub sni: Option<String>,
    /// The method as sent.
    pub method: String,
    /// The authority as sent, with its port.
    pub authority: String,
    /// The authority in lower case without port: what virtual hosts are chosen by.
    pub host: String,
    /// The normalized path without query.
    pub path: String,
    /// The query as sent, without `?`; none where there is no `?`.
    pub query: Option<String>,
    /// Header values by lower-case name; the lines of one header are joined by `,`.
    pub headers: BTreeMap<String, String>,
}

/// Says why a data plane answers 400 (or 404) before it looks at any route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRequest {
    /// The authority has characters that no authority may have.
    Authority,
    /// The path does not start with `/`.
    RelativePath,
    /// The path has a fragment, or bytes that no path may have.
    PathCharacters,
    /// The path has an escaped zero byte.
    ZeroByte,
    /// `OPTIONS *`, which is let through to no route: 404.
    Asterisk,
}

impl From<BadPath> for BadRequest {
    fn from(reason: BadPath) -> Self {
        match reason {
            BadPath::Relative => BadRequest::RelativePath,
            BadPath::Characters => BadRequest::PathCharacters,
            BadPath::ZeroByte => BadRequest::ZeroByte,
        }
    }
}

impl BadRequest {
    /// Returns the status of the answer.
    pub fn status(self) -> u16 {
        if self == BadRequest::Asterisk { 404 } else { 400 }
    }
}

impl Canonical {
    /// Returns the canonical form of a request.
    pub fn of(request: &Request) -> Result<Self, BadRequest> {
        if !authority::is_valid(request.authority.as_bytes(), Place::Host) {
            return Err(BadRequest::Authority);
        }
        let (path, query) = match request.path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (request.path.as_str(), None),
        };
        if query.as_deref().is_some_and(|query| !is_legal(query)) {
            return Err(BadRequest::PathCharacters);
        }
        if request.method == "OPTIONS" && path.starts_with('*') {
            return Err(BadRequest::Asterisk);
        }
        Ok(Canonical {
            listener: request.listener,
            sni: request.sni.as_ref().map(|name| name.to_ascii_lowercase()),
            method: request.method.clone(),
            authority: request.authority.clone(),
            host: authority::host(&request.authority).into_owned(),
            path: normalize(path)?.into_owned(),
            query,
            headers: joined(&request.headers),
        })
    }

    /// Returns the value of a header or pseudo header (`:method`, `:authority`, `:path` with query, `:scheme`).
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            ":method" => Some(Cow::Borrowed(&self.method)),
            ":authority" | "host" => Some(Cow::Borrowed(&self.authority)),
            ":scheme" => Some(Cow::Borrowed(self.listener.scheme.as_str())),
            ":path" => Some(Cow::Owned(self.path_and_query(&self.path))),
            _ => self.headers.get(name).map(|value| Cow::Borrowed(value.as_str())),
        }
    }

    /// Returns the value of the first query parameter with a name, not decoded; empty where it has no `=`.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.as_deref()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// Returns `path` followed by this request's query.
    pub fn path_and_query(&self, path: &str) -> String {
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}

/// Returns whether routes can meet a path: it has no query, and normalization leaves it as it is.
pub fn is_normal_path(path: &str) -> bool {
    !path.contains('?') && normalize(path).as_deref() == Ok(path)
}

fn joined(lines: &[(String, String)]) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines {
        let value = value.trim_matches([' ', '\t']);
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_normal_form_is_refused() {
        for (path, reason) in [
            ("a", BadRequest::RelativePath),
            ("/a#b", BadRequest::PathCharacters),
            ("/a?#b", BadRequest::PathCharacters),
            ("/é", BadRequest::PathCharacters),
            ("/a%00", BadRequest::ZeroByte),
        ] {
            assert_eq!(
                Request::get(ListenerId::HTTP, "h.test", path).canonical().err(),
                Some(reason),
                "{path}"
            );
        }
        assert!(is_normal_path("/a//b") && !is_normal_path("/a/./b") && !is_normal_path("/a?b"));
    }

    #[test]
    fn an_authority_with_characters_of_something_else_is_refused() {
        for (authority, reason) in [
            ("h.test/x", Some(BadRequest::Authority)),
            ("h.test, x.test", Some(BadRequest::Authority)),
            ("\"h.test\"", Some(BadRequest::Authority)),
            ("h.test#x", Some(BadRequest::Authority)),
            ("h.test:abc", None),
            ("h.test,x.test", None),
            ("user@h.test", None),
            ("", None),
        ] {
            let request = Request::get(ListenerId::HTTP, authority, "/");
            assert_eq!(request.canonical().err(), reason, "{authority}");
        }
    }
}
