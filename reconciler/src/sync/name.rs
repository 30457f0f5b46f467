//! What an application is called.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Longest name.
const LONGEST: usize = 63;

/// The name of an application: one label of a DNS name, so that it fits into addresses, file names and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct AppName(Box<str>);

/// Says that a text is no name of an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: write lower-case letters, digits and `-` between them, 63 at most")]
pub struct NoName(String);

impl AppName {
    /// Returns the name of the one application that was given without one.
    pub fn only() -> Self {
        AppName("default".into())
    }

    /// Returns the name as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fine = !text.is_empty()
            && text.len() <= LONGEST
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fine { Ok(AppName(text.into())) } else { Err(NoName(text.to_owned())) }
    }
}

impl TryFrom<String> for AppName {
    type Error = NoName;

    fn try_from(text: String) -> Result<Self, NoName> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label() {
        let longest = "a".repeat(63);
        for name in ["default", "a", "9", "shop-2", &longest] {
            assert_eq!(name.parse::<AppName>().unwrap().as_str(), name);
        }
        let longer = "a".repeat(64);
        for text in ["", "-a", "a-", "Shop", "a.b", "a/b", "a_b", "é", " a", &longer] {
            assert_eq!(text.parse::<AppName>(), Err(NoName(text.to_owned())), "{text}");
        }
    }
}
