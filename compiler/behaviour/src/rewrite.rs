//! What a request looks like after a route has changed its path, and where a redirect points.

use gatewright_http::authority::kept_by_redirect;
use gatewright_ir::{PathMatch, PathRewrite};
use regex::{Captures, Regex};

use crate::canonical::Canonical;
use crate::dialect::{self, Patterns};
use crate::outcome::{PathOutcome, RedirectOutcome};

/// Returns what a rewrite makes of a path (without query) that passes a test, which may be nothing that is a path.
pub fn rewritten(rewrite: &PathRewrite, test: &PathMatch, path: &str) -> String {
    match (rewrite, test) {
        (PathRewrite::Prefix(with), PathMatch::Prefix(prefix)) => {
            format!("{with}{}", path.get(prefix.len()..).unwrap_or_default())
        }
        (PathRewrite::Prefix(with), _) => with.clone(),
        (PathRewrite::Regex { pattern, substitution }, _) => match dialect::anywhere(pattern) {
            Ok(regex) => replace_all(&regex, path, substitution),
            Err(_) => path.to_owned(),
        },
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
            Some(regex) => replace_all(&regex, path, substitution),
            None => path.to_owned(),
        },
    }
}

/// Replaces every match, as RE2's `GlobalReplace` does: `\0` to `\9` are groups, `\\` is a backslash; a group that the
/// pattern does not have makes it change nothing.
fn replace_all(regex: &Regex, text: &str, substitution: &str) -> String {
    if highest_group(substitution) >= regex.captures_len() {
        return text.to_owned();
    }
    regex.replace_all(text, |groups: &Captures<'_>| expand(substitution, groups)).into_owned()
}

fn highest_group(substitution: &str) -> usize {
    let mut highest = 0;
    let mut chars = substitution.chars();
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(digit) = chars.next().and_then(|c| c.to_digit(10))
        {
            highest = highest.max(digit as usize);
        }
    }
    highest
}

fn expand(substitution: &str, groups: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut chars = substitution.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some(digit @ '0'..='9') => {
                    let group = digit as usize - '0' as usize;
                    out.push_str(groups.get(group).map_or("", |text| text.as_str()));
                }
                Some('\\') => out.push('\\'),
                // RE2 gives up there and keeps what it has.
                _ => return out,
            },
            (c, false) => out.push(c),
        }
    }
    out
}

/// Returns the `Location` header. A port that is the default of the old scheme goes when the scheme changes; other
/// ports stay, as in Envoy.
pub(crate) fn location(redirect: &RedirectOutcome, request: &Canonical) -> String {
    let old_scheme = request.entry.scheme();
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
    use gatewright_ir::Entry;

    use super::*;
    use crate::Request;

    /// Measured on Envoy 1.40.
    #[test]
    fn substitution_follows_re2() {
        for (pattern, substitution, path, expected) in [
            ("/rr0/(.*)", r"/x/\1", "/rr0/a/b", "/x/a/b"),
            ("a*", "X", "/rr1/aab", "X/XrXrX1X/XbX"),
            ("()", "-", "/rr2", "-/-r-r-2-"),
            ("b", r"[\0]", "/rr3bb", "/rr3[b][b]"),
            ("^/rr4(/|$)(.*)", r"/\2", "/rr4/a/b", "/a/b"),
            ("^/rr4(/|$)(.*)", r"/\2", "/rr4x", "/rr4x"),
            ("x*", r"\\", "/rr5/xax", r"\/\r\r\5\/\a\"),
            ("(a)|(b)", r"<\2>", "/rr6ab", "/rr6<><b>"),
            ("a*$", "E", "/rr9aa", "/rr9E"),
            ("b*", r"/n\1", "/x/y", "/x/y"),
            ("/b/(.*)", r"/x/\1/\uri", "/b/q/r", "/x/q/r/"),
            ("/c/(.*)", r"/x/\1/y\", "/c/q", "/x/q/y"),
            ("^/svc/(.*)", r"\1", "/svc/a/b", "a/b"),
            ("^/svc/(.*)", r"\1", "/svc/", "/svc/"),
        ] {
            let outcome =
                PathOutcome::Regex { pattern: pattern.to_owned(), substitution: substitution.to_owned() };
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
            let request = Request::get(Entry::Plain, authority, "/p?q").canonical().unwrap();
            assert_eq!(location(redirect, &request), expected);
        }
    }
}
