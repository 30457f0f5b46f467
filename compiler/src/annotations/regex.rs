//! Regular expressions in annotations and paths: RE2, as Envoy compiles it.

use gatewright_diagnostics::code;
use gatewright_http::re2::{Expression, ExpressionError};
use gatewright_ir::ValueMatch;

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
            reader.findings.push(invalid(place, written, reason));
            ValueMatch::Present
        }
    }
}

/// Returns how many groups an expression has; none for one that is invalid.
pub(crate) fn group_count(expression: &str) -> Option<usize> {
    Expression::parse(expression).ok().map(|expression| expression.groups())
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
pub(crate) fn invalid(place: Place, expression: &str, reason: ExpressionError) -> Finding {
    Finding::new(&code::GW0411, place, format!("`{expression}` is not a valid RE2 expression: {reason}"))
        .with_note("Envoy rejects every route of the host because of one invalid expression")
}

/// Returns why an expression is refused, if it is.
pub(crate) fn validate(expression: &str) -> Result<(), ExpressionError> {
    Expression::parse(expression).map(drop)
}
