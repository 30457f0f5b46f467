//! The shell: sources, ADS server, sync.

pub mod cluster;
pub mod control;
pub mod live;
pub mod planning;
pub mod quarantine;
pub mod serve;
pub mod source;
pub mod sync;
