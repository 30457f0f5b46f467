//! Why an expression is refused.

use std::fmt;

/// Says why an expression is none. The texts hold no part of it but an escaped character, as it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpressionError {
    /// There is nothing.
    Empty,
    /// A group is not closed.
    MissingParenthesis,
    /// A group is closed that was not opened.
    UnexpectedParenthesis,
    /// A class is not closed.
    MissingBracket,
    /// A backslash has nothing behind it.
    TrailingBackslash,
    /// The character escapes nothing, or not with what follows it.
    Escape(char),
    /// A backslash before a digit.
    BackReference,
    /// A class in `[:...:]` or `\p{...}` has no name that RE2 knows.
    UnknownClass,
    /// A range ends before it begins.
    Range,
    /// A repetition has nothing before it.
    NothingToRepeat,
    /// A repetition follows a repetition.
    RepeatedRepetition,
    /// A count is above 1000, by itself or with those around it, or below the one before it.
    TooManyRepetitions,
    /// `(?=`, `(?!`, `(?<=`, `(?<!`.
    LookAround,
    /// `(?` begins something else that RE2 does not have.
    Group,
    /// The name of a group is none.
    GroupName,
    /// Groups are nested more deeply than is taken here.
    TooDeep,
    /// The compiled expression may be larger than Higress allows.
    TooLarge,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExpressionError::Escape(letter) if letter.is_ascii_graphic() => {
                return write!(f, "`\\{letter}` is no escape that RE2 has, or is not complete");
            }
            ExpressionError::Escape(_) => "a backslash stands before a character that needs none",
            ExpressionError::Empty => "it is empty",
            ExpressionError::MissingParenthesis => "a group is not closed: `)` is missing",
            ExpressionError::UnexpectedParenthesis => "`)` closes no group",
            ExpressionError::MissingBracket => "a class is not closed: `]` is missing",
            ExpressionError::TrailingBackslash => "it ends in `\\`",
            ExpressionError::BackReference => "RE2 has no back references",
            ExpressionError::UnknownClass => "RE2 has no class of that name",
            ExpressionError::Range => "a range in brackets ends before it begins",
            ExpressionError::NothingToRepeat => "a repetition has nothing before it",
            ExpressionError::RepeatedRepetition => "a repetition follows another one",
            ExpressionError::TooManyRepetitions => {
                "RE2 repeats at most 1000 times, counts around counts included, and wants the smaller count first"
            }
            ExpressionError::LookAround => "RE2 has no look-around",
            ExpressionError::Group => "`(?` begins no group or flag that RE2 has",
            ExpressionError::GroupName => "the name of a group is missing or not a word",
            ExpressionError::TooDeep => "its groups are nested more than 200 deep",
            ExpressionError::TooLarge => "its program may be larger than 32768 instructions, which is what Higress allows",
        })
    }
}

impl std::error::Error for ExpressionError {}
