//! From the text of an expression to what it means, with the precedence and the refusals of RE2.

use regex_syntax::hir::{Hir, Look};

use super::byte_set::ByteSet;
use super::class_names;
use super::error::ExpressionError;
use super::escape;
use super::measured::{MAX_DEPTH, Measured};

/// Reads an expression; returns it with the number of its capturing groups and a bound of its size.
pub(super) fn parse(text: &[u8]) -> Result<(Hir, usize, u32), ExpressionError> {
    let mut parser = Parser {
        reader: Reader { text, at: 0 },
        flags: Flags::default(),
        open: vec![Group::default()],
        groups: 0,
        repeated: false,
    };
    while let Some(byte) = parser.reader.ahead(0) {
        let repeated = std::mem::take(&mut parser.repeated);
        parser.token(byte, repeated)?;
    }
    let mut open = parser.open;
    let whole = open.pop().filter(|_| open.is_empty()).ok_or(ExpressionError::MissingParenthesis)?;
    let (hir, program) = whole.close()?.finished()?;
    Ok((hir, parser.groups as usize, program))
}

/// Text that is read from its beginning.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    /// Returns the byte that many places ahead.
    pub(super) fn ahead(&self, places: usize) -> Option<u8> {
        self.text.get(self.at + places).copied()
    }

    pub(super) fn skip(&mut self, places: usize) {
        self.at += places;
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.ahead(0)?;
        self.at += 1;
        Some(byte)
    }

    fn next_if(&mut self, wanted: u8) -> bool {
        let found = self.ahead(0) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Returns the byte that was read last.
    pub(super) fn last(&self) -> &'t [u8] {
        &self.text[self.at - 1..self.at]
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes everything up to a mark, and the mark; nothing where there is none.
    pub(super) fn until(&mut self, mark: &[u8]) -> Option<&'t [u8]> {
        let rest = self.rest();
        let end = rest.windows(mark.len()).position(|window| window == mark)?;
        self.at += end + mark.len();
        Some(&rest[..end])
    }
}

/// What `(?imsU)` changes.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    lines: bool,
    dot_takes_line_feed: bool,
    lazy: bool,
}

/// A group that is not closed yet.
#[derive(Default)]
struct Group {
    /// Its number, if it captures.
    index: Option<u32>,
    /// What holds again behind it.
    flags: Flags,
    done: Vec<Measured>,
    parts: Vec<Measured>,
}

impl Group {
    fn next_alternative(&mut self) -> Result<(), ExpressionError> {
        let parts = std::mem::take(&mut self.parts);
        self.done.push(Measured::concat(parts)?);
        Ok(())
    }

    fn close(mut self) -> Result<Measured, ExpressionError> {
        self.next_alternative()?;
        let part = match self.done.pop() {
            Some(only) if self.done.is_empty() => only,
            last => {
                self.done.extend(last);
                Measured::alternation(self.done)?
            }
        };
        match self.index {
            Some(index) => part.captured(index),
            None => Ok(part),
        }
    }
}

struct Parser<'t> {
    reader: Reader<'t>,
    flags: Flags,
    open: Vec<Group>,
    groups: u32,
    /// Whether a repetition was read last, which nothing may repeat.
    repeated: bool,
}

