//! Traffic: connections are accepted, requests matched, sent through the filter chain and to an upstream, and answered.
//! Everything here runs on worker threads, one runtime each, and reads the state only through snapshots.
//!
//! From below: [`crate::message`] and [`crate::random`] know nothing of this module. `moves`, `watch`, `balance`, `executor`
//! and `shared` use nothing of it either; `inspect`, then `watched_io`, stand on `moves`, and `routing` on `shared`. Above
//! them a `worker` owns its `connection`s, a connection has an `exchange` for each request, and that has its `body`s, its
//! `record`, and a lease of the `pool`: these know their owners, and are one circle with `filtered`, `replay`, `forward` and
//! `upgrade`.

mod balance;
mod body;
mod connection;
mod exchange;
mod executor;
mod filtered;
mod forward;
mod inspect;
mod moves;
mod pool;
mod record;
mod replay;
mod routing;
mod shared;
mod upgrade;
mod watch;
mod watched_io;
mod worker;

pub(crate) use shared::Shared;
pub(crate) use worker::{Command, Workers};
