//! What moved on a connection, as its worker and its inspector count it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Frames that carry no request, by one client within one tick. Clients in good faith send a few dozen.
pub(crate) const CONTROL_FRAMES: u32 = 2000;

/// Bytes sent for which a client may open a window once more: even one that answers each small frame stays below.
const BYTES_FOR_A_WINDOW: u64 = 16;

/// How often something was read and written, and what was found in it.
#[derive(Debug)]
pub(crate) struct Moves {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// The number of the first head that two readers could understand differently.
    pub(crate) faulty_head: AtomicU64,
    /// The connection speaks another protocol from now on, which nobody looks at.
    pub(crate) switched: AtomicBool,
    control_frames: AtomicU32,
    window_frames: AtomicU32,
    /// Bytes written in this tick, and a share of those before.
    written: AtomicU64,
}

impl Default for Moves {
    fn default() -> Self {
        Self {
            reads: AtomicU64::default(),
            writes: AtomicU64::default(),
            faulty_head: AtomicU64::new(u64::MAX),
            switched: AtomicBool::default(),
            control_frames: AtomicU32::default(),
            window_frames: AtomicU32::default(),
            written: AtomicU64::default(),
        }
    }
}

impl Moves {
    /// Returns the count of both.
    pub(crate) fn all(&self) -> u64 {
        self.reads.load(Ordering::Relaxed) + self.writes.load(Ordering::Relaxed)
    }

    /// Counts control frames, and returns whether they are too many.
    pub(crate) fn count_control(&self, frames: u32) -> bool {
        self.control_frames.fetch_add(frames, Ordering::Relaxed).saturating_add(frames) > CONTROL_FRAMES
    }

    /// Counts frames that open a window, and returns whether they are too many for what was sent.
    pub(crate) fn count_windows(&self, frames: u32) -> bool {
        let counted = self.window_frames.fetch_add(frames, Ordering::Relaxed).saturating_add(frames);
        let earned = self.written.load(Ordering::Relaxed) / BYTES_FOR_A_WINDOW;
        u64::from(counted) > u64::from(CONTROL_FRAMES) + earned
    }

    /// Counts bytes that were sent.
    pub(crate) fn count_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins to count anew. What was sent a moment ago is still being answered.
    pub(crate) fn next_tick(&self) {
        self.control_frames.store(0, Ordering::Relaxed);
        self.window_frames.store(0, Ordering::Relaxed);
        self.written.store(self.written.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
    }
}
