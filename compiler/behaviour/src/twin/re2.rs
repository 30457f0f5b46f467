//! The twin's own reading of RE2: the text of an expression written anew for the parser of the `regex` crate, character by
//! character. It sees expressions that RE2 takes, so it refuses nothing by itself.

use regex::bytes::Regex;

/// Returns whether an expression matches a value as a whole.
pub(super) fn is_whole_match(pattern: &str, value: &str) -> bool {
    let whole = format!(r"(?-u)\A(?:{})\z", translate(pattern));
    Regex::new(&whole).is_ok_and(|regex| regex.is_match(value.as_bytes()))
}

/// Returns an expression that may match anywhere.
pub(super) fn anywhere(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?-u){}", translate(pattern))).ok()
}

/// Writes an expression in the other notation. Bytes that are no ASCII become escapes.
pub(super) fn translate(pattern: &str) -> String {
    let mut translation = Translation { rest: pattern.as_bytes(), out: String::new() };
    while !translation.rest.is_empty() {
        translation.item();
    }
    translation.out
}

struct Translation<'p> {
    rest: &'p [u8],
    out: String,
}

impl Translation<'_> {
    fn take(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => b' ',
        }
    }

    fn take_if(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, mark: &str) -> String {
        let text = String::from_utf8_lossy(self.rest).into_owned();
        let inside = text.split(mark).next().unwrap_or_default().to_owned();
        self.rest = self.rest.get(inside.len() + mark.len()..).unwrap_or_default();
        inside
    }

    fn item(&mut self) {
        if self.take_if(r"\Q") {
            // Each letter is an item of its own.
            for byte in self.until(r"\E").bytes() {
                self.out.push_str(&letter(byte));
            }
        } else if self.take_if("(?P<") || self.take_if("(?<") {
            self.until(">");
            self.out.push('(');
        } else if self.take_if("(?)") {
            // Nothing at all: what repeats it repeats the item before.
        } else if self.rest.starts_with(b"(?") {
            let flags = self.rest.iter().take_while(|byte| !b":)".contains(byte)).count();
            let (flags, rest) = self.rest.split_at(self.rest.len().min(flags + 1));
            self.rest = rest;
            if flags.ends_with(b")") {
                self.repetitions();
            }
            self.out.extend(flags.iter().map(|byte| char::from(*byte)));
        } else if self.rest.starts_with(b"[") {
            self.take();
            self.class();
        } else {
            match self.take() {
                b'\\' => self.escape(),
                b'{' if !self.is_count() => self.out.push_str(r"\{"),
                b'}' if !self.ends_count() => self.out.push_str(r"\}"),
                byte if b"()|*+?.^${},".contains(&byte) => self.out.push(char::from(byte)),
                byte => self.out.push_str(&letter(byte)),
            }
        }
    }

    /// Copies what repeats the item before flags, and stands behind them: the other parser would find nothing to repeat.
    fn repetitions(&mut self) {
        loop {
            let length = match self.rest.split_first() {
                Some((b'*' | b'+' | b'?', _)) => 1,
                Some((b'{', rest)) if (Translation { rest, out: String::new() }).is_count() => {
                    2 + rest.iter().take_while(|byte| **byte != b'}').count()
                }
                _ => return,
            };
            let lazy = usize::from(self.rest.get(length) == Some(&b'?'));
            let (repetition, rest) = self.rest.split_at(length + lazy);
            self.out.extend(repetition.iter().map(|byte| char::from(*byte)));
            self.rest = rest;
        }
    }

    fn is_count(&self) -> bool {
        let text = String::from_utf8_lossy(self.rest);
        let Some((inside, _)) = text.split_once('}') else { return false };
        let number = |text: &str| {
            let zeros = text.len() > 1 && text.starts_with('0');
            !text.is_empty() && !zeros && text.chars().all(|c| c.is_ascii_digit())
        };
        match inside.split_once(',') {
            None => number(inside),
            Some((least, most)) => number(least) && (most.is_empty() || number(most)),
        }
    }

    /// Whether the brace that was read ends a count that has been written.
    fn ends_count(&self) -> bool {
        let inside = self.out.rsplit('{').next().unwrap_or_default();
        let count = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || c == ',');
        count && self.out.len() > inside.len() && !self.out[..self.out.len() - inside.len()].ends_with(r"\{")
    }

    fn escape(&mut self) {
        let byte = self.take();
        match byte {
            b'b' | b'B' | b'A' | b'z' => self.out.extend(['\\', char::from(byte)]),
            b'C' => self.out.push_str("(?s:.)"),
            _ => {
                let text = self.class_escape(byte).unwrap_or_else(|| letter(self.character(byte)));
                self.out.push_str(&text);
            }
        }
    }

    /// A class that an escape stands for, in brackets.
    fn class_escape(&mut self, byte: u8) -> Option<String> {
        let inside = match byte.to_ascii_lowercase() {
            b'd' => "0-9".to_owned(),
            b's' => r"\t\n\x0c\r ".to_owned(),
            b'w' => "0-9A-Za-z_".to_owned(),
            b'p' => {
                let name =
                    if self.take_if("{") { self.until("}") } else { char::from(self.take()).to_string() };
                let not = name.starts_with('^');
                let members = unicode(name.trim_start_matches('^'));
                return Some(bracketed(&members, not != (byte == b'P')));
            }
            _ => return None,
        };
        Some(bracketed(&inside, byte.is_ascii_uppercase()))
    }

    fn character(&mut self, byte: u8) -> u8 {
        let number = |text: &str, radix| u8::from_str_radix(text, radix).unwrap_or_default();
        match byte {
            b'a' => 7,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'v' => 11,
            b'x' if self.take_if("{") => number(self.until("}").trim_start_matches('0'), 16),
            b'x' => {
                let digits = [self.take(), self.take()];
                number(&String::from_utf8_lossy(&digits), 16)
            }
            b'0'..=b'7' => {
                let mut digits = char::from(byte).to_string();
                while digits.len() < 3 && self.rest.first().is_some_and(|next| (b'0'..=b'7').contains(next)) {
                    digits.push(char::from(self.take()));
                }
                number(&digits, 8)
            }
            other => other,
        }
    }

    fn class(&mut self) {
        self.out.push('[');
        if self.take_if("^") {
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(b"]") {
            first = false;
            if self.rest.is_empty() {
                return;
            }
            self.class_item();
        }
        self.take();
        self.out.push(']');
    }

    fn class_item(&mut self) {
        let name = self.rest.strip_prefix(b"[:").unwrap_or_default();
        if name.windows(2).any(|two| two == b":]") {
            self.rest = name;
            let name = self.until(":]");
            self.out.push_str(&format!("[:{name}:]"));
            return;
        }
        if self.rest.starts_with(b"\\")
            && let Some(class) = self.rest.get(1).copied()
            && b"dDsSwWpP".contains(&class)
        {
            self.rest = &self.rest[2..];
            let text = self.class_escape(class).unwrap_or_default();
            self.out.push_str(&text);
            return;
        }
        let low = self.class_letter();
        self.out.push_str(&letter(low));
        if self.rest.starts_with(b"-") && !self.rest.starts_with(b"-]") {
            self.take();
            let high = self.class_letter();
            self.out.push_str(&format!("-{}", letter(high)));
        }
    }

    fn class_letter(&mut self) -> u8 {
        match self.take() {
            b'\\' => {
                let escaped = self.take();
                self.character(escaped)
            }
            byte => byte,
        }
    }
}

fn bracketed(inside: &str, not: bool) -> String {
    match (inside.is_empty(), not) {
        (true, false) => r"[^\x00-\xff]".to_owned(),
        (true, true) => r"[\x00-\xff]".to_owned(),
        (false, false) => format!("[{inside}]"),
        (false, true) => format!("[^{inside}]"),
    }
}

/// Returns a byte as a letter that means itself.
fn letter(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!(r"\x{byte:02x}") }
}

/// Returns the members of a Unicode class that are in Latin-1, to stand in brackets.
fn unicode(name: &str) -> String {
    let one = Regex::new(&format!(r"\A\p{{{name}}}\z"));
    let has = |code: &u8| match &one {
        Ok(regex) => regex.is_match(char::from(*code).encode_utf8(&mut [0; 4]).as_bytes()),
        Err(_) => false,
    };
    (0..=u8::MAX).filter(has).map(|code| format!(r"\x{code:02x}")).collect()
}
