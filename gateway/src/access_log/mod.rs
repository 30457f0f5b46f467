//! The access log: one JSON line per finished request. Workers collect lines and hand over batches; a thread of its own
//! writes them. When that falls behind, lines are dropped and counted: traffic never waits for a log.

mod known;
mod line;
mod writer;

pub(crate) use line::Line;
pub(crate) use writer::{LogWriter, WorkerLog};
