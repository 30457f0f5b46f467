//! States of a source as objects by name: written to folders, planned, and compiled in any mixture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{Engine, compile};
use gatewright_ir::Ir;
use gatewright_plan::{Plan, PlanOptions, RiskOptions};
use gatewright_reconciler::sides::{self, State};
use gatewright_reconciler::source::{Credentials, Loader, Source, SourceSpec};

/// Manifests by the name that a plan gives the object.
pub(crate) type Objects = BTreeMap<String, String>;

/// Returns the base with some objects as the head has them.
pub(crate) fn with(base: &Objects, head: &Objects, made: &BTreeSet<String>) -> Objects {
    let side = |name: &String| if made.contains(name) { head.get(name) } else { base.get(name) };
    let names: BTreeSet<&String> = base.keys().chain(head.keys()).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), side(name)?.clone()))).collect()
}

/// Compiles a state from nothing.
pub(crate) fn model_of(objects: &Objects) -> Ir {
    let all: Vec<&str> = objects.values().map(String::as_str).collect();
    let tree = SourceTree::in_memory([("all.yaml", all.join("---\n"))]);
    compile(&tree, &CompileOptions::higress_defaults()).unwrap().engine.ir().clone()
}

/// Plans from one state to another, each written to some files: objects move between files without being changed.
pub(crate) fn planned(base: &Objects, head: &Objects, files_before: usize, files_after: usize) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("base"), base, files_before);
    write(&folder.path().join("head"), head, files_after);
    let options = CompileOptions::higress_defaults();
    plan_of(folder.path(), &options, &options)
}

/// Plans from the folder `base` to the folder `head`, each with its settings.
pub(crate) fn plan_of(folder: &Path, old: &CompileOptions, new: &CompileOptions) -> Plan {
    let loader = Loader {
        working_folder: folder.to_owned(),
        cache_folder: folder.join(".cache"),
        credentials: Credentials::default(),
    };
    let load = |name: &str| -> Source { loader.load(&[SourceSpec::Path(name.into())]).unwrap() };
    let (base, head) = (load("base"), load("head"));
    let mut engine = Engine::new(old.clone());
    engine.update(&base.tree).unwrap();
    let before = State::of(&engine, &base).unwrap();
    if old != new {
        engine = Engine::new(new.clone());
    }
    engine.update(&head.tree).unwrap();
    let after = State::of(&engine, &head).unwrap();
    let options = PlanOptions { xds_text: false, risks: RiskOptions::default() };
    sides::plan(&before, &after, &mut engine, &options).unwrap()
}

fn write(folder: &Path, objects: &Objects, files: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for file in 0..files {
        let members = objects.values().enumerate().filter(|(index, _)| index % files == file);
        let texts: Vec<&str> = members.map(|(_, text)| text.as_str()).collect();
        std::fs::write(folder.join(format!("{file}.yaml")), texts.join("---\n")).unwrap();
    }
}
