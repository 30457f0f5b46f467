//! Comments of other languages in what begins like JSON.

/// Returns the first sign of a comment in a text that begins like JSON, behind comments of that kind, and where it stands.
pub(crate) fn first(text: &str) -> Option<(usize, &'static str)> {
    if !behind(text).starts_with(['{', '[']) {
        return None;
    }
    let mut quote = None;
    let mut before = ' ';
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match quote {
            Some('"') if c == '\\' => _ = characters.next(),
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            // Behind a colon it is the address of something.
            None if before != ':' => {
                let sign = ["//", "/*"].into_iter().find(|sign| text[at..].starts_with(sign));
                if let Some(sign) = sign {
                    return Some((at, sign));
                }
            }
            None => {}
        }
        before = c;
    }
    None
}

/// Returns a text without the comments and white space at its beginning.
pub(crate) fn behind(text: &str) -> &str {
    let text = text.trim_start();
    let rest = match (text.strip_prefix("//"), text.strip_prefix("/*")) {
        (Some(line), _) => line.split_once('\n').map(|(_, rest)| rest),
        (None, Some(block)) => block.split_once("*/").map(|(_, rest)| rest),
        (None, None) => return text,
    };
    rest.map_or("", behind)
}
