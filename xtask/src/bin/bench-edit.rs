//! Edits one file of a repository again and again and measures how long the compiler takes from the changed content to
//! new resources. Prints the median in microseconds and the work of one edit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::{ContentId, ReadError, ReadFile, SourceTree};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EDITS: usize = 51;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (folder, file) = arguments.next().zip(arguments.next()).context("usage: bench-edit FOLDER FILE")?;
    let files = read(&folder)?;
    let edited: Arc<str> = Arc::from(file.strip_prefix(&folder)?.to_string_lossy().as_ref());
    let text = String::from_utf8(files.get(&edited).context("the edited file is in the folder")?.to_vec())?;
    let mut state = tree(files);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&state)?;
    let mut times = Vec::new();
    let mut work = None;
    for edit in 0..EDITS {
        let content = text.replace("/api", &format!("/edited-{edit}"));
        state = with(&state, &edited, content.into_bytes());
        let began = Instant::now();
        let delta = engine.update(&state)?;
        times.push(began.elapsed());
        ensure!(!delta.changed.is_empty(), "an edit changes no resource");
        work = Some((delta.counters, delta.changed.len()));
    }
    times.sort();
    println!("{}", times.get(EDITS / 2).map_or(0, Duration::as_micros));
    if let Some((counters, resources)) = work {
        println!("{counters:?}, {resources} resources");
    }
    Ok(())
}

/// Files in memory: the reading of a disk is not what is measured.
#[derive(Clone)]
struct Files(BTreeMap<Arc<str>, Arc<[u8]>>);

impl ReadFile for Files {
    fn read(&self, path: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let missing = || ReadError { path: path.to_owned(), reason: "no such file".to_owned() };
        self.0.get(path).cloned().ok_or_else(missing)
    }
}

fn tree(files: BTreeMap<Arc<str>, Arc<[u8]>>) -> SourceTree {
    SourceTree {
        files: files.iter().map(|(path, bytes)| (Arc::clone(path), ContentId::of_bytes(bytes))).collect(),
        unrendered: Vec::new(),
        held: BTreeMap::new(),
        expected: Arc::default(),
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

fn read(folder: &Path) -> Result<BTreeMap<Arc<str>, Arc<[u8]>>> {
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
