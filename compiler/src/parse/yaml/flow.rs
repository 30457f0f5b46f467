//! Lists and mappings in brackets.

use super::grammar::{Next, Parser, State, Where, nothing_at};
use super::scanner::Token;
use super::{Event, Why};
use crate::parse::text::CharSpan;

impl<'a> Parser<'a> {
    pub(super) fn flow_entry(&mut self, first: bool) -> Next<'a> {
        if first {
            self.take()?;
        }
        if self.is(|token| *token == Token::FlowSequenceEnd)? {
            return self.end(Event::SequenceEnd);
        }
        if !first {
            if !self.is(|token| *token == Token::FlowEntry)? {
                return self.fault(Why::OpenSequence);
            }
            self.take()?;
        }
        if self.is(|token| *token == Token::Key)? {
            self.state = State::PairKey;
            let place = self.take()?;
            return Ok((Event::MappingStart(None), CharSpan { end: place.start, ..place }));
        }
        if self.is(|token| *token == Token::FlowSequenceEnd)? {
            return self.end(Event::SequenceEnd);
        }
        self.node_then(Where::Flow, State::FlowEntry { first: false })
    }

    pub(super) fn pair_key(&mut self) -> Next<'a> {
        if self.is(|token| matches!(token, Token::Value | Token::FlowEntry | Token::FlowSequenceEnd))? {
            // The library forgets the sign, and so the value behind it.
            let sign = self.take()?;
            self.state = State::PairValue;
            return Ok(nothing_at(sign.end));
        }
        self.node_then(Where::Flow, State::PairValue)
    }

    pub(super) fn pair_value(&mut self) -> Next<'a> {
        if self.is(|token| *token == Token::Value)? {
            self.take()?;
            if !self.is(|token| matches!(token, Token::FlowEntry | Token::FlowSequenceEnd))? {
                return self.node_then(Where::Flow, State::PairEnd);
            }
        }
        self.state = State::PairEnd;
        self.nothing_here()
    }

    pub(super) fn flow_key(&mut self, first: bool) -> Next<'a> {
        if first {
            self.take()?;
        }
        if self.is(|token| *token == Token::FlowMappingEnd)? {
            return self.end(Event::MappingEnd);
        }
        if !first {
            if !self.is(|token| *token == Token::FlowEntry)? {
                return self.fault(Why::OpenMapping);
            }
            self.take()?;
        }
        if self.is(|token| *token == Token::Key)? {
            self.take()?;
            if self.is(|token| matches!(token, Token::Value | Token::FlowEntry | Token::FlowMappingEnd))? {
                self.state = State::FlowValue;
                return self.nothing_here();
            }
            return self.node_then(Where::Flow, State::FlowValue);
        }
        if self.is(|token| *token == Token::FlowMappingEnd)? {
            return self.end(Event::MappingEnd);
        }
        self.node_then(Where::Flow, State::NoValue)
    }

    pub(super) fn flow_value(&mut self) -> Next<'a> {
        if self.is(|token| *token == Token::Value)? {
            self.take()?;
            if !self.is(|token| matches!(token, Token::FlowEntry | Token::FlowMappingEnd))? {
                return self.node_then(Where::Flow, State::FlowKey { first: false });
            }
        }
        self.state = State::FlowKey { first: false };
        self.nothing_here()
    }
}
