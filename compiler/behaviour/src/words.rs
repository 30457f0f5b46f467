//! Regions in words: `shop.example.com /cart and below, method GET, header x-canary is "always"`.

use std::fmt;

use gatewright_ir::{HeaderMatch, HostPattern, ListenerId, PathMatch, QueryMatch, ValueMatch};

use crate::region::{Condition, HostSet, HttpPart, Part, PathSet, ServerNames, Test};

/// Hosts that are named before the rest is counted.
const HOSTS_NAMED: usize = 3;

impl HttpPart {
    /// Returns the hosts in words; more than a few are counted and the first ones named.
    pub fn hosts_text(&self) -> String {
        let names: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        match names.as_slice() {
            names if names.len() <= HOSTS_NAMED => names.join(", "),
            names => format!("{} hosts: {}, ...", names.len(), names[..HOSTS_NAMED].join(", ")),
        }
    }

    /// Returns the paths in words; an exact path and what lies below it are one phrase.
    pub fn paths_text(&self) -> String {
        let mut texts = Vec::new();
        for set in &self.paths {
            match set {
                PathSet::Point { path, .. } if self.below(path).is_some() => {}
                PathSet::Below { prefix, except, .. } if self.is_head(prefix) => {
                    texts.push(format!("{} and below{}", prefix.trim_end_matches('/'), except_text(except)));
                }
                set => texts.push(set.to_string()),
            }
        }
        texts.join(" or ")
    }

    /// Returns the conditions in words, one phrase each.
    pub fn conditions_texts(&self) -> Vec<String> {
        self.conditions.iter().map(ToString::to_string).collect()
    }

    /// The set of the paths below a point, where the region has it too.
    fn below(&self, point: &str) -> Option<&PathSet> {
        let wanted = format!("{point}/");
        self.paths.iter().find(|set| matches!(set, PathSet::Below { prefix, .. } if *prefix == wanted))
    }

    /// Whether a prefix ends in `/` and the region has the path before that slash too.
    fn is_head(&self, prefix: &str) -> bool {
        let Some(point) = prefix.strip_suffix('/').filter(|point| !point.is_empty()) else { return false };
        self.paths.iter().any(|set| matches!(set, PathSet::Point { path, .. } if path == point))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut phrases = Vec::new();
        match (&self.http, &self.server_names) {
            (None, ServerNames::Of(names)) => {
                phrases.push(format!("TLS handshakes for {names}"));
                let elsewhere = self.listeners != [ListenerId::HTTPS];
                let listeners = self.listeners_text().filter(|_| elsewhere);
                phrases.extend(listeners.map(|listeners| format!("{listeners} only")));
            }
            (None, _) => phrases.push("every request".to_owned()),
            (Some(http), _) => {
                phrases.push(format!("{} {}", http.hosts_text(), http.paths_text()));
                phrases.extend(http.conditions_texts());
                phrases.extend(self.listeners_text().map(|listeners| format!("{listeners} only")));
            }
        }
        f.write_str(&phrases.join(", "))
    }
}

impl fmt::Display for HostSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            HostPattern::Any if !self.except.is_empty() => f.write_str("any other host"),
            HostPattern::Any => f.write_str("any host"),
            pattern => pattern.fmt(f),
        }
    }
}

impl fmt::Display for PathSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = |ignore: &bool| if *ignore { " in any case" } else { "" };
        match self {
            PathSet::Point { path, ignore_case } => write!(f, "{path}{}", case(ignore_case)),
            PathSet::Below { prefix, except, .. } if prefix == "/" => {
                write!(f, "any path{}", except_text(except))
            }
            PathSet::Below { prefix, ignore_case, except } => {
                write!(f, "{prefix}...{}{}", case(ignore_case), except_text(except))
            }
        }
    }
}

