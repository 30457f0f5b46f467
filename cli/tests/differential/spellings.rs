//! Generated spellings of paths: what each reader makes of dots, slashes, escapes and everything that should not be there.

use gatewright_behaviour::Request;
use gatewright_behaviour::testing::Choices;
use gatewright_ir::ListenerId;

use super::configuration::Configuration;
use super::ground::{Ground, compile};
use super::manifest::{Backend, Ingress, Path, Rule};
use super::planes::Planes;
use super::requests::echoing;
use super::run::{RunReport, case, judge, judge_http2};

/// What spellings are made of.
const PIECES: &[&str] = &[
    "/", "//", "/./", "/../", "/.", "/..", "/...", "/a/../b", "/.a", "/..a", "%2e", "%2E", ".%2e", "%2e.",
    "%2e%2e", "/%2e/", "/%2e%2e/", "%2f", "%2F", "%5c", "%5C", "\\", "\\..\\", "/..\\", ";", ";x=1", "/..;",
    "/.;/", "/..;x/", "%3b", "%", "%%", "%2", "%25", "%252e", "%2%65", "%%32", "%61", "%7e", "%7E", "%00",
    "%0", "%zz", "%c3%a9", "%20", "é", "?", "??", "?a=b", "?/../", "?%2e", "?é", "#", "#x", "?#", "a", "b",
    "A", "ab", "~", "+", "*", "\"", "<", ">", "^", "`", "{", "}", "|", "[", "]", "@", ":", "://", "!", "$",
    "&", "'", "(", ")", ",", "=", "_", "-", ".", "..", "\u{7f}",
];
const NAME: &str = "spellings";

/// Lets everybody answer requests with generated targets; one in so many is sent over HTTP/2 too.
pub(crate) fn spellings(
    ground: &Ground,
    seed: u64,
    count: usize,
    http2_every: usize,
    envoy: bool,
) -> RunReport {
    let mut choices = Choices::new(seed);
    let configurations = [configuration()];
    let files = ground.files(&configurations);
    let engine = compile(&files);
    let planes = Planes::start(&engine, &files, envoy).expect("Envoy takes the configuration");
    let targets =
        std::iter::repeat_with(|| target(&mut choices)).filter(|target| library_takes(target)).take(count);
    let requests = targets.map(|target| echoing(Request::get(ListenerId::HTTP, "spellings.test", &target)));
    let cases: Vec<_> = requests.map(|request| case(&engine, &configurations[0], request)).collect();
    let mut outcome = RunReport { configurations: 1, requests: cases.len(), ..RunReport::default() };
    judge(ground, &engine, &configurations, &planes, &cases, &mut outcome);
    // Of a path without slash HTTP/2 makes Envoy close the connection.
    let slashed = cases.iter().filter(|case| case.request.path.starts_with('/')).step_by(http2_every);
    judge_http2(ground, &engine, &configurations, &planes, slashed, &mut outcome);
    ground.forget_requests();
    outcome
}

/// Returns whether the gateway's library takes a target at all: the corpora have those that it does not take.
pub(super) fn library_takes(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    !path.contains(['<', '>', '`']) && !query.contains(['"', '<', '>'])
}

fn target(choices: &mut Choices) -> String {
    let mut out = if choices.one_in(40) { String::new() } else { "/".to_owned() };
    for _ in 0..=choices.below(7) {
        out.push_str(choices.pick(PIECES));
    }
    out
}

/// Routes that tell apart what a path was taken for.
fn configuration() -> Configuration {
    let paths = [
        ("/", "Prefix", "s0"),
        ("/b", "Exact", "s1"),
        ("/a", "Prefix", "s2"),
        ("/a/b", "Prefix", "s3"),
        ("//", "ImplementationSpecific", "s4"),
    ];
    let paths = paths.map(|(path, path_type, service)| Path {
        path: path.to_owned(),
        path_type,
        backend: Backend::Service(service.to_owned()),
    });
    let ingress = Ingress {
        namespace: NAME.to_owned(),
        name: "i".to_owned(),
        rules: vec![Rule { host: Some(format!("{NAME}.test")), paths: paths.to_vec() }],
        ..Ingress::default()
    };
    Configuration { name: NAME.to_owned(), documents: vec![ingress.yaml()] }
}
