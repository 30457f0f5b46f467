//! Streams of JSON: several objects one after the other, as kubectl reads them from a file.

use std::ops::Range;

use serde::de::IgnoredAny;

/// Returns where the values of a stream stand; nothing where the text is no stream of several objects.
pub(crate) fn values(text: &str) -> Vec<Range<usize>> {
    let start = text.len() - text.trim_start().len();
    let mut values = Vec::new();
    // YAML in flow style begins so too, and so do templates.
    if !text[start..].starts_with('{') || text[start..].starts_with("{{") {
        return values;
    }
    let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<IgnoredAny>();
    let mut from = start;
    while let Some(value) = stream.next() {
        let end = start + stream.byte_offset();
        if value.is_err() || !text[from..end].trim_start().starts_with('{') {
            return Vec::new();
        }
        values.push(from..end);
        from = end;
    }
    if values.len() > 1 { values } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Profile;
    use crate::parse::{Locator, parse_file, raw_objects};

    const OBJECT: &str = "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"NAME\", \"namespace\": \"shop\"}, \"spec\": {\"ports\": [{\"port\": 80}]}}";

    #[test]
    fn several_objects_are_told_apart_and_nothing_else_is() {
        assert_eq!(values("{} {}\n{}"), [0..2, 2..5, 5..8]);
        for text in ["", "{}", "{} 1", "[] []", "{a: b}\n", "{} {", "{{ x }} {}", "a: {}\n"] {
            assert_eq!(values(text), <[Range<usize>; 0]>::default(), "{text}");
        }
    }

    #[test]
    fn every_object_of_a_stream_is_read_in_its_place() {
        for between in ["\n", "", "\n\n  "] {
            let text = format!("{}{between}{}", OBJECT.replace("NAME", "one"), OBJECT.replace("NAME", "two"));
            let parsed = parse_file(text.as_bytes(), Profile::Native);
            assert_eq!(parsed.findings, []);
            let names: Vec<&str> = parsed.manifests.iter().map(|manifest| &*manifest.key.name).collect();
            assert_eq!(names, ["one", "two"]);
            assert_eq!(raw_objects(text.as_bytes()).len(), 2);
            let locator = Locator::new(text.as_bytes());
            let place =
                locator.locate(parsed.manifests[1].document, "/metadata/name", crate::finding::Part::Value);
            assert_eq!(&text[place.unwrap().start.offset..place.unwrap().end.offset], "\"two\"");
        }
    }
}
