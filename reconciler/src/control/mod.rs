//! Orders to a serving process: over a unix socket that only its user can open, or over a network address on which both
//! sides show certificates.
//!
//! [`serve`] and [`ControlAddress`] answer on the side of the process, [`ask`] asks from another one.

mod client;
mod endpoint;
mod identity;
mod network;
mod protocol;
mod server;

pub use client::ask;
pub use endpoint::{Endpoint, HostPort, NoAddress, NoPeerName, PeerName, Remote};
pub use identity::{Identity, IdentityError};
pub use network::ControlAddress;
pub use protocol::{Answer, Apply, ConnectedNode, Question, Rejected, Status};
pub use server::{Control, serve, status};

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Says why a control socket or address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process serves on it.
    #[error("another process serves on the control socket {}", .0.display())]
    InUse(PathBuf),
    /// It cannot be made.
    #[error("cannot listen on the control socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be had.
    #[error("cannot listen on the control address {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Files that say who is at its ends are of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nobody serves on it.
    #[error("nothing serves on the {endpoint}")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// One side does not take the certificate of the other.
    #[error("GW0618 no trust between this side and the {endpoint}: {reason}")]
    Untrusted {
        /// Where.
        endpoint: Endpoint,
        /// What the handshake says.
        reason: String,
    },
    /// The process at the other end went away.
    #[error("the process on the {endpoint} went away")]
    Lost {
        /// Where.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// What came back is no answer.
    #[error("the process on the {endpoint} does not speak this version's protocol")]
    Protocol {
        /// Where.
        endpoint: Endpoint,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
