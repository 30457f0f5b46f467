//! Values behind a name that makes them secret: `password: x`, `"token": "x"`, `API_KEY=x`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::HIDDEN;
use crate::names::is_secret_name;

/// A name that may be one, and what stands between it and its value.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    let piece = "pass|pwd|psk|secret|token|key|credential|authorization|bearer|jwt|cookie|connection";
    Regex::new(&format!(r#"(?i)["']?([A-Za-z0-9_.\-/]*(?:{piece})[A-Za-z0-9_.\-]*)["']?[ \t]*[:=][ \t]*"#))
        .expect("a valid expression")
});

/// Finds the values.
pub(crate) fn find(text: &str, ranges: &mut Vec<Range<usize>>) {
    for found in NAME.captures_iter(text) {
        let (Some(all), Some(name)) = (found.get(0), found.get(1)) else { continue };
        if is_secret_name(name.as_str()) && !text[all.end()..].starts_with(HIDDEN) {
            let value = all.end()..all.end() + length(&text[all.end()..]);
            if says_something(&text[value.clone()]) {
                ranges.push(value);
            }
        }
    }
}

/// Returns whether a value could be secret: switches and what is hidden already are not.
pub(crate) fn says_something(value: &str) -> bool {
    let plain = value.trim().trim_matches(['"', '\'']);
    !matches!(plain, "" | "true" | "false" | "null" | "~" | "{" | "[" | "|" | ">" | "|-" | ">-" | HIDDEN)
        && !plain.starts_with(HIDDEN)
}

/// Returns the length of the value at the begin of a text: to the closing quote, the end of the line, or what ends a
/// value between brackets.
fn length(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => 1 + quoted(&text[1..], quote),
        _ => {
            let line = &text[..text.find('\n').unwrap_or(text.len())];
            let end = line.find([']', '}', '`', '"']).unwrap_or(line.len());
            let end = line[..end].find(", ").unwrap_or(end);
            line[..end].trim_end().len()
        }
    }
}

/// Returns the length up to and with the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            '\n' => return at,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use crate::text;

    #[test]
    fn values_behind_secret_names_go() {
        for (given, shown) in [
            ("password: SESAME", "password: [hidden]"),
            (r#"{"token":"SES\"AME","a":"b"}"#, r#"{"token":[hidden],"a":"b"}"#),
            ("{nacosAccessKey: SESAME, domain: x}", "{nacosAccessKey: [hidden], domain: x}"),
            ("DB_PASS=SESAME\nhost=x", "DB_PASS=[hidden]\nhost=x"),
            ("authorization: Bearer SESAME", "authorization: [hidden]"),
        ] {
            assert_eq!(text(given), shown, "{given}");
            assert_eq!(text(shown), shown, "{shown} is hidden once");
        }
    }

    #[test]
    fn other_values_stay() {
        for given in [
            "secretName: tls",
            "hasPassword: true",
            "spec.nacosSecretKey must be text",
            "the key: x",
            "`x-token` has no effect",
            "token: |",
        ] {
            assert_eq!(text(given), given);
        }
    }
}
