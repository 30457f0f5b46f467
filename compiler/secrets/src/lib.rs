//! What is secret, and how it is hidden: the one place that decides (`docs/design/0006-secrets-by-place-and-shape.md`).
//!
//! Something is secret by its place ([`is_secret_name`], [`Rules`], [`excerpt`]), or by its shape wherever it stands
//! ([`shapes`], [`text`]). Everything that is printed, written or sent passes one of these, apart from
//! `--format envoy-bootstrap` and the xDS wire.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod address;
mod document;
mod excerpt;
mod manifest;
mod names;
mod pairs;
mod shape;
mod yaml;

pub use address::{address, argument};
pub use document::document;
pub use excerpt::{excerpt, masked};
pub use manifest::{Rules, hides};
pub use names::{is_secret_header, is_secret_name};
pub use shape::{beginning, shapes, text};

use std::borrow::Cow;
use std::ops::Range;

/// What stands in the place of something hidden.
pub const HIDDEN: &str = "[hidden]";

/// Replaces stretches of a text, in any order, overlapping or not.
fn replace(text: &str, mut ranges: Vec<Range<usize>>) -> Cow<'_, str> {
    merge(&mut ranges);
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        out.push_str(&text[at..range.start]);
        out.push_str(HIDDEN);
        at = range.end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// Sorts stretches and joins those that touch.
fn merge(ranges: &mut Vec<Range<usize>>) {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, kept| {
        let touch = next.start <= kept.end;
        if touch {
            kept.end = kept.end.max(next.end);
        }
        touch
    });
}
