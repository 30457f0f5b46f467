//! Whether some request meets a set of conditions, and a short and plausible one that does.

use std::collections::BTreeMap;

use gatewright_http::authority;
use gatewright_ir::{HeaderMatch, HostPattern, ListenerId, PathMatch, ValueMatch};

use crate::automata::{Found, Language, Regexes, search};
use crate::canonical::Canonical;
use crate::effect::value_matches;
use crate::paths::PathAtom;
use crate::patterns::Patterns;
use crate::region::{Condition, HostSet, ServedNames, Test};
use crate::request::Request;
use crate::witness::{METHODS, host_candidates, path_candidates, server_name, value_candidates};

/// Alternatives that are tried for conditions that can be met in several ways.
const ALTERNATIVES: usize = 256;

/// Narrower host patterns that a search for a host takes into account; with more, it may end in doubt.
const EXCEPTIONS: usize = 64;

/// What a condition set holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Solution {
    /// This request, among others.
    Request(Request),
    /// Nothing.
    Nothing,
    /// Undecided within the bounds, for this reason.
    Unknown(String),
}

/// Where a request is sought: one listener, one set of hosts, one path atom.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) listener: ListenerId,
    pub(crate) host: &'a HostSet,
    pub(crate) path: &'a PathAtom,
    /// Server names with a certificate, where the listener is TLS.
    pub(crate) served: Option<&'a ServedNames>,
}

/// Solves condition sets; keeps compiled expressions.
#[derive(Debug)]
pub(crate) struct Solver {
    pub(crate) patterns: Patterns,
    regexes: Regexes,
}

/// The value of one variable.
enum Value<T> {
    Is(T),
    Impossible,
    Unknown(String),
}

