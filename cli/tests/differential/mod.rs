//! The differential test: generated configurations and requests, answered by real Envoy on our bootstrap, the bundled
//! gateway, `gatewright trace`, the model and its reference twin.

mod client;
mod configuration;
mod corpora;
mod expectation;
mod expressions;
mod fixture;
mod ground;
mod manifest;
mod planes;
mod report;
mod requests;
mod run;
mod sample;
mod shrink;
mod spellings;
mod trace;
mod vocabulary;

pub(crate) use corpora::unexpected_answers;
pub(crate) use expressions::{Sizes, matches, verdicts};
pub(crate) use fixture::replay_all;
pub(crate) use ground::Ground;
pub(crate) use report::assert_agreement;
pub(crate) use run::{RunReport, Size, run, validate};
pub(crate) use spellings::spellings;
