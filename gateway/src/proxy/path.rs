//! Normal form of a path, so that routes and upstreams see the same one: dot segments resolved, percent encoding of
//! unreserved characters undone, backslashes turned. Follows what Envoy 1.40 was seen to do with `normalize_path`.

use http::uri::PathAndQuery;

/// Says that a path has no normal form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidPath;

/// Returns the normal form of a target; the query stays as it is.
pub(crate) fn normalize(target: PathAndQuery, merge_slashes: bool) -> Result<PathAndQuery, InvalidPath> {
    let path = target.path();
    if !path.starts_with('/') || !is_visible_ascii(target.as_str()) {
        return Err(InvalidPath);
    }
    if !needs_work(path, merge_slashes) {
        return Ok(target);
    }
    let decoded = decode(&without_dot_parameters(path))?;
    let mut normal = resolve(&decoded, merge_slashes);
    if let Some(query) = target.query() {
        normal.push('?');
        normal.push_str(query);
    }
    PathAndQuery::try_from(normal).map_err(|_| InvalidPath)
}

fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns whether something in the path could change.
fn needs_work(path: &str, merge_slashes: bool) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().any(|(index, byte)| match byte {
        b'%' | b'\\' => true,
        byte if must_be_encoded(*byte) => true,
        b'.' => bytes[index - 1] == b'/',
        b'/' => merge_slashes && index > 0 && bytes[index - 1] == b'/',
        _ => false,
    })
}

fn must_be_encoded(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Cuts the parameters of dot segments: `/a/..;x=1/b` is `/a/../b`.
fn without_dot_parameters(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Drops `.` segments, and `..` segments together with the segment before them.
fn resolve(path: &str, merge_slashes: bool) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path[1..].split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if last {
                    segments.push("");
                }
            }
            "" if merge_slashes && !last => {}
            part => segments.push(part),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// Undoes the encoding of unreserved characters, encodes what must not stand in a path, and refuses an encoded NUL.
fn decode(path: &str) -> Result<String, InvalidPath> {
    let mut out = String::with_capacity(path.len() + 8);
    // Where `out` has the latest percent sign that began no escape.
    let mut stray = None;
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => out.push('/'),
            byte if must_be_encoded(byte) => out.push_str(&format!("%{byte:02X}")),
            b'%' => match hex(bytes.get(at..at + 2)) {
                None => {
                    stray = Some(out.len());
                    out.push('%');
                }
                Some(0) => return Err(InvalidPath),
                Some(decoded) if is_unreserved(decoded) => {
                    at += 2;
                    out.push(char::from(decoded));
                    if stray.is_some_and(|place| completes_escape(&out.as_bytes()[place..], bytes.get(at))) {
                        // Else a second reader would see an escape that the first one did not.
                        out.insert_str(stray.take().map_or(out.len(), |place| place + 1), "25");
                    }
                }
                Some(_) => {
                    out.push_str(&path[at - 1..at + 2]);
                    at += 2;
                }
            },
            byte => out.push(char::from(byte)),
        }
    }
    Ok(out)
}

/// Returns whether a stray percent sign and what was written behind it, with the next character, make an escape now.
fn completes_escape(written: &[u8], next: Option<&u8>) -> bool {
    match (written, next) {
        ([b'%', first], Some(second)) => hex(Some(&[*first, *second])).is_some(),
        ([b'%', digits @ ..], _) => digits.len() == 2 && hex(Some(digits)).is_some(),
        _ => false,
    }
}

/// Reads two hexadecimal digits.
fn hex(digits: Option<&[u8]>) -> Option<u8> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, merge: bool) -> Result<String, InvalidPath> {
        let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(path.to_owned())).unwrap();
        normalize(target, merge).map(|target| target.to_string())
    }

    /// Seen from Envoy 1.40.
    #[test]
    fn paths_become_what_envoy_makes_of_them() {
        for (path, normal) in [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../../x", "/x"),
            ("/.hidden/a..b", "/.hidden/a..b"),
            ("/a//../b", "/a/b"),
            ("/a//b/../c", "/a//c"),
            ("//..", "/"),
            ("/a/b//../..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a%2fb%5c", "/a%2fb%5c"),
            (r"/a\..\b", "/b"),
            ("/%41%7e%2D", "/A~-"),
            ("/%61%2Fb%20c?q=%61", "/a%2Fb%20c?q=%61"),
            ("/a%zz%4", "/a%zz%4"),
            ("/%%41", "/%A"),
            ("/%2%35", "/%2525"),
            ("/%%32%35", "/%2525"),
            ("/%2%65%2e/a", "/%252e./a"),
            ("/x/%%2e./y", "/x/%../y"),
            ("/%a%%34%31", "/%a%2541"),
            ("/a\"^{|}", "/a%22%5E%7B%7C%7D"),
            ("/a!$&'()*+,;=:@[]-_~", "/a!$&'()*+,;=:@[]-_~"),
            ("/a/..;x/b", "/b"),
            ("/a/%2e%2e;/b", "/a/..;/b"),
            (r"/a/..;\b", "/"),
            ("/a;../b", "/a;../b"),
            ("/a/.;", "/a/"),
        ] {
            assert_eq!(check(path, false).as_deref(), Ok(normal), "{path}");
        }
    }

    #[test]
    fn some_paths_have_no_normal_form() {
        for path in ["/a%00b", "/ä", "/a?ä"] {
            assert_eq!(check(path, false), Err(InvalidPath), "{path}");
        }
    }

    #[test]
    fn slashes_are_merged_when_asked() {
        assert_eq!(check("/a//b///c//", true).unwrap(), "/a/b/c/");
        assert_eq!(check("/a//b", false).unwrap(), "/a//b");
    }
}
