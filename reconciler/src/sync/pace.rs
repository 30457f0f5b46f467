//! When the next round is due.

use std::time::Duration;

/// How often the pause doubles while rounds fail.
const DOUBLINGS: u32 = 4;
/// The pause doubles no further than this, unless the interval itself is longer.
const LONGEST: Duration = Duration::from_secs(300);
/// How much a pause varies, so that many instances do not ask at the same moment: a tenth to each side.
const JITTER: f64 = 0.2;

/// The pauses between rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
}

impl Pace {
    /// Returns pauses around an interval.
    pub(super) fn new(interval: Duration) -> Self {
        Pace { interval, failures: 0 }
    }

    /// Returns the pause after a round. `failed` says that something could not be reached; `random` lies between 0 and 1.
    pub(super) fn pause(&mut self, failed: bool, random: f64) -> Duration {
        self.failures = if failed { (self.failures + 1).min(DOUBLINGS) } else { 0 };
        // The first failure may be over at the next round.
        let doubled = self.interval.saturating_mul(1 << self.failures.saturating_sub(1));
        let pause = doubled.min(LONGEST.max(self.interval));
        pause.mul_f64(1.0 - JITTER / 2.0 + JITTER * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_while_rounds_fail_and_vary_by_a_tenth() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let mut after = |failed, random| pace.pause(failed, random).as_secs_f64();
        assert_eq!([after(false, 0.0), after(false, 0.5), after(false, 1.0)], [9.0, 10.0, 11.0]);
        let failing: Vec<f64> = (0..6).map(|_| after(true, 0.5)).collect();
        assert_eq!(failing, [10.0, 20.0, 40.0, 80.0, 80.0, 80.0]);
        assert_eq!(after(false, 0.5), 10.0);
        assert_eq!(after(true, 0.5), 10.0);
        let mut slow = Pace::new(Duration::from_secs(1000));
        assert_eq!([(); 3].map(|()| slow.pause(true, 0.5).as_secs()), [1000; 3]);
    }
}
