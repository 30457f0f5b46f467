//! Generated RE2 expressions on generated texts: what real Envoy takes, what matches, and what a rewrite gives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gatewright_behaviour::Request;
use gatewright_behaviour::testing::Choices;
use gatewright_http::re2::{Expression, ExpressionError, MAX_PROGRAM};
use gatewright_ir::ListenerId;
use gatewright_testkit::envoy::Envoy;
use gatewright_testkit::{eventually, free_port};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Value, json};

use super::configuration::Configuration;
use super::corpora::status;
use super::ground::{Ground, compile};
use super::manifest::{Backend, Ingress, Path, Rule};
use super::planes::Planes;
use super::requests::echoing;
use super::run::{RunReport, case, judge};
use super::trace;

/// How many expressions meet how many texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) expressions: usize,
    pub(crate) texts: usize,
    pub(crate) envoy: bool,
}

/// How long Envoy may take for a listener of each expression.
const PATIENCE: Duration = Duration::from_secs(60);

const LETTERS: &[&str] = &["a", "b", "k", "S", "1", "_", "-", ".", "/", "%", "é", "ÿ", "K", "ab", "a.b", ","];
const ATOMS: &[&str] = &[
    ".",
    "^",
    "$",
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\s",
    r"\S",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\C",
    r"\x61",
    r"\x{e9}",
    r"\xe9",
    r"\xC3",
    r"\101",
    r"\0",
    r"\pL",
    r"\PL",
    r"\p{Lu}",
    r"\P{Lu}",
    r"\p{^Lu}",
    r"\p{Greek}",
    r"\p{Latin}",
    r"\p{Common}",
    r"\pN",
    r"\p{So}",
    r"\p{Any}",
    r"\Qa.b\E",
    r"\Q*",
    r"\_",
    r"\.",
    r"\-",
    "(?i)",
    "(?s)",
    "(?m)",
    "(?U)",
    "(?-i)",
    "(?)",
    "()",
    "(|a)",
    "{",
    "}",
    "]",
];
const REPETITIONS: &[&str] =
    &["*", "+", "?", "{2}", "{2,}", "{0,2}", "{,2}", "{02}", "{0}", "*?", "+?", "??", "{1,3}?", "{1000}"];
const CLASS_ITEMS: &[&str] = &[
    "a",
    "b-k",
    "A-Z",
    "1",
    "_",
    "-",
    "]",
    "^",
    "é",
    "[",
    "&&",
    "~~",
    "--",
    ".",
    r"\d",
    r"\W",
    r"\S",
    r"\pL",
    r"\P{Lu}",
    r"\x80-\xff",
    r"\]",
    r"\-",
    r"\101",
    "[:alpha:]",
    "[:^digit:]",
    "[:word:]",
    "[:space:]",
    "[:",
];
const GROUPS: &[&str] = &["(", "(?:", "(?i:", "(?s-i:", "(?P<n>", "(?<m>"];
/// What breaks an expression, or makes another one of it.
const NOISE: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "*",
    "+",
    "?",
    "|",
    "\\",
    "^",
    "$",
    "(?",
    "(?P",
    "(?<",
    "(?=",
    "(?x)",
    r"\1",
    r"\h",
    r"\Z",
    r"\é",
    r"\x",
    r"\x{",
    r"\x{100}",
    r"\777",
    r"\p{greek}",
    r"\pX",
    "[:foo:]",
    "[z-a]",
    "{1001}",
    "{2,1}",
    "{99}{99}",
    "**",
    r"\E",
    r"\u00e9",
    r"\G",
    "(?#c)",
    "(?'n'a)",
    "(?>a)",
    "a++",
];
const TEXTS: &[&str] = &[
    "a", "b", "k", "K", "S", "s", "A", "1", "_", "-", ".", "/", " ", "{", "}", "%", "é", "É", "ÿ",
    "\u{212a}", "\u{17f}", "ß", "μ", "ab", "a.b", ",", "*", "]", "2", "{2}",
];

