//! RE2 expressions, as Envoy reads them, for the `regex` family of crates.
//!
//! Both are linear-time engines with nearly the same syntax. Where they part, RE2 decides: `\d`, `\w`, `\s` and `\b` are
//! ASCII, `{` without a count is a letter, brackets and `&&` inside a class are letters, `\Q...\E` quotes.

use std::collections::HashMap;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::{Arc, RwLock};

use regex::Regex;

/// Highest repetition count that RE2 accepts.
const MAX_REPEAT: u32 = 1000;

/// Says why RE2 would refuse an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectError(String);

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DialectError {}

/// Compiles an RE2 expression that must match a whole value, as Envoy's `safe_regex` does.
pub fn whole(pattern: &str) -> Result<Regex, DialectError> {
    compile(&format!(r"\A(?:{})\z", translate(pattern)?))
}

/// Compiles an RE2 expression that may match anywhere, as Envoy's `regex_rewrite` does.
pub fn anywhere(pattern: &str) -> Result<Regex, DialectError> {
    compile(&translate(pattern)?)
}

fn compile(pattern: &str) -> Result<Regex, DialectError> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        DialectError(text.lines().last().unwrap_or("not a regular expression").trim().to_owned())
    })
}

/// Compiled expressions by text, so that each is compiled once however many routes and requests use it.
#[derive(Debug, Default)]
pub struct Patterns {
    whole: RwLock<HashMap<String, Option<Arc<Regex>>>>,
    anywhere: RwLock<HashMap<String, Option<Arc<Regex>>>>,
}

impl Patterns {
    /// Returns whether `value` as a whole matches; an expression that RE2 refuses matches nothing.
    pub fn matches(&self, pattern: &str, value: &str) -> bool {
        cached(&self.whole, pattern, whole).is_some_and(|regex| regex.is_match(value))
    }

    /// Returns the expression compiled to match anywhere, or none if RE2 refuses it.
    pub fn anywhere(&self, pattern: &str) -> Option<Arc<Regex>> {
        cached(&self.anywhere, pattern, anywhere)
    }
}

fn cached(
    cache: &RwLock<HashMap<String, Option<Arc<Regex>>>>,
    pattern: &str,
    compile: fn(&str) -> Result<Regex, DialectError>,
) -> Option<Arc<Regex>> {
    if let Ok(known) = cache.read()
        && let Some(regex) = known.get(pattern)
    {
        return regex.clone();
    }
    let regex = compile(pattern).ok().map(Arc::new);
    if let Ok(mut known) = cache.write() {
        known.insert(pattern.to_owned(), regex.clone());
    }
    regex
}

/// Rewrites an RE2 expression into the syntax of the `regex` crate, group for group.
pub fn translate(pattern: &str) -> Result<String, DialectError> {
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len()),
        repeated: false,
    };
    translator.run()?;
    Ok(translator.out)
}

