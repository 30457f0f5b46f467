//! The one way out for text that others wrote: names, paths, values, URLs, messages of peers.
//!
//! It happens in two steps. Whoever writes a form puts each foreign value through the function of the form
//! ([`visible`], [`markdown`], [`github`], [`graph`], [`label_value`]): the value stays one value, on one line. Whoever
//! hands a whole text over names its [`Form`], and [`sealed`] is the barrier behind the first step: whatever was
//! forgotten there, no control character, no character without a shape and no workflow command leaves.

mod characters;
pub mod github;
pub mod graph;
pub mod markdown;
mod seal;

pub(crate) use characters::push_visible;
pub use characters::{is_hidden, visible};
pub use seal::{Form, record, released, sealed};

/// Returns a value for a label of the Prometheus text format.
pub fn label_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str(r"\n"),
            // The format has no escape for these, and a reader may end its line at a return.
            c if is_hidden(c) => push_visible(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_value_cannot_end_its_sample() {
        assert_eq!(label_value("a\"} 1\nb\\c\r\u{1b}[0m"), "a\\\"} 1\\nb\\\\c\\r\\x1b[0m");
        assert_eq!(label_value("outbound|80||wéb"), "outbound|80||wéb");
    }
}
