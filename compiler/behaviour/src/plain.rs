//! Plain facets: what forwarding does to every request alike, whatever the request says.
//!
//! Two of them differ for all requests or for none, so everything that speaks of them is made from one table
//! ([`Plain::facets`]): how a plan tells them apart, what `trace` shows, what a route test may expect. A new one is a
//! field of [`Plain`] and a row of the table.

use gatewright_ir::RetryPolicy;
use serde::Serialize;
use serde_json::Value;

use crate::facet::Facet;

/// The plain part of a forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Plain {
    /// Time limit in milliseconds; none means unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Retries; none means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
}

/// One plain facet with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFacet {
    /// The facet.
    pub facet: Facet,
    /// The member of [`Plain`], by which a trace and the `expect` of a route test call it.
    pub key: &'static str,
    /// The value as JSON; null where there is none.
    pub value: Value,
    /// The value for people.
    pub text: String,
}

impl Plain {
    /// Returns the table: every plain facet with its value, in the order in which outputs list them.
    pub fn facets(&self) -> [PlainFacet; 2] {
        let Plain { timeout_ms, retry } = self;
        [
            PlainFacet {
                facet: Facet::Timeout,
                key: "timeout_ms",
                value: json(timeout_ms),
                text: timeout_ms.map_or_else(|| "unlimited".into(), |ms| format!("{ms} ms")),
            },
            PlainFacet {
                facet: Facet::Retry,
                key: "retry",
                value: json(retry),
                text: retry.as_ref().map_or_else(|| "never".into(), retry_text),
            },
        ]
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("model types serialize without error")
}

fn retry_text(retry: &RetryPolicy) -> String {
    let RetryPolicy { retry_on, num_retries, excluded_methods } = retry;
    let never = match excluded_methods.as_slice() {
        [] => String::new(),
        methods => format!(", never {}", methods.join(",")),
    };
    format!("{num_retries} on {}{never}", retry_on.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_a_row_under_its_own_name() {
        let retry =
            RetryPolicy { retry_on: vec!["5xx".into()], num_retries: 2, excluded_methods: Vec::new() };
        let plain = Plain { timeout_ms: Some(5), retry: Some(retry) };
        let members = json(&plain);
        let rows: Vec<(&str, Value)> = plain.facets().into_iter().map(|row| (row.key, row.value)).collect();
        let members: Vec<(&str, Value)> = members
            .as_object()
            .map(|members| members.iter().map(|(key, value)| (key.as_str(), value.clone())).collect())
            .unwrap_or_default();
        let sorted = |mut rows: Vec<(&'static str, Value)>| {
            rows.sort_by_key(|(key, _)| *key);
            rows
        };
        assert_eq!(
            sorted(rows).iter().map(|(key, value)| (*key, value.clone())).collect::<Vec<_>>(),
            members
        );
        assert!(Plain::default().facets().iter().all(|row| row.value.is_null()));
    }
}
