//! Text to tokens. A key without `?` is only known to be one at its `:`, which must stand on the same line and not too
//! far away; until then tokens wait in a queue.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::cursor::Cursor;
use super::{Fault, Why};
use crate::parse::scalar::Style;

/// Nesting of brackets, and of lines, beyond which a text is given up.
const MAX_NESTING: usize = 10_000;
/// How far a `:` may stand from the start of its key, in characters.
const KEY_LENGTH: u32 = 1024;

/// A piece of the text, or an end that its indentation tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    StreamEnd,
    Version,
    TagDirective { handle: &'a str, prefix: Cow<'a, str> },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: &'a str, suffix: Cow<'a, str> },
    Scalar { text: Cow<'a, str>, style: Style },
}

/// A token with its place in characters.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A place at which a key may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Nothing but a key can stand there.
    required: bool,
    /// Its first token waits for the `:`. The library forgets to wait behind empty brackets.
    watched: bool,
    /// Number of its first token.
    token: usize,
    index: u32,
    line: u32,
    column: u32,
}

/// Makes tokens.
pub(super) struct Scanner<'a> {
    pub(super) cursor: Cursor<'a>,
    queue: VecDeque<Found<'a>>,
    /// How many tokens were taken from the queue.
    taken: usize,
    /// The column of the current block; -1 outside of all.
    pub(super) indent: i64,
    indents: Vec<i64>,
    pub(super) key_allowed: bool,
    /// One for each open bracket, and one for the block around them.
    keys: Vec<SimpleKey>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner {
            cursor: Cursor::new(text),
            queue: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            key_allowed: true,
            keys: vec![SimpleKey::default()],
        }
    }

    /// Returns the next token and leaves it in the queue.
    pub(super) fn peek(&mut self) -> Result<&Found<'a>, Fault> {
        while self.must_look_further()? {
            self.fetch()?;
        }
        Ok(&self.queue[0])
    }

    /// Takes the token that was peeked at.
    pub(super) fn take(&mut self) -> Option<Found<'a>> {
        self.taken += 1;
        self.queue.pop_front()
    }

    /// Puts the token back that was taken last.
    pub(super) fn put_back(&mut self, found: Found<'a>) {
        self.taken -= 1;
        self.queue.push_front(found);
    }

    /// Returns whether brackets are open.
    pub(super) fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Returns a fault here.
    pub(super) fn fault(&self, why: Why) -> Fault {
        Fault { at: self.cursor.index(), why }
    }

    /// Returns whether the first token is not there, or may turn out to be a key.
    fn must_look_further(&mut self) -> Result<bool, Fault> {
        if self.queue.is_empty() {
            return Ok(true);
        }
        // Later places have later tokens.
        let first = self.keys.partition_point(|key| key.token < self.taken);
        for place in first..self.keys.len() {
            if self.keys[place].token > self.taken {
                break;
            }
            if self.keys[place].possible && self.keys[place].watched {
                return self.is_key_valid(place);
            }
        }
        Ok(false)
    }

    /// Returns whether a `:` here could belong to a key that began there.
    fn is_key_valid(&mut self, place: usize) -> Result<bool, Fault> {
        let key = self.keys[place];
        let near = key.line == self.cursor.line() && key.index + KEY_LENGTH >= self.cursor.index();
        if key.possible && !near {
            if key.required {
                return Err(Fault { at: key.index, why: Why::NoColon });
            }
            self.keys[place].possible = false;
        }
        Ok(key.possible && near)
    }

    fn push(&mut self, token: Token<'a>, start: u32) {
        self.queue.push_back(Found { token, start, end: self.cursor.index() });
    }

    /// Puts a token before the one with a number; behind all others if that one was taken.
    fn insert(&mut self, token: Token<'a>, place: u32, number: usize) {
        let found = Found { token, start: place, end: place };
        match number.checked_sub(self.taken) {
            Some(index) if index <= self.queue.len() => self.queue.insert(index, found),
            _ => self.queue.push_back(found),
        }
    }

    fn next_number(&self) -> usize {
        self.taken + self.queue.len()
    }

    fn fetch(&mut self) -> Result<(), Fault> {
        self.skip_to_token();
        self.unroll(i64::from(self.cursor.column()));
        let start = self.cursor.index();
        if self.cursor.is_end() {
            return self.fetch_end();
        }
        let first = self.cursor.peek(0);
        if self.cursor.column() == 0 && first == b'%' {
            self.begin_document_part()?;
            let token = self.scan_directive()?;
            self.push(token, start);
            return Ok(());
        }
        if self.cursor.is_document_mark() {
            self.begin_document_part()?;
            self.cursor.skip_bytes(3);
            self.push(if first == b'-' { Token::DocumentStart } else { Token::DocumentEnd }, start);
            return Ok(());
        }
        let (flow, lone) = (self.in_flow(), self.cursor.is_space_or_end(1));
        match first {
            b'[' => self.open(Token::FlowSequenceStart),
            b'{' => self.open(Token::FlowMappingStart),
            b']' => self.close(Token::FlowSequenceEnd),
            b'}' => self.close(Token::FlowMappingEnd),
            b',' => self.separate(Token::FlowEntry),
            b'-' if lone => self.fetch_entry(),
            b'?' if flow || lone => self.fetch_key(),
            b':' if flow || lone => self.fetch_value(),
            b'*' | b'&' | b'!' | b'\'' | b'"' => self.fetch_word(first),
            b'|' | b'>' if !flow => self.fetch_block_text(first == b'|'),
            _ => self.fetch_plain(first, flow),
        }
    }

    fn fetch_end(&mut self) -> Result<(), Fault> {
        if self.cursor.is_cut() {
            return Err(self.fault(Why::Unprintable));
        }
        self.cursor.end_line();
        self.begin_document_part()?;
        let end = self.cursor.index();
        self.push(Token::StreamEnd, end);
        Ok(())
    }

    /// Ends all blocks in front of a line that belongs to no document.
    fn begin_document_part(&mut self) -> Result<(), Fault> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn open(&mut self, token: Token<'a>) -> Result<(), Fault> {
        self.save_key()?;
        let token_number = self.next_number();
        self.keys.push(SimpleKey { token: token_number, ..SimpleKey::default() });
        if self.keys.len() > MAX_NESTING {
            return Err(self.fault(Why::Depth));
        }
        self.key_allowed = true;
        self.one_character(token);
        Ok(())
    }

    fn close(&mut self, token: Token<'a>) -> Result<(), Fault> {
        self.remove_key()?;
        if self.in_flow()
            && let Some(closed) = self.keys.pop()
            && let Some(around) = self.keys.last_mut()
            && around.token == closed.token
        {
            around.watched = false;
        }
        self.key_allowed = false;
        self.one_character(token);
        Ok(())
    }

    fn separate(&mut self, token: Token<'a>) -> Result<(), Fault> {
        self.remove_key()?;
        self.key_allowed = true;
        self.one_character(token);
        Ok(())
    }

    fn one_character(&mut self, token: Token<'a>) {
        let start = self.cursor.index();
        self.cursor.skip();
        self.push(token, start);
    }

    fn fetch_entry(&mut self) -> Result<(), Fault> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.fault(Why::Dash));
            }
            self.roll_here(Token::BlockSequenceStart)?;
        }
        self.separate(Token::BlockEntry)
    }

    fn fetch_key(&mut self) -> Result<(), Fault> {
        let flow = self.in_flow();
        if !flow {
            if !self.key_allowed {
                return Err(self.fault(Why::Question));
            }
            self.roll_here(Token::BlockMappingStart)?;
        }
        self.remove_key()?;
        self.key_allowed = !flow;
        self.one_character(Token::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Fault> {
        let place = self.keys.len() - 1;
        if self.is_key_valid(place)? {
            let key = self.keys[place];
            self.insert(Token::Key, key.index, key.token);
            if self.roll(key.column)? {
                self.insert(Token::BlockMappingStart, key.index, key.token);
            }
            self.keys[place].possible = false;
            self.key_allowed = false;
        } else {
            let flow = self.in_flow();
            if !flow {
                if !self.key_allowed {
                    return Err(self.fault(Why::Colon));
                }
                self.roll_here(Token::BlockMappingStart)?;
            }
            self.key_allowed = !flow;
        }
        self.one_character(Token::Value);
        Ok(())
    }

    /// Anchors, aliases, tags and texts in quotes.
    fn fetch_word(&mut self, first: u8) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.cursor.index();
        let token = match first {
            b'*' => Token::Alias(self.scan_anchor()?),
            b'&' => Token::Anchor(self.scan_anchor()?),
            b'!' => self.scan_tag()?,
            quote => Token::Scalar { text: self.scan_quoted(quote)?, style: Style::Quoted },
        };
        self.push(token, start);
        Ok(())
    }

    fn fetch_block_text(&mut self, literal: bool) -> Result<(), Fault> {
        self.remove_key()?;
        self.key_allowed = true;
        let found = self.scan_block(literal)?;
        self.queue.push_back(found);
        Ok(())
    }

    fn fetch_plain(&mut self, first: u8, flow: bool) -> Result<(), Fault> {
        let starts = match first {
            b'-' => !self.cursor.is_blank(1),
            b'?' | b':' => !flow && !self.cursor.is_space_or_end(1),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => false,
            _ => true,
        };
        if !starts {
            let why = match self.cursor.character() {
                Some('\t') | None => Why::Tab,
                Some(character) => Why::Start(character),
            };
            return Err(self.fault(why));
        }
        self.save_key()?;
        self.key_allowed = false;
        let found = self.scan_plain()?;
        self.queue.push_back(found);
        Ok(())
    }

    /// Notes that a key may begin here.
    fn save_key(&mut self) -> Result<(), Fault> {
        if !self.key_allowed {
            return Ok(());
        }
        let column = self.cursor.column();
        let key = SimpleKey {
            possible: true,
            watched: true,
            required: !self.in_flow() && self.indent == i64::from(column),
            token: self.next_number(),
            index: self.cursor.index(),
            line: self.cursor.line(),
            column,
        };
        self.remove_key()?;
        let last = self.keys.len() - 1;
        self.keys[last] = key;
        Ok(())
    }

    /// Notes that what began a key was none.
    fn remove_key(&mut self) -> Result<(), Fault> {
        let last = self.keys.len() - 1;
        let key = &mut self.keys[last];
        if key.possible && key.required {
            return Err(Fault { at: key.index, why: Why::NoColon });
        }
        key.possible = false;
        Ok(())
    }

    /// Begins a block at a column, if that is further than the current one.
    fn roll(&mut self, column: u32) -> Result<bool, Fault> {
        let column = i64::from(column);
        if self.in_flow() || self.indent >= column {
            return Ok(false);
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_NESTING { Err(self.fault(Why::Depth)) } else { Ok(true) }
    }

    fn roll_here(&mut self, token: Token<'a>) -> Result<(), Fault> {
        if self.roll(self.cursor.column())? {
            let start = self.cursor.index();
            self.push(token, start);
        }
        Ok(())
    }

    /// Ends the blocks that are indented more than a column.
    fn unroll(&mut self, column: i64) {
        while !self.in_flow() && self.indent > column {
            let start = self.cursor.index();
            self.push(Token::BlockEnd, start);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Goes over white space and comments. Tabs are none where a key could stand.
    fn skip_to_token(&mut self) {
        loop {
            let tabs = self.in_flow() || !self.key_allowed;
            while self.cursor.peek(0) == b' ' || (tabs && self.cursor.peek(0) == b'\t') {
                self.cursor.skip_bytes(1);
            }
            if self.cursor.peek(0) == b'#' {
                self.cursor.skip_rest_of_line();
            }
            if self.cursor.skip_break().is_none() {
                return;
            }
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }
}
