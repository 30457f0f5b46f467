//! Waiting for a condition with a deadline, instead of sleeping for a guess.

use std::time::{Duration, Instant};

/// Time between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls `attempt` until it returns a value, and returns that value.
///
/// # Panics
/// When `within` has passed; the message names `what` and the last reason that `attempt` gave.
pub fn eventually<T>(what: &str, within: Duration, attempt: impl FnMut() -> Result<T, String>) -> T {
    match poll(within, attempt) {
        Ok(value) => value,
        Err(reason) => panic!("{what}: not within {within:?}: {reason}"),
    }
}

/// Polls `attempt` until it returns a value or `within` has passed; then the last reason is the error.
pub fn poll<T>(within: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_value() {
        let mut left = 3;
        let value = eventually("countdown", Duration::from_secs(5), || {
            left -= 1;
            if left == 0 { Ok("done") } else { Err(format!("{left} left")) }
        });
        assert_eq!(value, "done");
    }

    #[test]
    fn gives_the_last_reason_when_time_is_up() {
        let result: Result<(), String> = poll(Duration::ZERO, || Err("still closed".to_owned()));
        assert_eq!(result.unwrap_err(), "still closed");
    }
}
