//! Changes one thing of a repository again and again and measures how long the compiler takes from the change to new
//! resources: one file, or with `endpoint` in its place one endpoint that a cluster tells of. Prints the median in microseconds
//! and the work of one change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::input::{Input, Object, Objects};
use gatewright_compiler::options::{CompileOptions, Profile};
use gatewright_compiler::source::{ContentId, Paths, ReadError, ReadFile, SourceTree};
use gatewright_compiler::{Delta, Engine};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EDITS: usize = 51;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (folder, what) =
        arguments.next().zip(arguments.next()).context("usage: bench-edit FOLDER FILE|endpoint")?;
    let files = read(&folder)?;
    let (mut times, last) =
        if what.as_os_str() == "endpoint" { endpoints(files)? } else { edits(files, &folder, &what)? };
    times.sort();
    println!("{}", times.get(EDITS / 2).map_or(0, Duration::as_micros));
    println!("{:?}, {} resources", last.counters, last.changed.len());
    Ok(())
}

/// The files of a repository by path.
type Contents = BTreeMap<Arc<str>, Arc<[u8]>>;

/// Edits a file, and returns how long each edit took, with what the last one changed.
fn edits(files: Contents, folder: &Path, file: &Path) -> Result<(Vec<Duration>, Delta)> {
    let edited: Arc<str> = Arc::from(file.strip_prefix(folder)?.to_string_lossy().as_ref());
    let text = String::from_utf8(files.get(&edited).context("the edited file is in the folder")?.to_vec())?;
    let mut state = tree(files);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&state)?;
    let (mut times, mut last) = (Vec::new(), Delta::default());
    for edit in 0..EDITS {
        let content = text.replace("/api", &format!("/edited-{edit}"));
        state = with(&state, &edited, content.into_bytes());
        let began = Instant::now();
        last = engine.update(&state)?;
        times.push(began.elapsed());
        ensure!(!last.changed.is_empty(), "an edit changes no resource");
    }
    Ok((times, last))
}

/// Moves the endpoint of one more host, and returns how long each move took, with what the last one changed.
fn endpoints(mut files: Contents) -> Result<(Vec<Duration>, Delta)> {
    files.insert("moving.yaml".into(), MOVING.as_bytes().into());
    let manifests = tree(files);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let mut live = Objects::default();
    let (mut times, mut last) = (Vec::new(), Delta::default());
    for edit in 0..=EDITS {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "moving-1", "namespace": "bench", "labels": {"kubernetes.io/service-name": "moving"}},
            "ports": [{"name": "http", "port": 80}],
            "endpoints": [{"addresses": [format!("127.1.0.{edit}")]}],
        });
        live.put(Object::read(&slice, Profile::Native).context("the slice is read")?);
        let input = Input { manifests: manifests.clone(), live: live.clone(), kept: Objects::default() };
        let began = Instant::now();
        last = engine.update(input)?;
        // The first one compiles everything.
        if edit > 0 {
            times.push(began.elapsed());
        }
    }
    Ok((times, last))
}

const MOVING: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: moving, namespace: bench}\nspec:\n  \
                      ingressClassName: higress\n  rules:\n  - host: moving.test\n    http: {paths: [{path: /, pathType: \
                      Prefix, backend: {service: {name: moving, port: {name: http}}}}]}\n---\napiVersion: v1\nkind: \
                      Service\nmetadata: {name: moving, namespace: bench}\nspec: {ports: [{name: http, port: 80}]}\n";

/// Files in memory: the reading of a disk is not what is measured.
#[derive(Clone)]
struct Files(Contents);

impl ReadFile for Files {
    fn read(&self, path: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let missing = || ReadError { path: path.to_owned(), reason: "no such file".to_owned() };
        self.0.get(path).cloned().ok_or_else(missing)
    }
}

fn tree(files: Contents) -> SourceTree {
    SourceTree {
        files: files.iter().map(|(path, bytes)| (Arc::clone(path), ContentId::of_bytes(bytes))).collect(),
        unrendered: Vec::new(),
        held: BTreeMap::new(),
        expected: Paths::default(),
        reader: Arc::new(Files(files)),
    }
}

/// Returns the state with other content in one file; ids of the others are kept, as git keeps them.
fn with(state: &SourceTree, path: &Arc<str>, content: Vec<u8>) -> SourceTree {
    let mut next = state.clone();
    next.files.insert(Arc::clone(path), ContentId::of_bytes(&content));
    next.reader = Arc::new(Files(BTreeMap::from([(Arc::clone(path), Arc::from(content))])));
    next
}

fn read(folder: &Path) -> Result<Contents> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                    folders.push(path);
                }
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            files.insert(Arc::from(name), Arc::from(fs::read(&path)?));
        }
    }
    Ok(files)
}
