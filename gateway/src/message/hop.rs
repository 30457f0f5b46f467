//! Headers that belong to one connection and not to the message.

use http::header::{self, HeaderMap, HeaderName};

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRAILERS: &[u8] = b"trailers";

/// Takes the headers out that belong to the connection, also those that `Connection` names.
///
/// `te: trailers` stays in requests: gRPC servers insist on it.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // Most messages have none, and to look once costs less than to look for each.
    if !headers.keys().any(is_of_connection) {
        return;
    }
    if let Some(value) = headers.get(header::CONNECTION)
        && !is_plain(value.as_bytes())
    {
        strip_named(headers);
    }
    headers.remove(header::CONNECTION);
    headers.remove(&KEEP_ALIVE);
    headers.remove(&PROXY_CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::UPGRADE);
    if headers.get(header::TE).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(TRAILERS)) {
        headers.remove(header::TE);
    }
}

fn is_of_connection(name: &HeaderName) -> bool {
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE].contains(name)
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// Returns whether a transfer coding is named that is not chunks alone: nobody here could undo it.
pub(crate) fn has_foreign_coding(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (first, second) = (lines.next(), lines.next());
    second.is_some() || first.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// Returns whether `Connection` names what belongs to no connection: the host, a pseudo header, or what tells upstreams
/// about the client.
pub(crate) fn names_foreign(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONNECTION).iter().filter(|value| !is_plain(value.as_bytes()));
    lines.any(|value| {
        value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).any(|name| {
            const FORWARDED: &[u8] = b"x-forwarded-";
            let forwarded =
                name.get(..FORWARDED.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORWARDED));
            forwarded || name.starts_with(b":") || name.eq_ignore_ascii_case(b"host")
        })
    })
}

/// Returns whether a value of `Connection` names no header that needs removing.
fn is_plain(value: &[u8]) -> bool {
    [&b"close"[..], b"keep-alive"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
}

fn strip_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // A client must not be able to take away what the gateway or an upstream relies on.
        .filter(|name| {
            !matches!(name.as_str(), "host" | "te" | "content-length" | "authorization" | "cookie")
        })
        .filter(|name| !name.as_str().starts_with("x-forwarded-") && name != "x-request-id")
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn stripped(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn connection_headers_go_and_the_rest_stays() {
        let left = stripped(&[
            ("connection", "keep-alive, X-Secret"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("x", "1"),
        ]);
        assert_eq!(left, ["te", "x"]);
        assert_eq!(stripped(&[("te", "gzip"), ("connection", "close")]), Vec::<String>::new());
    }

    fn map(name: HeaderName, lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn one_coding_is_understood() {
        for (lines, foreign) in [
            (&[][..], false),
            (&["chunked"], false),
            (&["Chunked"], false),
            (&["gzip, chunked"], true),
            (&["chunked", "chunked"], true),
            (&["identity"], true),
            (&[""], true),
        ] {
            assert_eq!(has_foreign_coding(&map(header::TRANSFER_ENCODING, lines)), foreign, "{lines:?}");
        }
    }

    #[test]
    fn what_belongs_to_no_connection_is_noticed() {
        for (lines, foreign) in [
            (&["close"][..], false),
            (&["keep-alive, x-a, upgrade"], false),
            (&["close", "Host"], true),
            (&["close,:path"], true),
            (&["X-Forwarded-For"], true),
            (&["x-forwarded"], false),
        ] {
            assert_eq!(names_foreign(&map(header::CONNECTION, lines)), foreign, "{lines:?}");
        }
    }

    #[test]
    fn nobody_can_name_away_what_others_rely_on() {
        let left = stripped(&[
            ("connection", "x-forwarded-for,authorization"),
            ("x-forwarded-for", "1"),
            ("authorization", "b"),
        ]);
        assert_eq!(left.len(), 2);
    }
}
