//! Tokens to events: which node each token begins or ends.

use std::borrow::Cow;

use super::scanner::{Found, Scanner, Token};
use super::{Event, Fault, Placed, Why};
use crate::parse::scalar::{Style, Tag};
use crate::parse::text::CharSpan;

/// What is expected next.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// A document, which needs no `---`.
    FirstDocument,
    /// A document behind another one.
    FurtherDocument,
    /// What follows `---`.
    Content,
    BlockNode,
    DocumentEnd,
    BlockEntry {
        first: bool,
    },
    /// An entry of a list that is indented no more than its key.
    FlatEntry,
    BlockKey {
        first: bool,
    },
    BlockValue,
    FlowEntry {
        first: bool,
    },
    /// A key in `[key: value]`.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey {
        first: bool,
    },
    FlowValue,
    /// The value of a key without `:`.
    NoValue,
    End,
}

/// Reads the documents of a text.
pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    pub(super) state: State,
    states: Vec<State>,
    /// Handles of tags with what they stand for, as the document's directives say.
    handles: Vec<(&'a str, Cow<'a, str>)>,
}

/// Where a node may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Flow,
    Block,
    /// Behind a key of a block, where a list needs no indentation.
    BlockValue,
}

/// What stands before a node.
#[derive(Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Option<(&'a str, Cow<'a, str>)>,
    start: Option<u32>,
    end: u32,
}

pub(super) type Next<'a> = Result<Placed<'a>, Fault>;

impl<'a> Parser<'a> {
    /// Starts at the beginning of a text.
    pub(crate) fn new(text: &'a str) -> Self {
        Parser {
            scanner: Scanner::new(text),
            state: State::FirstDocument,
            states: Vec::new(),
            handles: Vec::new(),
        }
    }

