//! Whether two outcomes that differ as values differ for the requests of one region, or which test would tell.
//!
//! Most differences are differences for every request. A few depend on the request: CORS on its origin, a rewritten
//! host or redirect on the host that it has already, a rewritten path on the path.

use gatewright_http::authority;
use gatewright_ir::{HeaderMatch, HostPattern, ListenerId, PathMatch, PluginApplication, ValueMatch};

use crate::effect::host_is_like;
use crate::outcome::{
    Answer, CorsOutcome, ForwardOutcome, Outcome, PathOutcome, RedirectOutcome, RouteOutcome,
};
use crate::paths::PathAtom;
use crate::patterns::Patterns;
use crate::region::{HostSet, Test};
use crate::rewrite::rewritten_path;

/// The comparison of two outcomes on a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No request can tell.
    Same,
    /// Every request fares differently.
    Differ,
    /// It depends on this test.
    Split(Test),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Where two outcomes are compared.
pub(crate) struct Ground<'a> {
    pub(crate) listener: ListenerId,
    pub(crate) host: &'a HostSet,
    pub(crate) path: &'a PathAtom,
    pub(crate) patterns: &'a Patterns,
    /// The answer to a test, where the region has one.
    pub(crate) decided: &'a dyn Fn(&Test) -> Option<bool>,
}

impl Verdict {
    /// Combines the verdicts of two independent parts: a certain difference wins, then a test, then doubt.
    fn and(self, other: impl FnOnce() -> Verdict) -> Verdict {
        if self == Verdict::Differ {
            return self;
        }
        match (self, other()) {
            (_, Verdict::Differ) => Verdict::Differ,
            (Verdict::Split(test), _) | (_, Verdict::Split(test)) => Verdict::Split(test),
            (Verdict::Unknown(reason), _) | (_, Verdict::Unknown(reason)) => Verdict::Unknown(reason),
            _ => Verdict::Same,
        }
    }

    fn differ_if(differ: bool) -> Verdict {
        if differ { Verdict::Differ } else { Verdict::Same }
    }
}

