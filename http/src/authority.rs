//! Which host a request names: what is refused, where the port begins, and what of the port a redirect keeps.
//!
//! Measured on Envoy 1.40 with `ignore_port_in_host_matching`, over HTTP/1.1 and HTTP/2; the tests hold the measurements,
//! and a test with a real Envoy asks for them again. A request of which one reader sees another host than the next goes
//! past what protects that host, so nobody else in this repository reads an authority.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a request can name its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The line `Host` of HTTP/1, which may be empty.
    Host,
    /// The field `:authority` of HTTP/2, or `host` in its place.
    Authority,
}

/// Returns whether Envoy takes the text as an authority. What it does not take is answered 400.
pub fn is_valid(text: &[u8], place: Place) -> bool {
    match place {
        Place::Host => text.iter().all(|&byte| MAY_STAND[usize::from(byte)] || byte == b'@'),
        Place::Authority => !text.is_empty() && text.iter().all(|&byte| MAY_STAND[usize::from(byte)]),
    }
}

/// Whether a byte may stand in an authority anywhere.
const MAY_STAND: [bool; 256] = {
    let mut table = [false; 256];
    let signs = b"-._~%!$&'()[]*+,;=:";
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = true;
        }
        byte += 1;
    }
    table
};

/// Returns the authority of a target with scheme and host (`http://user@host:port/path`) without user information, which
/// is not passed on; none where Envoy refuses the target. A target is read far more strictly than `Host`.
pub fn of_target(text: &str) -> Option<&str> {
    let authority = match text.split_once('@') {
        Some((user, authority)) if user.bytes().all(is_user_byte) => authority,
        Some(_) => return None,
        None => text,
    };
    let host = without_port(authority);
    let port = authority[host.len()..].strip_prefix(':');
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let legal_host = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok() || address.parse::<Ipv4Addr>().is_ok(),
        None => {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        }
    };
    (legal_host && port.is_none_or(is_port)).then_some(authority)
}

fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()%;:&=+$,".contains(&byte)
}

fn is_port(text: &str) -> bool {
    let digits = text.trim_start_matches('0');
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && digits.len() <= 5
        && (digits.is_empty() || digits.parse::<u16>().is_ok())
}

/// Returns an authority without its port: everything from the last `:` that is not inside brackets, whatever follows it.
pub fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(port) if authority.rfind(']').is_none_or(|bracket| bracket < port) => &authority[..port],
        _ => authority,
    }
}

/// Returns the name by which a virtual host is chosen: without port, in lower case.
pub fn host(authority: &str) -> Cow<'_, str> {
    lower(without_port(authority))
}

/// Returns a text in lower case.
pub fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns what a redirect that names no host keeps of an authority: all of it, but for a port that the redirect replaces,
/// and for the default port of the old scheme when the scheme changes.
pub fn kept_by_redirect<'a>(
    authority: &'a str,
    old_scheme: &str,
    new_scheme: &str,
    new_port: bool,
) -> &'a str {
    let colon = if authority.starts_with('[') {
        authority.rfind("]:").map(|bracket| bracket + 1)
    } else {
        authority.rfind(':')
    };
    let Some(colon) = colon else { return authority };
    let is_default = matches!((old_scheme, &authority[colon..]), ("http", ":80") | ("https", ":443"));
    if new_port || (old_scheme != new_scheme && is_default) { &authority[..colon] } else { authority }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_whatever_follows_the_last_colon_outside_of_brackets() {
        for (authority, name) in [
            ("A.com:80", "a.com"),
            ("a.com:", "a.com"),
            ("a.com:x", "a.com"),
            ("a.com:-1", "a.com"),
            ("a.com:65536", "a.com"),
            ("a.com:80,b.com", "a.com"),
            ("a.com:b.com", "a.com"),
            ("a.com:[1", "a.com"),
            ("a.com:80:80", "a.com:80"),
            ("a.com::", "a.com:"),
            ("[::1]:80", "[::1]"),
            ("[::1]:", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1]", "::1]"),
            ("::1", ":"),
            (":80", ""),
            (":", ""),
            ("", ""),
        ] {
            assert_eq!(host(authority), name, "{authority}");
        }
    }

    #[test]
    fn some_characters_stand_in_no_authority() {
        let refused = [
            "a/x", "a?x", "a#x", "a\\", "a, b", "a b", "\"a\"", "<a>", "{a}", "a|", "a^", "a`", "a\t",
            "a\x7f", "ä",
        ];
        for text in refused {
            assert!(!is_valid(text.as_bytes(), Place::Host), "{text}");
            assert!(!is_valid(text.as_bytes(), Place::Authority), "{text}");
        }
        for text in ["a", "A:x", "a,b", "a;", "'a'", "(a)", "a~!$&*+=_%20", "*", ":", "[::1", "a..b."] {
            assert!(is_valid(text.as_bytes(), Place::Host), "{text}");
            assert!(is_valid(text.as_bytes(), Place::Authority), "{text}");
        }
        for text in ["", "user@a", "@"] {
            assert!(is_valid(text.as_bytes(), Place::Host), "{text}");
            assert!(!is_valid(text.as_bytes(), Place::Authority), "{text}");
        }
    }

    #[test]
    fn a_target_is_read_strictly() {
        for (text, authority) in [
            ("a.com", "a.com"),
            ("A.com:080", "A.com:080"),
            ("a.com:65535", "a.com:65535"),
            ("a.com.", "a.com."),
            ("..", ".."),
            ("user:p%40w@a.com", "a.com"),
            (":@a.com", "a.com"),
            ("[::1]:8080", "[::1]:8080"),
            ("[1.2.3.4]", "[1.2.3.4]"),
        ] {
            assert_eq!(of_target(text), Some(authority), "{text}");
        }
        let refused = [
            "",
            ":80",
            "a.com:",
            "a.com:x",
            "a.com:-1",
            "a.com:+1",
            "a.com:65536",
            "a.com:100000",
            "a:80:80",
            "a_b",
            "a,b",
            "a%41",
            "*",
            "a@b@c",
            "u[@a",
            "a@",
            "[]",
            "[:]",
            "[abc]",
            "[::1",
            "::1",
            "[::1]x",
            "x[::1]",
            "[a.com]",
        ];
        for text in refused {
            assert_eq!(of_target(text), None, "{text}");
        }
    }

    #[test]
    fn a_redirect_drops_a_port_that_it_replaces_or_that_was_the_default() {
        for (authority, new_scheme, new_port, kept) in [
            ("a.com:80", "https", false, "a.com"),
            ("a.com:80", "http", false, "a.com:80"),
            ("A.com:443", "https", false, "A.com:443"),
            ("a.com:", "https", false, "a.com:"),
            ("a.com:8080", "http", true, "a.com"),
            ("[::1]:80", "https", false, "[::1]"),
            ("[::1]", "http", true, "[::1]"),
        ] {
            assert_eq!(kept_by_redirect(authority, "http", new_scheme, new_port), kept, "{authority}");
        }
    }
}
