//! Requests that meet a configuration: made to match one of its routes, then pushed a little to the side, or not.

use std::net::IpAddr;

use gatewright_behaviour::Request;
use gatewright_behaviour::testing::Choices;
use gatewright_http::authority;
use gatewright_http::re2::Expression;
use gatewright_ir::{
    Cors, HeaderMatch, HostPattern, Ir, ListenerId, OriginMatch, PathMatch, Route, RouteAction, Scheme,
    ValueMatch,
};

use super::configuration::Configuration;
use super::vocabulary::*;

/// The request header by which the echo backends send `x-up: up` back, for response edits to act on.
const ECHO_RESPONSE_HEADER: (&str, &str) = ("x-echo-set-x-up", "up");
/// Makes an echo backend slow.
pub(crate) const ECHO_DELAY: &str = "x-echo-delay-ms";

/// Returns `count` requests for the hosts of a configuration.
pub(crate) fn requests(
    choices: &mut Choices,
    ir: &Ir,
    configuration: &Configuration,
    count: usize,
) -> Vec<Request> {
    let routes: Vec<Aim<'_>> = ir
        .hosts
        .iter()
        .filter(|((_, pattern), _)| configuration.owns(pattern))
        .flat_map(|((listener, pattern), host)| {
            host.host.routes.iter().map(move |route| Aim { listener: *listener, pattern, route })
        })
        .collect();
    let doors: Vec<ListenerId> = ir.listeners.keys().copied().collect();
    (0..count)
        .map(|_| {
            let mut request = match routes.is_empty() {
                false => {
                    let at = choices.below(routes.len());
                    aimed(choices, &routes[at])
                }
                true => Request::get(ListenerId::HTTP, &format!("x.{}.test", configuration.name), "/a"),
            };
            for _ in 0..[0, 0, 0, 1, 1, 2, 3][choices.below(7)] {
                nudge(choices, &mut request, configuration, &doors);
            }
            tidy(request)
        })
        .collect()
}

/// A route to aim at.
struct Aim<'ir> {
    listener: ListenerId,
    pattern: &'ir HostPattern,
    route: &'ir Route,
}

/// A request that the route would take, if no other is before it.
fn aimed(choices: &mut Choices, aim: &Aim<'_>) -> Request {
    let host = host(choices, aim.pattern);
    let matches = &aim.route.matches;
    let mut path = path(choices, &matches.path);
    if !matches.case_sensitive && choices.one_in(2) {
        path = path.to_uppercase();
    }
    let mut request = Request::get(aim.listener, &host, "");
    if let Some(method) =
        matches.conditions.methods.get(choices.below(matches.conditions.methods.len().max(1)))
    {
        request.method.clone_from(method);
    }
    for test in &matches.conditions.headers {
        satisfy_header(choices, test, &mut request, &mut path);
    }
    let mut pairs: Vec<String> = matches
        .conditions
        .queries
        .iter()
        .map(|test| format!("{}={}", test.name, value(choices, &test.value)))
        .collect();
    if pairs.is_empty() && choices.one_in(4) {
        pairs.push(format!("{}={}", choices.pick(QUERIES), choices.pick(VALUES).replace(' ', "+")));
    }
    if !pairs.is_empty() && !path.contains('?') {
        path = format!("{path}?{}", pairs.join("&"));
    }
    request.path = path;
    if let Some(cors) = aim.route.policy.cors.as_ref().filter(|_| choices.one_in(2)) {
        cross_origin(choices, &mut request, Some(cors));
    }
    if matches!(aim.route.action, RouteAction::Forward(_))
        && aim.route.policy.timeout_ms == Some(2000)
        && choices.one_in(20)
    {
        request = request.with_header(ECHO_DELAY, "2600");
    }
    request
}

fn host(choices: &mut Choices, pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.to_string(),
        HostPattern::Suffix(parent) => {
            format!("{}.{parent}", choices.pick(&["any", "x", "z.any", "y.x", "a-b"]))
        }
        HostPattern::Any => {
            choices.pick(&["nobody.test", "star.test", "a.b.c.org", "localhost", "127.0.0.1"]).to_owned()
        }
    }
}

