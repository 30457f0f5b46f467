//! The shell: sources, ADS server, sync.

mod atomic;
mod certificates;
pub mod cluster;
pub mod control;
pub mod extent;
pub mod live;
pub mod memory;
pub mod outcome;
pub mod quarantine;
pub mod serve;
pub mod sides;
pub mod source;
pub mod sync;
