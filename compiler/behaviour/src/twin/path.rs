//! The twin's own normal form of a path: one thing after the other, each over the whole path.

/// Returns the normal form; none where the request is answered 400.
pub(super) fn normalize(path: &str) -> Option<String> {
    let legal = |c: char| ('!'..='~').contains(&c) && c != '#';
    if !path.starts_with('/') || !path.chars().all(legal) {
        return None;
    }
    let segments = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    });
    let decoded = decode(&segments.collect::<Vec<_>>().join("/"))?;
    Some(resolve(&decoded))
}

/// Drops `.` segments, and `..` segments together with the segment before them.
fn resolve(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path[1..].split('/').collect();
    for (index, part) in parts.iter().enumerate() {
        match *part {
            "." | ".." => {
                if *part == ".." {
                    segments.pop();
                }
                if index + 1 == parts.len() {
                    segments.push("");
                }
            }
            part => segments.push(part),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Undoes the encoding of unreserved characters, encodes what must not stand in a path, and refuses an encoded NUL.
fn decode(path: &str) -> Option<String> {
    let mut out = String::new();
    // Where `out` has the percent signs that began no escape.
    let mut stray: Vec<usize> = Vec::new();
    let mut rest = path;
    while let Some(letter) = rest.chars().next() {
        let code = rest.get(..3).and_then(escape);
        match (letter, code) {
            ('%', Some(0)) => return None,
            ('%', Some(code)) => {
                let decoded = char::from(code);
                let escaped = &rest[..3];
                rest = &rest[3..];
                if !decoded.is_ascii_alphanumeric() && !"-._~".contains(decoded) {
                    out.push_str(escaped);
                    continue;
                }
                out.push(decoded);
                let Some(&place) = stray.last() else { continue };
                let written = &out[place..];
                let with_next: String = written.chars().chain(rest.chars().next()).take(3).collect();
                // Else a second reader would see an escape that the first one did not.
                if written.len() <= 3 && escape(&with_next).is_some() {
                    out.insert_str(place + 1, "25");
                    stray.pop();
                }
                continue;
            }
            ('%', None) => {
                stray.push(out.len());
                out.push('%');
            }
            ('\\', _) => out.push('/'),
            (letter, _) if "\"<>^`{|}".contains(letter) => out.push_str(&format!("%{:02X}", letter as u32)),
            (letter, _) => out.push(letter),
        }
        rest = &rest[letter.len_utf8()..];
    }
    Some(out)
}

/// Reads `%` and two hexadecimal digits.
fn escape(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%').filter(|digits| digits.len() == 2)?;
    let hex = digits.chars().all(|c| c.is_ascii_hexdigit());
    if hex { u8::from_str_radix(digits, 16).ok() } else { None }
}
