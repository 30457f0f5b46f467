//! Random numbers of one worker: fast, and good enough to spread load and to name requests. Nothing secret is made
//! from them.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A generator of the xorshift family (Vigna's xorshift64*).
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    /// Starts at a place that differs from process to process and from worker to worker.
    pub(crate) fn new(worker: usize) -> Self {
        Self { state: Cell::new(RandomState::new().hash_one(worker) | 1) }
    }

    pub(crate) fn next(&self) -> u64 {
        let mut state = self.state.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.state.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below `bound`, which is above 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns the text of a random UUID (version 4).
    pub(crate) fn uuid(&self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        /// Where the two digits of each byte stand.
        const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut text = [b'-'; 36];
        for (byte, place) in bits.to_be_bytes().into_iter().zip(PLACES) {
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 0xf)];
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_shape_and_differ() {
        let random = Random::new(0);
        let text = String::from_utf8(random.uuid().to_vec()).unwrap();
        assert_eq!(text.as_bytes()[14], b'4', "{text}");
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_ne!(random.uuid(), random.uuid());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        let random = Random::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..3000 {
            seen[random.below(3) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
    }
}
