//! Seeded generators of models, edits and requests for tests: of this crate, of the data planes, of whole runs. The
//! same seed gives the same values everywhere.

mod edits;
mod fields;
mod models;
mod observed;
mod requests;

pub use edits::{edited, refactored};
pub use fields::{FieldEdit, field_edits};
pub use models::{Sizes, model, route_id};
pub use observed::observed;
pub use requests::{neighbour, request};

/// A small deterministic source of choices (SplitMix64).
#[derive(Clone, Debug)]
pub struct Choices(u64);

impl Choices {
    /// Returns the source of a seed.
    pub fn new(seed: u64) -> Self {
        Choices(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, which is above 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Returns true once in `times` times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns one of some values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}
