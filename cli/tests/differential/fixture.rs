//! Disagreements of the past: each file here is a small configuration with the requests about which somebody was wrong.

use std::fs;
use std::path::Path;

use gatewright_behaviour::Request;

use super::configuration::Configuration;
use super::ground::{Ground, compile};
use super::planes::Planes;
use super::requests::echoing;
use super::run::{RunReport, case, judge, judge_http2};

/// Opens a line with a request.
const REQUEST: &str = "# > ";

/// Lets everybody answer the requests of all files again, on one gateway.
pub(crate) fn replay_all(ground: &Ground, envoy: bool) -> RunReport {
    let fixtures = load();
    let configurations: Vec<Configuration> = fixtures.iter().map(|(one, _)| one.clone()).collect();
    let files = ground.files(&configurations);
    let engine = compile(&files);
    let requests =
        fixtures.iter().flat_map(|(one, requests)| requests.iter().map(move |request| (one, request)));
    let cases: Vec<_> = requests.map(|(one, request)| case(&engine, one, request.clone())).collect();
    let planes = Planes::start(&engine, &files, envoy).expect("Envoy takes the fixtures");
    let mut outcome =
        RunReport { configurations: configurations.len(), requests: cases.len(), ..RunReport::default() };
    judge(ground, &engine, &configurations, &planes, &cases, &mut outcome);
    judge_http2(ground, &engine, &configurations, &planes, cases.iter(), &mut outcome);
    outcome
}

/// Reads the files in the order of their names; the name is the namespace of the manifests.
fn load() -> Vec<(Configuration, Vec<Request>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let entries = fs::read_dir(&folder).expect("the folder of this file");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> (Configuration, Vec<Request>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let requests = text.lines().filter_map(|line| line.strip_prefix(REQUEST));
    let requests: Vec<Request> = requests
        .map(|line| {
            let request = Request::parse(line);
            echoing(request.unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display())))
        })
        .collect();
    assert!(!requests.is_empty(), "{} has no line with `{REQUEST}`", path.display());
    (Configuration { name, documents: vec![text] }, requests)
}

/// Writes what would be a file here: manifests and the request.
pub(crate) fn text(configurations: &[Configuration], request: Option<&Request>) -> String {
    let documents =
        configurations.iter().flat_map(|one| &one.documents).cloned().collect::<Vec<_>>().join("---\n");
    match request {
        Some(request) => format!("{REQUEST}{request}\n{documents}"),
        None => documents,
    }
}
