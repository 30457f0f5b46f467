//! Helpers for tests only: ports, goldens, a real echo backend, child processes, Envoy, a kube-apiserver, HTTP calls,
//! certificates and git repositories.
//!
//! Everything binds 127.0.0.1, is awaited instead of slept for, and stops when its value is dropped. A helper that
//! cannot do its work panics with the reason: in a test that is the failure.

pub mod backend;
pub mod certs;
pub mod cluster;
pub mod envoy;
pub mod git;
pub mod git_http;
pub mod git_ssh;
pub mod golden;
pub mod http;
pub mod kube_api;
pub mod kube_relay;
pub mod ports;
pub mod process;
pub mod wait;

pub use backend::EchoBackend;
pub use golden::{assert_generated, assert_golden};
pub use ports::free_port;
pub use wait::eventually;

use std::path::{Path, PathBuf};

/// Returns the folder that holds the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit lies in the workspace").to_path_buf()
}
