//! Kube clusters: what they hold, what differs from a source, and bringing them to it.
//!
//! Stages: [`connect()`](connect::connect) finds the API server; [`observe`](observe::observe) reads; [`decide`](decide::decide)
//! and [`compare`](compare::compare), which are pure, say what differs, whose it is and what is refused;
//! [`carry_out`](carry_out::carry_out) writes, and nothing else does. [`watch`] follows what changes and [`lookout`] what is
//! ours of it, [`lease`] keeps one instance at work, [`told`] and [`events`] say what became of it. It knows nothing of
//! plans, of the files of a source, or of terminals.

#![forbid(unsafe_code)]

pub mod carry_out;
pub mod client;
pub mod compare;
pub mod connect;
pub mod decide;
pub mod desired;
pub mod events;
pub mod export;
mod failure;
pub mod inventory;
pub mod lease;
pub mod live;
pub mod lookout;
pub mod observe;
mod owners;
mod resource;
pub mod told;
pub mod watch;
