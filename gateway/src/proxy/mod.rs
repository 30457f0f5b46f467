//! Traffic: connections are accepted, requests matched, sent through the filter chain and to an upstream, and answered.
//! Everything here runs on worker threads, one runtime each, and reads the state only through snapshots.

mod address;
mod balance;
mod body;
mod connection;
mod exchange;
mod executor;
mod filtered;
mod forward;
mod hop;
mod incoming;
mod inspect;
pub(crate) mod message;
mod path;
mod pool;
mod random;
mod record;
mod replay;
mod reply;
mod routing;
mod shared;
mod upgrade;
mod watch;
mod watched_io;
mod worker;

pub(crate) use shared::Shared;
pub(crate) use worker::{Command, Workers};
