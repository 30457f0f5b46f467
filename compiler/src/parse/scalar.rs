//! What an unquoted YAML scalar means. Kubernetes reads manifests by the YAML 1.1 rules of its Go library and then as
//! JSON; most other tools follow the YAML 1.2 core schema. Both readings are here, so that a difference can be told.

use std::borrow::Cow;

use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde_json::Value;

/// What Go's decoder takes: the bits that the last character has too many are not looked at.
pub(crate) const GO_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// How a scalar was written, as far as its meaning depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: the text decides the type.
    Plain,
    /// In quotes: text.
    Quoted,
    /// As a block of lines behind `|` or `>`: text.
    Block,
}

/// The tag of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// None: style and text decide.
    Implicit,
    /// `!!str`, or the bare `!`.
    Text,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!bool`
    Bool,
    /// `!!null`
    Null,
    /// `!!binary`
    Binary,
    /// `!!timestamp`, which stays the text that it is.
    Time,
    /// `!!merge`
    Merge,
    /// Any other; Kubernetes drops it and keeps the text.
    Foreign,
}

impl Tag {
    /// Returns the tag of this name, handle and suffix joined.
    pub(crate) fn named(name: &str) -> Tag {
        let Some(known) = name.strip_prefix("tag:yaml.org,2002:") else {
            return if name == "!" { Tag::Text } else { Tag::Foreign };
        };
        match known {
            "str" => Tag::Text,
            "timestamp" => Tag::Time,
            "int" => Tag::Int,
            "float" => Tag::Float,
            "bool" => Tag::Bool,
            "null" => Tag::Null,
            "binary" => Tag::Binary,
            "merge" => Tag::Merge,
            _ => Tag::Foreign,
        }
    }

    fn written(self) -> &'static str {
        match self {
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Bool => "!!bool",
            Tag::Null => "!!null",
            Tag::Binary => "!!binary",
            Tag::Time => "!!timestamp",
            Tag::Merge => "!!merge",
            Tag::Implicit | Tag::Text | Tag::Foreign => "!!str",
        }
    }
}

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number that fits 64 bits with sign.
    Int(i64),
    /// A greater whole number that fits 64 bits.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// The text itself.
    Text,
}

impl Meaning {
    /// Returns whether both readings give the same value.
    fn same(self, other: Meaning) -> bool {
        match (self.as_number(), other.as_number()) {
            (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
            (None, None) => self == other,
            _ => false,
        }
    }

    /// Returns the number, if it is one.
    pub(crate) fn as_number(self) -> Option<f64> {
        match self {
            Meaning::Int(number) => Some(number as f64),
            Meaning::Uint(number) => Some(number as f64),
            Meaning::Float(number) => Some(number),
            Meaning::Null | Meaning::Bool(_) | Meaning::Text => None,
        }
    }

    /// Returns the meaning in words, e.g. `the boolean true`.
    pub(crate) fn words(self) -> String {
        match self {
            Meaning::Null | Meaning::Text => self.type_words().to_owned(),
            Meaning::Bool(_) => format!("the boolean {}", self.literal()),
            Meaning::Int(_) | Meaning::Uint(_) | Meaning::Float(_) => {
                format!("the number {}", self.literal())
            }
        }
    }

    /// Returns the kind of meaning without the value.
    pub(crate) fn type_words(self) -> &'static str {
        match self {
            Meaning::Null => "null",
            Meaning::Bool(_) => "a boolean",
            Meaning::Int(_) | Meaning::Uint(_) | Meaning::Float(_) => "a number",
            Meaning::Text => "text",
        }
    }

    /// Returns how everybody writes the value; nothing for text.
    pub(crate) fn literal(self) -> String {
        match self {
            Meaning::Null => "null".into(),
            Meaning::Bool(value) => value.to_string(),
            Meaning::Int(number) => number.to_string(),
            Meaning::Uint(number) => number.to_string(),
            Meaning::Float(number) => number.to_string(),
            Meaning::Text => String::new(),
        }
    }
}

/// Returns what Kubernetes makes of an unquoted scalar: the YAML 1.1 rules of its Go library, which knows `yes`, `on`
/// and `y`, octal numbers with a leading zero, `_` between digits and `0b`, but no base 60 and no timestamps.
pub(crate) fn kubernetes(text: &str) -> Meaning {
    match go(text) {
        Meaning::Float(number) => whole(number),
        meaning => meaning,
    }
}

/// Go prints whole doubles without a fraction, and the API server reads those back as integers.
fn whole(number: f64) -> Meaning {
    const LIMIT: f64 = 9.2e18;
    if number.fract() == 0.0 && number.abs() < LIMIT {
        Meaning::Int(number as i64)
    } else {
        Meaning::Float(number)
    }
}

/// Returns the type that Kubernetes' YAML library gives an unquoted scalar.
fn go(text: &str) -> Meaning {
    let Some(&first) = text.as_bytes().first() else { return Meaning::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'0'..=b'9' => number(text),
        b'+' | b'-' | b'.' => special_float(text).unwrap_or_else(|| number(text)),
        _ => Meaning::Text,
    }
}

fn word(text: &str) -> Meaning {
    if text.len() > 5 {
        return Meaning::Text;
    }
    match text {
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Meaning::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Meaning::Bool(false)
        }
        _ => Meaning::Text,
    }
}

fn special_float(text: &str) -> Option<Meaning> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Meaning::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Meaning::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => Some(Meaning::Float(f64::NAN)),
        _ => None,
    }
}

fn number(text: &str) -> Meaning {
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, &*plain),
    };
    if let Some(magnitude) = whole_number(digits) {
        if negative {
            if let Some(value) = 0_i64.checked_sub_unsigned(magnitude) {
                return Meaning::Int(value);
            }
        } else if let Ok(value) = i64::try_from(magnitude) {
            return Meaning::Int(value);
        } else if digits.len() == plain.len() {
            return Meaning::Uint(magnitude);
        }
    }
    float(&plain).map_or(Meaning::Text, Meaning::Float)
}

/// Reads digits with an optional base: `0x`, `0o`, `0b` in either case, or a leading zero for octal.
fn whole_number(digits: &str) -> Option<u64> {
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// Reads `[-+]? ( . digits | digits [. digits*] ) [exponent]`; numbers beyond the range of a double are text.
fn float(text: &str) -> Option<f64> {
    let mantissa_and_exponent = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = mantissa_and_exponent
        .split_once(['e', 'E'])
        .map_or((mantissa_and_exponent, None), |(m, e)| (m, Some(e)));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    if !all_digits(whole) || !fraction.is_none_or(all_digits) {
        return None;
    }
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !all_digits(digits) {
            return None;
        }
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Returns what the YAML 1.2 core schema makes of an unquoted scalar.
fn yaml_1_2(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        _ => {}
    }
    if let Some(special) = special_float(text) {
        return special;
    }
    let based = |prefix, base| {
        let digits: &str = text.strip_prefix(prefix)?;
        u64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with('+'))
    };
    if let Some(value) = based("0o", 8).or_else(|| based("0x", 16)) {
        return Meaning::Uint(value);
    }
    float(text).map_or(Meaning::Text, Meaning::Float)
}

/// Returns how Kubernetes' reading of an unquoted scalar differs from that of YAML 1.2: the two meanings.
pub(crate) fn difference(text: &str) -> Option<(Meaning, Meaning)> {
    let first = *text.as_bytes().first()?;
    if starts_text(first) || (matches!(first, b'1'..=b'9') && text.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return None;
    }
    let (ours, theirs) = (kubernetes(text), yaml_1_2(text));
    (!ours.same(theirs)).then_some((ours, theirs))
}

/// Returns whether an unquoted scalar is neither infinity nor not-a-number.
pub(crate) fn is_finite(text: &str) -> bool {
    !text.starts_with(['.', '+', '-']) || special_float(text).is_none()
}

/// Says that a scalar has no value in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoValue {
    /// The text does not fit the explicit tag, e.g. `!!int x`.
    Tag(&'static str),
    /// Infinity or not-a-number.
    NotFinite,
}

/// Returns what Kubernetes makes of a scalar; for `!!binary` text, which is decoded apart.
pub(crate) fn meaning(text: &str, style: Style, tag: Tag) -> Result<Meaning, NoValue> {
    match (tag, style) {
        (Tag::Implicit, Style::Plain) => Ok(kubernetes(text)),
        (Tag::Implicit, Style::Quoted | Style::Block) => Ok(Meaning::Text),
        (Tag::Text | Tag::Foreign | Tag::Merge | Tag::Binary, _) => Ok(Meaning::Text),
        (Tag::Int | Tag::Float | Tag::Bool | Tag::Null, _) => fit(kubernetes(text), tag),
        (Tag::Time, _) if is_time(text) => Ok(Meaning::Text),
        (Tag::Time, _) => Err(NoValue::Tag(tag.written())),
    }
}

/// Returns the JSON value of a scalar, as Kubernetes reads it.
pub(crate) fn value(text: &str, style: Style, tag: Tag) -> Result<Value, NoValue> {
    if tag == Tag::Binary {
        let bytes = GO_BASE64.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| NoValue::Tag(tag.written()))?;
        return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    }
    match meaning(text, style, tag)? {
        Meaning::Null => Ok(Value::Null),
        Meaning::Bool(value) => Ok(Value::Bool(value)),
        Meaning::Int(number) => Ok(number.into()),
        Meaning::Uint(number) => Ok(number.into()),
        Meaning::Float(number) => {
            serde_json::Number::from_f64(number).map(Value::Number).ok_or(NoValue::NotFinite)
        }
        Meaning::Text => Ok(Value::String(text.to_owned())),
    }
}

/// Returns whether a text is a date, or a date and a time, as Go's layouts `2006-1-2` and `15:4:5` have them.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let number = |digits: &str, most: u32| {
        let short = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        short && digits.parse().is_ok_and(|number: u32| number <= most)
    };
    let mut parts = date.split('-');
    let year = parts.next().is_some_and(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()));
    let day = [12, 31].into_iter().all(|most| parts.next().is_some_and(|part| number(part, most)));
    let clock = time.is_none_or(|time| {
        let clock = time.split(['.', 'Z', '+', '-']).next().unwrap_or_default();
        let parts: Vec<&str> = clock.split(':').collect();
        parts.len() == 3 && parts.into_iter().zip([23, 59, 59]).all(|(part, most)| number(part, most))
    });
    year && day && parts.next().is_none() && clock
}

fn fit(meaning: Meaning, tag: Tag) -> Result<Meaning, NoValue> {
    let fits = match tag {
        Tag::Int => matches!(meaning, Meaning::Int(_) | Meaning::Uint(_)),
        Tag::Float => meaning.as_number().is_some(),
        Tag::Bool => matches!(meaning, Meaning::Bool(_)),
        _ => meaning == Meaning::Null,
    };
    if fits { Ok(meaning) } else { Err(NoValue::Tag(tag.written())) }
}

/// Returns the text of a mapping key in JSON: numbers and booleans in Go's notation. None where there is none (null).
pub(crate) fn key_text(text: &str, style: Style, tag: Tag) -> Option<Cow<'_, str>> {
    if is_plainly_text(text, style, tag) {
        return Some(text.into());
    }
    let meaning = match tag {
        Tag::Implicit | Tag::Int | Tag::Float | Tag::Bool | Tag::Null => go(text),
        Tag::Text | Tag::Foreign | Tag::Merge | Tag::Binary | Tag::Time => Meaning::Text,
    };
    Some(match meaning {
        Meaning::Null => return None,
        Meaning::Bool(true) => "true".into(),
        Meaning::Bool(false) => "false".into(),
        Meaning::Int(number) => number.to_string().into(),
        Meaning::Uint(number) => number.to_string().into(),
        Meaning::Float(_) if special_float(text).is_some() => text.into(),
        Meaning::Float(number) => go_float_key(number as f32).into(),
        Meaning::Text => text.into(),
    })
}

/// Returns whether a scalar is text by its first character or its quotes: true of nearly all keys, and quick to tell.
pub(crate) fn is_plainly_text(text: &str, style: Style, tag: Tag) -> bool {
    tag == Tag::Implicit && (style != Style::Plain || text.bytes().next().is_some_and(starts_text))
}

fn starts_text(first: u8) -> bool {
    !matches!(
        first,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'0'
            ..=b'9' | b'+' | b'-' | b'.'
    )
}

/// Go writes float keys with the shortest digits of a 32-bit float, with an exponent below 1e-4 and from 1e6 on.
fn go_float_key(number: f32) -> String {
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent @ -4..6) => format!("{number:.*}", decimals(mantissa, exponent)),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        Err(_) => scientific,
    }
}

/// Returns how many digits stand behind the point when a number is written without exponent.
fn decimals(mantissa: &str, exponent: i32) -> usize {
    let behind = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    (behind - exponent).max(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON text of an unquoted scalar.
    fn json(text: &str) -> String {
        value(text, Style::Plain, Tag::Implicit)
            .map_or_else(|error| format!("{error:?}"), |value| value.to_string())
    }

    // Expected values of this table and of the keys below were printed by Kubernetes' own library
    // (sigs.k8s.io/yaml 1.6.0).
    #[test]
    fn unquoted_scalars_mean_what_kubernetes_reads() {
        let table = "yes true|Yes true|no false|n false|y true|Y true|N false|on true|Off false|OFF false|true true\
            |TRUE true|tRUE \"tRUE\"|null null|NULL null|~ null|0755 493|08 8|09 9|010 8|0o14 12|0O14 12|0b11 3\
            |0B11 3|-0b11 -3|0x1F 31|0X1f 31|-0x1f -31|1_000 1000|1__0 10|_1 \"_1\"|1_ 1|1e3 1000|1E3 1000\
            |1e+3 1000|1.5e3 1500|1. 1|.5 0.5|-.5 -0.5|+.5 0.5|+5 5|.5_0 0.5|1_0.5 10.5|1:30 \"1:30\"\
            |190:20:30 \"190:20:30\"|2001-01-01 \"2001-01-01\"|18446744073709551615 18446744073709551615\
            |9223372036854775808 9223372036854775808|1.0 1|1.10 1.1|1e400 \"1e400\"|0x \"0x\"|0b \"0b\"|+ \"+\"\
            |. \".\"|.. \"..\"|-. \"-.\"|1e \"1e\"|0_8 8|00 0|-0 0|-0755 -493|+0755 493|0.0 0|00.5 0.5\
            |0o9 \"0o9\"|.1e3 100|1.e3 1000|Infinity \"Infinity\"|.Infinity \".Infinity\"|NaN \"NaN\"\
            |0x1p3 \"0x1p3\"|.0x1 \".0x1\"|12e03 12000|12e-3 0.012|1.2.3 \"1.2.3\"|= \"=\"|<< \"<<\"";
        for row in table.split('|') {
            let (text, expected) = row.trim().split_once(' ').unwrap();
            assert_eq!(json(text), expected, "for {text}");
        }
        assert_eq!(json(""), "null");
        assert_eq!(json(".inf"), "NotFinite");
    }

    #[test]
    fn keys_become_text_in_gos_notation() {
        let table = "yes true|on true|y true|1 1|1.0 1|1.5 1.5|1e3 1000|1e30 1e+30|0755 493|.inf .inf|0x1F 31|1_0 10\
            |.5 0.5|1e5 100000|1e6 1e+06|1234567.5 1.2345675e+06|0.0001 0.0001|0.00001 1e-05|100000.5 100000.5\
            |18446744073709551616 1.8446744e+19|123456.0 123456|2001-01-01 2001-01-01|-1 -1";
        for row in table.split('|') {
            let (text, expected) = row.trim().split_once(' ').unwrap();
            assert_eq!(key_text(text, Style::Plain, Tag::Implicit).as_deref(), Some(expected), "for {text}");
        }
        assert_eq!(key_text("~", Style::Plain, Tag::Implicit), None);
        assert_eq!(key_text("yes", Style::Quoted, Tag::Implicit).as_deref(), Some("yes"));
        assert_eq!(key_text("1", Style::Plain, Tag::Text).as_deref(), Some("1"));
    }

    #[test]
    fn tags_decide_over_style() {
        let tagged = |text: &'static str, style, handle: &str, suffix: &str| {
            value(text, style, Tag::named(&format!("{handle}{suffix}"))).map(|value| value.to_string())
        };
        let core = "tag:yaml.org,2002:";
        assert_eq!(tagged("5", Style::Plain, core, "str").unwrap(), "\"5\"");
        assert_eq!(tagged("5", Style::Quoted, core, "int").unwrap(), "5");
        assert_eq!(tagged("0755", Style::Plain, core, "float").unwrap(), "493");
        assert_eq!(tagged("true", Style::Quoted, core, "bool").unwrap(), "true");
        assert_eq!(tagged("aGk=", Style::Plain, core, "binary").unwrap(), "\"hi\"");
        assert_eq!(tagged("bar", Style::Plain, "!", "foo").unwrap(), "\"bar\"");
        assert_eq!(tagged("5", Style::Plain, "", "!").unwrap(), "\"5\"");
        assert_eq!(tagged("foo", Style::Plain, core, "bool"), Err(NoValue::Tag("!!bool")));
        assert_eq!(tagged("", Style::Quoted, core, "int"), Err(NoValue::Tag("!!int")));
        assert_eq!(tagged("%%", Style::Plain, core, "binary"), Err(NoValue::Tag("!!binary")));
    }

    #[test]
    fn only_readings_that_differ_are_told() {
        for text in ["yes", "off", "y", "0755", "1_000", "0b11", "-0x1f", "0X1F", "0O14"] {
            assert!(difference(text).is_some(), "{text} differs");
        }
        for text in [
            "true", "08", "0o14", "0x1F", "1e3", ".5", "+5", "~", "null", "1.0", ".inf", ".nan", "nginx",
            "00",
        ] {
            assert_eq!(difference(text), None, "{text} is the same");
        }
    }
}
