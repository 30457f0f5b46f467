//! One route test against a trace: everything that is expected and not so.

use std::collections::BTreeMap;

use gatewright_behaviour::{HeaderChange, HeaderOutcome, Request};
use serde_json::Value;

use super::file::{Expect, RedirectTo, RouteTest, Targets, Weighted};
use crate::commands::trace::{Forwarded, Report, Result as Traced, Upstream};

/// Percent by which a weight may differ from what a test says.
const TOLERANCE: f64 = 0.5;

/// One expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Member of `expect`.
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Failure {
    /// Returns a failure for showing: what is secret by the name of a header or by its shape is replaced.
    fn shown(what: &str, expected: &str, found: &str) -> Self {
        let secret = gatewright_secrets::is_secret_name(what.rsplit('.').next().unwrap_or(what));
        let shown = |value: &str| match secret && !value.starts_with('(') {
            true => gatewright_secrets::HIDDEN.to_owned(),
            false => gatewright_secrets::text(value).into_owned(),
        };
        let (expected, mut found) = (shown(expected), shown(found));
        if expected == found {
            found.push_str(" (another value)");
        }
        Failure { what: what.to_owned(), expected, found }
    }
}

/// Returns the expectations that do not hold.
pub(super) fn failures(test: &RouteTest, report: &Report) -> Vec<Failure> {
    let mut check = Check { report, request: &test.request, failures: Vec::new() };
    check.all(&test.expect);
    check.failures
}

struct Check<'a> {
    report: &'a Report,
    request: &'a Request,
    failures: Vec<Failure>,
}