/// Generates an expression, which may be none.
fn expression(choices: &mut Choices, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..=choices.below(3) {
        let atom = match choices.below(if depth == 0 { 7 } else { 10 }) {
            0..=2 => choices.pick(LETTERS).to_owned(),
            3..=5 => choices.pick(ATOMS).to_owned(),
            6 => class(choices),
            7 => format!("{}|{}", expression(choices, depth - 1), expression(choices, depth - 1)),
            _ => format!("{}{})", choices.pick(GROUPS), expression(choices, depth - 1)),
        };
        out.push_str(&atom);
        if choices.one_in(3) {
            out.push_str(choices.pick(REPETITIONS));
        }
    }
    out
}

fn class(choices: &mut Choices) -> String {
    let mut out = choices.pick(&["[", "[^"]).to_owned();
    for _ in 0..=choices.below(3) {
        out.push_str(choices.pick(CLASS_ITEMS));
    }
    out.push(']');
    out
}

fn broken(choices: &mut Choices, expression: &str) -> String {
    let mut places: Vec<usize> =
        (0..=expression.len()).filter(|at| expression.is_char_boundary(*at)).collect();
    places.push(0);
    let (at, noise) = (choices.pick(&places), choices.pick(NOISE));
    format!("{}{noise}{}", &expression[..at], &expression[at..])
}

/// Asks Envoy about generated expressions, a third of which is likely to be none; returns what is told otherwise here.
pub(crate) fn verdicts(seed: u64, count: usize) -> Vec<String> {
    let mut choices = Choices::new(seed);
    let mut expressions: Vec<String> = Vec::new();
    while expressions.len() < count {
        let mut one = expression(&mut choices, 2);
        if choices.one_in(3) {
            one = broken(&mut choices, &one);
        }
        expressions.push(one);
    }
    let told = envoys_verdicts(&expressions);
    let taken = told.iter().filter(|one| one.is_ok()).count();
    println!("seed {seed}: Envoy takes {taken} of {count} expressions");
    expressions.iter().zip(told).filter_map(|(one, told)| verdict_differs(one, &told)).collect()
}

fn verdict_differs(expression: &str, told: &Result<u32, String>) -> Option<String> {
    let ours = Expression::parse(expression);
    match (&ours, told) {
        (Ok(ours), Ok(size)) if *size <= ours.program_bound() => None,
        (Ok(ours), Ok(size)) => {
            Some(format!("`{expression}` has {size} instructions, more than {}", ours.program_bound()))
        }
        (Err(_), Err(_)) => None,
        // A limit is kept by counting what may be too much.
        (Err(ExpressionError::TooLarge), Ok(size)) if *size > MAX_PROGRAM / 4 => None,
        _ => Some(format!("`{expression}`: Envoy says {told:?}, and here {:?}", ours.err())),
    }
}

/// Returns how many instructions Envoy compiles each expression to, or why it refuses it. A limit of nothing makes it tell.
fn envoys_verdicts(expressions: &[String]) -> Vec<Result<u32, String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("listeners.json");
    let listeners: Vec<Value> =
        expressions.iter().enumerate().map(|(number, expression)| listener(number, expression)).collect();
    let text = json!({"version_info": "1", "resources": listeners}).to_string();
    std::fs::write(&file, text).expect("a file in a temporary folder");
    let admin = free_port();
    let bootstrap = json!({
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {"lds_config": {"path_config_source": {"path": file}}},
        "layered_runtime": {"layers": [{"name": "l", "static_layer": {"re2.max_program_size.error_level": 0}}]},
    });
    let envoy = Envoy::start(&bootstrap.to_string(), admin);
    let states = eventually("a state of every listener", PATIENCE, || {
        let dump: Value = serde_json::from_str(&envoy.admin("/config_dump?resource=dynamic_listeners"))
            .map_err(|error| error.to_string())?;
        let states: BTreeMap<String, String> =
            dump["configs"].as_array().into_iter().flatten().filter_map(state).collect();
        if states.len() == expressions.len() { Ok(states) } else { Err(format!("{}", states.len())) }
    });
    let told = (0..expressions.len()).map(|number| states[&number.to_string()].clone());
    told.map(|details| size(&details).ok_or(details)).collect()
}

