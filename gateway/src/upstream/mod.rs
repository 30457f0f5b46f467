//! Sending requests to upstream clusters: a service for whoever has one to send, a client's or another. From below: a
//! [`pool`] has the connections to an endpoint, `balance` chooses one, an [`attempt`] is made at it, and [`Client::send`]
//! tries until a response comes that need not be tried again.
//!
//! Nothing here knows clients, routes or filters.

mod attempt;
mod balance;
mod body;
mod client;
mod failure;
mod pool;
mod request;
mod tries;

pub(crate) use body::UpstreamBody;
pub(crate) use client::{Answered, Client, Outgoing, Plan, Trail};
pub(crate) use failure::{Failed, Failure};
pub(crate) use pool::{ConnectError, Lease};
