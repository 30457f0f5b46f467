//! What the reader complains about, in words that help an author.

use std::borrow::Cow;

use super::yaml::Why;

/// What is wrong, and what to do if that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong.
    pub(crate) what: Cow<'static, str>,
    /// What to do.
    pub(crate) help: Option<&'static str>,
}

impl Complaint {
    fn new(what: &'static str, help: Option<&'static str>) -> Self {
        Complaint { what: what.into(), help }
    }
}

const ALIKE: Option<&str> = Some("indent what belongs together alike");
const CHECK: Option<&str> = Some("check the indentation");

/// Returns the complaint about a fault.
pub(crate) fn complaint(why: Why) -> Complaint {
    let (what, help) = match why {
        Why::Start(character) => {
            let what = format!("unquoted text cannot start with `{character}`");
            return Complaint { what: what.into(), help: Some("put the text in quotes") };
        }
        Why::Unprintable => {
            ("the text holds a control character", Some("write it as an escape in double quotes"))
        }
        Why::Tab => ("a tab stands where only spaces may indent", Some("indent with spaces")),
        Why::Dash => ("a `-` stands where no list can be", CHECK),
        Why::Question => ("a `?` stands where no key can be", None),
        Why::Colon => (
            "a `:` stands where no key can be",
            Some("put text that holds `: ` in quotes, or check the indentation"),
        ),
        Why::NoColon => {
            ("a line of a mapping has no `:`", Some("write `key: value`, or check the indentation"))
        }
        Why::NoKey => ("the indentation fits no mapping above, or a key is missing", ALIKE),
        Why::NoDash => ("the indentation fits no list above, or a `-` is missing", ALIKE),
        Why::OpenSequence => ("a `,` or `]` is missing", None),
        Why::OpenMapping => ("a `,` or `}` is missing", None),
        Why::NoValue => ("a value is missing", None),
        Why::OpenQuote => ("a quote is not closed", None),
        Why::Escape => (
            "a text in double quotes holds an escape that YAML does not know",
            Some("write `\\\\` for a backslash, or use single quotes"),
        ),
        Why::EscapeOfNothing => ("a text in double quotes holds an escape of no character", None),
        Why::BlockHeader => {
            ("text follows the sign of a block text", Some("begin the text on the next line"))
        }
        Why::BlockIndent => ("a block text cannot be indented by 0", None),
        Why::AnchorName => (
            "`&` and `*` need a name of letters, digits, `-` and `_`",
            Some("put text that starts with `&` or `*` in quotes"),
        ),
        Why::TagName => ("`!` needs the name of a tag", Some("put text that starts with `!` in quotes")),
        Why::TagHandle => ("the handle of the tag is not explained by a line `%TAG`", None),
        Why::Directive => (
            "a line that starts with `%` is neither `%YAML 1.1` nor a `%TAG`",
            Some("put text that starts with `%` in quotes"),
        ),
        Why::Version => ("Kubernetes reads YAML 1.1 alone", Some("remove the line `%YAML`")),
        Why::NoDocumentStart => ("the line belongs to no value of the document", CHECK),
        Why::Depth => ("brackets nest too deeply", None),
    };
    Complaint::new(what, help)
}

/// Returns the complaint about an alias of nothing.
pub(crate) fn unknown_anchor() -> Complaint {
    Complaint::new("the alias names no anchor of this document", None)
}
