//! The machine-readable document, described by `schemas/diagnostics.schema.json`.

use std::io;

use serde::Serialize;

use super::{Counts, Report};
use crate::Diagnostic;

/// The document's `format`: the number grows when a reader of the older form would misread the newer one.
pub const FORMAT: &str = "gatewright-diagnostics/1";

/// Writes the findings as one JSON document.
///
/// # Errors
/// Those of the writer.
pub fn json(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let document = Document {
        format: FORMAT,
        version: report.version,
        summary: report.counts(),
        diagnostics: report.diagnostics.iter().map(Entry::of).collect(),
    };
    pretty(&document, out)
}

/// Writes a value with two spaces per level and a final line end. Own types have no maps with odd keys.
pub(super) fn pretty<T: Serialize>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'a str,
    version: &'a str,
    summary: Counts,
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    slug: &'a str,
    #[serde(flatten)]
    diagnostic: &'a Diagnostic,
}

impl<'a> Entry<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Self {
        Entry { slug: diagnostic.code.slug, diagnostic }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{examples, in_memory};
    use super::*;

    const SCHEMA: &str = include_str!("../../../../schemas/diagnostics.schema.json");

    fn violations(document: &str) -> Vec<String> {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        let document = serde_json::from_str(document).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator.iter_errors(&document).map(|error| error.to_string()).collect()
    }

    #[test]
    fn shows_everything_there_is_to_know() {
        gatewright_testkit::assert_golden("diagnostics/json.json", &examples::render(json));
    }

    #[test]
    fn fits_the_published_schema() {
        assert_eq!(violations(&examples::render(json)), [""; 0]);
        assert_eq!(violations(&in_memory(|out| json(&examples::report(&[]), out))), [""; 0]);
    }

    #[test]
    fn the_published_schema_refuses_other_documents() {
        let document = examples::render(json);
        assert!(!violations(&document.replace(FORMAT, "gatewright-diagnostics/2")).is_empty());
        assert!(!violations(&document.replace("\"slug\"", "\"slugg\"")).is_empty());
    }
}