fn state(listener: &Value) -> Option<(String, String)> {
    let error = &listener["error_state"];
    let name = error["failed_configuration"]["name"].as_str()?;
    Some((name.to_owned(), error["details"].as_str()?.to_owned()))
}

fn size(details: &str) -> Option<u32> {
    details.split("RE2 program size of ").nth(1)?.split(' ').next()?.parse().ok()
}

fn listener(number: usize, expression: &str) -> Value {
    let routes = json!([{
        "match": {"safe_regex": {"regex": expression}}, "direct_response": {"status": 200},
    }]);
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "http_filters": [{
            "name": "router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
    });
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": number.to_string(),
        "bind_to_port": false,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 10_000 + number}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

/// What an expression is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Header,
    Query,
    Path,
    Rewrite,
}

/// Lets everybody answer requests whose headers, queries and paths are tested with generated expressions.
pub(crate) fn matches(ground: &Ground, seed: u64, sizes: Sizes) -> RunReport {
    let mut choices = Choices::new(seed);
    let mut tested = Vec::new();
    while tested.len() < sizes.expressions {
        let purpose =
            choices.pick(&[Use::Header, Use::Header, Use::Header, Use::Query, Use::Path, Use::Rewrite]);
        let slash = if matches!(purpose, Use::Path | Use::Rewrite) { "/" } else { "" };
        let text = format!("{slash}{}", expression(&mut choices, 2));
        let Ok(parsed) = Expression::parse(&text) else { continue };
        // Blanks at the ends of an annotation are none of its value.
        if text.trim() == text && !text.contains("{1000}{") {
            tested.push((purpose, text, parsed));
        }
    }
    let of = |(number, (purpose, text, _)): (usize, &(Use, String, Expression))| {
        configuration(number, *purpose, text)
    };
    let configurations: Vec<Configuration> = tested.iter().enumerate().map(of).collect();
    let files = ground.files(&configurations);
    let engine = compile(&files);
    let planes = Planes::start(&engine, &files, sizes.envoy).expect("Envoy takes what is taken here");
    let mut outcome = RunReport { configurations: configurations.len(), ..RunReport::default() };
    let mut cases = Vec::new();
    for ((purpose, _, parsed), configuration) in tested.iter().zip(&configurations) {
        for _ in 0..sizes.texts {
            let text = text(&mut choices, parsed.hir());
            let request = request(&configuration.name, *purpose, &String::from_utf8_lossy(&text));
            cases.push(case(&engine, configuration, request));
        }
    }
    outcome.requests = cases.len();
    judge(ground, &engine, &configurations, &planes, &cases, &mut outcome);
    trace::traces(ground, &configurations, &cases, 3, &mut outcome);
    ground.forget_requests();
    let raw = tested.iter().zip(&configurations).filter(|((purpose, ..), _)| *purpose == Use::Header);
    for ((_, _, parsed), configuration) in raw {
        let text = text(&mut choices, parsed.hir());
        for (plane, address) in planes.plain_addresses() {
            let wrong = wrong_status(address, &configuration.name, parsed, &text);
            assert_eq!(wrong, None, "{plane}, {}, {text:?}", configuration.text());
        }
    }
    outcome
}

/// Sends a header of any bytes; returns the status where it is not what the expression says.
fn wrong_status(address: SocketAddr, name: &str, expression: &Expression, text: &[u8]) -> Option<u16> {
    let head = format!("GET / HTTP/1.1\r\nHost: {name}.test\r\nConnection: close\r\nx: ");
    let status = status(address, &[head.as_bytes(), text, b"\r\n\r\n"].concat());
    let whole = expression.whole().expect("a matcher of a small expression");
    let expected = if whole.is_match(text) { 200 } else { 404 };
    (status != expected).then_some(status)
}

