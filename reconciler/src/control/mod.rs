//! The control socket of a serving process: a unix socket that only its user can open.
//!
//! [`serve`] answers on the side of the process, [`ask`] asks from another one.

mod client;
mod protocol;
mod server;

pub use client::ask;
pub use protocol::{Answer, Apply, ConnectedNode, Question, Rejected, Status};
pub use server::{Control, serve, status};

use std::io;
use std::path::PathBuf;

/// Says why a control socket cannot be used.
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
    /// Nobody serves on it.
    #[error("nothing serves on the control socket {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The process at the other end went away.
    #[error("the process on the control socket {} went away", path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What came back is no answer.
    #[error("the process on the control socket {} does not speak this version's protocol", path.display())]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
