//! The API server: paged lists, single objects, server-side apply and deletion, with bounded patience.

use std::fmt;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{Stream, StreamExt as _};
use gatewright_kinds::{EntityKey, Kind};
use http::{Method, Request, StatusCode};
use kube::Client;
use kube::core::{Status, WatchEvent};
use serde_json::{Value, json};

use crate::failure::told;
use crate::inventory::PART_OF;
use crate::live::LiveObject;
use crate::resource;

/// Objects in one answer of a list.
const PAGE: usize = 500;
/// How often one request is tried, and the pause after the first time; it doubles.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// Longest pause that the API server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a list is started over whose pages have expired.
const LISTS: usize = 3;

/// A kube cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    name: String,
    server: String,
}

/// Why the API server did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// There was no answer.
    #[error("the API server {server} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        server: String,
        /// What failed.
        reason: String,
    },
    /// It does not know who asks.
    #[error("the API server does not accept the credentials: {0}")]
    Unauthorized(String),
    /// Who asks may not do this.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// Fields belong to others.
    #[error("{0}")]
    Conflict(Conflicts),
    /// The object is another one by now.
    #[error("it changed in the meantime: {0}")]
    Moved(String),
    /// It has no such kind of objects.
    #[error("the API server has no {0}")]
    NoKind(&'static str),
    /// It refused, or failed each time that it was tried.
    #[error("{message} (status {code})")]
    Refused {
        /// Status code.
        code: u16,
        /// Its words.
        message: String,
    },
}

/// Fields that other managers own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, in the API server's words.
    pub field: String,
    /// The manager.
    pub owner: String,
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> =
            self.0.iter().map(|conflict| format!("`{}` owns {}", conflict.owner, conflict.field)).collect();
        f.write_str(&all.join(", "))
    }
}

/// All objects of a kind.
pub(crate) struct List {
    /// The objects.
    pub(crate) objects: Vec<LiveObject>,
    /// Version of the whole.
    pub(crate) version: String,
}

/// How an object is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyOptions<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Whether fields are taken from other managers.
    pub force: bool,
    /// Whether the API server only says what would happen.
    pub dry_run: bool,
}

impl Cluster {
    pub(crate) fn new(client: Client, name: String, server: String) -> Self {
        Cluster { client, name, server }
    }

