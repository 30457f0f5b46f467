//! The CORS family.

use gatewright_ir::{Cors, OriginMatch};

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::{Reader, comma_list};
use super::regex::validate;

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row("enable-cors", true, Implemented, true, "turns CORS on"),
    row("cors-allow-origin", true, Implemented, true, "origins that may read answers"),
    row("cors-allow-methods", true, Implemented, true, "methods told to preflights"),
    row("cors-allow-headers", true, Implemented, true, "headers told to preflights"),
    row("cors-expose-headers", true, Implemented, true, "answer headers that scripts may read"),
    row("cors-allow-credentials", true, Implemented, true, "whether credentials may be sent"),
    row("cors-max-age", true, Implemented, true, "seconds that a preflight may be cached"),
];

const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str = "DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,\
                       Content-Type,Authorization";
const MAX_AGE_S: i64 = 1_728_000;

/// Reads the family; none means that CORS is off.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Cors> {
    if !reader.boolean("enable-cors").is_some_and(|found| found.value) {
        return None;
    }
    let list = |reader: &mut Reader<'_>, suffix: &str, default: &str| {
        comma_list(&reader.string(suffix).map_or_else(|| default.to_owned(), |found| found.value))
    };
    let allow_origins = origins(reader);
    Some(Cors {
        allow_origins,
        allow_methods: list(reader, "cors-allow-methods", METHODS).join(","),
        allow_headers: list(reader, "cors-allow-headers", HEADERS).join(","),
        expose_headers: list(reader, "cors-expose-headers", "").join(","),
        allow_credentials: reader.boolean("cors-allow-credentials").is_none_or(|found| found.value),
        max_age_s: reader.integer("cors-max-age").map_or(MAX_AGE_S, |found| found.value),
    })
}

fn origins(reader: &mut Reader<'_>) -> Vec<OriginMatch> {
    let Some(found) = reader.string("cors-allow-origin") else {
        return vec![OriginMatch::Regex(".*".to_owned())];
    };
    let mut origins = Vec::new();
    for item in comma_list(&found.value) {
        match origin(&item) {
            Some(OriginMatch::Regex(expression)) if let Err(reason) = validate(&expression) => reader
                .invalid(
                    &found.key,
                    format!("Higress makes an expression of origin `{item}` that RE2 refuses: {reason}"),
                ),
            Some(origin) => origins.push(origin),
            None => reader.invalid(
                &found.key,
                format!("origin `{item}` has a wildcard that Higress drops; write `scheme://*.host`"),
            ),
        }
    }
    origins
}

/// Reads one origin. `https://*.foo.com` becomes "anything that ends in .foo.com": Higress does not look at the scheme.
fn origin(item: &str) -> Option<OriginMatch> {
    if item == "*" {
        return Some(OriginMatch::Regex(".*".to_owned()));
    }
    if !item.contains('*') {
        return Some(OriginMatch::Exact(item.to_owned()));
    }
    let (_, rest) = item.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let suffix = host.strip_prefix('*').filter(|suffix| !suffix.contains('*'))?;
    Some(OriginMatch::Regex(format!(".*{}", suffix.replace('.', r"\."))))
}
