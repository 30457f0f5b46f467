//! Filters from outside, before upstreams of HTTP/2.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

#[path = "filters/cases.rs"]
mod cases;
mod support;

const HTTP2_UPSTREAMS: bool = true;