    /// Returns the next event. Behind a fault there is none of use.
    pub(crate) fn next(&mut self) -> Next<'a> {
        match self.state {
            State::FirstDocument => self.document_start(true),
            State::FurtherDocument => self.document_start(false),
            State::Content => self.content(),
            State::BlockNode => self.node(Where::Block),
            State::DocumentEnd => self.document_end(),
            State::BlockEntry { first } => self.block_entry(first),
            State::FlatEntry => self.flat_entry(),
            State::BlockKey { first } => self.block_key(first),
            State::BlockValue => self.block_value(),
            State::FlowEntry { first } => self.flow_entry(first),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => {
                self.state = State::FlowEntry { first: false };
                self.here(Event::MappingEnd)
            }
            State::FlowKey { first } => self.flow_key(first),
            State::FlowValue => self.flow_value(),
            State::NoValue => {
                self.state = State::FlowKey { first: false };
                self.nothing_here()
            }
            State::End => self.here(Event::StreamEnd),
        }
    }

    fn peek(&mut self) -> Result<&Found<'a>, Fault> {
        self.scanner.peek()
    }

    /// Returns whether the next token is one of some.
    pub(super) fn is(&mut self, wanted: fn(&Token<'a>) -> bool) -> Result<bool, Fault> {
        Ok(wanted(&self.peek()?.token))
    }

    /// Takes the next token and returns its place.
    pub(super) fn take(&mut self) -> Result<CharSpan, Fault> {
        let found = self.peek()?;
        let place = CharSpan { start: found.start, end: found.end };
        self.scanner.take();
        Ok(place)
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// Goes on with a node, and then with a state.
    pub(super) fn node_then(&mut self, place: Where, state: State) -> Next<'a> {
        self.states.push(state);
        self.node(place)
    }

    /// An event of no length in front of the next token.
    fn here(&mut self, event: Event<'a>) -> Next<'a> {
        let start = self.peek()?.start;
        Ok((event, CharSpan { start, end: start }))
    }

    /// A node that is not written, in front of the next token.
    pub(super) fn nothing_here(&mut self) -> Next<'a> {
        let start = self.peek()?.start;
        Ok(nothing_at(start))
    }

    /// Ends a collection at the next token, and takes that.
    pub(super) fn end(&mut self, event: Event<'a>) -> Next<'a> {
        self.pop();
        Ok((event, self.take()?))
    }

    pub(super) fn fault(&mut self, why: Why) -> Next<'a> {
        Err(Fault { at: self.peek()?.start, why })
    }

    fn document_start(&mut self, first: bool) -> Next<'a> {
        while !first && self.is(|token| *token == Token::DocumentEnd)? {
            self.take()?;
        }
        if self.is(|token| *token == Token::StreamEnd)? {
            self.state = State::End;
            return self.here(Event::StreamEnd);
        }
        let directives = self.directives()?;
        let start = self.peek()?.start;
        let marked = self.is(|token| *token == Token::DocumentStart)?;
        if !marked && (!first || directives) {
            return self.fault(Why::NoDocumentStart);
        }
        let end = if marked { self.take()?.end } else { start };
        self.states.push(State::DocumentEnd);
        self.state = if marked { State::Content } else { State::BlockNode };
        Ok((Event::DocumentStart, CharSpan { start, end }))
    }

    /// Reads the lines with `%`, and returns whether there are any.
    fn directives(&mut self) -> Result<bool, Fault> {
        self.handles.clear();
        let (mut found, mut version) = (false, false);
        loop {
            let at = self.peek()?.start;
            match self.peek()?.token.clone() {
                Token::Version if version => return Err(Fault { at, why: Why::Directive }),
                Token::Version => version = true,
                Token::TagDirective { handle, .. }
                    if self.handles.iter().any(|(known, _)| *known == handle) =>
                {
                    return Err(Fault { at, why: Why::Directive });
                }
                Token::TagDirective { handle, prefix } => self.handles.push((handle, prefix)),
                _ => return Ok(found),
            }
            found = true;
            self.take()?;
        }
    }

    fn content(&mut self) -> Next<'a> {
        if self.is(|token| {
            matches!(
                token,
                Token::Version
                    | Token::TagDirective { .. }
                    | Token::DocumentStart
                    | Token::DocumentEnd
                    | Token::StreamEnd
            )
        })? {
            self.pop();
            return self.nothing_here();
        }
        self.node(Where::Block)
    }

    fn document_end(&mut self) -> Next<'a> {
        let start = self.peek()?.start;
        if self.is(|token| *token == Token::DocumentEnd)? {
            self.take()?;
        }
        self.state = State::FurtherDocument;
        Ok((Event::DocumentEnd, CharSpan { start, end: start }))
    }

    fn node(&mut self, place: Where) -> Next<'a> {
        let properties = self.properties()?;
        let tag = self.tag_of(&properties)?;
        let (first, end) = {
            let found = self.peek()?;
            (found.start, found.end)
        };
        let start = properties.start.unwrap_or(first);
        let span = CharSpan { start, end };
        let anchor = properties.anchor;
        if self.is(|token| matches!(token, Token::Scalar { .. } | Token::Alias(_)))?
            && let Some(event) = self.leaf(tag, &properties)
        {
            return Ok((event, span));
        }
        let (state, event) = match self.peek()?.token {
            // The `-` is looked at again, as its first entry.
            Token::BlockEntry if place == Where::BlockValue => {
                self.state = State::FlatEntry;
                return Ok((Event::SequenceStart(anchor), CharSpan { start, end: start }));
            }
            Token::FlowSequenceStart => (State::FlowEntry { first: true }, Event::SequenceStart(anchor)),
            Token::FlowMappingStart => (State::FlowKey { first: true }, Event::MappingStart(anchor)),
            Token::BlockSequenceStart if place != Where::Flow => {
                (State::BlockEntry { first: true }, Event::SequenceStart(anchor))
            }
            Token::BlockMappingStart if place != Where::Flow => {
                (State::BlockKey { first: true }, Event::MappingStart(anchor))
            }
            _ if properties.start.is_some() => {
                self.pop();
                let event = Event::Scalar { text: "".into(), style: Style::Plain, tag, anchor };
                return Ok((event, CharSpan { start, end: properties.end }));
            }
            _ => return Err(Fault { at: first, why: Why::NoValue }),
        };
        self.state = state;
        Ok((event, span))
    }

    /// Takes a text or an alias; none if it is an alias with an anchor or a tag, which cannot be.
    fn leaf(&mut self, tag: Tag, properties: &Properties<'a>) -> Option<Event<'a>> {
        let found = self.scanner.take()?;
        let event = match found.token {
            Token::Scalar { text, style } => Event::Scalar { text, style, tag, anchor: properties.anchor },
            Token::Alias(name) if properties.start.is_none() => Event::Alias(name),
            token => {
                self.scanner.put_back(Found { token, ..found });
                return None;
            }
        };
        self.pop();
        Some(event)
    }

    /// Reads an anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties<'a>, Fault> {
        let mut properties = Properties::default();
        loop {
            let found = self.peek()?;
            let (start, end) = (found.start, found.end);
            match &found.token {
                Token::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                Token::Tag { handle, suffix } if properties.tag.is_none() => {
                    properties.tag = Some((handle, suffix.clone()));
                }
                _ => return Ok(properties),
            }
            properties.start.get_or_insert(start);
            properties.end = end;
            self.take()?;
        }
    }

    fn tag_of(&self, properties: &Properties<'a>) -> Result<Tag, Fault> {
        let Some((handle, suffix)) = &properties.tag else { return Ok(Tag::Implicit) };
        let written = self.handles.iter().find(|(known, _)| known == handle).map(|(_, prefix)| &**prefix);
        let prefix = match (*handle, written) {
            ("", _) => "",
            (_, Some(prefix)) => prefix,
            ("!", None) => "!",
            ("!!", None) => "tag:yaml.org,2002:",
            _ => return Err(Fault { at: properties.start.unwrap_or_default(), why: Why::TagHandle }),
        };
        Ok(Tag::named(&format!("{prefix}{suffix}")))
    }

    fn block_entry(&mut self, first: bool) -> Next<'a> {
        if first {
            self.take()?;
        }
        if self.is(|token| *token == Token::BlockEntry)? {
            let dash = self.take()?;
            self.state = State::BlockEntry { first: false };
            if self.is(|token| matches!(token, Token::BlockEntry | Token::BlockEnd))? {
                return Ok(nothing_at(dash.end));
            }
            return self.node_then(Where::Block, self.state);
        }
        match self.is(|token| *token == Token::BlockEnd)? {
            true => self.end(Event::SequenceEnd),
            false => self.fault(Why::NoDash),
        }
    }

    fn flat_entry(&mut self) -> Next<'a> {
        if !self.is(|token| *token == Token::BlockEntry)? {
            self.pop();
            return self.here(Event::SequenceEnd);
        }
        let dash = self.take()?;
        self.state = State::FlatEntry;
        if self
            .is(|token| matches!(token, Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd))?
        {
            return Ok(nothing_at(dash.end));
        }
        self.node_then(Where::Block, self.state)
    }

    fn block_key(&mut self, first: bool) -> Next<'a> {
        if first {
            self.take()?;
        }
        if self.is(|token| *token == Token::Key)? {
            return self.block_part(State::BlockValue);
        }
        match self.is(|token| *token == Token::BlockEnd)? {
            true => self.end(Event::MappingEnd),
            false => self.fault(Why::NoKey),
        }
    }

    fn block_value(&mut self) -> Next<'a> {
        let next = State::BlockKey { first: false };
        if self.is(|token| *token == Token::Value)? {
            return self.block_part(next);
        }
        self.state = next;
        self.nothing_here()
    }

    /// Takes the sign of a key or value, and reads what follows if there is anything.
    fn block_part(&mut self, next: State) -> Next<'a> {
        let sign = self.take()?;
        if self.is(|token| matches!(token, Token::Key | Token::Value | Token::BlockEnd))? {
            self.state = next;
            return Ok(nothing_at(sign.end));
        }
        self.node_then(Where::BlockValue, next)
    }
}

pub(super) fn nothing_at<'a>(start: u32) -> Placed<'a> {
    let event = Event::Scalar { text: "".into(), style: Style::Plain, tag: Tag::Implicit, anchor: None };
    (event, CharSpan { start, end: start })
}
