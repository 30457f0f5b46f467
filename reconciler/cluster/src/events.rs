//! Events: what became of something, where `kubectl get events` shows it.

use http::Method;
use serde_json::json;

use crate::client::{Cluster, ClusterError};
use crate::live::LiveObject;
use crate::resource;

/// Longest note that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;
/// Longest name of an instance.
const LONGEST_INSTANCE: usize = 128;
/// Who reports.
const CONTROLLER: &str = "gatewright.io/sync";

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody should look at it.
    pub warning: bool,
    /// One word for programs.
    pub reason: &'static str,
    /// For people.
    pub note: String,
}

/// Records an event about an object. `instance` reports it, and `now` is the time after RFC 3339, with microseconds.
///
/// # Errors
/// See [`ClusterError`].
pub async fn record(
    cluster: &Cluster,
    about: &LiveObject,
    event: &Event,
    instance: &str,
    now: &str,
) -> Result<(), ClusterError> {
    let namespace = &*about.key.namespace;
    let body = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": format!("{}-", about.key.name), "namespace": namespace},
        "eventTime": now,
        "reportingController": CONTROLLER,
        "reportingInstance": cut(instance, LONGEST_INSTANCE),
        "action": "Sync",
        "reason": event.reason,
        "type": if event.warning { "Warning" } else { "Normal" },
        "note": cut(&event.note, LONGEST_NOTE),
        "regarding": {
            "apiVersion": about.key.kind.api_version(),
            "kind": about.key.kind.as_str(),
            "namespace": namespace,
            "name": &*about.key.name,
            "uid": about.uid(),
        },
    });
    let uri = format!("/apis/events.k8s.io/v1/namespaces/{}/events", resource::escape(namespace));
    cluster.ask(Method::POST, &uri, Some("application/json"), &body.to_string().into_bytes()).await.map(drop)
}

/// Returns the beginning of a text that is not longer than so many bytes.
fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("aéz", 2), "a");
        assert_eq!(cut("aéz", 3), "aé");
    }
}
