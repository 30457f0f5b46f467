//! Findings about the YAML itself (GW0001 to GW0004).

use gatewright_diagnostics::{Position, Span, code};

use super::FileFinding;
use super::issue::bounded;
use super::json::TooMuch;
use super::load::Problem;
use super::locate::shown;
use super::text::{CharSpan, LineIndex, Lines, MAX_BYTES, Unreadable};
use super::tree::{MAX_DEPTH, Tree};

/// Returns the start of a file.
fn start() -> Span {
    let start = Position { offset: 0, line: 1, column: 1 };
    Span { start, end: start }
}

/// Returns the finding about a file that a tool has encrypted as a whole.
pub(crate) fn encrypted(tool: &str) -> FileFinding {
    let message = format!("the file is encrypted with {tool} and is not read");
    let mut finding = FileFinding::new(&code::GW0111, start(), message);
    finding.notes.push("the Secrets that it holds count as ones that the cluster alone has".into());
    finding
}

/// Returns the finding about bytes that are no text.
pub(crate) fn unreadable(bytes: &[u8], why: Unreadable) -> FileFinding {
    let start = start();
    match why {
        Unreadable::TooLarge => {
            let message = format!("the file has {} bytes, and at most {MAX_BYTES} are read", bytes.len());
            FileFinding::new(&code::GW0004, start, message)
        }
        Unreadable::Utf16 => {
            let mut finding = FileFinding::new(&code::GW0004, start, "the file is UTF-16 text, not UTF-8");
            finding.help = Some("save it as UTF-8".into());
            finding
        }
        Unreadable::NotUtf8 { valid_up_to } => {
            let text = std::str::from_utf8(&bytes[..valid_up_to]).unwrap_or_default();
            let end = text.chars().count() as u32;
            let place = Lines::new(text, &LineIndex::new(text)).span(CharSpan { start: end, end });
            FileFinding::new(&code::GW0004, place, "the file is not UTF-8 text from this byte on")
        }
    }
}

/// Returns the finding about aliases that expand to too much.
pub(crate) fn too_much(why: TooMuch, tree: &Tree<'_>, lines: Lines<'_>) -> FileFinding {
    let (node, message) = match why {
        TooMuch::Budget(node) => (node, "the aliases of this document expand to more than 16 MiB".to_owned()),
        TooMuch::Depth(node) => (node, format!("aliases nest values more than {MAX_DEPTH} levels deep")),
    };
    let mut finding = FileFinding::new(&code::GW0003, lines.span(shown(tree, lines, node)), message);
    finding.help = Some("write the values out, or refer to fewer of them".into());
    finding
}

/// Returns the finding about a problem of a document.
pub(crate) fn finding(problem: Problem, lines: Lines<'_>) -> FileFinding {
    match problem {
        Problem::Syntax { at, complaint, open, last } => {
            let message = format!("the document is not well-formed YAML: {}", complaint.what);
            let mut finding = FileFinding::new(&code::GW0001, lines.span(at), message);
            finding.help = complaint.help.map(str::to_owned);
            finding.related.extend(open.map(|bracket| (lines.span(bracket), "opened here".to_owned())));
            finding.notes.push(if last {
                "the file has too many such errors; nothing behind this one is read".into()
            } else {
                "nothing of this document is used; other documents of the file are".into()
            });
            finding
        }
        Problem::TooManyKeyProblems { at } => {
            let message = "the document has too many keys like these; nothing of it is used";
            FileFinding::new(&code::GW0001, lines.span(CharSpan { start: at.start, end: at.start }), message)
        }
        Problem::DuplicateKey { key, first, second } => {
            let message = format!("the key \"{}\" is already in this mapping", bounded(&key));
            let mut finding = FileFinding::new(&code::GW0002, lines.span(second), message);
            finding.related.push((lines.span(first), "first written here".into()));
            finding.notes.push("Kubernetes keeps the last value and drops the others without a word".into());
            finding.help = Some("keep one of the two".into());
            finding
        }
        Problem::KeyNotText { at } => {
            let message = "a key of a mapping must be text, and this one is null, a list or a mapping";
            FileFinding::new(&code::GW0001, lines.span(at), message)
        }
        Problem::Recursive { alias, anchor } => {
            let message = "the alias stands for a value that contains the alias";
            let mut finding = FileFinding::new(&code::GW0003, lines.span(alias), message);
            finding.related.push((lines.span(CharSpan { end: anchor.start, ..anchor }), "the value".into()));
            finding
        }
        Problem::TooDeep { at } => {
            let message = format!("values nest more than {MAX_DEPTH} levels deep");
            FileFinding::new(&code::GW0003, lines.span(at), message)
        }
    }
}
