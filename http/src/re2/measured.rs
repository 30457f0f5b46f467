//! Parts of an expression with what limits them.

use regex_syntax::hir::{Capture, Hir, Repetition};

use super::MAX_PROGRAM;
use super::byte_set::ByteSet;
use super::error::ExpressionError;

/// How often RE2 repeats something at most, by one count or by counts around counts.
const MAX_REPEAT: u32 = 1000;
/// How deep parts may stand in parts: they are walked by recursion.
pub(super) const MAX_DEPTH: u32 = 200;

/// A part of an expression.
#[derive(Clone)]
pub(super) struct Measured {
    hir: Hir,
    /// An upper bound of the instructions that RE2 compiles it to.
    size: u32,
    /// The highest product of the counts around something in it.
    repeats: u32,
    depth: u32,
}

impl Measured {
    pub(super) fn new(hir: Hir) -> Self {
        Measured { hir, size: 1, repeats: 1, depth: 1 }
    }

    pub(super) fn class(set: &ByteSet) -> Self {
        let (hir, ranges) = set.hir();
        Measured { size: ranges.max(1), ..Measured::new(hir) }
    }

    /// Returns the parts one after the other.
    pub(super) fn concat(parts: Vec<Measured>) -> Result<Self, ExpressionError> {
        Self::joined(parts, Hir::concat, 0)
    }

    /// Returns one of the parts.
    pub(super) fn alternation(parts: Vec<Measured>) -> Result<Self, ExpressionError> {
        Self::joined(parts, Hir::alternation, 1)
    }

    fn joined(parts: Vec<Measured>, join: fn(Vec<Hir>) -> Hir, each: u32) -> Result<Self, ExpressionError> {
        let mut whole = Measured::new(Hir::empty());
        let mut hirs = Vec::with_capacity(parts.len());
        for part in parts {
            whole.size = whole.size.saturating_add(part.size).saturating_add(each);
            whole.repeats = whole.repeats.max(part.repeats);
            whole.depth = whole.depth.max(part.depth);
            hirs.push(part.hir);
        }
        whole.hir = join(hirs);
        whole.checked()
    }

    /// Returns the part as a group.
    pub(super) fn captured(self, index: u32) -> Result<Self, ExpressionError> {
        let hir = Hir::capture(Capture { index, name: None, sub: Box::new(self.hir) });
        let (size, depth) = (self.size.saturating_add(2), self.depth + 1);
        Measured { hir, size, depth, ..self }.checked()
    }

    /// Returns the part, repeated.
    pub(super) fn repeated(self, min: u32, max: Option<u32>, greedy: bool) -> Result<Self, ExpressionError> {
        let count = max.unwrap_or(min);
        if count < min || count > MAX_REPEAT {
            return Err(ExpressionError::TooManyRepetitions);
        }
        let repeats = self.repeats.saturating_mul(count.max(1));
        if repeats > MAX_REPEAT {
            return Err(ExpressionError::TooManyRepetitions);
        }
        // Each copy that may be left out costs a choice, and a loop costs its own.
        let optional = count - min;
        let looped = if max.is_some() { 0 } else { self.size.saturating_add(3) };
        let size = (self.size.saturating_mul(min))
            .saturating_add(self.size.saturating_add(2).saturating_mul(optional))
            .saturating_add(looped)
            .saturating_add(1);
        let sub = Box::new(self.hir);
        let hir = Hir::repetition(Repetition { min, max, greedy, sub });
        Measured { hir, size, repeats, depth: self.depth + 1 }.checked()
    }

    fn checked(self) -> Result<Self, ExpressionError> {
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        if self.size > MAX_PROGRAM {
            return Err(ExpressionError::TooLarge);
        }
        Ok(self)
    }

    /// Returns the expression with its size, to which RE2 adds what begins and ends every program.
    pub(super) fn finished(self) -> Result<(Hir, u32), ExpressionError> {
        let whole = Measured { size: self.size.saturating_add(4), ..self }.checked()?;
        Ok((whole.hir, whole.size))
    }
}
