//! Edits of a header map. As in Envoy, removals come first, then replacements, then additions.

use gatewright_xds::envoy::config::core::v3::HeaderValueOption;
use gatewright_xds::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{FieldError, Within};
use super::take::nothing_left;

/// Compiled edits of a header map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    remove: Box<[HeaderName]>,
    set: Box<[Set]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    name: HeaderName,
    value: HeaderValue,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Present,
    Absent,
}

impl HeaderEdits {
    /// Returns whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Applies the edits.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for set in &self.set {
            let due = match set.when {
                When::Always => true,
                When::Present => headers.contains_key(&set.name),
                When::Absent => !headers.contains_key(&set.name),
            };
            if due {
                headers.insert(&set.name, set.value.clone());
            }
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }

    /// Compiles the pair of fields `<prefix>_headers_to_add` and `<prefix>_headers_to_remove`.
    pub(super) fn new(
        prefix: &str,
        add: Vec<HeaderValueOption>,
        remove: Vec<String>,
    ) -> Result<Self, FieldError> {
        let (mut sets, mut adds) = (Vec::new(), Vec::new());
        for (index, option) in add.into_iter().enumerate() {
            let field = format!("{prefix}_headers_to_add[{index}]");
            let Some((name, value, action)) = edit(option).within(field)? else { continue };
            let when = match action {
                HeaderAppendAction::AppendIfExistsOrAdd => {
                    adds.push((name, value));
                    continue;
                }
                HeaderAppendAction::OverwriteIfExistsOrAdd => When::Always,
                HeaderAppendAction::OverwriteIfExists => When::Present,
                HeaderAppendAction::AddIfAbsent => When::Absent,
            };
            sets.push(Set { name, value, when });
        }
        let remove = remove
            .into_iter()
            .enumerate()
            .map(|(index, text)| header_name(&text, &format!("{prefix}_headers_to_remove[{index}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self { remove, set: sets.into(), add: adds.into() })
    }
}

/// Reads one edit; none when it has no effect.
fn edit(
    mut option: HeaderValueOption,
) -> Result<Option<(HeaderName, HeaderValue, HeaderAppendAction)>, FieldError> {
    let mut header = option.header.take().ok_or_else(|| FieldError::missing("header"))?;
    let name = header_name(&header.key, "header.key")?;
    let text = std::mem::take(&mut header.value);
    header.key.clear();
    nothing_left(&header).within("header")?;
    let action = HeaderAppendAction::try_from(std::mem::take(&mut option.append_action))
        .map_err(|_| FieldError::new("append_action", "has an unknown value"))?;
    let keep_empty = std::mem::take(&mut option.keep_empty_value);
    nothing_left(&option)?;
    if text.is_empty() && !keep_empty {
        return Ok(None);
    }
    let value = HeaderValue::from_str(&unescape(&text)?)
        .map_err(|_| FieldError::new("header.value", "holds a byte that no header may hold"))?;
    Ok(Some((name, value, action)))
}

/// Reads Envoy's format text, of which only the escaped percent sign is supported.
fn unescape(text: &str) -> Result<String, FieldError> {
    let rest = text.replace("%%", "");
    if rest.contains('%') {
        return Err(FieldError::new("header.value", "format commands are not supported"));
    }
    Ok(text.replace("%%", "%"))
}

fn header_name(text: &str, field: &str) -> Result<HeaderName, FieldError> {
    if text.starts_with(':') || text.eq_ignore_ascii_case("host") {
        return Err(FieldError::new(field, "`:`-prefixed headers and `host` may not be edited"));
    }
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| FieldError::new(field, format!("`{text}` is not a header name")))
}

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::core::v3::HeaderValue as Message;

    use super::*;

    fn option(key: &str, value: &str, action: HeaderAppendAction) -> HeaderValueOption {
        HeaderValueOption {
            header: Some(Message { key: key.to_owned(), value: value.to_owned(), ..Message::default() }),
            append_action: action as i32,
            ..HeaderValueOption::default()
        }
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn removes_first_then_sets_then_adds() {
        use HeaderAppendAction::*;
        let add = vec![
            option("x-add", "2", AppendIfExistsOrAdd),
            option("x-set", "new", OverwriteIfExistsOrAdd),
            option("x-gone", "back", AddIfAbsent),
            option("x-set", "and more", AppendIfExistsOrAdd),
            option("x-none", "no", OverwriteIfExists),
        ];
        let edits = HeaderEdits::new("request", add, vec!["X-Gone".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-add", "1"), ("x-set", "old"), ("x-set", "older"), ("x-gone", "1")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        edits.apply(&mut headers);
        assert_eq!(
            lines(&headers),
            ["x-add: 1", "x-add: 2", "x-gone: back", "x-set: and more", "x-set: new"]
        );
    }

    #[test]
    fn percent_is_unescaped_and_commands_are_refused() {
        let escaped = vec![option("x", "100%%", HeaderAppendAction::AddIfAbsent)];
        let mut headers = HeaderMap::new();
        HeaderEdits::new("request", escaped, Vec::new()).unwrap().apply(&mut headers);
        assert_eq!(headers["x"], "100%");
        let command = vec![option("x", "%REQ(y)%", HeaderAppendAction::AddIfAbsent)];
        let error = HeaderEdits::new("request", command, Vec::new()).unwrap_err();
        assert_eq!(error.path(), "request_headers_to_add[0].header.value");
    }

    #[test]
    fn host_cannot_be_edited_and_empty_values_are_dropped() {
        let error = HeaderEdits::new("response", Vec::new(), vec!["Host".to_owned()]).unwrap_err();
        assert_eq!(error.path(), "response_headers_to_remove[0]");
        let empty = vec![option("x", "", HeaderAppendAction::AddIfAbsent)];
        assert!(HeaderEdits::new("request", empty, Vec::new()).unwrap().is_empty());
    }
}
