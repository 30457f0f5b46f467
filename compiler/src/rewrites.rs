//! Rewrites tried on examples: what comes of paths that a route takes.

use gatewright_behaviour::rewritten;
use gatewright_diagnostics::code;
use gatewright_http::re2::Expression;
use gatewright_ir::{PathMatch, PathRewrite};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::finding::{Finding, Place};
use crate::ingress::{AnalyzedIngress, PathRule};

/// Finds the first path that a rewrite of an Ingress turns into something that begins without a slash.
pub(crate) fn slashless(ingress: &AnalyzedIngress) -> Option<Finding> {
    let policy = &ingress.policy;
    let key = policy.path.rewrite_key().filter(|_| policy.redirect.url.is_none())?;
    let (rule, path, new) = ingress.paths.iter().filter(|rule| rule.is_valid()).find_map(|rule| {
        let (path, new) = first_slashless(&rule.matches(), &policy.path.rewrite(&rule.matches())?)?;
        Some((rule, path, new))
    })?;
    let message =
        format!("a request for `{path}` is rewritten to `{new}`, which is no path as it begins without `/`");
    Some(finding(ingress, rule, key, message))
}

fn finding(ingress: &AnalyzedIngress, rule: &PathRule, key: &str, message: String) -> Finding {
    let path = Place::value(&ingress.key, format!("{}/path", rule.pointer()));
    Finding::new(&code::GW0470, Place::annotation_value(&ingress.key, key), message)
        .with_related(path, "the path that it is tried on")
        .with_note(
            "it is sent so, and most servers answer 400; where the upstream speaks HTTP/2 nothing is sent, and the \
             bundled gateway answers 503",
        )
        .with_help("write `/` at the beginning of the annotation's value")
}

/// Returns an example that a route takes, with what it becomes.
fn first_slashless(matches: &[PathMatch], rewrite: &PathRewrite) -> Option<(String, String)> {
    matches.iter().find_map(|test| {
        examples(test).into_iter().find_map(|path| {
            let new = rewritten(rewrite, test, &path);
            let sent = !new.is_empty() && !new.starts_with('/');
            sent.then_some((path, new))
        })
    })
}

/// Returns some paths that pass a test.
fn examples(test: &PathMatch) -> Vec<String> {
    match test {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Prefix(prefix) => vec![format!("{prefix}x"), prefix.clone()],
        PathMatch::Regex(pattern) => {
            let Ok(expression) = Expression::parse(pattern) else { return Vec::new() };
            let Ok(whole) = expression.whole() else { return Vec::new() };
            let mut some = vec![example(expression.hir(), 1), example(expression.hir(), 0)];
            some.retain(|path| path.starts_with('/') && whole.is_match(path.as_bytes()));
            some
        }
    }
}

/// Returns a text that an expression matches, where its assertions allow it. What may be left out stands `optional` times.
fn example(hir: &Hir, optional: u32) -> String {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => String::new(),
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).into_owned(),
        HirKind::Class(class) => member(class).to_string(),
        HirKind::Repetition(repetition) => {
            let times = optional.clamp(repetition.min, repetition.max.unwrap_or(u32::MAX));
            // Counts are small, but written by anybody.
            example(&repetition.sub, optional).repeat(times.min(MANY) as usize)
        }
        HirKind::Capture(capture) => example(&capture.sub, optional),
        HirKind::Concat(parts) => parts.iter().map(|part| example(part, optional)).collect(),
        HirKind::Alternation(parts) => parts.first().map(|part| example(part, optional)).unwrap_or_default(),
    }
}

/// More repetitions than this make no readable example.
const MANY: u32 = 20;

/// Returns a character of a class, a readable one if there is one.
fn member(class: &Class) -> char {
    let has = |wanted: char| match class {
        Class::Unicode(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&wanted)),
        Class::Bytes(class) => {
            class.iter().any(|range| (range.start()..=range.end()).contains(&(wanted as u8)))
        }
    };
    let readable = "xa1-_./".chars().chain('!'..='~');
    readable.into_iter().find(|wanted| has(*wanted)).unwrap_or('x')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str, substitution: &str) -> Option<(String, String)> {
        let rewrite = PathRewrite::Regex { pattern: pattern.into(), substitution: substitution.into() };
        first_slashless(&[PathMatch::Regex(pattern.into())], &rewrite)
    }

    fn pair(path: &str, new: &str) -> Option<(String, String)> {
        Some((path.to_owned(), new.to_owned()))
    }

    #[test]
    fn a_group_without_slash_is_found() {
        assert_eq!(regex("/svc/(.*)", r"\1"), pair("/svc/x", "x"));
        assert_eq!(regex("/v[0-9]+/([a-z]+)/(.*)", r"\2\1"), pair("/v1/x/x", "xx"));
        assert_eq!(regex("/svc/(.*)", "new"), pair("/svc/x", "new"));
        assert_eq!(regex("/svc(/.*)?", "a\\1"), pair("/svc/x", "a/x"));
    }

    #[test]
    fn what_keeps_its_slash_is_not() {
        for (pattern, substitution) in [
            ("/svc/(.*)", r"/\1"),
            ("/svc(/.*)", r"\1"),
            ("/svc(/.*)?", r"\1"),
            ("/svc(/|$)(.*)", r"/\2"),
            ("/svc/(.*)", r"\0"),
            ("/svc/(.*)", r"\3"),
            ("/svc/()", r"\1"),
            ("(", r"\1"),
        ] {
            assert_eq!(regex(pattern, substitution), None, "{pattern} {substitution}");
        }
    }

    #[test]
    fn a_prefix_is_replaced() {
        let with = |text: &str| PathRewrite::Prefix(text.to_owned());
        let below = [PathMatch::Exact("/a".to_owned()), PathMatch::Prefix("/a/".to_owned())];
        assert_eq!(first_slashless(&below, &with("b")), pair("/a", "b"));
        assert_eq!(first_slashless(&below, &with("/b")), None);
    }
}
