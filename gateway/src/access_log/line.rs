//! One line of the access log, with the field names of Higress's default format.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::SystemTime;

use gatewright_diagnostics::outlet::is_hidden;

use super::known::Known;
use crate::stats::ResponseFlags;

/// What a line says. Absent values are written as `-`, as Envoy does.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) start: SystemTime,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) authority: &'a [u8],
    pub(crate) protocol: &'a str,
    pub(crate) code: u16,
    pub(crate) flags: ResponseFlags,
    pub(crate) route: Option<&'a str>,
    pub(crate) cluster: Option<&'a str>,
    pub(crate) upstream: Option<&'a str>,
    pub(crate) upstream_ms: Option<u64>,
    pub(crate) duration_ms: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) request_id: Option<&'a [u8]>,
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) forwarded_for: Option<&'a [u8]>,
    pub(crate) server_name: Option<&'a str>,
    pub(crate) local: &'a str,
    pub(crate) remote: &'a str,
}

impl Line<'_> {
    /// Appends the line, with its line break, to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, known: &mut Known) {
        text(out, "{\"authority\":\"", Some(&address(self.authority)));
        number(out, ",\"bytes_received\":", self.bytes_received);
        number(out, ",\"bytes_sent\":", self.bytes_sent);
        text(out, ",\"downstream_local_address\":\"", Some(self.local.as_bytes()));
        text(out, ",\"downstream_remote_address\":\"", Some(self.remote.as_bytes()));
        number(out, ",\"duration\":", self.duration_ms);
        text(out, ",\"method\":\"", Some(self.method.as_bytes()));
        text(out, ",\"path\":\"", Some(&known.shown(self.path.as_bytes())));
        text(out, ",\"protocol\":\"", Some(self.protocol.as_bytes()));
        text(out, ",\"request_id\":\"", self.request_id.map(|id| known.shown(id)).as_deref());
        text(out, ",\"requested_server_name\":\"", self.server_name.map(str::as_bytes));
        number(out, ",\"response_code\":", self.code.into());
        flags(out, ",\"response_flags\":\"", self.flags);
        text(out, ",\"route_name\":\"", self.route.map(str::as_bytes));
        out.extend_from_slice(b",\"start_time\":\"");
        known.timestamp(out, self.start);
        text(out, "\",\"upstream_cluster\":\"", self.cluster.map(str::as_bytes));
        text(out, ",\"upstream_host\":\"", self.upstream.map(str::as_bytes));
        match self.upstream_ms {
            Some(milliseconds) => number(out, ",\"upstream_service_time\":", milliseconds),
            None => text(out, ",\"upstream_service_time\":\"", None),
        }
        text(out, ",\"user_agent\":\"", self.user_agent.map(|agent| known.shown(agent)).as_deref());
        text(out, ",\"x_forwarded_for\":\"", self.forwarded_for.map(address).as_deref());
        out.extend_from_slice(b"}\n");
    }
}

/// Returns addresses without what stands before an `@`.
fn address(value: &[u8]) -> Cow<'_, [u8]> {
    if value.contains(&b'@') { hidden(value, gatewright_secrets::address) } else { Cow::Borrowed(value) }
}

pub(super) fn hidden(value: &[u8], hide: for<'t> fn(&'t str) -> Cow<'t, str>) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(value);
    match hide(&text) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.extend_from_slice(key.as_bytes());
    digits(out, value, 1);
}

fn flags(out: &mut Vec<u8>, key: &str, value: ResponseFlags) {
    if value.is_empty() {
        return text(out, key, None);
    }
    out.extend_from_slice(key.as_bytes());
    let _ = write!(out, "{value}\"");
}

/// Writes a number with at least `width` digits. Formatting goes through machinery that a line of twenty fields feels.
pub(super) fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    if value < 10 && width == 1 {
        return out.push(b'0' + value as u8);
    }
    let mut buffer = [b'0'; 20];
    let mut start = buffer.len();
    while value > 0 || buffer.len() - start < width {
        start -= 1;
        buffer[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&buffer[start..]);
}

/// Writes a text behind a key, which ends with the quote that opens the text.
fn text(out: &mut Vec<u8>, key: &str, value: Option<&[u8]>) {
    out.extend_from_slice(key.as_bytes());
    escape(out, value.unwrap_or(b"-"));
    out.push(b'"');
}

/// Escapes what JSON wants escaped, and what a reader of the log would not see. Bytes that are no UTF-8 become the
/// replacement character.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    let mut hashes = 0;
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            // Where the log is that of a CI run, `##[` starts a command.
            '[' if hashes > 1 => out.extend_from_slice(b"\\u005b"),
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            hidden if is_hidden(hidden) => {
                let mut units = [0; 2];
                for unit in hidden.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        hashes = if character == '#' { hashes + 1 } else { 0 };
    }
}

/// Returns whether a value can stand as it is. All bytes are looked at, without a way out at the first: that is done for
/// many at once.
fn is_plain(value: &[u8]) -> bool {
    let special = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\') | (byte == b'#');
    !value.iter().fold(false, |found, &byte| found | special(byte))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn time(seconds: u64, milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_line_is_json_whatever_the_client_sends() {
        let line = Line {
            start: time(1_709_164_799, 7),
            method: "GET",
            path: "/a\"b",
            authority: b"a\\\x01\xff\xc3\xa4",
            protocol: "HTTP/1.1",
            code: 503,
            flags: ResponseFlags::NO_HEALTHY_UPSTREAM,
            route: Some("default/web"),
            cluster: None,
            upstream: None,
            upstream_ms: None,
            duration_ms: 12,
            bytes_received: 1,
            bytes_sent: 2,
            request_id: None,
            user_agent: Some("\u{1b}[2J\u{9b}\u{202e}\u{e0001}\n##[error]#[x]".as_bytes()),
            forwarded_for: None,
            server_name: None,
            local: "127.0.0.1:80",
            remote: "127.0.0.1:4000",
        };
        let mut out = Vec::new();
        line.write(&mut out, &mut Known::default());
        assert_eq!(out.pop(), Some(b'\n'));
        assert!(!out.contains(&b'\n') && !std::str::from_utf8(&out).unwrap().chars().any(is_hidden));
        assert!(!out.windows(3).any(|window| window == b"##["));
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["path"], "/a\"b");
        assert_eq!(value["authority"], "a\\\u{1}\u{fffd}ä");
        assert_eq!(value["user_agent"], "\u{1b}[2J\u{9b}\u{202e}\u{e0001}\n##[error]#[x]");
        assert_eq!(value["response_code"], 503);
        assert_eq!(value["response_flags"], "UH");
        assert_eq!(value["upstream_cluster"], "-");
        assert_eq!(value["start_time"], "2024-02-28T23:59:59.007Z");
    }
}