fn configuration(number: usize, purpose: Use, expression: &str) -> Configuration {
    let name = format!("e{number}");
    let path = if matches!(purpose, Use::Path | Use::Rewrite) { expression } else { "/" };
    let rule = Rule {
        host: Some(format!("{name}.test")),
        paths: vec![Path {
            path: path.to_owned(),
            path_type: if path == "/" { "Prefix" } else { "ImplementationSpecific" },
            backend: Backend::Service("s0".to_owned()),
        }],
    };
    let annotations: &[(&str, &str)] = match purpose {
        Use::Header => &[("higress.io/regex-match-header-x", expression)],
        Use::Query => &[("higress.io/regex-match-query-q", expression)],
        Use::Path => &[("higress.io/use-regex", "true")],
        Use::Rewrite => &[("higress.io/use-regex", "true"), ("higress.io/rewrite-target", r"/r/$1-$2\\$3")],
    };
    let annotations =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let ingress = Ingress {
        namespace: name.clone(),
        name: "i".to_owned(),
        annotations,
        rules: vec![rule],
        ..Ingress::default()
    };
    Configuration { name, documents: vec![ingress.yaml()] }
}

/// Generates a text that an expression may match, or that has something to do with what others match.
fn text(choices: &mut Choices, hir: &Hir) -> Vec<u8> {
    let mut out = Vec::new();
    if choices.one_in(3) {
        for _ in 0..=choices.below(4) {
            out.extend_from_slice(choices.pick(TEXTS).as_bytes());
        }
    } else {
        member(choices, hir, &mut out);
        if choices.one_in(3) {
            let at = choices.below(out.len() + 1);
            let more = choices.pick(TEXTS).bytes();
            out.splice(at..at, more);
        }
    }
    out.truncate(1500);
    out.retain(|byte| (b' '..=0xff).contains(byte) && *byte != 0x7f);
    let trimmed = out.trim_ascii();
    // An empty header is another matter.
    if trimmed.is_empty() { b"a".to_vec() } else { trimmed.to_vec() }
}

/// Writes something that an expression matches, where its assertions allow it.
fn member(choices: &mut Choices, hir: &Hir, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let Some(range) = class.ranges().get(choices.below(class.ranges().len().max(1))) else { return };
            let width = usize::from(range.end() - range.start()) + 1;
            out.push(range.start() + u8::try_from(choices.below(width)).unwrap_or_default());
        }
        // What alternatives of one letter each become.
        HirKind::Class(Class::Unicode(class)) => {
            let one = choices.below(class.ranges().len().max(1));
            let letter = class.ranges().get(one).map(|range| range.start());
            out.extend_from_slice(letter.map(String::from).unwrap_or_default().as_bytes());
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 3).min(repetition.min + 3);
            for _ in 0..repetition.min as usize + choices.below((most - repetition.min) as usize + 1) {
                member(choices, &repetition.sub, out);
            }
        }
        HirKind::Capture(capture) => member(choices, &capture.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| member(choices, part, out)),
        HirKind::Alternation(parts) => {
            let one = choices.below(parts.len());
            member(choices, &parts[one], out);
        }
    }
}

/// Returns a request in which the text stands where it is tested.
fn request(name: &str, purpose: Use, text: &str) -> Request {
    let host = format!("{name}.test");
    let get = |path: &str| Request::get(ListenerId::HTTP, &host, path);
    // Without what the gateway's library takes in no target.
    let of = |foreign: &str| {
        let kept = |letter: &char| letter.is_ascii_graphic() && !foreign.contains(*letter);
        text.chars().filter(kept).collect::<String>()
    };
    echoing(match purpose {
        Use::Header => get("/").with_header("x", text),
        Use::Query => get(&format!("/?q={}", of("&#\"<>"))),
        Use::Path | Use::Rewrite => get(&format!("/{}", of("?#<>`").trim_start_matches('/'))),
    })
}