/// Elementary conditions by what they look at.
#[derive(Default)]
struct Wishes<'c> {
    paths: Vec<(&'c PathMatch, bool, bool)>,
    methods: Vec<(&'c Condition, bool)>,
    host: Vec<&'c Condition>,
    headers: BTreeMap<&'c str, (Vec<&'c ValueMatch>, Vec<&'c ValueMatch>)>,
    queries: BTreeMap<&'c str, (Vec<&'c ValueMatch>, Vec<&'c ValueMatch>)>,
}

impl Solver {
    pub(crate) fn new(regexes: Regexes) -> Self {
        Solver { patterns: Patterns::default(), regexes }
    }

    /// Finds a request of `place` that meets all conditions.
    pub(crate) fn solve(&mut self, place: &Place<'_>, conditions: &[Condition]) -> Solution {
        let mut alternatives: Vec<Vec<Condition>> = vec![Vec::new()];
        for condition in conditions {
            let options = elementary(condition);
            if alternatives.len() * options.len() > ALTERNATIVES {
                return Solution::Unknown("too many ways to meet its conditions".into());
            }
            alternatives = options
                .iter()
                .flat_map(|option| {
                    alternatives.iter().map(move |chosen| [chosen.as_slice(), option].concat())
                })
                .collect();
        }
        let mut unknown = None;
        for chosen in &alternatives {
            match self.solve_elementary(place, chosen) {
                Solution::Request(request) => return Solution::Request(request),
                Solution::Unknown(reason) => unknown = Some(reason),
                Solution::Nothing => {}
            }
        }
        unknown.map_or(Solution::Nothing, Solution::Unknown)
    }

    fn solve_elementary(&mut self, place: &Place<'_>, conditions: &[Condition]) -> Solution {
        let wishes = Wishes::of(conditions);
        let method = match solve_method(&wishes.methods) {
            Some(method) => method,
            None => return Solution::Nothing,
        };
        let mut doubt = None;
        let mut request = Request::get(place.listener, "", "");
        request.method = method;
        for (name, (yes, no)) in &wishes.headers {
            match self.solve_value(yes, no, Language::HeaderValue) {
                Value::Is(Some(value)) => request.headers.push(((*name).to_owned(), value)),
                Value::Is(None) => {}
                Value::Impossible => return Solution::Nothing,
                Value::Unknown(reason) => doubt = Some(reason),
            }
        }
        let mut query = Vec::new();
        for (name, (yes, no)) in &wishes.queries {
            match self.solve_query(name, yes, no) {
                Value::Is(Some(value)) => query.push(format!("{name}={value}")),
                Value::Is(None) => {}
                Value::Impossible => return Solution::Nothing,
                Value::Unknown(reason) => doubt = Some(reason),
            }
        }
        match self.solve_path(place.path, &wishes.paths) {
            Value::Is(path) => request.path = path,
            Value::Impossible => return Solution::Nothing,
            Value::Unknown(reason) => doubt = Some(reason),
        }
        if !query.is_empty() {
            request.path = format!("{}?{}", request.path, query.join("&"));
        }
        match self.solve_host(place, &wishes.host) {
            Value::Is(authority) => request.authority = authority,
            Value::Impossible => return Solution::Nothing,
            Value::Unknown(reason) => doubt = Some(reason),
        }
        if let Some(reason) = doubt {
            return Solution::Unknown(reason);
        }
        request.sni = server_name(place, &request.authority);
        self.verified(place, request, conditions)
    }

    /// Checks the composed request, which catches tests that look at several of its parts at once (`:path`).
    fn verified(&self, place: &Place<'_>, request: Request, conditions: &[Condition]) -> Solution {
        let Ok(canonical) = request.canonical() else {
            return Solution::Unknown("no request could be composed".into());
        };
        let met = place.host.contains(&canonical.host)
            && place.path.contains(&canonical.path)
            && conditions.iter().all(|condition| condition.passes(&canonical, &self.patterns));
        if met {
            Solution::Request(request)
        } else if conditions.iter().any(looks_at_scheme) {
            Solution::Nothing
        } else {
            Solution::Unknown("its conditions look at several parts of the request at once".into())
        }
    }

    fn solve_path(&mut self, atom: &PathAtom, tests: &[(&PathMatch, bool, bool)]) -> Value<String> {
        let passes = |path: &str, patterns: &Patterns| {
            atom.contains(path)
                && crate::is_normal_path(path)
                && tests.iter().all(|(test, case_sensitive, holds)| {
                    crate::decide::path_matches(test, *case_sensitive, path, patterns) == *holds
                })
        };
        if !may_begin(atom, tests) {
            return Value::Impossible;
        }
        for candidate in path_candidates(atom, tests) {
            if passes(&candidate, &self.patterns) {
                return Value::Is(candidate);
            }
        }
        if atom.only_path().is_some() {
            return Value::Impossible;
        }
        let (mut all, mut none) = atom.languages();
        for (test, case_sensitive, holds) in tests {
            let language = match test {
                PathMatch::Exact(path) => Language::Exact(path.as_str().into(), !case_sensitive),
                PathMatch::Prefix(prefix) => Language::Prefix(prefix.as_str().into(), !case_sensitive),
                PathMatch::Regex(pattern) => match self.regexes.language(pattern) {
                    Some(language) => language,
                    None => return Value::Unknown(too_large(pattern)),
                },
            };
            if *holds { all.push(language) } else { none.push(language) }
        }
        self.searched(&all, &none)
    }

    fn solve_query(&mut self, name: &str, yes: &[&ValueMatch], no: &[&ValueMatch]) -> Value<Option<String>> {
        let legal = name.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && !b"&=#".contains(&byte));
        match self.solve_value(yes, no, Language::QueryValue) {
            Value::Is(Some(_)) if !legal => Value::Impossible,
            value => value,
        }
    }

    /// Finds a value that passes `yes` and fails `no`; none is the missing value, which fails every test.
    fn solve_value(
        &mut self,
        yes: &[&ValueMatch],
        no: &[&ValueMatch],
        domain: Language,
    ) -> Value<Option<String>> {
        if yes.is_empty() {
            return Value::Is(None);
        }
        let passes = |value: &str, patterns: &Patterns| {
            domain_holds(&domain, value)
                && yes.iter().all(|test| value_matches(test, value, patterns))
                && !no.iter().any(|test| value_matches(test, value, patterns))
        };
        let exact = yes.iter().find_map(|test| match test {
            ValueMatch::Exact(value) => Some(value.clone()),
            _ => None,
        });
        if let Some(value) = exact {
            return if passes(&value, &self.patterns) { Value::Is(Some(value)) } else { Value::Impossible };
        }
        for candidate in value_candidates(yes) {
            if passes(&candidate, &self.patterns) {
                return Value::Is(Some(candidate));
            }
        }
        let mut all = vec![domain];
        let mut none = Vec::new();
        for (tests, languages) in [(yes, &mut all), (no, &mut none)] {
            for test in tests {
                match test {
                    ValueMatch::Exact(value) => languages.push(Language::Exact(value.as_str().into(), false)),
                    ValueMatch::Prefix(prefix) => {
                        languages.push(Language::Prefix(prefix.as_str().into(), false))
                    }
                    ValueMatch::Present => languages.push(Language::Prefix("".into(), false)),
                    ValueMatch::Regex(pattern) => match self.regexes.language(pattern) {
                        Some(language) => languages.push(language),
                        None => return Value::Unknown(too_large(pattern)),
                    },
                }
            }
        }
        match self.searched(&all, &none) {
            Value::Is(value) => Value::Is(Some(value)),
            Value::Impossible => Value::Impossible,
            Value::Unknown(reason) => Value::Unknown(reason),
        }
    }

    /// Finds an authority whose host is in the set. Few requests test it, so candidates come first.
    fn solve_host(&mut self, place: &Place<'_>, conditions: &[&Condition]) -> Value<String> {
        let passes = |authority: &str, patterns: &Patterns| {
            place.host.contains(&authority::host(authority))
                && conditions.iter().all(|condition| {
                    let mut request = Request::get(place.listener, authority, "/");
                    request.authority = authority.to_owned();
                    Canonical::of(&request).is_ok_and(|request| condition.passes(&request, patterns))
                })
        };
        for candidate in host_candidates(place.host, conditions) {
            if passes(&candidate, &self.patterns) {
                return Value::Is(candidate);
            }
        }
        if conditions.is_empty() {
            return Value::Unknown("every name found below the wildcard has rules of its own".into());
        }
        let mut all = Vec::new();
        let mut none = Vec::new();
        let name = match &place.host.pattern {
            HostPattern::Exact(name) => regex::escape(name),
            HostPattern::Suffix(parent) => format!(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.{}", regex::escape(parent)),
            HostPattern::Any => r"[a-z0-9-]+(\.[a-z0-9-]+)*".to_owned(),
        };
        let mut wishes = vec![(format!("(?i:{name})(:[0-9]*)?"), true)];
        if place.host.except.len() <= EXCEPTIONS {
            wishes
                .extend(place.host.except.iter().map(|pattern| (domain_regex(&pattern.to_string()), false)));
        }
        for condition in conditions {
            match &condition.test {
                Test::HostLike(domain) => wishes.push((domain_regex(domain), condition.holds)),
                Test::Header(HeaderMatch { value, .. }) => wishes.push((value_regex(value), condition.holds)),
                _ => {}
            }
        }
        for (pattern, holds) in wishes {
            match self.regexes.language(&pattern) {
                Some(language) if holds => all.push(language),
                Some(language) => none.push(language),
                None => return Value::Unknown(too_large(&pattern)),
            }
        }
        match self.searched(&all, &none) {
            Value::Is(authority) if passes(&authority, &self.patterns) => Value::Is(authority),
            Value::Is(_) => Value::Unknown("the name found has rules of its own".into()),
            other => other,
        }
    }

    fn searched(&self, all: &[Language], none: &[Language]) -> Value<String> {
        match search(all, none, self.regexes.bounds()) {
            Found::Text(text) => Value::Is(text),
            Found::Nothing => Value::Impossible,
            Found::Unknown => Value::Unknown("its regular expressions are too large together".into()),
        }
    }
}

impl<'c> Wishes<'c> {
    fn of(conditions: &'c [Condition]) -> Self {
        let mut wishes = Wishes::default();
        for condition in conditions {
            let holds = condition.holds;
            match &condition.test {
                Test::Path { path, case_sensitive } => wishes.paths.push((path, *case_sensitive, holds)),
                Test::Method(_) => wishes.methods.push((condition, holds)),
                Test::HostLike(_) => wishes.host.push(condition),
                Test::Header(test) => match test.name.as_str() {
                    ":method" => wishes.methods.push((condition, holds)),
                    ":authority" | "host" => wishes.host.push(condition),
                    ":scheme" | ":path" => {}
                    name => add(&mut wishes.headers, name, &test.value, holds),
                },
                Test::Query(test) => add(&mut wishes.queries, &test.name, &test.value, holds),
                Test::Origin(_) | Test::Preflight(_) => {}
            }
        }
        wishes
    }
}

fn add<'c>(
    wishes: &mut BTreeMap<&'c str, (Vec<&'c ValueMatch>, Vec<&'c ValueMatch>)>,
    name: &'c str,
    test: &'c ValueMatch,
    holds: bool,
) {
    let (yes, no) = wishes.entry(name).or_default();
    if holds { yes.push(test) } else { no.push(test) }
}

