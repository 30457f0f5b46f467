//! The shell: sources, ADS server, sync.

mod atomic;
mod certificates;
pub mod cluster;
pub mod control;
pub mod extent;
pub mod live;
pub mod memory;
pub mod planning;
pub mod quarantine;
pub mod serve;
pub mod source;
pub mod sync;