fn path(choices: &mut Choices, test: &PathMatch) -> String {
    match test {
        PathMatch::Exact(path) => path.clone(),
        PathMatch::Prefix(prefix) => format!("{prefix}{}", choices.pick(TAILS)),
        PathMatch::Regex(pattern) => {
            fitting(choices, pattern, &[PATHS, REQUEST_PATHS]).unwrap_or("/a").to_owned()
        }
    }
}

fn value(choices: &mut Choices, test: &ValueMatch) -> String {
    match test {
        ValueMatch::Exact(exact) => exact.clone(),
        ValueMatch::Prefix(prefix) => format!("{prefix}{}", choices.pick(&["", "1", "x"])),
        ValueMatch::Present => choices.pick(VALUES).to_owned(),
        ValueMatch::Regex(pattern) => {
            let more =
                ["user=always", "a=b; user=always", "user=always; c=d", "2", "v2", "xv1x", "ABC", "GET"];
            fitting(choices, pattern, &[VALUES, &more]).unwrap_or("1").to_owned()
        }
    }
}

/// Chooses one of the texts that an expression matches as a whole.
fn fitting<'t>(choices: &mut Choices, pattern: &str, texts: &[&[&'t str]]) -> Option<&'t str> {
    let whole = Expression::parse(pattern).and_then(|expression| expression.whole()).ok()?;
    let fitting: Vec<&str> = texts
        .iter()
        .flat_map(|some| some.iter())
        .copied()
        .filter(|text| whole.is_match(text.as_bytes()))
        .collect();
    (!fitting.is_empty()).then(|| choices.pick(&fitting))
}

fn satisfy_header(choices: &mut Choices, test: &HeaderMatch, request: &mut Request, path: &mut String) {
    let value = value(choices, &test.value);
    match test.name.as_str() {
        ":authority" if value.contains('.') => request.authority = value,
        ":authority" => {}
        ":path" => *path = value,
        ":method" => request.method = value,
        name if name.starts_with(':') => {}
        name => request.headers.push((name.to_owned(), value)),
    }
}

fn cross_origin(choices: &mut Choices, request: &mut Request, cors: Option<&Cors>) {
    if request.headers.iter().any(|(name, _)| name == "Origin") {
        return;
    }
    let exact = cors.and_then(|cors| {
        cors.allow_origins.iter().find_map(|origin| match origin {
            OriginMatch::Exact(exact) => Some(exact.as_str()),
            OriginMatch::Regex(_) => None,
        })
    });
    let origin = match exact {
        Some(exact) if choices.one_in(2) => exact,
        _ => choices.pick(ORIGINS),
    };
    request.headers.push(("Origin".to_owned(), origin.to_owned()));
    if choices.one_in(2) {
        let asked = choices.pick(&["PUT", "GET", ""]);
        request.headers.push(("Access-Control-Request-Method".to_owned(), asked.to_owned()));
        if choices.one_in(2) {
            request.headers.push(("Access-Control-Request-Headers".to_owned(), "x-a".to_owned()));
        }
        if !choices.one_in(4) {
            request.method = "OPTIONS".to_owned();
        }
    }
}

/// Changes one thing about a request.
fn nudge(choices: &mut Choices, request: &mut Request, configuration: &Configuration, doors: &[ListenerId]) {
    match choices.below(12) {
        0..=3 => request.path = nudged_path(choices, &request.path),
        4 => request.authority = nudged_host(choices, &request.authority, configuration),
        5 => request.method = choices.pick(METHODS).to_owned(),
        6 => nudge_header(choices, request),
        7 => request.headers.push((choices.pick(HEADERS).to_owned(), choices.pick(VALUES).to_owned())),
        8 => {
            let pair = format!("{}={}", choices.pick(QUERIES), choices.pick(VALUES).replace(' ', "%20"));
            request.path = match request.path.split_once('?') {
                Some((path, query)) if choices.one_in(2) => format!("{path}?{pair}&{query}"),
                Some((path, query)) => format!("{path}?{query}&{pair}"),
                None => format!("{}?{pair}", request.path),
            };
        }
        9 => cross_origin(choices, request, None),
        10 => {
            request.listener = choices.pick(doors);
            request.sni = match (request.listener.scheme, choices.below(4)) {
                (Scheme::Http, _) | (Scheme::Https, 0) => None,
                (Scheme::Https, 1) => Some(format!("x.c{}.test", choices.below(40))),
                (Scheme::Https, _) => {
                    request.sni.take().or_else(|| Some(authority::host(&request.authority).into_owned()))
                }
            };
        }
        _ => request.path = choices.pick(REQUEST_PATHS).to_owned(),
    }
}

