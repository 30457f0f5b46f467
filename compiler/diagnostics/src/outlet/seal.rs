//! The barrier: what must not leave in a form is made harmless there, line by line, whoever let it through.

use std::borrow::Cow;

use super::characters::{COMMAND, broken_commands, is_hidden, push_visible};
use super::markdown::MENTION;

/// What a whole text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for people; with color, sequences that set colors are our own.
    Text {
        /// Whether such sequences may be in it.
        color: bool,
    },
    /// JSON in any of our documents.
    Json,
    /// YAML.
    Yaml,
    /// XML.
    Xml,
    /// Workflow commands of GitHub Actions, one a line.
    Github,
    /// Markdown.
    Markdown,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// Pages, schemas and scripts of the program itself, with nothing foreign in them.
    Own,
}

/// Returns a text piece by piece as it may leave: no control character but line ends (and tabs), nothing without a
/// shape, no line that a CI run takes for a command. What is sound comes back as it is.
pub fn sealed(form: Form, text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let whole = form == Form::Own;
    let lines =
        text.split_inclusive('\n').map(move |line| if whole { line.into() } else { line_of(form, line) });
    lines.filter(|line| !line.is_empty())
}

/// Returns a whole text as it may leave, and without what is secret by its shape. What is sound is not copied.
pub fn released(form: Form, text: String) -> String {
    let shown = gatewright_secrets::shapes(&text);
    let sound = sealed(form, &shown).all(|piece| matches!(piece, Cow::Borrowed(_)));
    match shown {
        Cow::Borrowed(_) if sound => text,
        Cow::Owned(shown) if sound => shown,
        shown => sealed(form, &shown).collect(),
    }
}

/// Returns a record of a log as one line, with its end.
pub fn record(form: Form, text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let joined = text.replace('\n', r"\n");
    sealed(form, &joined).collect::<String>() + "\n"
}

fn line_of(form: Form, line: &str) -> Cow<'_, str> {
    let harmless = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if line.bytes().all(harmless) && !line.contains(COMMAND) && !starts_command(line) {
        return line.into();
    }
    match form {
        Form::Json => escaped(line, json).replace(COMMAND, r"##\u005b").into(),
        Form::Yaml => escaped(line, yaml).replace(COMMAND, r"##\x5b").into(),
        Form::Xml => not_a_command(escaped(line, xml).replace(COMMAND, "##&#91;"), "&#58;"),
        Form::Markdown => {
            let pieces: Vec<String> = line.split(MENTION).map(|piece| escaped(piece, push_visible)).collect();
            not_a_command(broken_commands(pieces.join(MENTION)), r"\x3a")
        }
        Form::Github if is_annotation(line) => broken_commands(escaped(line, push_visible)).into(),
        Form::Text { color: true } => not_a_command(broken_commands(colored(line)), r"\x3a"),
        Form::Text { color: false } | Form::Github | Form::Dot | Form::Mermaid => {
            not_a_command(broken_commands(escaped(line, push_visible)), r"\x3a")
        }
        Form::Own => line.into(),
    }
}

fn starts_command(line: &str) -> bool {
    line.trim_start().starts_with("::")
}

/// Returns whether a line is one of the commands that we give.
fn is_annotation(line: &str) -> bool {
    ["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command))
}

fn not_a_command(line: String, colon: &str) -> Cow<'static, str> {
    match line.len() - line.trim_start().len() {
        at if line[at..].starts_with("::") => format!("{}{colon}{}", &line[..at], &line[at + 1..]).into(),
        _ => line.into(),
    }
}

/// Writes hidden characters as the form has them.
fn escaped(line: &str, write: fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_hidden(c) => write(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// The same for a terminal, where sequences that set colors stay.
fn colored(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&escaped(&rest[..at], push_visible));
        let length = color_sequence(&rest[at..]);
        match length {
            0 => push_visible(&mut out, '\u{1b}'),
            length => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length.max(1)..];
    }
    out + &escaped(rest, push_visible)
}

/// Returns the length of the sequence at the start of a text that sets colors; 0 for any other.
fn color_sequence(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|&end| parameters[end..].starts_with('m')).map_or(0, |end| end + 3)
}

fn json(out: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Writes an escape of quoted scalars; what needs one stands in quotes already.
fn yaml(out: &mut String, c: char) {
    match u32::from(c) {
        code @ ..=0xff => out.push_str(&format!("\\x{code:02x}")),
        code @ ..=0xffff => out.push_str(&format!("\\u{code:04x}")),
        code => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Writes a reference, except for characters that XML has not.
fn xml(out: &mut String, c: char) {
    match c {
        '\r' | '\u{7f}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
            out.push_str(&format!("&#x{:x};", u32::from(c)));
        }
        c => push_visible(out, c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(form: Form, text: &str) -> String {
        sealed(form, text).collect()
    }

    const EVIL: &str = "a\u{1b}[2J\u{9b}\u{202e}\u{200b}##[error]x\n  ::error::y\n";

    #[test]
    fn each_form_has_escapes_of_its_own() {
        let text = Form::Text { color: false };
        assert_eq!(seal(text, EVIL), "a\\x1b[2J\\u{9b}\\u{202e}\\u{200b}##\\x5berror]x\n  \\x3a:error::y\n");
        assert_eq!(seal(Form::Json, "\"a\u{202e}\u{e0001}##[\"\n"), "\"a\\u202e\\udb40\\udc01##\\u005b\"\n");
        assert_eq!(seal(Form::Yaml, "a: \"\u{9b}\u{202e}\u{e0001}\"\n"), "a: \"\\x9b\\u202e\\U000e0001\"\n");
        assert_eq!(seal(Form::Xml, "<a>\u{202e}\u{1b}##[\n::x</a>"), "<a>&#x202e;\\x1b##&#91;\n&#58;:x</a>");
        assert_eq!(seal(Form::Markdown, "@\u{200b}me \u{200b}\n::e::"), "@\u{200b}me \\u{200b}\n\\x3a:e::");
        assert_eq!(seal(Form::Own, EVIL), EVIL);
    }

    #[test]
    fn only_annotations_are_commands() {
        assert_eq!(
            seal(Form::Github, "::error file=a::b\n::set-env name=X::y\n"),
            "::error file=a::b\n\\x3a:set-env name=X::y\n"
        );
    }

    #[test]
    fn colors_stay_where_there_are_some_and_nothing_else_does() {
        let line = "\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J \u{1b}]0;title\u{7} \u{1b}";
        assert_eq!(
            seal(Form::Text { color: true }, line),
            "\u{1b}[1;31mred\u{1b}[0m \\x1b[2J \\x1b]0;title\\x07 \\x1b"
        );
        assert!(!seal(Form::Text { color: false }, line).contains('\u{1b}'));
    }

    #[test]
    fn sound_lines_are_not_copied() {
        let text = "plain: text\n\tand more :: of it\n";
        assert!(sealed(Form::Yaml, text).all(|line| matches!(line, Cow::Borrowed(_))));
    }

    #[test]
    fn what_is_released_is_sealed_and_holds_no_secret() {
        let page = |text: &str| released(Form::Json, text.to_owned());
        assert_eq!(page("{\"a\": \"b\"}\n"), "{\"a\": \"b\"}\n");
        assert_eq!(page("\"https://u:SESAME@h\u{202e}\"\n"), "\"https://[hidden]@h\\u202e\"\n");
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(record(Form::Text { color: false }, "a\n::error::b\r\n"), "a\\n::error::b\\r\n");
    }
}