/// Returns whether paths can begin as an atom and the literal tests that hold ask: most that cannot are told by that.
fn may_begin(atom: &PathAtom, tests: &[(&PathMatch, bool, bool)]) -> bool {
    let literals = tests.iter().filter_map(|(test, _, holds)| match test {
        PathMatch::Exact(text) | PathMatch::Prefix(text) if *holds => Some(text.as_str()),
        _ => None,
    });
    let own = atom.point().or(atom.cone());
    literals.chain(own).all(crate::automata::begins_path)
}

/// Returns the ways to meet a condition with elementary ones, the plainest request first.
fn elementary(condition: &Condition) -> Vec<Vec<Condition>> {
    let header = |name: &str, value: ValueMatch, holds: bool| {
        let test = Test::Header(HeaderMatch { name: name.to_owned(), value });
        Condition { test, holds }
    };
    let asked = |holds| header("access-control-request-method", ValueMatch::Regex(".+".into()), holds);
    let options = |holds| Condition { test: Test::Method(vec!["OPTIONS".into()]), holds };
    let allowed = |origins: &[ValueMatch]| -> Vec<Vec<Condition>> {
        let some = |test: &ValueMatch| {
            vec![header("origin", test.clone(), true), header("origin", ValueMatch::Regex(".+".into()), true)]
        };
        origins.iter().map(some).collect()
    };
    let refused = |origins: &[ValueMatch]| -> Vec<Vec<Condition>> {
        let none = origins.iter().map(|test| header("origin", test.clone(), false)).collect();
        vec![none, vec![header("origin", ValueMatch::Exact(String::new()), true)]]
    };
    match (&condition.test, condition.holds) {
        (Test::Origin(origins), true) => allowed(origins),
        (Test::Origin(origins), false) => refused(origins),
        (Test::Preflight(origins), true) => allowed(origins)
            .into_iter()
            .map(|ways| [vec![options(true), asked(true)], ways].concat())
            .collect(),
        (Test::Preflight(origins), false) => {
            let mut ways = vec![vec![options(false)], vec![asked(false)]];
            ways.extend(refused(origins));
            ways
        }
        _ => vec![vec![condition.clone()]],
    }
}

