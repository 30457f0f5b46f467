//! The canonical request: what route matching looks at after Envoy's connection manager has been over it.
//!
//! The rules were measured on Envoy 1.40 with `normalize_path` on, `merge_slashes` off, escaped slashes kept and
//! `ignore_port_in_host_matching`; the tests hold the measurements.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gatewright_http::authority::{self, Place};
use gatewright_ir::Entry;

use crate::Request;

/// A request in the form in which it is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// The listener.
    pub entry: Entry,
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
        if query.as_deref().is_some_and(|query| !legal(query)) {
            return Err(BadRequest::PathCharacters);
        }
        if request.method == "OPTIONS" && path.starts_with('*') {
            return Err(BadRequest::Asterisk);
        }
        Ok(Canonical {
            entry: request.entry,
            sni: request.sni.as_ref().map(|name| name.to_ascii_lowercase()),
            method: request.method.clone(),
            authority: request.authority.clone(),
            host: host_of(&request.authority),
            path: normalize_path(path)?,
            query,
            headers: joined(&request.headers),
        })
    }

    /// Returns the value of a header or pseudo header (`:method`, `:authority`, `:path` with query, `:scheme`).
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            ":method" => Some(Cow::Borrowed(&self.method)),
            ":authority" | "host" => Some(Cow::Borrowed(&self.authority)),
            ":scheme" => Some(Cow::Borrowed(self.entry.scheme())),
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

/// Returns the name by which virtual hosts are chosen for an authority: in lower case, without port.
pub fn host_of(authority: &str) -> String {
    authority::host(authority).into_owned()
}

/// Returns a path (without query) as Envoy normalizes it: dot segments resolved, unreserved characters decoded, `\`
/// turned into `/`, other forbidden characters encoded; escaped slashes and repeated slashes stay.
pub fn normalize_path(path: &str) -> Result<String, BadRequest> {
    if !path.starts_with('/') {
        return Err(BadRequest::RelativePath);
    }
    if !legal(path) {
        return Err(BadRequest::PathCharacters);
    }
    let stripped = strip_dot_parameters(path);
    Normalizer { input: stripped.as_bytes(), at: 0, out: Vec::new(), broken: Vec::new() }.run()
}

/// Returns whether routes can meet a path: it has no query, and normalization leaves it as it is.
pub fn is_normal_path(path: &str) -> bool {
    !path.contains('?') && normalize_path(path).as_deref() == Ok(path)
}

/// Visible ASCII without `#`.
fn legal(text: &str) -> bool {
    text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'#')
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

/// Cuts the parameters of literal dot segments: `/a/..;x=1/b` is read as `/a/../b`.
fn strip_dot_parameters(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

struct Normalizer<'p> {
    input: &'p [u8],
    at: usize,
    out: Vec<u8>,
    /// Places in `out` of percent signs that began no escape in the input.
    broken: Vec<usize>,
}