/// ` except /a, /b/...`, or nothing.
fn except_text(except: &[PathSet]) -> String {
    let texts: Vec<String> = except.iter().map(ToString::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(" except {}", texts.join(", ")) }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.holds { "" } else { "not " };
        match &self.test {
            Test::Path { path, .. } => match path {
                PathMatch::Exact(path) => write!(f, "path {not}`{path}`"),
                PathMatch::Prefix(prefix) => write!(f, "path {not}starting with `{prefix}`"),
                PathMatch::Regex(pattern) => write!(f, "path {not}matching `{pattern}`"),
            },
            Test::Method(methods) if self.holds => write!(f, "method {}", methods.join(" or ")),
            Test::Method(methods) => write!(f, "method other than {}", methods.join(" and ")),
            Test::Header(HeaderMatch { name, value }) => {
                write!(f, "{}", value_phrase("header", name, value, self.holds))
            }
            Test::Query(QueryMatch { name, value }) => {
                write!(f, "{}", value_phrase("query parameter", name, value, self.holds))
            }
            Test::HostLike(domain) => write!(f, "host {not}like `{domain}`"),
            Test::Origin(_) if self.holds => f.write_str("Origin allowed"),
            Test::Origin(_) => f.write_str("Origin missing or not allowed"),
            Test::Preflight(_) => write!(f, "{not}a CORS preflight of an allowed Origin"),
        }
    }
}

fn value_phrase(what: &str, name: &str, test: &ValueMatch, holds: bool) -> String {
    match (test, holds) {
        (ValueMatch::Present, true) => format!("with {what} {name}"),
        (ValueMatch::Present, false) => format!("without {what} {name}"),
        (ValueMatch::Exact(value), true) => format!("{what} {name} is `{value}`"),
        (ValueMatch::Exact(value), false) => format!("{what} {name} is not `{value}`"),
        (ValueMatch::Prefix(prefix), true) => format!("{what} {name} starts with `{prefix}`"),
        (ValueMatch::Prefix(prefix), false) => format!("{what} {name} does not start with `{prefix}`"),
        (ValueMatch::Regex(pattern), true) => format!("{what} {name} matches `{pattern}`"),
        (ValueMatch::Regex(pattern), false) => format!("{what} {name} does not match `{pattern}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostSet {
        HostSet { pattern: text.parse().unwrap(), except: Default::default() }
    }

    fn below(prefix: &str, except: Vec<PathSet>) -> PathSet {
        PathSet::Below { prefix: prefix.into(), ignore_case: false, except }
    }

    fn point(path: &str) -> PathSet {
        PathSet::Point { path: path.into(), ignore_case: false }
    }

    fn header(name: &str, value: ValueMatch, holds: bool) -> Condition {
        Condition { test: Test::Header(HeaderMatch { name: name.into(), value }), holds }
    }

    #[test]
    fn regions_read_like_sentences() {
        let http = HttpPart {
            hosts: ["a.com", "b.com", "c.com", "d.com"].map(host).to_vec(),
            paths: vec![point("/cart"), below("/cart/", vec![below("/cart/admin", Vec::new())])],
            conditions: vec![
                Condition { test: Test::Method(vec!["GET".into(), "HEAD".into()]), holds: true },
                header("x-canary", ValueMatch::Exact("always".into()), true),
                header("cookie", ValueMatch::Present, false),
            ],
        };
        let part =
            Part { listeners: vec![ListenerId::HTTP], server_names: ServerNames::Any, http: Some(http) };
        assert_eq!(
            part.to_string(),
            "4 hosts: a.com, b.com, c.com, ... /cart and below except /cart/admin..., method GET or HEAD, \
             header x-canary is `always`, without header cookie, http only"
        );
    }

    #[test]
    fn whole_hosts_and_handshakes_are_short() {
        let http = HttpPart {
            hosts: vec![host("*.a.com")],
            paths: vec![below("/", Vec::new())],
            conditions: Vec::new(),
        };
        let part = Part {
            listeners: ListenerId::OF_INGRESSES.to_vec(),
            server_names: ServerNames::Any,
            http: Some(http),
        };
        assert_eq!(part.to_string(), "*.a.com any path");
        let part = Part {
            listeners: vec![ListenerId::HTTPS],
            server_names: ServerNames::Of(host("a.com")),
            http: None,
        };
        assert_eq!(part.to_string(), "TLS handshakes for a.com");
    }
}
