//! The parser's complaints in words that help an author.

use std::borrow::Cow;

/// What is wrong, and what to do if that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong.
    pub(crate) what: Cow<'static, str>,
    /// What to do.
    pub(crate) help: Option<&'static str>,
}

const INDENTATION: &str = "indent what belongs together alike";

/// Pieces of the parser's texts, each with what it comes down to.
const COMPLAINTS: &[(&str, &str, Option<&str>)] = &[
    ("unexpected document indicator", "a quote is not closed", None),
    ("unexpected end of stream", "a quote is not closed", None),
    ("tabs disallowed", "a tab stands where only spaces may indent", Some("indent with spaces")),
    ("tab cannot be used", "a tab stands where only spaces may indent", Some("indent with spaces")),
    ("found a tab", "a tab stands where only spaces may indent", Some("indent with spaces")),
    ("start with a tab", "a tab stands where only spaces may indent", Some("indent with spaces")),
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be",
        Some("put text that holds `: ` in quotes, or check the indentation"),
    ),
    ("illegal placement of ':'", "a `:` stands where no key can be", Some("check the indentation")),
    ("mapping keys are not allowed", "a `?` stands where no key can be", None),
    (
        "simple key expect",
        "a line of a mapping has no `:`",
        Some("write `key: value`, or check the indentation"),
    ),
    (
        "did not find expected key",
        "the indentation fits no mapping above, or a key is missing",
        Some(INDENTATION),
    ),
    ("expected '-' indicator", "the indentation fits no list above, or a `-` is missing", Some(INDENTATION)),
    ("expected ',' or '}'", "a `,` or `}` is missing", None),
    ("expected ',' or ']'", "a `,` or `]` is missing", None),
    ("misplaced bracket", "a closing bracket has no opening one", None),
    ("wrongly indented line", "a line of a block text is indented less than the first", Some(INDENTATION)),
    (
        "indentation in quoted scalar",
        "a line of a quoted text is not indented more than its key",
        Some("indent the lines of the text"),
    ),
    ("invalid indentation", "the indentation fits nothing above", Some(INDENTATION)),
    ("unknown anchor", "the alias names no anchor of this document", None),
    (
        "unknown escape character",
        "a text in double quotes holds an escape that YAML does not know",
        Some("write `\\\\` for a backslash, or use single quotes"),
    ),
    ("Unicode character escape", "a text in double quotes holds an escape of no character", None),
    ("trailing content after double-quoted", "text follows a closing quote", None),
    (
        "expected <document start>",
        "the line belongs to no value of the document",
        Some("check the indentation"),
    ),
    ("expected node content", "a value is missing", None),
    ("unprintable character", "the text holds a control character", None),
    (
        "block sequence entries are not allowed",
        "a `-` stands where no list can be",
        Some("check the indentation"),
    ),
    ("recursion limit", "brackets nest too deeply", None),
    ("byte order mark", "a byte order mark stands inside a document", Some("remove it")),
];

/// Returns a complaint of the parser in our words, or in its own where they are rare.
pub(crate) fn complaint(info: &str) -> Complaint {
    if let Some(character) = info.strip_prefix("unexpected character: `") {
        let what = format!("unquoted text cannot start with `{}`", character.trim_end_matches('\''));
        return Complaint { what: what.into(), help: Some("put the text in quotes") };
    }
    match COMPLAINTS.iter().find(|(piece, _, _)| info.contains(piece)) {
        Some((_, what, help)) => Complaint { what: (*what).into(), help: *help },
        None => Complaint { what: info.to_owned().into(), help: None },
    }
}
