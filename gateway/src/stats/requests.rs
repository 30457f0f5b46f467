//! Finished requests by response code and flags.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Why a response is not simply the upstream's, in Envoy's short words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResponseFlags(u16);

impl ResponseFlags {
    pub(crate) const NO_ROUTE: Self = Self(1);
    pub(crate) const NO_HEALTHY_UPSTREAM: Self = Self(1 << 1);
    pub(crate) const UPSTREAM_CONNECTION_FAILURE: Self = Self(1 << 2);
    pub(crate) const UPSTREAM_CONNECTION_TERMINATION: Self = Self(1 << 3);
    pub(crate) const UPSTREAM_REMOTE_RESET: Self = Self(1 << 4);
    pub(crate) const UPSTREAM_TIMEOUT: Self = Self(1 << 5);
    pub(crate) const NO_CLUSTER: Self = Self(1 << 6);
    pub(crate) const UPSTREAM_OVERFLOW: Self = Self(1 << 7);
    pub(crate) const DOWNSTREAM_DISCONNECT: Self = Self(1 << 8);
    pub(crate) const RETRY_LIMIT: Self = Self(1 << 9);
    pub(crate) const STREAM_IDLE_TIMEOUT: Self = Self(1 << 10);
    pub(crate) const DOWNSTREAM_PROTOCOL_ERROR: Self = Self(1 << 11);
    pub(crate) const UPSTREAM_PROTOCOL_ERROR: Self = Self(1 << 12);

    const NAMES: [&'static str; 13] =
        ["NR", "UH", "UF", "UC", "UR", "UT", "NC", "UO", "DC", "URX", "SI", "DPE", "UPE"];

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether the gateway or the upstream ended the request early, and not the client.
    pub(crate) fn ended_by_gateway(self) -> bool {
        let reasons =
            Self::UPSTREAM_TIMEOUT.0 | Self::UPSTREAM_CONNECTION_TERMINATION.0 | Self::STREAM_IDLE_TIMEOUT.0;
        self.0 & reasons != 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Display for ResponseFlags {
    /// Writes the flags with commas between them, or `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let names = Self::NAMES.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        for (position, (_, name)) in names.enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// Counts requests by code and flags. Those without flags are counted without a lock.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    /// By first digit of the code, allocated when that digit comes first.
    plain: [OnceLock<Box<[AtomicU64; 100]>>; 10],
    flagged: Mutex<BTreeMap<(u16, ResponseFlags), u64>>,
}

impl RequestCounts {
    /// Counts one request; code 0 means that no response was sent.
    pub(crate) fn record(&self, code: u16, flags: ResponseFlags) {
        if flags.is_empty() && code < 1000 {
            let block = self.plain[usize::from(code / 100)]
                .get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
            block[usize::from(code % 100)].fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut flagged = self.flagged.lock().unwrap_or_else(PoisonError::into_inner);
        *flagged.entry((code, flags)).or_default() += 1;
    }

    /// Returns what was counted, ordered by code and flags.
    pub(crate) fn read(&self) -> BTreeMap<(u16, ResponseFlags), u64> {
        let mut counts = self.flagged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (hundreds, block) in (0..).zip(&self.plain) {
            for (rest, count) in (0..).zip(block.get().into_iter().flat_map(|block| block.iter())) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    *counts.entry((hundreds * 100 + rest, ResponseFlags::default())).or_default() += count;
                }
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_code_and_flags() {
        let counts = RequestCounts::default();
        counts.record(200, ResponseFlags::default());
        counts.record(200, ResponseFlags::default());
        counts.record(503, ResponseFlags::NO_HEALTHY_UPSTREAM);
        let read: Vec<_> =
            counts.read().into_iter().map(|((code, flags), n)| (code, flags.to_string(), n)).collect();
        assert_eq!(read, [(200, "-".to_owned(), 2), (503, "UH".to_owned(), 1)]);
    }

    #[test]
    fn flags_have_envoys_names() {
        let mut flags = ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
        flags.add(ResponseFlags::RETRY_LIMIT);
        assert_eq!(flags.to_string(), "UF,URX");
        assert_eq!(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR.to_string(), "DPE");
        assert_eq!(ResponseFlags::UPSTREAM_PROTOCOL_ERROR.to_string(), "UPE");
    }
}
