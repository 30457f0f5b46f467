//! git over ssh: a real OpenSSH server on 127.0.0.1 with keys of its own, that lets one key run git and nothing else.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::ChildProcess;
use crate::wait::eventually;

/// Names the ssh server, where it is not found by itself.
pub const PROGRAM: &str = "GATEWRIGHT_SSHD";
const START: Duration = Duration::from_secs(30);

/// A running server; it stops when dropped.
pub struct GitSsh {
    _process: ChildProcess,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl GitSsh {
    /// Starts a server on a free port and waits until it accepts connections.
    ///
    /// # Panics
    /// When there is no OpenSSH.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["host", "client", "stranger"] {
            make_key(&folder.path().join(name));
        }
        let client = read(&folder.path().join("client.pub"));
        let only_git = r#"restrict,command="git-shell -c \"$SSH_ORIGINAL_COMMAND\"""#;
        write(&folder.path().join("authorized_keys"), &format!("{only_git} {client}"));
        let address = SocketAddr::from(([127, 0, 0, 1], crate::free_port()));
        let settings = folder.path().join("sshd_config");
        write(&settings, &configuration(folder.path(), address));
        // As root the server wants this folder, which only its service script makes. Others need none.
        fs::create_dir_all("/run/sshd").ok();
        let mut command = Command::new(program());
        command.args(["-D", "-e", "-f"]).arg(&settings);
        let process = ChildProcess::spawn("sshd", &mut command);
        eventually("sshd accepts connections", START, || match TcpStream::connect(address) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error}\n{}", process.log())),
        });
        GitSsh { _process: process, address, folder }
    }

    /// Returns the address of a repository of this machine.
    pub fn url(&self, repository: &Path) -> String {
        let user = Command::new("id").arg("-un").output().expect("the user has a name").stdout;
        format!("ssh://{}@{}{}", String::from_utf8_lossy(&user).trim(), self.address, repository.display())
    }

    /// Returns the private key that is let in.
    pub fn client_key(&self) -> PathBuf {
        self.folder.path().join("client")
    }

    /// Returns a private key that is not let in.
    pub fn stranger_key(&self) -> PathBuf {
        self.folder.path().join("stranger")
    }

    /// Returns the line of `known_hosts` that names this server with its own key, or with another one.
    pub fn known_host(&self, genuine: bool) -> String {
        let file = if genuine { "host.pub" } else { "stranger.pub" };
        let key = read(&self.folder.path().join(file));
        let key: Vec<&str> = key.split(' ').take(2).collect();
        format!("[{}]:{} {}\n", self.address.ip(), self.address.port(), key.join(" "))
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress {address}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\nPidFile none\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\n"
    )
}

/// Returns the server program: it must be called by its full path.
fn program() -> PathBuf {
    let named = std::env::var_os(PROGRAM).map(PathBuf::from);
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    let found = named.into_iter().chain(places).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no sshd: install openssh-server, or name it in {PROGRAM}"))
}

fn make_key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    let made = command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes no key: {}", path.display());
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of this process");
}
