//! RE2 expressions as Envoy compiles them: what each means, and which are refused.
//!
//! Measured on Envoy 1.40, and asked for again by a test with a real Envoy. Its RE2 reads Latin-1: a text is bytes, and a
//! character of an expression beyond ASCII is its two to four bytes. `.` and `[^a]` take one byte, `[é]` takes
//! either byte of `é`, `\x{100}` is refused, and only ASCII letters have two cases. Under that reading an expression is
//! parsed once, into the form from which the gateway makes matchers and `plan` makes automata; nobody else in this
//! repository reads one.

mod byte_set;
mod class_names;
mod error;
mod escape;
mod measured;
mod parser;
mod substitution;

use regex_automata::meta;
use regex_syntax::hir::{Hir, Look};

pub use error::ExpressionError;
pub use substitution::Substitution;

/// Instructions that an expression may have: what Higress allows its Envoys, by the runtime key
/// `re2.max_program_size.error_level`.
pub const MAX_PROGRAM: u32 = 32_768;

/// An expression that RE2 takes.
#[derive(Clone, Debug)]
pub struct Expression {
    hir: Hir,
    groups: usize,
    program: u32,
    alternatives: Option<Box<[Box<[u8]>]>>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why RE2 refuses it; or that it is nested more deeply, or may become larger, than is taken here. Every expression
    /// that Envoy refuses under Higress' settings is refused.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.is_empty() {
            return Err(ExpressionError::Empty);
        }
        let (hir, groups, program) = parser::parse(text.as_bytes())?;
        Ok(Expression { hir, groups, program, alternatives: plain_alternatives(text) })
    }

    /// Returns how many groups capture.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Returns a number of instructions above which RE2's program for the expression is not.
    pub fn program_bound(&self) -> u32 {
        self.program
    }

    /// Returns the expression over bytes, in the form of the `regex` family of crates.
    pub fn hir(&self) -> &Hir {
        &self.hir
    }

    /// Returns the matcher for texts as a whole: what conditions of Envoy mean.
    ///
    /// # Errors
    /// When the matcher would be too large.
    pub fn whole(&self) -> Result<Whole, ExpressionError> {
        if let Some(alternatives) = &self.alternatives {
            return Ok(Whole(Matcher::OneOf(alternatives.clone())));
        }
        let whole = Hir::concat(vec![Hir::look(Look::Start), self.hir.clone(), Hir::look(Look::End)]);
        compile(&whole).map(|regex| Whole(Matcher::Regex(regex)))
    }

    /// Returns the matcher for any part of a text: what rewrites of Envoy replace.
    ///
    /// # Errors
    /// When the matcher would be too large.
    pub fn anywhere(&self) -> Result<Anywhere, ExpressionError> {
        compile(&self.hir).map(Anywhere)
    }
}

/// Returns the alternatives of an expression without any operator but `|` (`POST|PATCH`, which every route of Higress has):
/// they are compared as they are, as a compiled expression costs some ten kilobytes.
fn plain_alternatives(text: &str) -> Option<Box<[Box<[u8]>]>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"|_-/ ,:=%".contains(&byte);
    text.bytes().all(plain).then(|| text.split('|').map(|text| text.as_bytes().into()).collect())
}

fn compile(hir: &Hir) -> Result<meta::Regex, ExpressionError> {
    // The parser has limited the size already.
    let config = meta::Config::new().utf8_empty(false).nfa_size_limit(None);
    meta::Builder::new().configure(config).build_from_hir(hir).map_err(|_| ExpressionError::TooLarge)
}

/// Matches texts as a whole.
#[derive(Clone, Debug)]
pub struct Whole(Matcher);

#[derive(Clone, Debug)]
enum Matcher {
    OneOf(Box<[Box<[u8]>]>),
    Regex(meta::Regex),
}