impl Ground<'_> {
    /// Compares two outcomes.
    pub(crate) fn compare(&self, a: &Outcome, b: &Outcome) -> Verdict {
        match (a, b) {
            _ if a == b => Verdict::Same,
            (Outcome::Route(a), Outcome::Route(b)) => self.routes(a, b),
            _ => Verdict::Differ,
        }
    }

    fn routes(&self, a: &RouteOutcome, b: &RouteOutcome) -> Verdict {
        let RouteOutcome { answer, plugins } = a;
        match (answer, &b.answer) {
            (Answer::Forward(x), Answer::Forward(y)) => {
                self.plugins(plugins, &b.plugins).and(|| self.forwards(x, y))
            }
            (Answer::Redirect(x), Answer::Redirect(y)) => {
                self.plugins(plugins, &b.plugins).and(|| self.redirects(x, y))
            }
            (Answer::Refuse(x), Answer::Refuse(y)) => {
                Verdict::differ_if(x != y).and(|| self.plugins(plugins, &b.plugins))
            }
            _ => Verdict::Differ,
        }
    }

    fn plugins(&self, a: &[PluginApplication], b: &[PluginApplication]) -> Verdict {
        if a == b {
            return Verdict::Same;
        }
        for domain in a.iter().chain(b).filter_map(|plugin| plugin.only_host.as_ref()) {
            let test = Test::HostLike(domain.clone());
            if self.host_like(domain).is_none() {
                return Verdict::Split(test);
            }
        }
        let acting = |plugins: &[PluginApplication]| -> Vec<PluginApplication> {
            let acting = plugins.iter().filter(|plugin| {
                plugin.only_host.as_deref().is_none_or(|domain| self.host_like(domain) == Some(true))
            });
            acting.map(|plugin| PluginApplication { only_host: None, ..plugin.clone() }).collect()
        };
        Verdict::differ_if(acting(a) != acting(b))
    }

    fn host_like(&self, domain: &str) -> Option<bool> {
        match &self.host.pattern {
            HostPattern::Exact(name) => Some(host_is_like(name, domain)),
            _ => (self.decided)(&Test::HostLike(domain.to_owned())),
        }
    }

    fn forwards(&self, a: &ForwardOutcome, b: &ForwardOutcome) -> Verdict {
        let ForwardOutcome { targets, path, host, cors, plain } = a;
        match self.preflights(cors.as_ref(), b.cors.as_ref()) {
            Ok(false) => {}
            Ok(true) => return self.preflight_answers(cors.as_ref(), b.cors.as_ref()),
            Err(verdict) => return verdict,
        }
        Verdict::differ_if(*targets != b.targets || *plain != b.plain)
            .and(|| self.paths(path, &b.path))
            .and(|| self.hosts(host.as_deref(), b.host.as_deref()))
            .and(|| self.cors(cors.as_ref(), b.cors.as_ref()))
    }

    /// Returns whether both sides answer a preflight; an error where one does, or where a test is needed.
    fn preflights(&self, a: Option<&CorsOutcome>, b: Option<&CorsOutcome>) -> Result<bool, Verdict> {
        let preflight = |cors: Option<&CorsOutcome>| match cors {
            None => Ok(false),
            Some(cors) => {
                let test = Test::Preflight(cors.origins.clone());
                (self.decided)(&test).ok_or(Verdict::Split(test))
            }
        };
        match (preflight(a)?, preflight(b)?) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            _ => Err(Verdict::Differ),
        }
    }

    /// Compares preflight answers; nothing else of the route is asked then.
    fn preflight_answers(&self, a: Option<&CorsOutcome>, b: Option<&CorsOutcome>) -> Verdict {
        let answer =
            |cors: Option<&CorsOutcome>| cors.map(|cors| CorsOutcome { origins: Vec::new(), ..cors.clone() });
        Verdict::differ_if(answer(a) != answer(b))
    }

    /// Compares the headers that CORS adds to answers of upstreams.
    fn cors(&self, a: Option<&CorsOutcome>, b: Option<&CorsOutcome>) -> Verdict {
        // What only preflight answers say is compared there.
        let added = |cors: &CorsOutcome| CorsOutcome {
            allow_methods: String::new(),
            allow_headers: String::new(),
            max_age_s: 0,
            ..cors.clone()
        };
        let (a, b) = (a.map(added), b.map(added));
        if a == b {
            return Verdict::Same;
        }
        let headers = |cors: Option<CorsOutcome>| match cors {
            None => Ok(None),
            Some(cors) => {
                let test = Test::Origin(cors.origins.clone());
                let allowed = (self.decided)(&test).ok_or(Verdict::Split(test))?;
                Ok(allowed.then(|| CorsOutcome { origins: Vec::new(), ..cors }))
            }
        };
        match (headers(a), headers(b)) {
            (Ok(a), Ok(b)) => Verdict::differ_if(a != b),
            (Err(verdict), _) | (_, Err(verdict)) => verdict,
        }
    }

    /// Compares upstream hosts. A literal equals the client's host for requests that have it already.
    fn hosts(&self, a: Option<&str>, b: Option<&str>) -> Verdict {
        match (a, b) {
            _ if a == b => Verdict::Same,
            (Some(_), Some(_)) | (None, None) => Verdict::Differ,
            (Some(host), None) | (None, Some(host)) => {
                self.authority_is(ValueMatch::Exact(host.to_owned()), host)
            }
        }
    }

    /// Same where the authority passes a test that only names of `host` can pass, else different.
    fn authority_is(&self, value: ValueMatch, host: &str) -> Verdict {
        if !self.host.contains(&authority::host(host)) {
            return Verdict::Differ;
        }
        let test = Test::Header(HeaderMatch { name: ":authority".to_owned(), value });
        match (self.decided)(&test) {
            Some(passes) => Verdict::differ_if(!passes),
            None => Verdict::Split(test),
        }
    }

    /// The path of the requests, where there is but one.
    fn only_path(&self, wanted: &str) -> Option<bool> {
        match self.path.only_path() {
            Some(path) => Some(path == wanted),
            None if !self.path.contains(wanted) => Some(false),
            None => (self.decided)(&exact_path(wanted)),
        }
    }

    /// Same where the path is `path`, else different.
    fn path_is(&self, path: &str) -> Verdict {
        match self.only_path(path) {
            Some(is) => Verdict::differ_if(!is),
            None => Verdict::Split(exact_path(path)),
        }
    }

    fn paths(&self, a: &PathOutcome, b: &PathOutcome) -> Verdict {
        if a == b {
            return Verdict::Same;
        }
        if let Some(path) = self.path.only_path() {
            let (a, b) = (rewritten_path(a, path, self.patterns), rewritten_path(b, path, self.patterns));
            return Verdict::differ_if(a != b);
        }
        match (replacement(a), replacement(b)) {
            (Some(a), Some(b)) => self.replacements(a, b),
            (None, Some(cut)) => self.whole_or_cut(a, cut),
            (Some(cut), None) => self.whole_or_cut(b, cut),
            (None, None) => match (a, b) {
                (PathOutcome::Whole(_), PathOutcome::Whole(_)) => Verdict::Differ,
                _ => Verdict::Unknown(rewritten_by_regex()),
            },
        }
    }

    /// Compares two replacements of a beginning: `with` + the path from `cut` on.
    fn replacements(&self, a: (usize, &str), b: (usize, &str)) -> Verdict {
        let (short, long) = if a.0 <= b.0 { (a, b) } else { (b, a) };
        if short.1.len() + long.0 != long.1.len() + short.0 {
            return Verdict::Differ;
        }
        let Some(between) = long.1.strip_prefix(short.1) else { return Verdict::Differ };
        match self.path.literal_start().get(short.0..long.0) {
            Some(text) => Verdict::differ_if(text != between),
            None => {
                Verdict::Unknown("the route ignores case, and what it replaces may be the same text".into())
            }
        }
    }

    /// Compares a fixed path with a replaced beginning, which agree for one path at most.
    fn whole_or_cut(&self, whole: &PathOutcome, (cut, with): (usize, &str)) -> Verdict {
        let PathOutcome::Whole(whole) = whole else { return Verdict::Unknown(rewritten_by_regex()) };
        let Some(rest) = whole.strip_prefix(with) else { return Verdict::Differ };
        match self.path.literal_start().get(..cut) {
            Some(start) => self.path_is(&format!("{start}{rest}")),
            None => Verdict::Unknown("the route ignores case, and one path may stay the same".into()),
        }
    }

    fn redirects(&self, a: &RedirectOutcome, b: &RedirectOutcome) -> Verdict {
        let RedirectOutcome { code, scheme, host: _, port: _, path: _, response_headers } = a;
        let plain = *code != b.code || *response_headers != b.response_headers || *scheme != b.scheme;
        Verdict::differ_if(plain).and(|| self.redirect_paths(a, b)).and(|| self.redirect_hosts(a, b))
    }

    fn redirect_paths(&self, a: &RedirectOutcome, b: &RedirectOutcome) -> Verdict {
        let stem = |path: &str| path.split_once('?').map_or(path, |(stem, _)| stem).to_owned();
        let query =
            || Verdict::Unknown("the new path brings a query that the request may have already".into());
        match (&a.path, &b.path) {
            (x, y) if x == y => Verdict::Same,
            (Some(x), Some(y)) if stem(x) == stem(y) && x.contains('?') != y.contains('?') => query(),
            (Some(_), Some(_)) | (None, None) => Verdict::Differ,
            (Some(path), None) | (None, Some(path)) if !path.contains('?') => self.path_is(path),
            (Some(path), None) | (None, Some(path)) => match self.only_path(&stem(path)) {
                Some(false) => Verdict::Differ,
                _ => query(),
            },
        }
    }

    /// Compares host and port of two redirects with the same scheme.
    fn redirect_hosts(&self, a: &RedirectOutcome, b: &RedirectOutcome) -> Verdict {
        let fixed = |redirect: &RedirectOutcome| {
            let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
            redirect.host.as_ref().map(|host| format!("{host}{port}"))
        };
        match (fixed(a), fixed(b)) {
            (Some(x), Some(y)) => Verdict::differ_if(x != y),
            (None, None) => match (a.port, b.port) {
                (x, y) if x == y => Verdict::Same,
                (Some(_), Some(_)) | (None, None) => Verdict::Differ,
                (Some(port), None) | (None, Some(port)) => self.port_is(a, port),
            },
            (Some(target), None) => self.kept_host_is(b, &target),
            (None, Some(target)) => self.kept_host_is(a, &target),
        }
    }

    /// Same where the request's port is `port` already.
    fn port_is(&self, redirect: &RedirectOutcome, port: u16) -> Verdict {
        if redirect.scheme.is_some() && port == self.listener.scheme.default_port() {
            return Verdict::Differ;
        }
        let value = ValueMatch::Regex(format!(r"(?:\[.*\]|[^\[].*):{port}"));
        let test = Test::Header(HeaderMatch { name: ":authority".to_owned(), value });
        match (self.decided)(&test) {
            Some(passes) => Verdict::differ_if(!passes),
            None => Verdict::Split(test),
        }
    }

    /// Compares a redirect that keeps the request's host with a fixed `host[:port]`.
    fn kept_host_is(&self, keeps: &RedirectOutcome, target: &str) -> Verdict {
        match keeps.port {
            Some(port) => match target.strip_suffix(&format!(":{port}")) {
                Some(host) => self
                    .authority_is(ValueMatch::Regex(format!("{}(?::[^:\\]]*)?", regex::escape(host))), host),
                None => Verdict::Differ,
            },
            None if keeps.scheme.is_some() => {
                let port = self.listener.scheme.default_port();
                if target.ends_with(&format!(":{port}")) {
                    return Verdict::Differ;
                }
                self.authority_is(ValueMatch::Regex(format!("{}(?::{port})?", regex::escape(target))), target)
            }
            None => self.authority_is(ValueMatch::Exact(target.to_owned()), target),
        }
    }
}

fn exact_path(path: &str) -> Test {
    Test::Path { path: PathMatch::Exact(path.to_owned()), case_sensitive: true }
}

/// What is cut and what comes, for outcomes that replace a beginning.
fn replacement(outcome: &PathOutcome) -> Option<(usize, &str)> {
    match outcome {
        PathOutcome::Keep => Some((0, "")),
        PathOutcome::Replace { cut, with, .. } => Some((cut.len(), with)),
        PathOutcome::Whole(_) | PathOutcome::Regex { .. } => None,
    }
}

fn rewritten_by_regex() -> String {
    "a regular expression rewrites the path, and some paths may come out alike".into()
}