impl Parser<'_> {
    fn token(&mut self, byte: u8, repeated: bool) -> Result<(), ExpressionError> {
        match byte {
            b'\\' => return self.backslash(),
            b'[' => return self.class(),
            b'(' => return self.open_group(),
            b'{' => return self.brace(repeated),
            _ => self.reader.skip(1),
        }
        match byte {
            b')' => self.close_group(),
            b'|' => self.group()?.next_alternative(),
            b'*' => self.repeat(0, None, repeated),
            b'+' => self.repeat(1, None, repeated),
            b'?' => self.repeat(0, Some(1), repeated),
            b'^' => self.look(if self.flags.lines { Look::StartLF } else { Look::Start }),
            b'$' => self.look(if self.flags.lines { Look::EndLF } else { Look::End }),
            b'.' => {
                let line_feed = self.flags.dot_takes_line_feed;
                self.push(Measured::class(&ByteSet::of(|byte| line_feed || byte != b'\n')))
            }
            letter => self.literal(letter),
        }
    }

    fn group(&mut self) -> Result<&mut Group, ExpressionError> {
        self.open.last_mut().ok_or(ExpressionError::UnexpectedParenthesis)
    }

    fn push(&mut self, part: Measured) -> Result<(), ExpressionError> {
        self.group()?.parts.push(part);
        Ok(())
    }

    fn look(&mut self, look: Look) -> Result<(), ExpressionError> {
        self.push(Measured::new(Hir::look(look)))
    }

    fn literal(&mut self, letter: u8) -> Result<(), ExpressionError> {
        if self.flags.fold && letter.is_ascii_alphabetic() {
            return self.push(Measured::class(&ByteSet::of(|byte| byte.eq_ignore_ascii_case(&letter))));
        }
        self.push(Measured::new(Hir::literal([letter])))
    }

    fn repeat(&mut self, min: u32, max: Option<u32>, repeated: bool) -> Result<(), ExpressionError> {
        let lazy = self.reader.next_if(b'?') != self.flags.lazy;
        if repeated {
            return Err(ExpressionError::RepeatedRepetition);
        }
        let part = self.group()?.parts.pop().ok_or(ExpressionError::NothingToRepeat)?;
        self.push(part.repeated(min, max, !lazy)?)?;
        self.repeated = true;
        Ok(())
    }

    /// A counted repetition, or a brace that is a letter where no count follows.
    fn brace(&mut self, repeated: bool) -> Result<(), ExpressionError> {
        match counts(self.reader.rest()) {
            Some((min, max, length)) => {
                self.reader.skip(length);
                self.repeat(min, max, repeated)
            }
            None => {
                self.reader.skip(1);
                self.literal(b'{')
            }
        }
    }

    fn backslash(&mut self) -> Result<(), ExpressionError> {
        let look = match self.reader.ahead(1) {
            Some(b'b') => Some(Look::WordAscii),
            Some(b'B') => Some(Look::WordAsciiNegate),
            Some(b'A') => Some(Look::Start),
            Some(b'z') => Some(Look::End),
            _ => None,
        };
        if let Some(look) = look {
            self.reader.skip(2);
            return self.look(look);
        }
        match self.reader.ahead(1) {
            Some(b'C') => {
                self.reader.skip(2);
                self.push(Measured::class(&ByteSet::of(|_| true)))
            }
            Some(b'Q') => {
                self.reader.skip(2);
                self.quoted()
            }
            _ => match escape::class(&mut self.reader, self.flags.fold)? {
                Some(set) => self.push(Measured::class(&set)),
                None => {
                    self.reader.skip(1);
                    let letter = escape::character(&mut self.reader)?;
                    self.literal(letter)
                }
            },
        }
    }

    /// Everything up to `\E`, or to the end, stands for itself.
    fn quoted(&mut self) -> Result<(), ExpressionError> {
        let text = match self.reader.until(br"\E") {
            Some(text) => text,
            None => {
                let rest = self.reader.rest();
                self.reader.skip(rest.len());
                rest
            }
        };
        text.iter().try_for_each(|letter| self.literal(*letter))
    }

    fn open_group(&mut self) -> Result<(), ExpressionError> {
        let rest = self.reader.rest();
        let before = self.flags;
        if !rest.starts_with(b"(?") {
            self.reader.skip(1);
            return self.opened(true, before);
        }
        self.reader.skip(2);
        if [&b"(?="[..], b"(?!", b"(?<=", b"(?<!"].iter().any(|look| rest.starts_with(look)) {
            return Err(ExpressionError::LookAround);
        }
        if matches!(rest.get(2), Some(b'P' | b'<')) {
            self.group_name()?;
            return self.opened(true, before);
        }
        if self.read_flags()? { self.opened(false, before) } else { Ok(()) }
    }

    fn opened(&mut self, captures: bool, flags: Flags) -> Result<(), ExpressionError> {
        if self.open.len() >= MAX_DEPTH as usize {
            return Err(ExpressionError::TooDeep);
        }
        let mut group = Group { flags, ..Group::default() };
        if captures {
            self.groups += 1;
            group.index = Some(self.groups);
        }
        self.open.push(group);
        Ok(())
    }

    /// Reads `P<name>` or `<name>`.
    fn group_name(&mut self) -> Result<(), ExpressionError> {
        self.reader.next_if(b'P');
        if !self.reader.next_if(b'<') {
            return Err(ExpressionError::GroupName);
        }
        let name = self.reader.until(b">").ok_or(ExpressionError::GroupName)?;
        let fits = !name.is_empty() && name.iter().all(|byte| class_names::may_name_a_group(*byte));
        // The same name may stand twice.
        if fits { Ok(()) } else { Err(ExpressionError::GroupName) }
    }

    /// Reads flags up to `)` or `:`; returns whether a group begins.
    fn read_flags(&mut self) -> Result<bool, ExpressionError> {
        let mut flags = self.flags;
        // What the flags become, and whether one has been named since then.
        let (mut value, mut named) = (true, false);
        loop {
            let flag = match self.reader.next().ok_or(ExpressionError::MissingParenthesis)? {
                b'i' => &mut flags.fold,
                b'm' => &mut flags.lines,
                b's' => &mut flags.dot_takes_line_feed,
                b'U' => &mut flags.lazy,
                b'-' if value => {
                    (value, named) = (false, false);
                    continue;
                }
                end @ (b':' | b')') if value || named => {
                    self.flags = flags;
                    return Ok(end == b':');
                }
                _ => return Err(ExpressionError::Group),
            };
            *flag = value;
            named = true;
        }
    }

    fn close_group(&mut self) -> Result<(), ExpressionError> {
        if self.open.len() < 2 {
            return Err(ExpressionError::UnexpectedParenthesis);
        }
        let Some(group) = self.open.pop() else { return Err(ExpressionError::UnexpectedParenthesis) };
        self.flags = group.flags;
        self.push(group.close()?)
    }

    fn class(&mut self) -> Result<(), ExpressionError> {
        self.reader.skip(1);
        let negated = self.reader.next_if(b'^');
        let mut set = ByteSet::empty();
        let mut first = true;
        loop {
            match self.reader.ahead(0).ok_or(ExpressionError::MissingBracket)? {
                b']' if !first => break,
                _ => set.add(&self.class_item()?),
            }
            first = false;
        }
        self.reader.skip(1);
        self.push(Measured::class(&if negated { set.negated() } else { set }))
    }

    /// A named class, a letter or a range.
    fn class_item(&mut self) -> Result<ByteSet, ExpressionError> {
        let fold = self.flags.fold;
        if let Some(set) = self.posix_class()? {
            return Ok(set);
        }
        if self.reader.ahead(0) == Some(b'\\')
            && let Some(set) = escape::class(&mut self.reader, fold)?
        {
            return Ok(set);
        }
        let low = self.class_letter()?;
        let mut high = low;
        if self.reader.ahead(0) == Some(b'-') && self.reader.ahead(1).is_some_and(|next| next != b']') {
            self.reader.skip(1);
            high = self.class_letter()?;
        }
        if high < low {
            return Err(ExpressionError::Range);
        }
        Ok(escape::named(ByteSet::of(|byte| (low..=high).contains(&byte)), false, fold))
    }

    fn class_letter(&mut self) -> Result<u8, ExpressionError> {
        match self.reader.next().ok_or(ExpressionError::MissingBracket)? {
            b'\\' => escape::character(&mut self.reader),
            letter => Ok(letter),
        }
    }

    /// `[:name:]` or `[:^name:]`; without its end `[` is a letter.
    fn posix_class(&mut self) -> Result<Option<ByteSet>, ExpressionError> {
        let Some(rest) = self.reader.rest().strip_prefix(b"[:") else { return Ok(None) };
        let Some(length) = rest.windows(2).position(|window| window == b":]") else { return Ok(None) };
        let (name, negated) = match rest[..length].strip_prefix(b"^") {
            Some(name) => (name, true),
            None => (&rest[..length], false),
        };
        let set = class_names::posix(name).ok_or(ExpressionError::UnknownClass)?;
        self.reader.skip(length + 4);
        Ok(Some(escape::named(set, negated, self.flags.fold)))
    }
}

/// Reads `{2}`, `{2,}` or `{2,5}`: returns the counts and how long that is. Numbers have no zeros before them.
fn counts(text: &[u8]) -> Option<(u32, Option<u32>, usize)> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    let inside = std::str::from_utf8(text.get(1..end)?).ok()?;
    let number = |text: &str| {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() < 2 || !text.starts_with('0'));
        // RE2 takes longer ones for no number at all.
        text.parse().ok().filter(|_| plain && text.len() <= LONGEST_COUNT)
    };
    let (min, max) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    Some((min, max, end + 1))
}

/// Digits of the longest count.
const LONGEST_COUNT: usize = 9;
