//! What the lines of one worker have in common: names of parameters that grant nothing, and the second that it is.
//!
//! A look for what grants access costs more than the rest of a line. Most values cannot hold any, which their bytes tell;
//! most queries have parameters whose names were seen before.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use super::line::{digits, hidden};

/// So many names are remembered.
const KNOWN_NAMES: usize = 256;
/// The shortest token whose beginning tells what it is.
const SHORTEST_TOKEN: usize = 14;
/// What stands before credentials in a value of `Authorization`.
const SCHEMES: [&[u8]; 4] = [b"bearer", b"basic", b"negotiate", b"digest"];

/// What lines have in common.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Names of parameters whose values are no secret.
    harmless: BTreeSet<Box<[u8]>>,
    second: u64,
    /// That second up to its point; empty before the first one.
    text: Vec<u8>,
}

impl Known {
    /// Returns a value without what grants access.
    pub(super) fn shown<'v>(&mut self, value: &'v [u8]) -> Cow<'v, [u8]> {
        match suspicion(value) {
            Suspicion::None => Cow::Borrowed(value),
            Suspicion::Parameters if self.is_harmless(value) => Cow::Borrowed(value),
            Suspicion::Parameters | Suspicion::Any => hidden(value, gatewright_secrets::shapes),
        }
    }

    /// Returns whether all parameters of a value have names that are known to be harmless, or turn out so.
    fn is_harmless(&mut self, value: &[u8]) -> bool {
        let parts = value.split(|byte| matches!(byte, b'?' | b'&' | b'#' | b';')).skip(1);
        for part in parts {
            let Some(end) = part.iter().position(|&byte| byte == b'=') else { continue };
            if !self.harmless.contains(&part[..end]) && !self.learn(&part[..end]) {
                return false;
            }
        }
        true
    }

    /// Remembers a name if a value of that name would not be hidden.
    fn learn(&mut self, name: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(name) else { return false };
        let whole = matches!(gatewright_secrets::address(&format!("?{text}=x")), Cow::Borrowed(_));
        if whole {
            // Whoever makes names up makes others be forgotten, and no more than that.
            if self.harmless.len() >= KNOWN_NAMES {
                self.harmless.clear();
            }
            self.harmless.insert(name.into());
        }
        whole
    }

    /// Writes `2026-01-31T23:59:59.123Z`.
    pub(super) fn timestamp(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.text.is_empty() || self.second != since.as_secs() {
            self.second = since.as_secs();
            self.text.clear();
            second(&mut self.text, self.second);
        }
        out.extend_from_slice(&self.text);
        digits(out, since.subsec_millis().into(), 3);
        out.push(b'Z');
    }
}

/// What of a value needs a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    None,
    /// The names of its parameters.
    Parameters,
    Any,
}

/// What a byte is to [`suspicion`].
#[derive(Clone, Copy)]
enum Class {
    /// Of a word, also of an id.
    Digit,
    /// Of a word that is no id.
    Letter,
    /// Ends a word.
    End,
    /// Ends a word, which may be a scheme.
    Space,
    Equals,
    /// Of user information or an escape.
    Mark,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::End; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' | b'a'..=b'f' | b'-' => Class::Digit,
            b'g'..=b'z' | b'A'..=b'Z' | b'_' | b'.' => Class::Letter,
            b' ' | b'+' | b'\t' => Class::Space,
            b'=' => Class::Equals,
            b'@' | b'%' => Class::Mark,
            _ => Class::End,
        };
        byte += 1;
    }
    classes
};

