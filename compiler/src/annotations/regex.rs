//! The one dialect of regular expressions: RE2, as Envoy compiles it.

use gatewright_diagnostics::code;
use gatewright_ir::ValueMatch;
use regex_syntax::ast::{self, Ast};

use super::reader::Reader;
use crate::finding::{Finding, Place};

/// Returns the test for a whole expression, of which `written` is the part in the annotation `key`. An invalid one is
/// reported and becomes presence: the route is refused anyway, and Envoy would reject the expression.
pub(crate) fn test(reader: &mut Reader<'_>, key: &str, written: &str, whole: String) -> ValueMatch {
    match validate(&whole) {
        Ok(()) => ValueMatch::Regex(whole),
        Err(reason) => {
            let place = Place::annotation_value(reader.entity, key);
            let secret = gatewright_secrets::is_secret_name(key);
            let written = if secret { gatewright_secrets::HIDDEN } else { written };
            reader.findings.push(invalid(place, written, &reason));
            ValueMatch::Present
        }
    }
}

/// Returns how many groups an expression has; none for one that is invalid.
pub(crate) fn group_count(expression: &str) -> Option<usize> {
    let regex = regex::bytes::RegexBuilder::new(expression).unicode(false).build().ok()?;
    Some(regex.captures_len() - 1)
}

/// Returns the literal text with which every path begins that an expression matches; `/` where there is none.
pub(crate) fn literal_prefix(expression: &str) -> &str {
    let special = |c: char| "\\.+*?()|[]{}^$".contains(c);
    let literal = expression.find(special).map_or(expression, |end| &expression[..end]);
    // A repetition is about the character before it.
    let whole = literal.rfind('/').map_or("", |slash| &literal[..=slash]);
    if whole.is_empty() { "/" } else { whole }
}

/// Returns the finding for an expression that Envoy would reject.
pub(crate) fn invalid(place: Place, expression: &str, reason: &str) -> Finding {
    Finding::new(&code::GW0411, place, format!("`{expression}` is not a valid RE2 expression: {reason}"))
        .with_note("Envoy rejects every route of the host because of one invalid expression")
}

/// Returns why RE2 refuses an expression, if it does.
pub(crate) fn validate(expression: &str) -> Result<(), String> {
    let parsed = ast::parse::Parser::new().parse(expression).map_err(|error| error.kind().to_string())?;
    ast::visit(&parsed, Re2Only)?;
    regex::bytes::RegexBuilder::new(expression).unicode(false).build().map(drop).map_err(|error| {
        error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// RE2's own limit on `{n,m}`.
const MAX_REPEAT: u32 = 1000;

/// Refuses what the `regex` crate has and RE2 does not.
struct Re2Only;

impl ast::Visitor for Re2Only {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), String> {
        match node {
            Ast::Repetition(repetition) => check_repetition(repetition),
            Ast::Flags(set) => check_flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                ast::GroupKind::NonCapturing(flags) => check_flags(flags),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::WordBoundaryStart
                | ast::AssertionKind::WordBoundaryEnd
                | ast::AssertionKind::WordBoundaryStartAngle
                | ast::AssertionKind::WordBoundaryEndAngle
                | ast::AssertionKind::WordBoundaryStartHalf
                | ast::AssertionKind::WordBoundaryEndHalf => {
                    Err("RE2 has no half word boundaries".to_owned())
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), String> {
        Err("RE2 has no set operations inside brackets".to_owned())
    }
}

fn check_repetition(repetition: &ast::Repetition) -> Result<(), String> {
    let ast::RepetitionKind::Range(range) = &repetition.op.kind else { return Ok(()) };
    let largest = match range {
        ast::RepetitionRange::Exactly(n) | ast::RepetitionRange::AtLeast(n) => *n,
        ast::RepetitionRange::Bounded(_, n) => *n,
    };
    if largest > MAX_REPEAT { Err(format!("RE2 repeats at most {MAX_REPEAT} times")) } else { Ok(()) }
}

fn check_flags(flags: &ast::Flags) -> Result<(), String> {
    let foreign = flags.items.iter().find_map(|item| match item.kind {
        ast::FlagsItemKind::Flag(ast::Flag::Unicode) => Some('u'),
        ast::FlagsItemKind::Flag(ast::Flag::CRLF) => Some('R'),
        ast::FlagsItemKind::Flag(ast::Flag::IgnoreWhitespace) => Some('x'),
        _ => None,
    });
    foreign.map_or(Ok(()), |flag| Err(format!("RE2 has no flag `{flag}`")))
}

#[cfg(test)]
mod tests {
    use super::validate;

    #[test]
    fn accepts_what_re2_accepts() {
        for expression in ["/foo/[A-Z0-9]{3}.*", r"/v\d+/(.*)", "always|true", "(?i)abc", r"(?P<name>\w+)"] {
            assert_eq!(validate(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for expression in ["(?=ahead)", r"(a)\1", "[a-z&&[^b]]", "(", "a{1001}", "(?x)a b", "*a"] {
            assert!(validate(expression).is_err(), "{expression}");
        }
    }
}