impl Check<'_> {
    fn all(&mut self, expect: &Expect) {
        self.answer(expect);
        if let Some(targets) = &expect.forward {
            self.forward(targets);
        }
        if let Some(redirect) = &expect.redirect {
            self.redirect(redirect);
        }
        self.texts(expect);
        let request_headers: Vec<_> = expect.request_headers.iter().collect();
        let response_headers: Vec<_> = expect.response_headers.iter().collect();
        for (name, value) in request_headers {
            self.request_header(name, value.as_deref());
        }
        for (name, value) in response_headers {
            self.response_header(name, value.as_deref());
        }
        for (key, wanted) in &expect.plain {
            self.plain(key, wanted);
        }
        if let Some(plugins) = &expect.plugins {
            let found: Vec<&str> = self.report.plugins.iter().map(|plugin| plugin.plugin.as_str()).collect();
            let text = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let wanted: Vec<&str> = plugins.iter().map(String::as_str).collect();
            self.require("plugins", &text(&wanted), wanted == found, Some(text(&found)));
        }
    }

    fn answer(&mut self, expect: &Expect) {
        let result = &self.report.result;
        if let Some(status) = expect.status {
            let found = status_of(result);
            let holds = found == Some(status);
            self.require("status", &status.to_string(), holds, found.map(|status| status.to_string()));
        }
        if let Some(code) = &expect.refused {
            let holds = matches!(result, Traced::Refused { code: found, .. } if found == code);
            self.require("refused", code, holds, None);
        }
        if expect.no_route {
            self.require("no_route", "no route takes it", matches!(result, Traced::NoRoute { .. }), None);
        }
        if expect.closed {
            self.require("closed", "the handshake fails", matches!(result, Traced::Closed), None);
        }
        if expect.preflight {
            self.require(
                "preflight",
                "the CORS filter answers",
                matches!(result, Traced::Preflight { .. }),
                None,
            );
        }
    }

    fn texts(&mut self, expect: &Expect) {
        if let Some(route) = &expect.route {
            let found = self.report.matched.as_ref().map(|matched| {
                let object = &matched.id.object;
                format!("{}/{}", object.namespace, object.name)
            });
            let holds = found.as_deref() == Some(route);
            self.require("route", route, holds, found);
        }
        if let Some(host) = &expect.host {
            let found = self.report.matched.as_ref().map(|matched| matched.host.clone());
            let holds = found.as_deref() == Some(host);
            self.require("host", host, holds, found);
        }
        if let Some(path) = &expect.upstream_path {
            let found = self.forwarded().map(|forward| forward.path.clone());
            let holds = found.as_ref() == Some(path);
            self.require("upstream_path", path, holds, found);
        }
        if let Some(host) = &expect.upstream_host {
            let found = self.forwarded().map(|forward| forward.host.clone());
            let holds = found.as_ref() == Some(host);
            self.require("upstream_host", host, holds, found);
        }
        if let Some(secret) = &expect.certificate {
            let found = match &self.report.listener.handshake {
                Some(gatewright_behaviour::Handshake::Served { certificate, .. }) => {
                    Some(certificate.to_string())
                }
                _ => None,
            };
            let holds = found.as_ref() == Some(secret);
            self.require("certificate", secret, holds, found);
        }
    }

    fn forward(&mut self, targets: &Targets) {
        let found = self.forwarded().map(|forward| upstreams_text(&forward.upstreams));
        let upstreams = self.forwarded().map_or(&[] as &[Upstream], |forward| &forward.upstreams);
        match targets {
            Targets::One(name) => {
                let holds = matches!(upstreams, [only] if is_called(&only.cluster, name));
                self.require("forward", name, holds, found);
            }
            Targets::Weighted(wanted) => {
                let holds = weights_hold(wanted, upstreams);
                let text = |target: &Weighted| format!("{} {}%", target.to, target.weight);
                let wanted: Vec<String> = wanted.iter().map(text).collect();
                self.require("forward", &wanted.join(", "), holds, found);
            }
        }
    }

    fn redirect(&mut self, wanted: &RedirectTo) {
        let (code, location) = match &self.report.result {
            Traced::Redirect { status, location, .. } => (Some(*status), Some(location.clone())),
            _ => (None, None),
        };
        if let Some(wanted) = wanted.code {
            self.require(
                "redirect.code",
                &wanted.to_string(),
                code == Some(wanted),
                code.map(|code| code.to_string()),
            );
        }
        if let Some(wanted) = &wanted.location {
            let holds = location.as_ref() == Some(wanted);
            self.require("redirect.location", wanted, holds, location);
        }
    }

    /// Checks what every upstream sees of a header: the lines that the client sends, with the edits.
    fn request_header(&mut self, name: &str, wanted: Option<&str>) {
        let lower = name.to_ascii_lowercase();
        let sent: Vec<&str> = self
            .request
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        let seen = self.each_upstream(|upstream| edited(&sent, upstream.request_headers.0.get(&lower)));
        self.header(&format!("request_headers.{name}"), wanted, seen);
    }

    /// Checks what the gateway does with a header of the response, whatever the upstream sends.
    fn response_header(&mut self, name: &str, wanted: Option<&str>) {
        let lower = name.to_ascii_lowercase();
        let set = |headers: &HeaderOutcome| match headers.0.get(&lower) {
            None => Some("(left as it is)".to_owned()),
            change => edited(&[], change),
        };
        let seen = match &self.report.result {
            Traced::Redirect { response_headers, .. } | Traced::Refused { response_headers, .. } => {
                vec![set(response_headers)]
            }
            _ => self.each_upstream(|upstream| set(&upstream.response_headers)),
        };
        self.header(&format!("response_headers.{name}"), wanted, seen);
    }

    fn header(&mut self, what: &str, wanted: Option<&str>, seen: Vec<Option<String>>) {
        let text = |value: Option<&str>| value.map_or("(none)".to_owned(), str::to_owned);
        let holds = !seen.is_empty() && seen.iter().all(|value| value.as_deref() == wanted);
        let mut found: Vec<String> = seen.iter().map(|value| text(value.as_deref())).collect();
        found.dedup();
        let found = (!found.is_empty()).then(|| found.join(" or "));
        self.require(what, &text(wanted), holds, found);
    }

    fn each_upstream<T>(&self, of: impl Fn(&Upstream) -> T) -> Vec<T> {
        self.forwarded().map(|forward| forward.upstreams.iter().map(of).collect()).unwrap_or_default()
    }

    fn forwarded(&self) -> Option<&Forwarded> {
        match &self.report.result {
            Traced::Forward(forward) => Some(forward),
            _ => None,
        }
    }

    /// Checks a plain facet. Of an object, the members that are named are checked.
    fn plain(&mut self, key: &str, wanted: &Value) {
        let rows = self.forwarded().map(|forward| forward.plain.facets());
        let found = rows.into_iter().flatten().find(|row| row.key == key).map(|row| row.value);
        let holds = found.as_ref().is_some_and(|found| agrees(wanted, found));
        self.require(key, &wanted.to_string(), holds, found.map(|found| found.to_string()));
    }

    /// Notes a failure; where there is no value to show, the result as a whole is shown.
    fn require(&mut self, what: &str, expected: &str, holds: bool, found: Option<String>) {
        if !holds {
            let found = found.unwrap_or_else(|| self.report.summary.clone());
            self.failures.push(Failure::shown(what, expected, &found));
        }
    }
}

