//! Normal form of a path, so that routes and upstreams see the same one: dot segments resolved, percent encoding of
//! unreserved characters undone, backslashes turned. Follows what Envoy's `normalize_path` does.

use std::borrow::Cow;

use http::uri::PathAndQuery;

/// Says that a path has no normal form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidPath;

/// Returns the normal form of a target; the query stays as it is.
pub(crate) fn normalize(target: PathAndQuery, merge_slashes: bool) -> Result<PathAndQuery, InvalidPath> {
    let path = target.path();
    if !path.starts_with('/') {
        return Err(InvalidPath);
    }
    let normal = match needs_work(path, merge_slashes) {
        false => return Ok(target),
        true => normal_path(path, merge_slashes)?,
    };
    let text = match target.query() {
        Some(query) => Cow::Owned(format!("{normal}?{query}")),
        None => Cow::Borrowed(normal.as_str()),
    };
    PathAndQuery::try_from(text.as_bytes()).map_err(|_| InvalidPath)
}

/// Returns whether something in the path could change.
fn needs_work(path: &str, merge_slashes: bool) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().any(|(index, byte)| match byte {
        b'%' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f.. => true,
        b'.' => bytes[index - 1] == b'/',
        b'/' => merge_slashes && index > 0 && bytes[index - 1] == b'/',
        _ => false,
    })
}

fn normal_path(path: &str, merge_slashes: bool) -> Result<String, InvalidPath> {
    let decoded = decode_unreserved(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = decoded[1..].split('/').peekable();
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
    let mut out = String::with_capacity(decoded.len());
    for segment in segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

/// Undoes the encoding of letters, digits, `-`, `.`, `_` and `~`, encodes what must not stand in a path, and refuses
/// non-ASCII characters and an encoded NUL.
fn decode_unreserved(path: &str) -> Result<String, InvalidPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(position) =
        rest.find(|character: char| character.is_ascii_punctuation() || !character.is_ascii())
    {
        out.push_str(&rest[..position]);
        rest = &rest[position..];
        let first = rest.as_bytes()[0];
        if first != b'%' {
            match first {
                b'\\' => out.push('/'),
                b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                    out.push_str(&format!("%{first:02X}"))
                }
                0x7f.. => return Err(InvalidPath),
                other => out.push(char::from(other)),
            }
            rest = &rest[1..];
            continue;
        }
        match rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(0) => return Err(InvalidPath),
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
                rest = &rest[3..];
            }
            Some(_) => {
                out.push_str(&rest[..3]);
                rest = &rest[3..];
            }
            None => {
                out.push('%');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &'static str, merge: bool) -> Result<String, InvalidPath> {
        normalize(PathAndQuery::from_static(path), merge).map(|target| target.to_string())
    }

    #[test]
    fn dot_segments_are_resolved() {
        for (path, normal) in [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../../x", "/x"),
            ("/a/%2e%2E/b", "/b"),
            ("/.hidden/a..b", "/.hidden/a..b"),
            ("/a//b/../c", "/a//c"),
        ] {
            assert_eq!(check(path, false).unwrap(), normal, "{path}");
        }
    }

    #[test]
    fn only_what_needs_no_encoding_is_decoded() {
        assert_eq!(check("/%61%2Fb%20c?q=%61", false).unwrap(), "/a%2Fb%20c?q=%61");
        assert_eq!(check("/a%zz%4", false).unwrap(), "/a%zz%4");
        assert_eq!(check("/a%00b", false), Err(InvalidPath));
        assert_eq!(check("/a|b{c}\\d'e", false).unwrap(), "/a%7Cb%7Bc%7D/d'e");
        let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from_static("/ä".as_bytes())).unwrap();
        assert_eq!(normalize(target, false), Err(InvalidPath));
    }

    #[test]
    fn slashes_are_merged_when_asked() {
        assert_eq!(check("/a//b///c//", true).unwrap(), "/a/b/c/");
        assert_eq!(check("/a//b", false).unwrap(), "/a//b");
    }
}
