//! What a request looks like after a route has changed its path, and where a redirect points.

use gatewright_http::authority::kept_by_redirect;
use gatewright_http::re2::{Anywhere, Expression, Substitution};
use gatewright_ir::{PathMatch, PathRewrite};

use crate::canonical::Canonical;
use crate::outcome::{PathOutcome, RedirectOutcome};
use crate::patterns::Patterns;

/// Returns what a rewrite makes of a path (without query) that passes a test, which may be nothing that is a path.
pub fn rewritten(rewrite: &PathRewrite, test: &PathMatch, path: &str) -> String {
    match (rewrite, test) {
        (PathRewrite::Prefix(with), PathMatch::Prefix(prefix)) => {
            format!("{with}{}", path.get(prefix.len()..).unwrap_or_default())
        }
        (PathRewrite::Prefix(with), _) => with.clone(),
        (PathRewrite::Regex { pattern, substitution }, _) => {
            match Expression::parse(pattern).and_then(|expression| expression.anywhere()) {
                Ok(pattern) => replaced(&pattern, path, substitution),
                Err(_) => path.to_owned(),
            }
        }
    }
}

/// Returns the path (without query) that the upstream sees. As in Envoy, an empty path changes nothing.
pub(crate) fn rewritten_path(outcome: &PathOutcome, path: &str, patterns: &Patterns) -> String {
    let new = changed_path(outcome, path, patterns);
    if new.is_empty() { path.to_owned() } else { new }
}

fn changed_path(outcome: &PathOutcome, path: &str, patterns: &Patterns) -> String {
    match outcome {
        PathOutcome::Keep => path.to_owned(),
        PathOutcome::Replace { cut, with, .. } => {
            format!("{with}{}", path.get(cut.len()..).unwrap_or_default())
        }
        PathOutcome::Whole(whole) => whole.clone(),
        PathOutcome::Regex { pattern, substitution } => match patterns.anywhere(pattern) {
            Some(pattern) => replaced(&pattern, path, substitution),
            None => path.to_owned(),
        },
    }
}

/// Replaces every match; a rewrite that finds none changes nothing. Paths are ASCII, and what a substitution adds is text.
fn replaced(pattern: &Anywhere, path: &str, substitution: &str) -> String {
    match pattern.replace_all(path.as_bytes(), &Substitution::new(substitution)) {
        Some(new) => String::from_utf8_lossy(&new).into_owned(),
        None => path.to_owned(),
    }
}

/// Returns the `Location` header. A port that is the default of the old scheme goes when the scheme changes; other
/// ports stay, as in Envoy.
pub(crate) fn location(redirect: &RedirectOutcome, request: &Canonical) -> String {
    let old_scheme = request.listener.scheme.as_str();
    let scheme = redirect.scheme.as_deref().unwrap_or(old_scheme);
    let host = match &redirect.host {
        Some(host) => host.as_str(),
        None => kept_by_redirect(&request.authority, old_scheme, scheme, redirect.port.is_some()),
    };
    let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = match &redirect.path {
        Some(path) if path.contains('?') => path.clone(),
        Some(path) => request.path_and_query(path),
        None => request.path_and_query(&request.path),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{host}{port}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use gatewright_ir::ListenerId;

    use super::*;
    use crate::Request;

    #[test]
    fn an_empty_path_changes_nothing() {
        for (substitution, path, expected) in [
            (r"\1", "/svc/a/b", "a/b"),
            (r"\1", "/svc/", "/svc/"),
            (r"/\2", "/svc/a", "/svc/a"),
            ("x", "/other", "/other"),
        ] {
            let pattern = "^/svc/(.*)".to_owned();
            let outcome = PathOutcome::Regex { pattern, substitution: substitution.to_owned() };
            assert_eq!(rewritten_path(&outcome, path, &Patterns::default()), expected);
        }
    }

    fn redirect(
        scheme: Option<&str>,
        host: Option<&str>,
        port: Option<u16>,
        path: Option<&str>,
    ) -> RedirectOutcome {
        RedirectOutcome {
            code: 301,
            scheme: scheme.map(str::to_owned),
            host: host.map(str::to_owned),
            port,
            path: path.map(str::to_owned),
            response_headers: Default::default(),
        }
    }

    /// Measured on Envoy 1.40.
    #[test]
    fn locations_follow_envoy() {
        let https = redirect(Some("https"), None, None, None);
        let port = redirect(None, None, Some(8443), None);
        let path = redirect(None, None, None, Some("/new"));
        let fixed = redirect(None, None, None, Some("/new?x=1"));
        let bare = redirect(None, None, None, Some("start"));
        let all = redirect(Some("https"), Some("H.com"), Some(443), None);
        for (redirect, authority, expected) in [
            (&https, "a.com", "https://a.com/p?q"),
            (&https, "a.com:80", "https://a.com/p?q"),
            (&https, "A.com:443", "https://A.com:443/p?q"),
            (&https, "a.com:", "https://a.com:/p?q"),
            (&https, "[::1]:80", "https://[::1]/p?q"),
            (&port, "a.com:8080", "http://a.com:8443/p?q"),
            (&port, "[::1]", "http://[::1]:8443/p?q"),
            (&path, "a.com:80", "http://a.com:80/new?q"),
            (&fixed, "a.com", "http://a.com/new?x=1"),
            (&all, "a.com:80", "https://H.com:443/p?q"),
            (&bare, "a.com", "http://a.com/start?q"),
        ] {
            let request = Request::get(ListenerId::HTTP, authority, "/p?q").canonical().unwrap();
            assert_eq!(location(redirect, &request), expected);
        }
    }
}
