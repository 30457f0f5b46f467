//! Reads every YAML file of a folder into a plain tree and stops: the floor that `xtask bench` compares a compile with.
//!
//! Parser and allocator are the product's own, so that the ratio shows the compiler's work and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use saphyr_parser::{Event, Parser};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A document without spans, anchors or types.
enum BareNode {
    Scalar(Box<str>),
    Sequence(Vec<BareNode>),
    Mapping(Vec<(BareNode, BareNode)>),
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: bench-bare FOLDER")?;
    let mut documents = Vec::new();
    let mut bytes = 0;
    for file in files(Path::new(&folder))? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        bytes += text.len();
        load(&text, &mut documents).with_context(|| file.display().to_string())?;
    }
    let nodes: usize = documents.iter().map(count).sum();
    println!("{} documents, {nodes} nodes, {bytes} bytes", documents.len());
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A collection that is still open.
enum Open {
    Sequence(Vec<BareNode>),
    Mapping(Vec<(BareNode, BareNode)>, Option<BareNode>),
}

fn load(text: &str, documents: &mut Vec<BareNode>) -> Result<()> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let done = match event?.0 {
            Event::Scalar(value, ..) => BareNode::Scalar(value.into()),
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Sequence(items)) => BareNode::Sequence(items),
                Some(Open::Mapping(entries, _)) => BareNode::Mapping(entries),
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(done),
            Some(Open::Sequence(items)) => items.push(done),
            Some(Open::Mapping(entries, key)) => match key.take() {
                None => *key = Some(done),
                Some(key) => entries.push((key, done)),
            },
        }
    }
    Ok(())
}

fn count(node: &BareNode) -> usize {
    match node {
        BareNode::Scalar(text) => usize::from(!text.is_empty()),
        BareNode::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        BareNode::Mapping(entries) => {
            1 + entries.iter().map(|(key, value)| count(key) + count(value)).sum::<usize>()
        }
    }
}
