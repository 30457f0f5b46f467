//! The shell: sources, ADS server, sync.

pub mod serve;

pub mod source;
