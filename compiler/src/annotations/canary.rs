//! The canary family. Exactly one strategy is active; Higress has no cascade from header to cookie to weight.

use gatewright_diagnostics::code;
use gatewright_ir::{HeaderMatch, ValueMatch};

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::Reader;
use crate::finding::{Finding, Place};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row(
        "canary",
        true,
        Implemented,
        false,
        "marks the Ingress as a canary of the route with the same host and path",
    ),
    row("canary-by-header", true, Implemented, false, "sends requests with this header to the canary"),
    row(
        "canary-by-header-value",
        true,
        Implemented,
        false,
        "value of the canary header, a regular expression",
    ),
    row("canary-by-header-pattern", true, Implemented, false, "pattern inside the canary header's value"),
    row(
        "canary-by-cookie",
        true,
        Implemented,
        false,
        "sends requests with this cookie set to `always` to the canary",
    ),
    row("canary-weight", true, Implemented, false, "share of the requests that the canary gets"),
    row("canary-weight-total", true, Implemented, false, "what `canary-weight` is a share of"),
];

/// How a canary Ingress gets its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Canary {
    /// A header or cookie decides.
    Header(HeaderMatch),
    /// A share of the base route's requests.
    Weight {
        /// The share; the key that gave it, where it was written.
        weight: i64,
        /// What it is a share of, where written.
        total: Option<i64>,
    },
}

const HEADER: &str = "canary-by-header";
const VALUE: &str = "canary-by-header-value";
const PATTERN: &str = "canary-by-header-pattern";
const COOKIE: &str = "canary-by-cookie";
const WEIGHT: &str = "canary-weight";
const TOTAL: &str = "canary-weight-total";

/// Reads the family; none means that the Ingress is no canary.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Canary> {
    let keys = [HEADER, VALUE, PATTERN, COOKIE, WEIGHT, TOTAL];
    if !reader.boolean("canary").is_some_and(|found| found.value) {
        for key in keys {
            without_switch(reader, key);
        }
        return None;
    }
    let header = reader.string(HEADER);
    let value = reader.string(VALUE);
    let pattern = if value.is_none() { reader.string(PATTERN) } else { None };
    let cookie = if value.is_none() && pattern.is_none() { reader.string(COOKIE) } else { None };

    let canary = match (&header, &cookie) {
        (Some(header), _) => Canary::Header(by_header(reader, header, value.as_ref(), pattern.as_ref())),
        (None, Some(cookie)) => Canary::Header(by_cookie(reader, cookie)),
        (None, None) => by_weight(reader, value.is_some() || pattern.is_some()),
    };
    report_unused(reader, &canary, header.is_some(), value.is_some(), pattern.is_some());
    Some(canary)
}

fn without_switch(reader: &mut Reader<'_>, suffix: &str) {
    if let Some(key) = reader.present(suffix) {
        let place = Place::annotation(reader.entity, &key);
        reader.findings.push(
            Finding::new(&code::GW0409, place, format!("`{key}` has no effect without `canary: \"true\"`"))
                .with_help("set `nginx.ingress.kubernetes.io/canary: \"true\"`"),
        );
    }
}

type Text = super::reader::Found<String>;

fn by_header(
    reader: &mut Reader<'_>,
    header: &Text,
    value: Option<&Text>,
    pattern: Option<&Text>,
) -> HeaderMatch {
    let test = match (value, pattern) {
        (Some(value), _) => {
            super::regex::test(reader, &value.key, &value.value, format!("always|{}", value.value))
        }
        (None, Some(pattern)) => {
            super::regex::test(reader, &pattern.key, &pattern.value, format!(".*{}.*", pattern.value))
        }
        (None, None) => ValueMatch::Exact("always".to_owned()),
    };
    HeaderMatch { name: header.value.to_ascii_lowercase(), value: test }
}

fn by_cookie(reader: &mut Reader<'_>, cookie: &Text) -> HeaderMatch {
    let expression = format!(r"^(.*?;\s*)?({}=always)(;.*)?$", cookie.value);
    let value = super::regex::test(reader, &cookie.key, &cookie.value, expression);
    HeaderMatch { name: "cookie".to_owned(), value }
}

fn by_weight(reader: &mut Reader<'_>, disabled: bool) -> Canary {
    if disabled {
        // A value or pattern without header stops the reading before the weight: the canary gets nothing.
        return Canary::Weight { weight: 0, total: None };
    }
    let weight = reader.integer(WEIGHT);
    let total = reader.integer(TOTAL).filter(|found| found.value > 0).map(|found| found.value);
    if let Some(found) = weight.as_ref().filter(|found| found.value < 0 || found.value > total.unwrap_or(100))
    {
        let message = format!("canary weight {} is not between 0 and {}", found.value, total.unwrap_or(100));
        let place = Place::annotation_value(reader.entity, &found.key);
        reader.findings.push(Finding::new(&code::GW0407, place, message));
    }
    let weight = weight.map_or(0, |found| found.value.clamp(0, total.unwrap_or(100)));
    Canary::Weight { weight, total }
}

fn report_unused(reader: &mut Reader<'_>, canary: &Canary, header: bool, value: bool, pattern: bool) {
    let mut unused: Vec<(&str, &str)> = Vec::new();
    if value {
        unused.extend([(PATTERN, VALUE), (COOKIE, VALUE), (WEIGHT, VALUE), (TOTAL, VALUE)]);
    } else if pattern {
        unused.extend([(COOKIE, PATTERN), (WEIGHT, PATTERN), (TOTAL, PATTERN)]);
    } else if let Canary::Header(_) = canary {
        let winner = if header { HEADER } else { COOKIE };
        unused.extend([(WEIGHT, winner), (TOTAL, winner)]);
        if header {
            unused.push((COOKIE, HEADER));
        }
    }
    for (suffix, winner) in unused {
        if let Some(key) = reader.present(suffix) {
            let place = Place::annotation(reader.entity, &key);
            reader.findings.push(
                Finding::new(&code::GW0409, place, format!("`{key}` has no effect beside `{winner}`"))
                    .with_note(
                        "Higress follows exactly one canary strategy: header, then cookie, then weight",
                    ),
            );
        }
    }
    if !header && (value || pattern) {
        let suffix = if value { VALUE } else { PATTERN };
        if let Some(key) = reader.present(suffix) {
            let place = Place::annotation(reader.entity, &key);
            reader.findings.push(
                Finding::new(
                    &code::GW0409,
                    place,
                    format!("`{key}` without `{HEADER}` gives the canary no request"),
                )
                .with_help(format!("add `nginx.ingress.kubernetes.io/{HEADER}`")),
            );
        }
    }
}
