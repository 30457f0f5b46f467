//! Compiles every folder of `examples/` and compares all artefacts with `snapshots/examples/NAME`.

use std::path::Path;

use crate::artefacts::{Manifests, XDS, assert_envoy_accepts, folders, for_each};
use gatewright_compiler::compile;
use gatewright_compiler::options::CompileOptions;
use gatewright_testkit::{assert_golden, workspace_root};

#[test]
fn every_example_compiles_to_its_goldens() {
    let examples = workspace_root().join("examples");
    for_each(&folders(&examples), |folder| {
        let manifests = Manifests::read(folder);
        let compiled = compile(&manifests.tree(), &CompileOptions::higress_defaults()).unwrap();
        assert!(!compiled.has_errors(), "an example has errors:\n{:#?}", compiled.diagnostics);
        let place = Path::new("examples").join(folder.strip_prefix(&examples).unwrap());
        let names = ["ir.yaml", "diagnostics.txt"].into_iter().chain(XDS.map(|(name, _)| name));
        for name in names {
            assert_golden(place.join(name), &manifests.artefact(&compiled, name));
        }
    });
}

#[test]
#[ignore = "needs Envoy"]
fn real_envoy_accepts_every_example() {
    for_each(&folders(&workspace_root().join("examples")), |folder| {
        let tree = Manifests::read(folder).tree();
        assert_envoy_accepts(&compile(&tree, &CompileOptions::higress_defaults()).unwrap());
    });
}
