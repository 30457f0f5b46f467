//! Which origin a request names, and which requests ask for permission before the real one comes (CORS).

use std::borrow::Cow;

/// Returns the origin that the values of `Origin` name: of several, which no browser sends, one text; none where all are
/// empty, which Envoy takes for no origin.
pub fn named<'l>(lines: impl IntoIterator<Item = &'l [u8]>) -> Option<Cow<'l, [u8]>> {
    let mut lines = lines.into_iter().filter(|line| !line.is_empty());
    let mut all = Cow::Borrowed(lines.next()?);
    for line in lines {
        let all = all.to_mut();
        all.push(b',');
        all.extend_from_slice(line);
    }
    Some(all)
}

/// Returns whether a request with an origin is a preflight; `asked` is its `Access-Control-Request-Method`.
pub fn is_preflight(method: &str, asked: Option<&[u8]>) -> bool {
    method == "OPTIONS" && asked.is_some_and(|asked| !asked.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_name_no_origin() {
        let named = |lines: &[&str]| {
            let named = named(lines.iter().map(|line| line.as_bytes()));
            named.map(|origin| String::from_utf8(origin.into_owned()).unwrap())
        };
        assert_eq!(named(&[]), None);
        assert_eq!(named(&["", ""]), None);
        assert_eq!(named(&["https://a"]).as_deref(), Some("https://a"));
        assert_eq!(named(&["", "https://a", "", "null"]).as_deref(), Some("https://a,null"));
    }

    #[test]
    fn a_preflight_names_a_method() {
        assert!(is_preflight("OPTIONS", Some(b"PUT")));
        assert!(!is_preflight("OPTIONS", Some(b"")));
        assert!(!is_preflight("OPTIONS", None));
        assert!(!is_preflight("GET", Some(b"PUT")));
    }
}
