//! YAML 1.1 as Kubernetes' library reads it: text to events, each with its place. The library is a child of libyaml, and
//! so is this reader in what it takes: what is no YAML by the specification, and read all the same by everybody's
//! clusters, is read here too. `tests/twin.rs` holds the two against each other.

mod cursor;
mod directives;
mod flow;
mod grammar;
mod quoted;
mod scalars;
mod scanner;

use std::borrow::Cow;

pub(crate) use grammar::Parser;

use super::scalar::{Style, Tag};
use super::text::CharSpan;

/// One step through a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A document begins.
    DocumentStart,
    /// It ends.
    DocumentEnd,
    /// There is no further document.
    StreamEnd,
    /// A text, or nothing where something could be.
    Scalar {
        /// Quotes, escapes and folding resolved.
        text: Cow<'a, str>,
        /// How it is written.
        style: Style,
        /// Its tag.
        tag: Tag,
        /// The name that aliases use.
        anchor: Option<&'a str>,
    },
    /// Another node by its name.
    Alias(&'a str),
    /// A list begins.
    SequenceStart(Option<&'a str>),
    /// It ends.
    SequenceEnd,
    /// A mapping begins.
    MappingStart(Option<&'a str>),
    /// It ends.
    MappingEnd,
}

/// An event with its place in characters.
pub(crate) type Placed<'a> = (Event<'a>, CharSpan);

/// Why a text is no YAML, and at which character that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The character.
    pub(crate) at: u32,
    /// What is wrong.
    pub(crate) why: Why,
}

/// What can be wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A control character.
    Unprintable,
    /// A tab in front of a line.
    Tab,
    /// A character that no token starts with.
    Start(char),
    /// A `-` where no list can be.
    Dash,
    /// A `?` where no key can be.
    Question,
    /// A `:` where no key can be.
    Colon,
    /// A line of a mapping without `:`.
    NoColon,
    /// Neither a key nor the end of a mapping.
    NoKey,
    /// Neither a `-` nor the end of a list.
    NoDash,
    /// Neither `,` nor `]`.
    OpenSequence,
    /// Neither `,` nor `}`.
    OpenMapping,
    /// A bracket that closes nothing, or another sign where a value should be.
    NoValue,
    /// A quote that is not closed.
    OpenQuote,
    /// An unknown escape.
    Escape,
    /// An escape of no character.
    EscapeOfNothing,
    /// Text behind the sign of a block text.
    BlockHeader,
    /// An indentation of zero.
    BlockIndent,
    /// A name of an anchor or alias.
    AnchorName,
    /// A tag.
    TagName,
    /// A handle of a tag that no directive explains.
    TagHandle,
    /// A line with `%`.
    Directive,
    /// A version that is not 1.1.
    Version,
    /// No `---` before a further document.
    NoDocumentStart,
    /// Brackets or lines that nest too deeply.
    Depth,
}