    /// Returns the name of the context, or `in-cluster`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lists the objects of a kind, of all namespaces or of some, page by page; with a label selector, only those that
    /// have the label. A kind that the API server does not have has no objects.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn list(
        &self,
        kind: Kind,
        namespaces: Option<&[String]>,
        selector: Option<&str>,
    ) -> Result<Vec<LiveObject>, ClusterError> {
        let selector = selector.map(|label| format!("&labelSelector={}", resource::escape(label)));
        let selector = selector.unwrap_or_default();
        let paths: Vec<String> = match namespaces.filter(|_| kind.namespaced()) {
            Some(namespaces) => {
                namespaces.iter().map(|namespace| resource::collection(kind, Some(namespace))).collect()
            }
            None => vec![resource::collection(kind, None)],
        };
        let lists = paths.iter().map(|path| self.list_path(kind, path, &selector));
        let lists = try_join_all(lists).await?.into_iter().flatten();
        Ok(lists.flat_map(|list| list.objects).collect())
    }

    /// Lists the objects of a kind that the end of a query selects, and the version from which a watch goes on; none where
    /// the API server does not have the kind.
    pub(crate) async fn list_at(&self, kind: Kind, query: &str) -> Result<Option<List>, ClusterError> {
        self.list_path(kind, &resource::collection(kind, None), query).await
    }

    /// Watches the objects of a kind from a version on, for so many seconds.
    pub(crate) async fn watch(
        &self,
        kind: Kind,
        query: &str,
        version: &str,
        seconds: u64,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, ClusterError>> + use<>, ClusterError> {
        let uri = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}{query}",
            resource::collection(kind, None),
            resource::escape(version),
        );
        let request = Request::get(&uri).body(Vec::new()).map_err(|error| self.unreachable(&error))?;
        let events = self.client.request_events::<Value>(request).await;
        let events = events.map_err(|error| self.describe(error))?;
        let cluster = self.clone();
        Ok(events.map(move |event| event.map_err(|error| cluster.describe(error))))
    }

    async fn list_path(&self, kind: Kind, path: &str, selector: &str) -> Result<Option<List>, ClusterError> {
        let mut started = 0;
        loop {
            started += 1;
            match self.pages(kind, path, selector).await {
                // The rest of a list that took too long is gone; a new one is consistent again.
                Err(ClusterError::Refused { code: 410, .. }) if started < LISTS => {}
                Err(ClusterError::Refused { code: 404, .. }) => return Ok(None),
                answer => return answer.map(Some),
            }
        }
    }

    async fn pages(&self, kind: Kind, path: &str, selector: &str) -> Result<List, ClusterError> {
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let uri = format!("{path}?limit={PAGE}{selector}{next}");
            let mut page = self.ask(Method::GET, &uri, None, &[]).await?;
            if let Value::Array(items) = page["items"].take() {
                objects.extend(items.into_iter().filter_map(|item| LiveObject::new(kind, item)));
            }
            let metadata = |field: &str| page["metadata"][field].as_str().unwrap_or_default();
            match metadata("continue") {
                "" => return Ok(List { objects, version: metadata("resourceVersion").to_owned() }),
                token => next = format!("&continue={}", resource::escape(token)),
            }
        }
    }

    /// Reads one object; none where there is none.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn get(&self, key: &EntityKey) -> Result<Option<LiveObject>, ClusterError> {
        match self.ask(Method::GET, &resource::path(key), None, &[]).await {
            Ok(value) => Ok(LiveObject::new(key.kind, value)),
            Err(ClusterError::Refused { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies one object and returns what it is then.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] names the owners of fields that the apply would take; see [`ClusterError`].
    pub async fn apply(
        &self,
        key: &EntityKey,
        value: &Value,
        options: ApplyOptions<'_>,
    ) -> Result<Option<LiveObject>, ClusterError> {
        let uri = format!(
            "{}?fieldManager={}&force={}&fieldValidation=Strict{}",
            resource::path(key),
            resource::escape(options.manager),
            options.force,
            dry_run(options.dry_run),
        );
        let applied = self.ask(Method::PATCH, &uri, Some("application/apply-patch+yaml"), &body(value)).await;
        match applied {
            // The kind, not the object: apply makes what is not there.
            Err(ClusterError::Refused { code: 404, message }) if !message.contains("namespaces \"") => {
                Err(ClusterError::NoKind(key.kind.plural()))
            }
            answer => answer.map(|value| LiveObject::new(key.kind, value)),
        }
    }

    /// Deletes exactly the object that was seen. One that is gone already is fine.
    ///
    /// # Errors
    /// [`ClusterError::Moved`] where it is another one by now; see [`ClusterError`].
    pub async fn delete(&self, seen: &LiveObject, dry_run: bool) -> Result<(), ClusterError> {
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": seen.uid(), "resourceVersion": seen.resource_version()},
        });
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let uri = format!("{}{}", resource::path(&seen.key), if dry_run { "?dryRun=All" } else { "" });
        match self.ask(Method::DELETE, &uri, Some("application/json"), &body(&options)).await {
            Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives an object up: takes the label of the inventory and the manager's claim on fields from it, and leaves every
    /// other value as it is. To apply less would remove the fields, and what is left might not be valid.
    ///
    /// # Errors
    /// [`ClusterError::Moved`] where it is another version by now; see [`ClusterError`].
    pub async fn release(&self, seen: &LiveObject, manager: &str, dry_run: bool) -> Result<(), ClusterError> {
        let ours = |entry: &Value| entry["manager"] == manager && entry["operation"] == "Apply";
        let others: Vec<Value> = seen.managed_fields().into_iter().filter(|entry| !ours(entry)).collect();
        let patch = json!({"metadata": {
            "uid": seen.uid(),
            "resourceVersion": seen.resource_version(),
            "labels": {PART_OF: null},
            "managedFields": others,
        }});
        let uri = format!("{}?fieldManager={manager}{}", resource::path(&seen.key), self::dry_run(dry_run));
        match self.ask(Method::PATCH, &uri, Some("application/merge-patch+json"), &body(&patch)).await {
            Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends a request until it is answered for good.
    pub(crate) async fn ask(
        &self,
        method: Method,
        uri: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Value, ClusterError> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let mut request = Request::builder().method(&method).uri(uri);
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let request = request.body(body.to_vec()).map_err(|error| self.unreachable(&error))?;
            let error = match self.client.request::<Value>(request).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(asked) = patience(&error).filter(|_| attempt < TRIES) else {
                return Err(self.describe(error));
            };
            tracing::debug!(%method, uri, attempt, "the API server did not answer for good");
            tokio::time::sleep(pause.max(asked.min(LONGEST_PAUSE))).await;
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    fn describe(&self, error: kube::Error) -> ClusterError {
        let kube::Error::Api(status) = error else { return self.unreachable(&error) };
        let message = status.message.clone();
        match status.code {
            401 => ClusterError::Unauthorized(message),
            403 => ClusterError::Forbidden(message),
            409 => conflict(&status),
            code => ClusterError::Refused { code, message },
        }
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> ClusterError {
        ClusterError::Unreachable { server: self.server.clone(), reason: told(error) }
    }
}

fn dry_run(dry_run: bool) -> &'static str {
    if dry_run { "&dryRun=All" } else { "" }
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Returns the pause that an error asks for before the request may be tried again; none where that is no use.
fn patience(error: &kube::Error) -> Option<Duration> {
    match error {
        kube::Error::Api(status) => {
            let retry = match StatusCode::from_u16(status.code).ok()? {
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => true,
                // To a server-side apply an unknown field of a built-in kind is an internal error.
                StatusCode::INTERNAL_SERVER_ERROR => !status.message.contains("not declared in schema"),
                _ => false,
            };
            let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            retry.then(|| Duration::from_secs(seconds.into()))
        }
        kube::Error::HyperError(_) | kube::Error::Service(_) => Some(Duration::ZERO),
        _ => None,
    }
}

/// Reads what a 409 is about: fields of other managers, or an object that moved.
fn conflict(status: &Status) -> ClusterError {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts: Vec<Conflict> = causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| Conflict { field: cause.field.clone(), owner: owner_in(&cause.message) })
        .collect();
    if conflicts.is_empty() {
        ClusterError::Moved(status.message.clone())
    } else {
        ClusterError::Conflict(Conflicts(conflicts))
    }
}

/// The API server quotes the name of the manager: `conflict with "kubectl" using v1`.
fn owner_in(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(value: Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn conflicts_name_field_and_owner() {
        let answer = status(json!({
            "code": 409, "message": "Apply failed with 1 conflict",
            "details": {"causes": [{
                "reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1",
                "field": ".spec.rules",
            }]},
        }));
        assert_eq!(conflict(&answer).to_string(), "`kubectl` owns .spec.rules");
        let moved = status(json!({"code": 409, "message": "the object has been modified"}));
        assert!(matches!(conflict(&moved), ClusterError::Moved(_)));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let asked = |code: u16, message: &str| {
            let value = json!({"code": code, "message": message, "details": {"retryAfterSeconds": 1}});
            patience(&kube::Error::Api(status(value).boxed()))
        };
        for code in [429, 500, 502, 503, 504] {
            assert_eq!(asked(code, ""), Some(Duration::from_secs(1)), "{code}");
        }
        for code in [400, 401, 403, 404, 409, 410, 422] {
            assert_eq!(asked(code, ""), None, "{code}");
        }
        assert_eq!(asked(500, ".spec.nope: field not declared in schema"), None);
    }
}
