//! The path as the route rewrites it.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::config::{PathMatch, PathRewrite};
use crate::message::RequestHead;

static ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Says that a request cannot be sent as the route makes it. It is not sent at all then.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable;

/// Changes the path as the route says, and notes the old one. Returns the new target where it is none that the HTTP library
/// takes: no beginning slash, or characters that Envoy sends all the same. As in Envoy, an empty path changes nothing.
pub(super) fn path(
    head: &mut RequestHead,
    rewrite: &PathRewrite,
    matched: &PathMatch,
) -> Result<Option<Bytes>, Unsendable> {
    let old = head.target.path();
    let new: Vec<u8> = match rewrite {
        PathRewrite::Prefix(replacement) => {
            let rest = match matched {
                PathMatch::Prefix(prefix) => old.get(prefix.text().len()..).unwrap_or_default(),
                PathMatch::Exact(_) | PathMatch::Regex(_) => "",
            };
            [replacement.as_bytes(), rest.as_bytes()].concat()
        }
        PathRewrite::Regex { pattern, substitution } => {
            pattern.replace_all(old.as_bytes(), substitution).unwrap_or_else(|| old.into())
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
    use http::{HeaderMap, Method, Version};

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
        let result = path(&mut head, &rewrite, &matched);
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
}