/// ASCII contents of the Perl classes, to stand inside brackets.
fn perl_class(letter: char) -> Option<&'static str> {
    match letter.to_ascii_lowercase() {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some(r"\t\n\x0C\r "),
        _ => None,
    }
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    /// Whether the last item was a repetition, which RE2 lets nobody repeat again.
    repeated: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), DialectError> {
        while let Some(c) = self.rest.next() {
            match c {
                '*' | '+' | '?' => self.repetition(&c.to_string())?,
                '{' => self.brace()?,
                _ => {
                    self.repeated = false;
                    match c {
                        '\\' => self.escape()?,
                        '[' => self.class()?,
                        '(' => self.group()?,
                        _ => self.out.push(c),
                    }
                }
            }
        }
        Ok(())
    }

    fn repetition(&mut self, operator: &str) -> Result<(), DialectError> {
        if self.repeated {
            return Err(DialectError(format!("bad repetition operator: `{operator}` after another one")));
        }
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    /// A counted repetition, or a plain brace where no count follows.
    fn brace(&mut self) -> Result<(), DialectError> {
        let text: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let mut counts = text.splitn(2, ',');
        let low = counts.next().unwrap_or_default();
        let high = counts.next();
        let digits = |count: &str| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
        let closed = self.rest.clone().nth(text.chars().count()) == Some('}');
        if !closed || !digits(low) || !high.is_none_or(|high| high.is_empty() || digits(high)) {
            self.repeated = false;
            self.out.push_str(r"\{");
            return Ok(());
        }
        let too_many = |count: &str| !count.is_empty() && count.parse().map_or(true, |n: u32| n > MAX_REPEAT);
        if too_many(low) || high.is_some_and(too_many) {
            return Err(DialectError(format!("repetition `{{{text}}}` is above {MAX_REPEAT}")));
        }
        self.rest.nth(text.chars().count());
        self.repetition(&format!("{{{text}}}"))
    }

    fn escape(&mut self) -> Result<(), DialectError> {
        let Some(c) = self.rest.next() else { return Err(DialectError("trailing `\\`".into())) };
        match c {
            'Q' => self.quote(),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'A' | 'B' | 'z' => self.out.extend(['\\', c]),
            _ => match perl_class(c) {
                Some(class) => {
                    let not = if c.is_ascii_uppercase() { "^" } else { "" };
                    self.out.push_str(&format!("[{not}{class}]"));
                }
                None => {
                    let text = self.character(c)?;
                    self.out.push_str(&text);
                }
            },
        }
        Ok(())
    }

    /// Everything up to `\E` stands for itself.
    fn quote(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.out.push_str(&regex::escape(&c.to_string()));
        }
    }

    /// The escape of one character, or a Unicode class; `c` follows the backslash.
    fn character(&mut self, c: char) -> Result<String, DialectError> {
        match c {
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok(format!("\\{c}")),
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(c),
            'p' | 'P' => Ok(self.unicode_class(c)),
            _ if c.is_ascii_alphanumeric() => Err(DialectError(format!("invalid escape sequence: `\\{c}`"))),
            _ => Ok(regex::escape(&c.to_string())),
        }
    }

    fn hexadecimal(&mut self) -> Result<String, DialectError> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let limit = if braced { usize::MAX } else { 2 };
        let digits: String = self.rest.by_ref().take(limit).take_while(|c| *c != '}').collect();
        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        code.map(|c| regex::escape(&c.to_string()))
            .ok_or_else(|| DialectError(format!("invalid escape sequence: `\\x{digits}`")))
    }

    /// `\123`, or `\0`; a single digit above zero would be a back reference, which RE2 does not have.
    fn octal(&mut self, first: char) -> Result<String, DialectError> {
        let mut digits = String::from(first);
        while digits.len() < 3
            && let Some(digit) = self.rest.next_if(|c| matches!(c, '0'..='7'))
        {
            digits.push(digit);
        }
        if digits.len() == 1 && first != '0' {
            return Err(DialectError(format!("invalid escape sequence: `\\{first}`")));
        }
        let code = u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32);
        code.map(|c| regex::escape(&c.to_string()))
            .ok_or_else(|| DialectError(format!("invalid escape sequence: `\\{digits}`")))
    }

    fn unicode_class(&mut self, letter: char) -> String {
        let mut text = format!("\\{letter}");
        let Some(c) = self.rest.next() else { return text };
        text.push(c);
        if c == '{' {
            for c in self.rest.by_ref() {
                text.push(c);
                if c == '}' {
                    break;
                }
            }
        }
        text
    }

    /// `(`, with RE2's flags and names only.
    fn group(&mut self) -> Result<(), DialectError> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        let flags: String = self.rest.clone().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
        let named = self.rest.peek() == Some(&'<') || flags == "P";
        if !named && flags.chars().any(|c| !"imsU-".contains(c)) {
            return Err(DialectError(format!("invalid perl operator: `(?{flags}`")));
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), DialectError> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.next() else { return Err(DialectError("missing closing `]`".into())) };
            if c == ']' && !first {
                break;
            }
            first = false;
            self.class_item(c)?;
        }
        self.out.push(']');
        Ok(())
    }

    /// One item of a class: a named class, a Perl class, a letter or a range.
    fn class_item(&mut self, c: char) -> Result<(), DialectError> {
        if c == '[' && self.rest.peek() == Some(&':') {
            return self.posix_class();
        }
        if c == '\\'
            && let Some(class) = self.rest.peek().copied().and_then(perl_class)
        {
            let negated = self.rest.next().is_some_and(|letter| letter.is_ascii_uppercase());
            let text = if negated { format!("[^{class}]") } else { class.to_owned() };
            self.out.push_str(&text);
            return Ok(());
        }
        let low = self.class_letter(c)?;
        self.out.push_str(&low);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None) {
            self.rest.next();
            let Some(c) = self.rest.next() else { return Err(DialectError("missing closing `]`".into())) };
            let high = self.class_letter(c)?;
            self.out.push('-');
            self.out.push_str(&high);
        }
        Ok(())
    }

    fn class_letter(&mut self, c: char) -> Result<String, DialectError> {
        match c {
            '\\' => match self.rest.next() {
                Some(escaped) => self.character(escaped),
                None => Err(DialectError("trailing `\\`".into())),
            },
            _ => Ok(regex::escape(&c.to_string())),
        }
    }

    fn posix_class(&mut self) -> Result<(), DialectError> {
        self.out.push('[');
        for c in self.rest.by_ref() {
            self.out.push(c);
            if c == ']' {
                return Ok(());
            }
        }
        Err(DialectError("missing closing `]`".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        whole(pattern).unwrap().is_match(text)
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(matches("a|ab", "ab"));
        assert!(!matches("a|ab", "abb"));
        assert!(matches("/foo$", "/foo"));
    }

    #[test]
    fn perl_classes_are_ascii() {
        assert!(matches(r"\d+", "0123"));
        assert!(!matches(r"\d", "\u{0663}"));
        assert!(!matches(r"\w", "é"));
        assert!(matches(r"[\W]", "é"));
        assert!(matches(r"[\d-]+", "1-2"));
        assert!(matches(r"\S+\bx", "-x"));
    }

    #[test]
    fn braces_and_brackets_without_meaning_are_letters() {
        assert!(matches("/a{id}", "/a{id}"));
        assert!(matches("a{,2}", "a{,2}"));
        assert!(matches("a{2,}", "aaa"));
        assert!(matches("[[a]+", "[a"));
        assert!(matches("[a&&b]+", "a&b"));
        assert!(matches("[]a]", "]"));
        assert!(matches("[--/]", "."));
        assert!(matches("[[:digit:]x-]+", "1x-"));
        assert!(matches(r"\Qa.b*\E+", "a.b**"));
        assert!(matches(r"\x2f\057\<", "//<"));
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for pattern in
            [r"\1", r"\h", "(?x)a", "(?=a)", "a**", "a{1001}", "(", "[a", "a\\", r"\u{41}", "(?<=a)b"]
        {
            assert!(whole(pattern).is_err(), "{pattern}");
        }
        assert!(whole("(?i)a+?(?P<n>b)(?:c)").is_ok());
    }
}
