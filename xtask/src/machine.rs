//! What a machine must have, and the Debian packages that bring it.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process;
use crate::report::StepResult;

const PROBE: Duration = Duration::from_secs(30);
const INSTALL: Duration = Duration::from_secs(300);

/// One thing to have: a command that succeeds when it is there, and the package that brings it.
struct Need {
    what: &'static str,
    probe: &'static [&'static str],
    package: &'static str,
}

const NEEDS: &[Need] = &[
    Need { what: "a C compiler", probe: &["cc", "--version"], package: "gcc libc6-dev" },
    Need { what: "pkg-config", probe: &["pkg-config", "--version"], package: "pkg-config" },
    Need { what: "OpenSSL headers", probe: &["pkg-config", "--exists", "openssl"], package: "libssl-dev" },
    Need { what: "git", probe: &["git", "--version"], package: "git" },
    Need { what: "the openssl command", probe: &["openssl", "version"], package: "openssl" },
    Need {
        what: "Python with venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        package: "python3 python3-venv",
    },
    Need { what: "an ssh server", probe: SSH_SERVER, package: "openssh-client openssh-server" },
];

/// What the tests of git over ssh need.
pub(crate) const SSH_SERVER: &[&str] =
    &["sh", "-c", "command -v ssh-keygen && { test -x /usr/sbin/sshd || test -x \"$GATEWRIGHT_SSHD\"; }"];

/// Makes sure of everything in the table; installs packages only when allowed, else names what is missing.
///
/// # Errors
/// When an allowed installation fails.
pub(crate) fn prepare(system_packages: bool) -> Result<StepResult> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need.probe)).collect();
    if missing.is_empty() {
        return Ok(StepResult::passed());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.package.split(' ')).collect();
    if may_install(system_packages) {
        install(&packages)?;
        return Ok(StepResult::passed());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
    Ok(StepResult::skipped(format!(
        "missing: {}; as root: apt-get install {} (or run with --system-packages)",
        names.join(", "),
        packages.join(" ")
    )))
}

/// Tells whether this run may install Debian packages: as root, and asked to or in CI.
pub(crate) fn may_install(system_packages: bool) -> bool {
    let asked = system_packages || std::env::var_os("CI").is_some_and(|value| value == "true");
    asked && is_there(&["apt-get", "--version"]) && is_root()
}

/// Installs Debian packages.
///
/// # Errors
/// When apt-get fails or takes too long.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends"][..]] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments[0] == "install" {
            command.args(packages);
        }
        let ended = process::run(&mut command, INSTALL)?;
        ensure!(ended.success(), "apt-get {}: {}", arguments[0], ended.reason());
    }
    Ok(())
}

/// Tells whether a program can be found.
pub(crate) fn has_program(name: &str) -> bool {
    is_there(&["sh", "-c", &format!("command -v {name}")])
}

/// Tells whether a command runs and succeeds.
pub(crate) fn is_there(probe: &[&str]) -> bool {
    let [program, arguments @ ..] = probe else { return false };
    process::run_quietly(Command::new(program).args(arguments), PROBE).is_ok_and(|ended| ended.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
