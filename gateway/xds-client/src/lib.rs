//! The ADS protocol from the client's side: incremental, per-resource rejection, reconnecting.
//!
//! Knows the protocol and nothing of what the resources mean: a [`Handler`] takes batches and says which resources it
//! cannot use.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod backoff;
mod client;
mod interest;
mod protocol;

pub use backoff::Backoff;
pub use client::{AdsClient, ClientOptions, ConfigurationError, InterestHandle};
pub use interest::{Interest, Interests};
pub use protocol::{Handler, Link, Received, Rejected, Update};
