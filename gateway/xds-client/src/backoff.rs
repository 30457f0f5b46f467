//! How long to wait before the next connection attempt.

use std::time::Duration;

/// Capped exponential back-off with jitter: the ceiling doubles with each failure, and the wait is drawn from its upper
/// half, so that many clients of one restarted server do not come back at once.
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    random: Box<dyn FnMut() -> f64 + Send>,
}

impl Backoff {
    /// Starts at `base` and stays at or below `cap`; `random` gives numbers from 0 up to but without 1.
    pub fn new(base: Duration, cap: Duration, random: impl FnMut() -> f64 + Send + 'static) -> Self {
        Self { base, cap, failures: 0, random: Box::new(random) }
    }

    /// Returns the wait after one more failure.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.base.saturating_mul(2u32.saturating_pow(self.failures)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(0.5 + 0.5 * (self.random)().clamp(0.0, 1.0))
    }

    /// Forgets the failures: the server has answered.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(random: f64, count: usize) -> Vec<u64> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), move || random);
        (0..count).map(|_| backoff.next_delay().as_millis() as u64).collect()
    }

    #[test]
    fn doubles_up_to_the_cap_and_draws_from_the_upper_half() {
        assert_eq!(delays(0.0, 6), [50, 100, 200, 400, 500, 500]);
        assert_eq!(delays(0.5, 6), [75, 150, 300, 600, 750, 750]);
    }

    #[test]
    fn an_answer_starts_it_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), || 0.0);
        for _ in 0..100 {
            backoff.next_delay();
        }
        backoff.reset();
        assert_eq!(backoff.next_delay(), Duration::from_millis(50));
    }
}
