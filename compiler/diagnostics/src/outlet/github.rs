//! Foreign text in workflow commands of GitHub Actions.

use super::characters::{broken_commands, is_hidden, push_visible};

/// Returns text for the message of a command, which may have several lines.
pub fn data(text: &str) -> String {
    escaped(text, false)
}

/// Returns text for a property of a command.
pub fn property(text: &str) -> String {
    escaped(text, true)
}

fn escaped(text: &str, property: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            ':' if property => out.push_str("%3A"),
            ',' if property => out.push_str("%2C"),
            c if is_hidden(c) => push_visible(&mut out, c),
            c => out.push(c),
        }
    }
    broken_commands(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_neither_the_command_nor_its_property() {
        assert_eq!(data("50%\r\n::error::x, y"), "50%25%0D%0A::error::x, y");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(data("\u{1b}[31m\u{202e} ##[error]"), r"\x1b[31m\u{202e} ##\x5berror]");
    }
}