/// Says what of a value needs a look: parameters, user information, an escape, a scheme of credentials, or a word as long as
/// the shortest token and with more than the digits of an id.
fn suspicion(value: &[u8]) -> Suspicion {
    let (mut start, mut letters, mut found) = (0, false, Suspicion::None);
    for (at, &byte) in value.iter().enumerate() {
        let class = CLASSES[usize::from(byte)];
        match class {
            Class::Digit => continue,
            Class::Letter => {
                letters = true;
                continue;
            }
            Class::Mark => return Suspicion::Any,
            Class::Equals => found = Suspicion::Parameters,
            Class::Space if is_scheme(&value[start..at]) => return Suspicion::Any,
            Class::Space | Class::End => {}
        }
        if letters && at - start >= SHORTEST_TOKEN {
            return Suspicion::Any;
        }
        (start, letters) = (at + 1, false);
    }
    if letters && value.len() - start >= SHORTEST_TOKEN { Suspicion::Any } else { found }
}

fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| {
        let at = word.len().checked_sub(scheme.len());
        at.is_some_and(|at| word[at..].eq_ignore_ascii_case(scheme))
    })
}

/// Writes a second since 1970 as `2026-01-31T23:59:59.`.
fn second(out: &mut Vec<u8>, seconds: u64) {
    let (days, second) = ((seconds / 86_400) as i64, seconds % 86_400);
    let (year, month, day) = civil(days);
    let parts = [
        (year as u64, 4, b'-'),
        (month as u64, 2, b'-'),
        (day as u64, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
    ];
    for (value, width, end) in parts {
        digits(out, value, width);
        out.push(end);
    }
}

/// Turns days since 1970 into year, month and day: counts eras of 400 years from a first of March, so that the leap day
/// is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grants_access_is_not_logged() {
        for (value, expected) in [
            ("/a?token=SESAME&b=c", "/a?token=[hidden]&b=c"),
            ("/eyJhbGciOi.eyJzdWIi.c2ln/x", "/[hidden]/x"),
            ("/ghp_0123456789ab/x", "/[hidden]/x"),
            ("/a;token=SESAME/b", "/a;token=[hidden]"),
            ("//u:SESAME@h.test/", "//[hidden]@h.test/"),
            ("x Bearer SESAME-0123456789", "x Bearer [hidden]"),
            ("/x/bearer+SESAME", "/x/bearer+[hidden]"),
            ("x (Basic SESAME0)", "x (Basic [hidden])"),
            ("/an-article-with-a-long-name.html?page=2", "/an-article-with-a-long-name.html?page=2"),
        ] {
            assert_eq!(String::from_utf8_lossy(&Known::default().shown(value.as_bytes())), expected);
        }
        let harmless = [
            ("/cart/12", Suspicion::None),
            ("0b3ca7c2-16f5-4b9e-9a55-3a6f3d3f6a01", Suspicion::None),
            ("curl/8.5.0", Suspicion::None),
            ("a b+c", Suspicion::None),
            ("/items?id=7&page=2", Suspicion::Parameters),
        ];
        for (value, expected) in harmless {
            assert_eq!(suspicion(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_name_is_looked_at_once_and_never_taken_for_another() {
        let mut known = Known::default();
        for _ in 0..2 {
            assert_eq!(*known.shown(b"/a?id=7&key=SESAME"), *b"/a?id=7&key=[hidden]");
            assert_eq!(*known.shown(b"/a?id=7&page=SESAME"), *b"/a?id=7&page=SESAME");
            assert_eq!(*known.shown(b"/a?i%64=7&sig=SESAME"), *b"/a?i%64=7&sig=[hidden]");
        }
        let names: Vec<&[u8]> = known.harmless.iter().map(|name| &**name).collect();
        assert_eq!(names, [&b"id"[..], b"page"]);
        for index in 0..2 * KNOWN_NAMES {
            known.shown(format!("/?name-{index}=x").as_bytes());
            assert!(known.harmless.len() <= KNOWN_NAMES);
        }
    }

    #[test]
    fn days_become_dates() {
        for (days, date) in
            [(0, (1970, 1, 1)), (19_782, (2024, 2, 29)), (19_783, (2024, 3, 1)), (20_819, (2027, 1, 1))]
        {
            assert_eq!(civil(days), date);
        }
    }
}
