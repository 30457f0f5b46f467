//! Traffic: connections are accepted, requests matched, sent through the filter chain and to an upstream, and answered.
//! Everything here runs on worker threads, one runtime each, and reads the state only through snapshots.
//!
//! From below, where nothing knows what stands above it: a `call` is a filter's, `attached` are the configurations of filters;
//! `context` is what the tasks of a worker share; `moves`, then `inspect` and `watched_io`, look at the bytes of a connection;
//! a `connection` has the requests under way, and `connections` has those. A `record` is one request's, a `session` drives its
//! stream; `source`, `filtered` and `body` are its messages, `routing` and `rewrite` its way, `forward` sends it, `told` says
//! what has failed, `upgrade` ends it as a tunnel, and an `exchange` puts them together. A `worker` accepts connections and has
//! them `serve`d.

mod attached;
mod body;
mod call;
mod connection;
mod connections;
mod context;
mod exchange;
mod filtered;
mod forward;
mod inspect;
mod moves;
mod record;
mod rewrite;
mod routing;
mod serve;
mod session;
mod source;
mod told;
mod upgrade;
mod watched_io;
mod worker;

pub(crate) use worker::{Command, Workers};
