//! The saved form of a plan: JSON with a format number and a digest that tells whether anybody touched it.

use crate::model::{FORMAT, Plan};

/// Says why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// It is not the JSON of a plan.
    Malformed(String),
    /// It is a plan of another version.
    Format(String),
    /// It was changed after it was made.
    Touched,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Malformed(reason) => write!(f, "not a plan: {reason}"),
            LoadError::Format(format) => {
                write!(f, "the plan has the form `{format}`, and this version reads `{FORMAT}`")
            }
            LoadError::Touched => {
                f.write_str("the plan was changed after it was made: its digest does not fit")
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl Plan {
    /// Writes the plan as indented JSON that ends with a line feed.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a plan holds texts, numbers and JSON values only");
        text.push('\n');
        text
    }

    /// Reads what [`Plan::to_json`] wrote.
    ///
    /// # Errors
    /// The text is no plan, a plan of another format, or one whose content does not fit its digest.
    pub fn from_json(text: &str) -> Result<Self, LoadError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| LoadError::Malformed(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(LoadError::Format(other.to_owned())),
            None => return Err(LoadError::Malformed("it has no `format`".to_owned())),
        }
        let plan: Plan =
            serde_json::from_value(value).map_err(|error| LoadError::Malformed(error.to_string()))?;
        if plan.digest == plan.content_digest() { Ok(plan) } else { Err(LoadError::Touched) }
    }

    /// Returns the digest of everything but the digest: 64 hex digits.
    pub(crate) fn content_digest(&self) -> String {
        let content = Plan { digest: String::new(), ..self.clone() };
        // Through a value with sorted keys, so that the order of members in a loaded text does not matter.
        let value = serde_json::to_value(&content).expect("a plan holds texts, numbers and JSON values only");
        blake3::hash(canonical(&value).as_bytes()).to_hex().to_string()
    }
}

/// Writes a value with sorted keys, whichever order the map type keeps.
fn canonical(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}
