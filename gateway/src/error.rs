//! What keeps a gateway from running: its surroundings, never its configuration.

use std::io;
use std::net::SocketAddr;

/// Says why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The admin endpoint cannot listen.
    #[error("the admin endpoint cannot listen on {address}")]
    Admin {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A listener of the first configuration cannot listen.
    #[error("listener {listener} cannot listen on {address}")]
    Listen {
        /// The listener's name.
        listener: String,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("the gateway's threads cannot be started")]
    Threads(#[source] io::Error),
    /// The address of the xDS server is none.
    #[error("the xDS server cannot be used")]
    Server(#[from] gatewright_xds_client::ConfigurationError),
    /// The gateway has ended.
    #[error("the gateway has ended")]
    Ended,
}
