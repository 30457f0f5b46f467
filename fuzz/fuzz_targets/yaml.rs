//! Any bytes as manifests: loading, compiling, updating and showing what was found never panic, and an update ends
//! where a compile from nothing does.

#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{BootstrapOptions, Compiled, Engine, check, compile};
use gatewright_diagnostics::{Severity, render};
use libfuzzer_sys::fuzz_target;

/// What the fuzzer's bytes are about: without Services and a class, most Ingresses end early.
const SURROUNDINGS: &str = include_str!("surroundings.yaml");

fuzz_target!(|bytes: &[u8]| {
    let options = CompileOptions::higress_defaults();
    let whole = tree(bytes);
    let cold = compile(&whole, &options).expect("memory can be read");
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    cold.engine.bootstrap(&BootstrapOptions { http: address, https: address, admin: address });
    show(&cold, bytes);

    let mut engine = Engine::new(options);
    engine.update(&tree(&bytes[..bytes.len() / 2])).expect("memory can be read");
    engine.update(&whole).expect("memory can be read");
    assert!(engine.xds() == cold.engine.xds(), "an update ends elsewhere than a compile from nothing");
    assert_eq!(engine.diagnostics().expect("memory can be read"), cold.diagnostics);
    let checked = check(&whole, engine.options()).expect("memory can be read");
    assert_eq!(checked.diagnostics, cold.diagnostics);
});

fn tree(bytes: &[u8]) -> SourceTree {
    SourceTree::in_memory([("any.yaml", bytes), ("surroundings.yaml", SURROUNDINGS.as_bytes())])
}

/// Renders the findings: labels must lie on character borders inside the text.
fn show(compiled: &Compiled, bytes: &[u8]) {
    let files = ["any.yaml".to_owned(), "surroundings.yaml".to_owned()];
    let report = render::Report {
        diagnostics: &compiled.diagnostics,
        passed_over: 0,
        files: &files,
        version: "0.0.0",
        fail_on: Severity::Error,
    };
    let source = |path: &str| match path {
        "any.yaml" => Some(Arc::from(bytes)),
        _ => Some(Arc::from(SURROUNDINGS.as_bytes())),
    };
    let options = render::TextOptions { color: false, source: &source };
    render::in_memory(|out| render::text(&report, &options, out));
    render::in_memory(|out| render::json(&report, out));
}