impl Normalizer<'_> {
    fn run(mut self) -> Result<String, BadRequest> {
        while self.at < self.input.len() {
            if !self.dot_segment() {
                self.character()?;
            }
        }
        Ok(self.out.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Consumes a `.` or `..` segment, where one begins here.
    fn dot_segment(&mut self) -> bool {
        if self.out.last() != Some(&b'/') {
            return false;
        }
        let Some(first) = self.dot(self.at) else { return false };
        if let Some(end) = self.segment_end(self.at + first) {
            self.at = end;
            return true;
        }
        let Some(second) = self.dot(self.at + first) else { return false };
        let Some(end) = self.segment_end(self.at + first + second) else { return false };
        self.at = end;
        self.back_up();
        true
    }

    /// Returns the length of the dot at `at`, literal or escaped.
    fn dot(&self, at: usize) -> Option<usize> {
        match self.input.get(at)? {
            b'.' => Some(1),
            b'%' if matches!(self.input.get(at + 1..at + 3), Some(b"2e" | b"2E")) => Some(3),
            _ => None,
        }
    }

    /// Returns where to go on if a segment ends at `at`.
    fn segment_end(&self, at: usize) -> Option<usize> {
        match self.input.get(at) {
            None => Some(at),
            Some(b'/' | b'\\') => Some(at + 1),
            Some(_) => None,
        }
    }

    /// Drops the last segment of the output; the leading slash stays.
    fn back_up(&mut self) {
        if self.out.len() > 1 {
            self.out.pop();
            while self.out.last() != Some(&b'/') {
                self.out.pop();
            }
        }
        self.broken.retain(|place| *place < self.out.len());
    }

    fn character(&mut self) -> Result<(), BadRequest> {
        let byte = self.input[self.at];
        self.at += 1;
        match byte {
            b'\\' => self.out.push(b'/'),
            b'%' => return self.percent(),
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                self.out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            _ => self.out.push(byte),
        }
        Ok(())
    }

    fn percent(&mut self) -> Result<(), BadRequest> {
        let Some(value) = self.input.get(self.at..self.at + 2).and_then(hex_byte) else {
            self.broken.push(self.out.len());
            self.out.push(b'%');
            return Ok(());
        };
        let digits = [self.input[self.at], self.input[self.at + 1]];
        self.at += 2;
        match value {
            0 => return Err(BadRequest::ZeroByte),
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                self.out.push(value);
                self.escape_nested();
            }
            _ => self.out.extend([b'%', digits[0], digits[1]]),
        }
        Ok(())
    }

    /// Where decoding has just completed a new escape behind a broken percent sign, encodes that sign.
    fn escape_nested(&mut self) {
        let Some(place) = self.broken.last().copied() else { return };
        let decoded = self.out.len() - place - 1;
        let next = self.input.get(self.at).copied();
        let completed = match decoded {
            1 => next.is_some_and(|next| hex_byte(&[self.out[place + 1], next]).is_some()),
            2 => hex_byte(&self.out[place + 1..place + 3]).is_some(),
            _ => false,
        };
        if completed {
            self.out.splice(place + 1..place + 1, *b"25");
            self.broken.pop();
        }
    }
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair was measured: Envoy 1.40, HTTP/1.1.
    #[test]
    fn paths_are_normalized_as_envoy_does() {
        let pairs = [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../../x", "/x"),
            ("/a/b/..c", "/a/b/..c"),
            ("/a//../b", "/a/b"),
            ("//a", "//a"),
            ("//..", "/"),
            ("/a/b//../..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a%2fb%5c", "/a%2fb%5c"),
            (r"/a\..\b", "/b"),
            ("/%41%7e%2D", "/A~-"),
            ("/a%zz%", "/a%zz%"),
            ("/%%41", "/%A"),
            ("/%2%35", "/%2525"),
            ("/%%32%35", "/%2525"),
            ("/%2%65%2e/a", "/%252e./a"),
            ("/x/%%2e./y", "/x/%../y"),
            ("/%2e%2e%2fa", "/..%2fa"),
            ("/a\"<>^`{|}", "/a%22%3C%3E%5E%60%7B%7C%7D"),
            ("/a!$&'()*+,;=:@[]-_~", "/a!$&'()*+,;=:@[]-_~"),
            ("/a/..;x/b", "/b"),
            ("/a/%2e%2e;/b", "/a/..;/b"),
            (r"/a/..;\b", "/"),
            ("/a;../b", "/a;../b"),
            ("/a/.;", "/a/"),
            ("/%a%%34%31", "/%a%2541"),
        ];
        for (raw, normal) in pairs {
            assert_eq!(normalize_path(raw).as_deref(), Ok(normal), "{raw}");
        }
    }

    #[test]
    fn some_paths_are_refused() {
        assert_eq!(normalize_path("*"), Err(BadRequest::RelativePath));
        assert_eq!(normalize_path(""), Err(BadRequest::RelativePath));
        assert_eq!(normalize_path("/a#b"), Err(BadRequest::PathCharacters));
        assert_eq!(normalize_path("/a b"), Err(BadRequest::PathCharacters));
        assert_eq!(normalize_path("/é"), Err(BadRequest::PathCharacters));
        assert_eq!(normalize_path("/a%00"), Err(BadRequest::ZeroByte));
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
            let request = Request::get(Entry::Plain, authority, "/");
            assert_eq!(request.canonical().err(), reason, "{authority}");
        }
    }
}
