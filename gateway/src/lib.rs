//! The bundled gateway: a data plane fed by xDS.
//!
//! - [`config`]: xDS messages to internal types; an error names the field and becomes NACK text.
//! - [`state`]: one writer, immutable snapshots, one swap per response.
//! - [`message`]: heads of requests and responses, and the gateway's own answers; below all that follows.
//! - [`matching`]: from a request to its route.
//! - [`stream`]: a request and its response on their way through filters; [`filters`] are those that the gateway brings.
//! - [`upstream`]: a request is sent to a cluster, whoever has it.
//! - [`proxy`]: worker threads: accept, match, filter, forward, answer.
//! - [`control`]: the control thread: the ADS stream, DNS, listening sockets.
//! - [`admin`]: readiness, dumps and metrics on a thread of their own.
//!
//! There is no way into the state but xDS.

#![forbid(unsafe_code)]

mod access_log;
mod admin;
mod body;
mod clock;
mod config;
mod control;
mod descriptors;
mod error;
mod executor;
mod filters;
mod matching;
mod message;
mod proxy;
mod random;
mod run;
mod shared;
mod state;
mod stats;
pub mod stream;
mod upstream;
mod watch;

pub use config::{FieldError, HeaderEdits, Route};
pub use error::GatewayError;
pub use run::{GatewayOptions, RunningGateway, run};
