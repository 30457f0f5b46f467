//! Where a serving process takes orders.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use gatewright_reconciler::control::Identity;

/// Where orders are taken.
#[derive(Clone, Debug, Default, Args)]
pub struct ControlArgs {
    /// Answer `gatewright apply` and `gatewright sync` on this unix socket
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Answer `gatewright sync` at this address, by TLS 1.3: only who shows a certificate of the authority gets an answer
    #[arg(long, help_heading = "Control address", value_name = "IP:PORT", conflicts_with = "cluster")]
    #[arg(requires_all = ["control_certificate", "control_key", "control_authority"])]
    control_listen: Option<SocketAddr>,
    /// PEM file with the certificate of the control address, and those between it and the authority of the other side
    #[arg(long, help_heading = "Control address", value_name = "FILE", requires = "control_listen")]
    control_certificate: Option<PathBuf>,
    /// PEM file with its private key; these files are read again for each connection
    #[arg(long, help_heading = "Control address", value_name = "FILE", requires = "control_listen")]
    control_key: Option<PathBuf>,
    /// PEM file with the authorities whose certificates may give orders
    #[arg(long, help_heading = "Control address", value_name = "FILE", requires = "control_listen")]
    control_authority: Option<PathBuf>,
}

impl ControlArgs {
    /// Returns the control socket.
    pub fn socket(&self) -> Option<&Path> {
        self.control.as_deref()
    }

    /// Returns the control address, and who is there.
    pub fn address(&self, working_folder: &Path) -> Option<(SocketAddr, Identity)> {
        let file = |file: &Option<PathBuf>| file.as_ref().map(|path| working_folder.join(path));
        let identity = Identity {
            certificate: file(&self.control_certificate)?,
            key: file(&self.control_key)?,
            authority: file(&self.control_authority)?,
        };
        Some((self.control_listen?, identity))
    }
}
