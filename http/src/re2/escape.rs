//! Escapes: what stands behind a backslash, inside of brackets and outside.

use super::byte_set::ByteSet;
use super::class_names;
use super::error::ExpressionError;
use super::parser::Reader;

/// Reads a class in Perl's or Unicode's notation, if one begins here; a backslash has been seen and not taken.
pub(super) fn class(reader: &mut Reader<'_>, fold: bool) -> Result<Option<ByteSet>, ExpressionError> {
    let Some(letter) = reader.ahead(1) else { return Ok(None) };
    if letter.eq_ignore_ascii_case(&b'p') {
        reader.skip(2);
        return unicode(reader, letter == b'P', fold).map(Some);
    }
    let Some((set, negated)) = class_names::perl(letter) else { return Ok(None) };
    reader.skip(2);
    Ok(Some(named(set, negated, fold)))
}

/// Returns a class, or what is not in it. Where case does not count, both cases of what is named are in it.
pub(super) fn named(set: ByteSet, negated: bool, fold: bool) -> ByteSet {
    let set = if fold { set.folded() } else { set };
    if negated { set.negated() } else { set }
}

fn unicode(reader: &mut Reader<'_>, negated: bool, fold: bool) -> Result<ByteSet, ExpressionError> {
    let name = match reader.next().ok_or(ExpressionError::UnknownClass)? {
        b'{' => reader.until(b"}").ok_or(ExpressionError::UnknownClass)?,
        _ => reader.last(),
    };
    let (name, negated) = match name.strip_prefix(b"^") {
        Some(name) => (name, !negated),
        None => (name, negated),
    };
    let set = class_names::unicode(name).ok_or(ExpressionError::UnknownClass)?;
    Ok(named(set, negated, fold))
}

/// Reads the escape of one character; the backslash has been taken.
pub(super) fn character(reader: &mut Reader<'_>) -> Result<u8, ExpressionError> {
    let letter = reader.next().ok_or(ExpressionError::TrailingBackslash)?;
    match letter {
        b'a' => Ok(0x07),
        b'f' => Ok(0x0c),
        b'n' => Ok(b'\n'),
        b'r' => Ok(b'\r'),
        b't' => Ok(b'\t'),
        b'v' => Ok(0x0b),
        b'x' => hexadecimal(reader).ok_or(ExpressionError::Escape('x')),
        b'1'..=b'7' if !matches!(reader.ahead(0), Some(b'0'..=b'7')) => Err(ExpressionError::BackReference),
        b'0'..=b'7' => octal(reader, letter).ok_or(ExpressionError::Escape(char::from(letter))),
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Ok(letter),
        b'8' | b'9' => Err(ExpressionError::BackReference),
        _ => Err(ExpressionError::Escape(char::from(letter))),
    }
}

/// Two digits, or any number of them in braces.
fn hexadecimal(reader: &mut Reader<'_>) -> Option<u8> {
    let first = reader.next()?;
    if first != b'{' {
        return u8::try_from(digit(first)? * 16 + digit(reader.next()?)?).ok();
    }
    let digits = reader.until(b"}").filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0, |code: u8, letter| {
        let code = u32::from(code) * 16 + digit(*letter)?;
        u8::try_from(code).ok()
    })
}

fn digit(letter: u8) -> Option<u32> {
    char::from(letter).to_digit(16)
}

/// Up to three digits.
fn octal(reader: &mut Reader<'_>, first: u8) -> Option<u8> {
    let mut code = u32::from(first - b'0');
    for _ in 0..2 {
        let Some(digit @ b'0'..=b'7') = reader.ahead(0) else { break };
        reader.skip(1);
        code = code * 8 + u32::from(digit - b'0');
    }
    u8::try_from(code).ok()
}
