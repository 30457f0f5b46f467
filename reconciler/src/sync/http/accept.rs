//! Which of two forms a client wishes, by RFC 9110, section 12.5.1.

use http::{HeaderMap, header};

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// JSON, also for who does not care or wishes neither.
    Json,
    /// Lines for people.
    Text,
}

/// Returns what a client wishes: the form with the higher weight.
pub(super) fn wish(headers: &HeaderMap) -> Wish {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<Range> = lines.flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    let (json, text) = (weight(&ranges, "application", "json"), weight(&ranges, "text", "plain"));
    if text > json { Wish::Text } else { Wish::Json }
}

/// A range of media types with its weight in thousandths.
struct Range {
    kind: String,
    subtype: String,
    weight: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let (kind, subtype) = parts.next()?.split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").map(str::to_owned));
        Some(Range { kind, subtype, weight: weight.map_or(Some(1000), |weight| thousandths(&weight))? })
    }

    /// Returns how exactly the range names a type; none where it does not.
    fn names(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind.as_str(), self.subtype.as_str()) {
            (own, of) if own == kind && of == subtype => Some(2),
            (own, "*") if own == kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

fn thousandths(weight: &str) -> Option<u16> {
    let weight: f64 = weight.parse().ok()?;
    // Between 0 and 1000 nothing is lost.
    (0.0..=1.0).contains(&weight).then(|| (weight * 1000.0).round() as u16)
}

/// Returns the weight of a type: that of the range that names it most exactly.
fn weight(ranges: &[Range], kind: &str, subtype: &str) -> u16 {
    let named = ranges.iter().filter_map(|range| Some((range.names(kind, subtype)?, range.weight)));
    named.max().map_or(0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn text_is_for_those_who_prefer_it() {
        let wished = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
            }
            wish(&headers)
        };
        for lines in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["image/png"],
            &["text/plain;q=0.5, application/json"],
            &["text/*;q=0.5", "*/*"],
            &["text/plain;q=2"],
            &["text/plain;q=0"],
            &["nonsense"],
        ] {
            assert_eq!(wished(lines), Wish::Json, "{lines:?}");
        }
        for lines in [
            &["text/plain"][..],
            &["Text/Plain ; charset=utf-8"],
            &["text/html, text/*;q=0.9, */*;q=0.1"],
            &["application/json;q=0.1", "text/plain;q=0.2"],
        ] {
            assert_eq!(wished(lines), Wish::Text, "{lines:?}");
        }
    }
}
