//! Tests of a text: header values, query values, origins. Envoy's `StringMatcher`, compiled.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gatewright_http::re2::{Anywhere, Expression, ExpressionError, Whole};
use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use gatewright_xds::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

use super::error::{FieldError, Within};

/// A compiled test of a text.
#[derive(Clone, Debug)]
pub(crate) enum TextTest {
    /// The whole text.
    Exact(Pattern),
    /// The text starts so.
    Prefix(Pattern),
    /// The text ends so.
    Suffix(Pattern),
    /// The text holds this.
    Contains(Pattern),
    /// The expression matches the whole text.
    Regex(Whole),
}

/// A literal with its treatment of case.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Box<[u8]>,
    ignore_case: bool,
}

impl Pattern {
    pub(crate) fn new(text: String, ignore_case: bool) -> Self {
        Self { text: text.into_bytes().into(), ignore_case }
    }

    pub(crate) fn equals(&self, value: &[u8]) -> bool {
        if self.ignore_case { value.eq_ignore_ascii_case(&self.text) } else { *value == *self.text }
    }

    pub(crate) fn starts(&self, value: &[u8]) -> bool {
        value.len() >= self.text.len() && self.equals(&value[..self.text.len()])
    }

    fn ends(&self, value: &[u8]) -> bool {
        value.len() >= self.text.len() && self.equals(&value[value.len() - self.text.len()..])
    }

    fn inside(&self, value: &[u8]) -> bool {
        self.text.is_empty() || value.windows(self.text.len()).any(|window| self.equals(window))
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn ignores_case(&self) -> bool {
        self.ignore_case
    }
}

impl TextTest {
    /// Returns whether `value` passes.
    pub(crate) fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(pattern) => pattern.equals(value),
            Self::Prefix(pattern) => pattern.starts(value),
            Self::Suffix(pattern) => pattern.ends(value),
            Self::Contains(pattern) => pattern.inside(value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl TryFrom<StringMatcher> for TextTest {
    type Error = FieldError;

    fn try_from(message: StringMatcher) -> Result<Self, FieldError> {
        let literal = |text| Pattern::new(text, message.ignore_case);
        Ok(match message.match_pattern.ok_or_else(|| FieldError::missing("match_pattern"))? {
            MatchPattern::Exact(text) => Self::Exact(literal(text)),
            MatchPattern::Prefix(text) => Self::Prefix(literal(text)),
            MatchPattern::Suffix(text) => Self::Suffix(literal(text)),
            MatchPattern::Contains(text) => Self::Contains(literal(text)),
            MatchPattern::SafeRegex(regex) => Self::Regex(whole_text(&regex).within("safe_regex")?),
            MatchPattern::Custom(_) => return Err(FieldError::unsupported("custom")),
        })
    }
}

/// Compiles an expression that must match a text as a whole, as every matcher of Envoy does.
pub(super) fn whole_text(message: &RegexMatcher) -> Result<Whole, FieldError> {
    compiled(&WHOLE, message, Expression::whole)
}

/// Compiles an expression that may match anywhere.
pub(super) fn anywhere(message: &RegexMatcher) -> Result<Anywhere, FieldError> {
    compiled(&ANYWHERE, message, Expression::anywhere)
}

fn compiled<T: Clone>(
    known: &Compiled<T>,
    message: &RegexMatcher,
    compile: fn(&Expression) -> Result<T, ExpressionError>,
) -> Result<T, FieldError> {
    if let Some(compiled) = lock(known).get(&message.regex) {
        return Ok(compiled.clone());
    }
    let compiled = Expression::parse(&message.regex)
        .and_then(|expression| compile(&expression))
        .map_err(|refusal| FieldError::new("regex", refusal.to_string()))?;
    let mut known = lock(known);
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(message.regex.clone(), compiled.clone());
    Ok(compiled)
}

/// Expressions that were compiled last, by their text. Compiling is what costs most about a virtual host, and hosts
/// repeat the expressions of the wildcard that they fall back to.
type Compiled<T> = LazyLock<Mutex<HashMap<String, T>>>;

static WHOLE: Compiled<Whole> = LazyLock::new(Mutex::default);
static ANYWHERE: Compiled<Anywhere> = LazyLock::new(Mutex::default);

/// Expressions that are kept; with more of them all are forgotten, and only time is lost.
const KEPT: usize = 2048;

fn lock<T>(compiled: &Compiled<T>) -> MutexGuard<'_, HashMap<String, T>> {
    // The map is whole at every moment, whoever panicked while holding it.
    compiled.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(pattern: MatchPattern, ignore_case: bool) -> TextTest {
        StringMatcher { ignore_case, match_pattern: Some(pattern) }.try_into().unwrap()
    }

    fn regex(text: &str) -> MatchPattern {
        MatchPattern::SafeRegex(RegexMatcher { regex: text.to_owned(), ..RegexMatcher::default() })
    }

    #[test]
    fn literals_match_their_place_and_case() {
        let text = || "Ab".to_owned();
        assert!(test(MatchPattern::Exact(text()), false).passes(b"Ab"));
        assert!(!test(MatchPattern::Exact(text()), false).passes(b"ab"));
        assert!(test(MatchPattern::Exact(text()), true).passes(b"aB"));
        assert!(test(MatchPattern::Prefix(text()), true).passes(b"abc"));
        assert!(!test(MatchPattern::Prefix(text()), false).passes(b"A"));
        assert!(test(MatchPattern::Suffix(text()), false).passes(b"xAb"));
        assert!(test(MatchPattern::Contains(text()), false).passes(b"xAby"));
        assert!(!test(MatchPattern::Contains(text()), false).passes(b"xaby"));
    }

    #[test]
    fn an_expression_must_match_the_whole_text() {
        let either = test(regex("a|bc"), false);
        assert!(either.passes(b"a") && either.passes(b"bc"));
        assert!(!either.passes(b"abc") && !either.passes(b"xa"));
        assert!(!test(regex("a.c"), false).passes(b"a\nc"));
    }

    #[test]
    fn a_broken_expression_names_its_field() {
        for broken in ["a(", "a)(b"] {
            let message = StringMatcher { match_pattern: Some(regex(broken)), ignore_case: false };
            let error = TextTest::try_from(message).unwrap_err();
            assert_eq!(error.path(), "safe_regex.regex", "{broken}");
        }
    }
}
