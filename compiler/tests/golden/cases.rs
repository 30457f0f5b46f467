//! Compiles every folder `tests/cases/AREA/CASE` and compares what it becomes with `snapshots/compiler/AREA/CASE`.
//! A new case is a new folder; its optional `case.toml` says what is compared and with which settings. The Services of
//! `tests/cases/services.yaml` are part of every case that does not refuse them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::artefacts::{Manifests, assert_envoy_accepts, folders, for_each};
use gatewright_compiler::options::{CompileOptions, HigressVersion, Profile};
use gatewright_compiler::{Compiled, compile};
use gatewright_testkit::assert_golden;
use serde::Deserialize;

/// The settings of a case. What it leaves out is as in a default Higress installation.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    /// Names of the goldens.
    artefacts: Vec<String>,
    /// `higress` or `native`
    profile: String,
    /// `2.1` or `2.2`
    higress: String,
    ingress_class: String,
    watch_namespace: Option<String>,
    /// Whether the shared Services are part of the case.
    services: bool,
}

impl Default for Case {
    fn default() -> Self {
        Case {
            artefacts: vec!["ir.yaml".to_owned(), "diagnostics.txt".to_owned()],
            profile: "native".to_owned(),
            higress: "2.2".to_owned(),
            ingress_class: "higress".to_owned(),
            watch_namespace: None,
            services: true,
        }
    }
}

impl Case {
    fn of(folder: &Path) -> Self {
        match fs::read_to_string(folder.join("case.toml")) {
            Ok(text) => toml::from_str(&text).unwrap_or_else(|error| panic!("case.toml: {error}")),
            Err(_) => Case::default(),
        }
    }

    fn options(&self) -> CompileOptions {
        CompileOptions {
            ingress_class: self.ingress_class.clone(),
            watch_namespace: self.watch_namespace.clone(),
            profile: match self.profile.as_str() {
                "native" => Profile::Native,
                "higress" => Profile::Higress,
                other => panic!("no profile is called {other}"),
            },
            higress: match self.higress.as_str() {
                "2.1" => HigressVersion::V2_1,
                "2.2" => HigressVersion::V2_2,
                other => panic!("no release {other} of Higress is modelled"),
            },
            ..CompileOptions::higress_defaults()
        }
    }
}

#[test]
fn every_case_compiles_to_its_goldens() {
    for_each_case(|case, manifests, compiled, place| {
        for name in &case.artefacts {
            assert_golden(place.join(name), &manifests.artefact(compiled, name));
        }
    });
}

#[test]
#[ignore = "needs Envoy"]
fn real_envoy_accepts_every_case() {
    for_each_case(|_, _, compiled, _| assert_envoy_accepts(compiled));
}

/// Compiles each case and hands it over with the folder of its goldens.
fn for_each_case(check: impl Fn(&Case, &Manifests, &Compiled, &Path)) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let services = fs::read_to_string(cases.join("services.yaml")).unwrap();
    let all: Vec<PathBuf> = folders(&cases).iter().flat_map(|area| folders(area)).collect();
    for_each(&all, |folder| {
        let case = Case::of(folder);
        let mut manifests = Manifests::read(folder);
        if case.services {
            manifests = manifests.with("services.yaml", services.clone());
        }
        let compiled = compile(&manifests.tree(), &case.options()).unwrap();
        let checked = gatewright_compiler::check(&manifests.tree(), &case.options()).unwrap();
        assert_eq!(checked.diagnostics, compiled.diagnostics, "{}", folder.display());
        let place = Path::new("compiler").join(folder.strip_prefix(&cases).unwrap());
        check(&case, &manifests, &compiled, &place);
    });
}