impl Whole {
    /// Returns whether a text matches from its first byte to its last.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.0 {
            Matcher::OneOf(alternatives) => alternatives.iter().any(|one| **one == *text),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Finds matches in texts.
#[derive(Clone, Debug)]
pub struct Anywhere(meta::Regex);

impl Anywhere {
    /// Returns a text with each match replaced, as RE2's `GlobalReplace` does; none where nothing is: there is no match, or
    /// the substitution names a group that the expression does not have.
    pub fn replace_all(&self, text: &[u8], substitution: &Substitution) -> Option<Vec<u8>> {
        if substitution.highest_group() >= self.0.captures_len() {
            return None;
        }
        let mut replaced = Vec::with_capacity(text.len());
        let mut copied = None;
        for groups in self.0.captures_iter(text) {
            let Some(found) = groups.get_match() else { continue };
            replaced.extend_from_slice(&text[copied.unwrap_or(0)..found.start()]);
            substitution.expand(text, &groups, &mut replaced);
            copied = Some(found.end());
        }
        replaced.extend_from_slice(&text[copied?..]);
        Some(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: impl AsRef<[u8]>) -> bool {
        Expression::parse(pattern).unwrap().whole().unwrap().is_match(text.as_ref())
    }

    /// Each was seen on Envoy 1.40.
    #[test]
    fn a_text_is_bytes() {
        for (pattern, text, expected) in [
            (r"a\B.*", "aé", false),
            (r"a\b.*", "aé", true),
            ("a.", "aé", false),
            ("a..", "aé", true),
            ("é+", "é", true),
            ("é+", "éé", false),
            ("[é]", "é", false),
            ("[é]{2}", "é", true),
            ("(?i)é", "É", false),
            (r"\xe9", "é", false),
            (r"\w", "é", false),
            (r"[^\w]{2}", "é", true),
            ("(?i)k", "K", true),
            ("(?i)k", "\u{212a}", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        for (pattern, text, expected) in [
            (r"\xe9", b"\xe9", true),
            (r"(?i)\xe9", b"\xc9", false),
            (r"\pL", b"\xe9", true),
            (r"\p{Lu}", b"\xc9", true),
            (r"(?i)\p{Lu}", b"\xff", false),
            (r"\p{Greek}", b"\xb5", false),
            (r"\p{Common}", b"\xb5", true),
            ("[^a]", b"\xff", true),
            (".", b"\xff", true),
            (r"\C", b"\n", true),
            (".", b"\n", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text:?}");
        }
    }

    #[test]
    fn the_whole_text_must_match() {
        for (pattern, text, expected) in [
            ("a|ab", "ab", true),
            ("a|ab", "abb", false),
            ("/foo$", "/foo", true),
            ("^/foo", "/foo", true),
            ("a|bc", "abc", false),
            ("()", "", true),
            ("a||b", "", true),
            ("POST|PATCH", "PATCH", true),
            ("POST|PATCH", "POSTPATCH", false),
            ("POST|PATCH", "POST|PATCH", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn operators_mean_what_they_mean_to_re2() {
        for (pattern, matching, other) in [
            (r"\d+", "12", "١٢"),
            (r"[\d.]+", "1.2", "a"),
            (r"[\D]", "a", "1"),
            (r"\s\S", "\ta", "\u{b}a"),
            (r"a\b-", "a-", "aa-"),
            ("a{2}", "aa", "a{2}"),
            ("a{2,}b{1,2}", "aaab", "ab"),
            ("a{b}", "a{b}", "ab"),
            ("{a", "{a", "a"),
            ("a{,2}", "a{,2}", "aa"),
            ("a{02}", "a{02}", "aa"),
            ("a{0}b", "b", "ab"),
            (r"\Qa.b*\E.", "a.b*x", "axbbx"),
            (r"\Qa.b", "a.b", "axb"),
            (r"\Qab\E+", "abb", "abab"),
            ("[[a]+", "a[", "x"),
            ("[a&&b]+", "a&b", "x"),
            ("[a~~b]+", "a~b", "x"),
            ("[]a]+", "a]", "x"),
            ("[^]a]+", "x", "]"),
            ("[--/]", ".", "a"),
            (r"[\d-z]+", "1-z", "a"),
            ("[[:alpha:][:digit:]]+", "a1", "-"),
            ("[[:^alpha:]]+", "1-", "a"),
            ("[[:word:]]+", "a_1", "-"),
            ("[[:space:]]", "\u{b}", "a"),
            (r"[\]\-a]+", "a-]", "x"),
            (r"\/\-\_\%", "/-_%", "x"),
            (r"\x2f\x{2f}\057\0", "///\0", "x"),
            (r"\a\f\n\r\t\v", "\u{7}\u{c}\n\r\t\u{b}", "x"),
            (r"\p{^Lu}\PN", "aa", "A1"),
            ("(?i)ab|c", "AB", "d"),
            ("(a(?i)b)c", "aBc", "aBC"),
            ("a(?i)b|c", "C", "A"),
            ("(?i-s:a.)b", "A.b", "a.B"),
            ("(?i)(?-i:a)b", "aB", "AB"),
            ("(?i)[^a]", "b", "A"),
            ("(?s).", "\n", ""),
            ("(?m)a$\n^b", "a\nb", "ab"),
            ("a$\n^b", "", "a\nb"),
            ("(?)a(?:)", "a", "b"),
            ("(?P<n>a)(?<n>b)(?<ê>c)", "abc", "a"),
            ("(?U)a+?", "aa", "b"),
            ("^*a$?", "a", "b"),
            (r"[^/]+\.js", "a.js", "axjs"),
        ] {
            let empty = matching.is_empty();
            assert!(empty || matches(pattern, matching), "{pattern} takes {matching}");
            assert!(!matches(pattern, other), "{pattern} leaves {other}");
        }
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        let nested = format!("{}a{}", "(".repeat(300), ")".repeat(300));
        for (pattern, why) in [
            ("", ExpressionError::Empty),
            ("(", ExpressionError::MissingParenthesis),
            ("(?i", ExpressionError::MissingParenthesis),
            (")", ExpressionError::UnexpectedParenthesis),
            ("[a", ExpressionError::MissingBracket),
            ("[]", ExpressionError::MissingBracket),
            ("a\\", ExpressionError::TrailingBackslash),
            (r"\1", ExpressionError::BackReference),
            (r"\h", ExpressionError::Escape('h')),
            (r"\Z", ExpressionError::Escape('Z')),
            (r"[\C]", ExpressionError::Escape('C')),
            (r"[\b]", ExpressionError::Escape('b')),
            (r"\é", ExpressionError::Escape('\u{c3}')),
            (r"\x4", ExpressionError::Escape('x')),
            (r"\x{100}", ExpressionError::Escape('x')),
            (r"\x{}", ExpressionError::Escape('x')),
            (r"\777", ExpressionError::Escape('7')),
            (r"\p{greek}", ExpressionError::UnknownClass),
            (r"\p{Cn}", ExpressionError::UnknownClass),
            (r"\pX", ExpressionError::UnknownClass),
            (r"\p{L", ExpressionError::UnknownClass),
            ("[[:foo:]]", ExpressionError::UnknownClass),
            ("[b-a]", ExpressionError::Range),
            (r"[a-\d]", ExpressionError::Escape('d')),
            ("*a", ExpressionError::NothingToRepeat),
            ("a|*", ExpressionError::NothingToRepeat),
            ("(?i)*", ExpressionError::NothingToRepeat),
            ("a**", ExpressionError::RepeatedRepetition),
            ("a*+", ExpressionError::RepeatedRepetition),
            ("a{1}{2}", ExpressionError::RepeatedRepetition),
            ("a{1001}", ExpressionError::TooManyRepetitions),
            ("a{2,1}", ExpressionError::TooManyRepetitions),
            ("(a{100}){11}", ExpressionError::TooManyRepetitions),
            ("(?=a)", ExpressionError::LookAround),
            ("(?<!a)b", ExpressionError::LookAround),
            ("(?x)a", ExpressionError::Group),
            ("(?-)a", ExpressionError::Group),
            ("(?i-:a)", ExpressionError::Group),
            ("(?P=n)", ExpressionError::GroupName),
            ("(?<>a)", ExpressionError::GroupName),
            ("(?<é>a)", ExpressionError::GroupName),
            (nested.as_str(), ExpressionError::TooDeep),
            ("(abcdefghijklmnop){1000}(abcdefghijklmnop){1000}", ExpressionError::TooLarge),
        ] {
            assert_eq!(Expression::parse(pattern).err(), Some(why), "{pattern}");
        }
    }

    #[test]
    fn repetitions_of_nothing_between_quotes_do_not_nest_without_end() {
        let pattern = format!("a{}", r"*\Q\E".repeat(100_000));
        assert_eq!(Expression::parse(&pattern).err(), Some(ExpressionError::TooDeep));
        assert!(matches(&format!("a{}", r"*\Q\E".repeat(100)), "aa"));
    }
}