/// Returns the status that the gateway itself answers.
fn status_of(result: &Traced) -> Option<u16> {
    match result {
        Traced::Closed => None,
        Traced::BadRequest { status, .. }
        | Traced::NoRoute { status }
        | Traced::Redirect { status, .. }
        | Traced::Refused { status, .. }
        | Traced::Preflight { status, .. } => Some(*status),
        Traced::Forward(forward) => forward.status,
    }
}

/// Returns whether a value is what is wanted; of an object, in the members that are wanted.
fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, value)| found.get(key) == Some(value))
        }
        _ => wanted == found,
    }
}

/// Returns a header after edits, lines joined; none where no line is left.
fn edited(lines: &[&str], change: Option<&HeaderChange>) -> Option<String> {
    let mut left: Vec<&str> =
        if change.is_none_or(|change| change.keep) { lines.to_vec() } else { Vec::new() };
    left.extend(change.iter().flat_map(|change| &change.add).map(String::as_str));
    (!left.is_empty()).then(|| left.join(","))
}

/// Returns whether an upstream cluster, `outbound|PORT|SUBSET|HOST`, goes by a name.
fn is_called(cluster: &str, name: &str) -> bool {
    if cluster == name {
        return true;
    }
    let mut parts = cluster.split('|').skip(1);
    let (Some(port), Some(_), Some(host)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let (wanted, wanted_port) = match name.rsplit_once(':') {
        Some((wanted, number)) if number.parse::<u32>().is_ok() => (wanted, Some(number)),
        _ => (name, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    match wanted.split_once('/') {
        Some((namespace, service)) => host.starts_with(&format!("{service}.{namespace}.svc.")),
        None => host == wanted,
    }
}

fn weights_hold(wanted: &[Weighted], upstreams: &[Upstream]) -> bool {
    let shares = shares(upstreams);
    let mut left: BTreeMap<usize, f64> = shares.into_iter().enumerate().collect();
    for target in wanted {
        let fits = |(index, share): &(&usize, &f64)| {
            is_called(&upstreams[**index].cluster, &target.to) && (**share - target.weight).abs() <= TOLERANCE
        };
        let Some(index) = left.iter().find(fits).map(|(index, _)| *index) else { return false };
        left.remove(&index);
    }
    left.is_empty()
}

/// Returns percents.
fn shares(upstreams: &[Upstream]) -> Vec<f64> {
    let total: u64 = upstreams.iter().map(|upstream| u64::from(upstream.weight)).sum();
    upstreams.iter().map(|upstream| f64::from(upstream.weight) * 100.0 / total.max(1) as f64).collect()
}

fn upstreams_text(upstreams: &[Upstream]) -> String {
    match upstreams {
        [only] => only.cluster.clone(),
        _ => {
            let shares = shares(upstreams);
            let texts = upstreams
                .iter()
                .zip(shares)
                .map(|(upstream, share)| format!("{} {share:.1}%", upstream.cluster));
            texts.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_has_several_names() {
        let cluster = "outbound|80||web.shop.svc.cluster.local";
        for name in [
            cluster,
            "shop/web",
            "shop/web:80",
            "web.shop.svc.cluster.local",
            "web.shop.svc.cluster.local:80",
        ] {
            assert!(is_called(cluster, name), "{name}");
        }
        for name in ["shop/web:81", "shop/we", "web", "web/shop", "other.shop.svc.cluster.local"] {
            assert!(!is_called(cluster, name), "{name}");
        }
        assert!(is_called("outbound|8080||api.static", "api.static:8080"));
    }

    #[test]
    fn headers_are_edited_as_the_upstream_sees_them() {
        let change = |keep, add: &[&str]| HeaderChange {
            keep,
            add: add.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(edited(&["a"], None), Some("a".into()));
        assert_eq!(edited(&["a"], Some(&change(true, &["b"]))), Some("a,b".into()));
        assert_eq!(edited(&["a"], Some(&change(false, &["b"]))), Some("b".into()));
        assert_eq!(edited(&["a"], Some(&change(false, &[]))), None);
    }
}
