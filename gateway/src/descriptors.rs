//! What happens when the process has no file descriptor left: the admin endpoint answers still, and the log says so once a
//! second and not for every attempt.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Descriptors that are kept for admin connections.
const KEPT: usize = 8;

/// Open files of no use but to be closed when a descriptor is needed.
#[derive(Debug, Default)]
pub(crate) struct Reserve(Vec<File>);

impl Reserve {
    /// Makes the reserve whole again, as far as that is possible now.
    pub(crate) fn fill(&mut self) {
        while self.0.len() < KEPT {
            let Ok(file) = File::open("/dev/null") else { return };
            self.0.push(file);
        }
    }

    /// Gives one descriptor up, so that the next connection can have it. None are left when this returns false.
    pub(crate) fn give(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

/// Lets one of many through in each second.
#[derive(Debug)]
pub(crate) struct OncePerSecond {
    start: Instant,
    /// The second after the last one in which something was let through.
    next: AtomicU64,
}

impl Default for OncePerSecond {
    fn default() -> Self {
        Self { start: Instant::now(), next: AtomicU64::new(0) }
    }
}

impl OncePerSecond {
    /// Returns whether this is the first one in its second.
    pub(crate) fn passes(&self) -> bool {
        let now = self.start.elapsed().as_secs();
        self.next.fetch_max(now + 1, Ordering::Relaxed) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_gives_what_it_has() {
        let mut reserve = Reserve::default();
        assert!(!reserve.give());
        reserve.fill();
        assert_eq!((0..KEPT + 1).filter(|_| reserve.give()).count(), KEPT);
    }

    #[test]
    fn one_of_many_passes() {
        let once = OncePerSecond::default();
        let passed = (0..1000).filter(|_| once.passes()).count();
        assert!((1..=2).contains(&passed), "{passed}");
    }
}
