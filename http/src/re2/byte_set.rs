//! Sets of bytes: what a class of an expression takes.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir};

/// A set of bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    pub(super) fn empty() -> Self {
        ByteSet([false; 256])
    }

    /// Returns the bytes of which something is true.
    pub(super) fn of(is_member: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::empty();
        for byte in 0..=u8::MAX {
            set.0[usize::from(byte)] = is_member(byte);
        }
        set
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    pub(super) fn add(&mut self, other: &ByteSet) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    pub(super) fn negated(&self) -> Self {
        Self::of(|byte| !self.contains(byte))
    }

    /// Returns the set with both cases of each ASCII letter; other letters have one case in Latin-1.
    pub(super) fn folded(&self) -> Self {
        Self::of(|byte| self.contains(byte.to_ascii_lowercase()) || self.contains(byte.to_ascii_uppercase()))
    }

    /// Returns the set as an expression, and how many ranges it has.
    pub(super) fn hir(&self) -> (Hir, u32) {
        let mut ranges = Vec::new();
        let mut begin = None;
        for byte in 0..=u8::MAX {
            if !self.contains(byte) {
                begin = None;
            } else if let Some(begin) = begin {
                ranges.pop();
                ranges.push(ClassBytesRange::new(begin, byte));
            } else {
                begin = Some(byte);
                ranges.push(ClassBytesRange::new(byte, byte));
            }
        }
        let count = ranges.len() as u32;
        (Hir::class(Class::Bytes(ClassBytes::new(ranges))), count)
    }
}