fn nudged_path(choices: &mut Choices, path_and_query: &str) -> String {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path_and_query, String::new()),
    };
    let changed = match choices.below(9) {
        0 => format!("{path}/"),
        1 => path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or("/").to_owned(),
        2 => format!("{path}x"),
        3 => format!("{path}{}", choices.pick(TAILS)),
        4 => path.to_uppercase(),
        5 => path.replacen('/', "//", 1),
        6 => path.replacen('/', "/x/../", 1),
        7 => path.replacen('a', "%61", 1),
        _ => path.get(..path.len() - 1).filter(|rest| !rest.is_empty()).unwrap_or("/").to_owned(),
    };
    format!("{changed}{query}")
}

/// Behind a host: ports that are none, and what could end one reader's host and not another's.
const ODD_ENDS: &[&str] = &[
    ":abc", ":-1", ":65536", ":+80", ": 80", ":80:80", "::", ":80,x", ":[1", ":1]", "]:80", "/x", "?x", "#x",
    "\\x", ",x", ", x", ";x", "\"", "'", ".", "..", ".:80", "@x", "@", "%20", "%2e", "%00", "_", "*", "|",
    "{}", "<>", "^", "`", "é", "\tx", " x",
];
/// Anywhere in a host.
const ODD_SIGNS: &[&str] =
    &["/", "?", "#", "\\", ",", ";", " ", "\"", "'", "%", "@", ":", "[", "]", "_", "*", ".", "~", "|", "é"];

fn nudged_host(choices: &mut Choices, host: &str, configuration: &Configuration) -> String {
    let name = &configuration.name;
    match choices.below(12) {
        0 => format!("{host}:8080"),
        1 => format!("{host}:{}", choices.pick(&["80", "443", ""])),
        8 => format!("{host}{}", choices.pick(ODD_ENDS)),
        9 => {
            format!("{}{host}", choices.pick(&["x,", "x, ", ".", "\"", "[", "(", "//", "http://", "u@", ":"]))
        }
        10 => {
            // Inside: at its ends white space is none of the value.
            let inside: Vec<usize> = (1..host.len()).filter(|at| host.is_char_boundary(*at)).collect();
            let at = if inside.is_empty() { 0 } else { choices.pick(&inside) };
            format!("{}{}{}", &host[..at], choices.pick(ODD_SIGNS), &host[at..])
        }
        2 => host.to_uppercase(),
        3 => format!("{}-a.test", name),
        4 => format!("y.x.{name}.test"),
        5 => format!("x.{name}.test"),
        6 => format!("{name}.test"),
        7 => format!("sub.{host}"),
        _ => format!("unknown-{name}.org"),
    }
}

fn nudge_header(choices: &mut Choices, request: &mut Request) {
    if request.headers.is_empty() {
        return;
    }
    let at = choices.below(request.headers.len());
    match choices.below(4) {
        0 => {
            request.headers.remove(at);
        }
        1 => request.headers[at].1.push('x'),
        2 => {
            // A second line of the same header.
            let name = request.headers[at].0.clone();
            request
                .headers
                .push((name, choices.pick(&["1", "v1", "abc", "always", "user=always"]).to_owned()));
        }
        _ => request.headers[at].0 = request.headers[at].0.to_uppercase(),
    }
}

/// Gives the request what every one has, and keeps it what a client can send.
fn tidy(mut request: Request) -> Request {
    if request.path.is_empty() {
        request.path = "/".to_owned();
    }
    request.path = request.path.replace(' ', "%20");
    // Of several lines Envoy drops the empty ones, of the headers that it knows and of no others.
    let several: Vec<String> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    request.headers.retain(|(name, value)| {
        !value.is_empty() || several.iter().filter(|other| name.eq_ignore_ascii_case(other)).count() == 1
    });
    // An address is no server name: clients send none.
    request.sni = request.sni.filter(|name| name.parse::<IpAddr>().is_err());
    echoing(request)
}

/// Returns the request with the header that gives its answer a header.
pub(crate) fn echoing(request: Request) -> Request {
    let (name, value) = ECHO_RESPONSE_HEADER;
    if request.headers.iter().any(|(other, _)| other == name) {
        return request;
    }
    request.with_header(name, value)
}