fn looks_at_scheme(condition: &Condition) -> bool {
    matches!(&condition.test, Test::Header(test) if test.name == ":scheme")
}

fn solve_method(conditions: &[(&Condition, bool)]) -> Option<String> {
    let patterns = Patterns::default();
    let named = conditions.iter().flat_map(|(condition, _)| match &condition.test {
        Test::Method(methods) => methods.clone(),
        Test::Header(HeaderMatch { value: ValueMatch::Exact(method), .. }) => vec![method.clone()],
        _ => Vec::new(),
    });
    METHODS.iter().map(|method| (*method).to_owned()).chain(named).find(|method| {
        conditions.iter().all(|(condition, holds)| {
            let passes = match &condition.test {
                Test::Method(methods) => methods.contains(method),
                Test::Header(test) => value_matches(&test.value, method, &patterns),
                _ => true,
            };
            passes == *holds
        })
    })
}

fn domain_holds(domain: &Language, value: &str) -> bool {
    match domain {
        Language::QueryValue => {
            value.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'&' && byte != b'#')
        }
        _ => {
            value.trim_matches([' ', '\t']) == value && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
        }
    }
}

fn domain_regex(domain: &str) -> String {
    let text = match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(end), _) => format!("[^:]*{}", regex::escape(end)),
        (None, Some(start)) => format!("{}[^:]*", regex::escape(start)),
        (None, None) => regex::escape(domain),
    };
    format!("(?i:{text})(:[0-9]*)?")
}

fn value_regex(test: &ValueMatch) -> String {
    match test {
        ValueMatch::Exact(value) => regex::escape(value),
        ValueMatch::Prefix(prefix) => format!("{}.*", regex::escape(prefix)),
        ValueMatch::Regex(pattern) => pattern.clone(),
        ValueMatch::Present => ".*".to_owned(),
    }
}

fn too_large(pattern: &str) -> String {
    format!("the regular expression `{pattern}` is too large to compare")
}
