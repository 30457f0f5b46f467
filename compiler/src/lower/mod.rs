//! Stage 3: entities to the model, one host or cluster at a time. Every unit records what it looked up.

pub(crate) mod cluster;
pub(crate) mod host;
pub(crate) mod lost_plugin;
pub(crate) mod plugin;
mod plugin_settings;
pub(crate) mod tls;

mod backend;
mod canary;
mod client_certificates;
mod default_backend;
mod preflight;
mod route;
mod service_policy;
mod unreachable;
mod weights;
