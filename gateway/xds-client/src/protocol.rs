//! The incremental protocol as a state machine without input and output: requests out, responses in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource,
};
use gatewright_xds::features::MORE_FOLLOWS;
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::google::rpc::Status;
use gatewright_xds::type_url;

use crate::interest::{Interest, Interests};

/// gRPC's INVALID_ARGUMENT.
const INVALID_ARGUMENT: i32 = 3;

/// One response: what changed in the resources of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The type of all resources in it.
    pub type_url: &'static str,
    /// Added and changed resources in the order of the response.
    pub resources: Vec<Received>,
    /// Names of resources that are gone, perhaps of some that were never here.
    pub removed: Vec<String>,
    /// The server's word for its version of everything; for logs only.
    pub system_version: String,
    /// Whether the server has cut what it had to say, and says more of this type next.
    pub more_follows: bool,
}

/// One added or changed resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The name under which it is subscribed to.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The message; its type URL is that of the update.
    pub body: Any,
}

/// A resource that cannot be used; what was there before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The resource's name.
    pub name: String,
    /// Why, in words for the person who wrote the configuration.
    pub reason: String,
}

/// The state of the connection to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The stream is open; the subscriptions are sent.
    Up,
    /// There is no stream.
    Down {
        /// Why the last one ended or could not be opened.
        reason: String,
        /// How long until the next attempt.
        retry_in: Duration,
    },
}

/// Takes what the server sends.
pub trait Handler {
    /// Applies an update and returns the resources in it that cannot be used; the rest is in effect afterwards.
    ///
    /// An update without resources says that the server has nothing of this type: the handler need not wait longer.
    fn apply(&mut self, update: Update) -> Vec<Rejected>;

    /// Hears about the connection.
    fn link(&mut self, link: Link) {
        drop(link);
    }
}

/// What one client knows across streams: per type what it wants and what it holds.
#[derive(Debug, Default)]
pub(crate) struct DeltaState {
    types: BTreeMap<&'static str, TypeState>,
}

#[derive(Debug, Default)]
struct TypeState {
    interest: Interest,
    /// Versions in effect by name, which a new stream tells the server.
    held: BTreeMap<String, String>,
    /// Whether this stream has a request of the type: only the first one carries what is held.
    started: bool,
}

impl DeltaState {
    /// Returns the first requests of a new stream, in the order in which types depend on each other.
    pub(crate) fn open(&mut self, node: &Node, interests: &Interests) -> Vec<DeltaDiscoveryRequest> {
        for state in self.types.values_mut() {
            state.started = false;
        }
        let mut requests = self.follow(interests);
        if let Some(first) = requests.first_mut() {
            first.node = Some(node.clone());
        }
        requests
    }

    /// Returns the requests that turn what the stream has subscribed to into `interests`.
    pub(crate) fn follow(&mut self, interests: &Interests) -> Vec<DeltaDiscoveryRequest> {
        let none = Interest::default();
        type_url::ADDITION_ORDER
            .into_iter()
            .filter_map(|type_url| {
                let wanted = interests.get(type_url).unwrap_or(&none);
                self.types.entry(type_url).or_default().follow(type_url, wanted)
            })
            .collect()
    }

    /// Passes a response on and returns its acknowledgement or rejection.
    pub(crate) fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
        handler: &mut impl Handler,
    ) -> DeltaDiscoveryRequest {
        let nonce = response.nonce.clone();
        let wire_type = response.type_url.clone();
        let known = type_url::known(&wire_type);
        let subscribed = known.and_then(|known| Some((known, self.types.get_mut(known)?)));
        let message = match subscribed {
            Some((type_url, state)) if state.started => state.receive(type_url, response, handler),
            _ => Some(format!("there is no subscription to {wire_type:?}")),
        };
        DeltaDiscoveryRequest {
            type_url: wire_type,
            response_nonce: nonce,
            error_detail: message.map(|message| Status {
                code: INVALID_ARGUMENT,
                message,
                details: Vec::new(),
            }),
            ..DeltaDiscoveryRequest::default()
        }
    }
}

impl TypeState {
    fn follow(&mut self, type_url: &'static str, wanted: &Interest) -> Option<DeltaDiscoveryRequest> {
        let request = if self.started { self.change(wanted) } else { self.start(wanted) };
        if self.interest.is_all() && !wanted.is_all() {
            self.held.retain(|name, _| wanted.wants(name));
        } else {
            let dropped = self.interest.beyond(wanted).into_iter().filter(|name| !wanted.wants(name));
            dropped.for_each(|name| drop(self.held.remove(&name)));
        }
        self.interest = wanted.clone();
        request.map(|request| DeltaDiscoveryRequest { type_url: type_url.to_owned(), ..request })
    }

    fn start(&mut self, wanted: &Interest) -> Option<DeltaDiscoveryRequest> {
        // An empty list in a first request would ask for everything.
        if wanted.is_empty() {
            return None;
        }
        self.started = true;
        let held = self.held.iter().filter(|(name, _)| wanted.wants(name));
        Some(DeltaDiscoveryRequest {
            resource_names_subscribe: wanted.first_names(),
            initial_resource_versions: held.map(|(name, version)| (name.clone(), version.clone())).collect(),
            ..DeltaDiscoveryRequest::default()
        })
    }

    fn change(&self, wanted: &Interest) -> Option<DeltaDiscoveryRequest> {
        let subscribe = wanted.beyond(&self.interest);
        let unsubscribe = self.interest.beyond(wanted);
        (!subscribe.is_empty() || !unsubscribe.is_empty()).then(|| DeltaDiscoveryRequest {
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            ..DeltaDiscoveryRequest::default()
        })
    }

    /// Returns the text of the rejection, or nothing if everything could be used.
    fn receive(
        &mut self,
        type_url: &'static str,
        response: DeltaDiscoveryResponse,
        handler: &mut impl Handler,
    ) -> Option<String> {
        let mut rejected = Vec::new();
        let mut resources = Vec::new();
        for resource in response.resources {
            match readable(type_url, resource) {
                Ok(resource) => resources.push(resource),
                Err(reason) => rejected.push(reason),
            }
        }
        let versions: Vec<(String, String)> =
            resources.iter().map(|resource| (resource.name.clone(), resource.version.clone())).collect();
        for name in &response.removed_resources {
            self.held.remove(name);
        }
        let more_follows = response.control_plane.is_some_and(|server| server.identifier == MORE_FOLLOWS);
        rejected.extend(handler.apply(Update {
            type_url,
            resources,
            removed: response.removed_resources,
            system_version: response.system_version_info,
            more_follows,
        }));
        let refused: BTreeSet<&str> = rejected.iter().map(|rejected| rejected.name.as_str()).collect();
        let kept = |name: &str| !refused.contains(name) && self.interest.wants(name);
        self.held.extend(versions.into_iter().filter(|(name, _)| kept(name)));
        (!rejected.is_empty()).then(|| rejection_text(&rejected))
    }
}

fn readable(type_url: &str, resource: Resource) -> Result<Received, Rejected> {
    let reason = match resource.resource {
        Some(body) if body.type_url == type_url => {
            return Ok(Received { name: resource.name, version: resource.version, body });
        }
        Some(body) => format!("holds a {:?} in a response of {type_url}", body.type_url),
        None => "has no content".to_owned(),
    };
    Err(Rejected { name: resource.name, reason })
}

/// Writes one line per resource, `name: reason`, so that the server can tell the guilty from the rest.
fn rejection_text(rejected: &[Rejected]) -> String {
    let mut text = String::new();
    for Rejected { name, reason } in rejected {
        let line_break = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{line_break}{name}: {}", reason.replace(['\r', '\n'], " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::core::v3::ControlPlane;

    use super::*;

    /// Rejects resources whose version starts with `bad`.
    #[derive(Default)]
    struct Picky {
        updates: Vec<Update>,
    }

    impl Handler for Picky {
        fn apply(&mut self, update: Update) -> Vec<Rejected> {
            let bad = update.resources.iter().filter(|resource| resource.version.starts_with("bad"));
            let rejected =
                bad.map(|resource| Rejected { name: resource.name.clone(), reason: "bad\nindeed".into() });
            let rejected = rejected.collect();
            self.updates.push(update);
            rejected
        }
    }

    fn response(type_url: &str, resources: &[(&str, &str)], removed: &[&str]) -> DeltaDiscoveryResponse {
        DeltaDiscoveryResponse {
            type_url: type_url.to_owned(),
            nonce: "n1".to_owned(),
            resources: resources
                .iter()
                .map(|(name, version)| Resource {
                    name: name.to_string(),
                    version: version.to_string(),
                    resource: Some(Any { type_url: type_url.to_owned(), ..Any::default() }),
                    ..Resource::default()
                })
                .collect(),
            removed_resources: removed.iter().map(|name| name.to_string()).collect(),
            ..DeltaDiscoveryResponse::default()
        }
    }

    fn all(types: &[&'static str]) -> Interests {
        types.iter().map(|type_url| (*type_url, Interest::all())).collect()
    }

    fn held(state: &mut DeltaState, interests: &Interests, type_url: &str) -> Vec<(String, String)> {
        let requests = state.open(&Node::default(), interests);
        let request = requests.into_iter().find(|request| request.type_url == type_url).unwrap();
        request.initial_resource_versions.into_iter().collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, version)| (name.to_string(), version.to_string())).collect()
    }

    #[test]
    fn first_requests_follow_the_order_of_dependence_and_only_the_first_names_the_node() {
        let interests = all(&[type_url::VIRTUAL_HOST, type_url::LISTENER, type_url::CLUSTER]);
        let node = Node { id: "gw".to_owned(), ..Node::default() };
        let requests = DeltaState::default().open(&node, &interests);
        let types: Vec<&str> = requests.iter().map(|request| request.type_url.as_str()).collect();
        assert_eq!(types, [type_url::CLUSTER, type_url::LISTENER, type_url::VIRTUAL_HOST]);
        assert_eq!(requests[0].node, Some(node));
        assert!(requests[1..].iter().all(|request| request.node.is_none()));
        assert!(requests.iter().all(|request| request.resource_names_subscribe.is_empty()));
    }

    #[test]
    fn acknowledges_with_the_nonce() {
        let mut state = DeltaState::default();
        state.open(&Node::default(), &all(&[type_url::CLUSTER]));
        let mut handler = Picky::default();
        let ack = state.receive(response(type_url::CLUSTER, &[("a", "1")], &["gone"]), &mut handler);
        assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("n1", None));
        assert_eq!(handler.updates[0].removed, ["gone"]);
    }

    #[test]
    fn a_response_of_a_series_is_known_as_such() {
        let mut state = DeltaState::default();
        state.open(&Node::default(), &all(&[type_url::CLUSTER]));
        let mut handler = Picky::default();
        for identifier in [Some(MORE_FOLLOWS), Some("another server"), None] {
            let server = identifier.map(|word| ControlPlane { identifier: word.to_owned() });
            let part = response(type_url::CLUSTER, &[("a", "1")], &[]);
            state.receive(DeltaDiscoveryResponse { control_plane: server, ..part }, &mut handler);
        }
        let marks: Vec<bool> = handler.updates.iter().map(|update| update.more_follows).collect();
        assert_eq!(marks, [true, false, false]);
    }

    #[test]
    fn a_rejected_resource_is_named_and_the_rest_is_held() {
        let interests = all(&[type_url::CLUSTER]);
        let mut state = DeltaState::default();
        state.open(&Node::default(), &interests);
        let mut handler = Picky::default();
        state.receive(response(type_url::CLUSTER, &[("a", "1"), ("b", "1")], &[]), &mut handler);
        let update = response(type_url::CLUSTER, &[("a", "bad2"), ("c", "1"), ("d", "bad1")], &["b"]);
        let nack = state.receive(update, &mut handler);
        assert_eq!(nack.error_detail.unwrap().message, "a: bad indeed\nd: bad indeed");
        // `a` is still in effect at its first version, `d` never was.
        assert_eq!(held(&mut state, &interests, type_url::CLUSTER), owned(&[("a", "1"), ("c", "1")]));
    }

    #[test]
    fn unreadable_resources_are_rejected_without_asking_the_handler() {
        let mut state = DeltaState::default();
        state.open(&Node::default(), &all(&[type_url::CLUSTER]));
        let mut update = response(type_url::CLUSTER, &[("empty", "1"), ("foreign", "1"), ("good", "1")], &[]);
        update.resources[0].resource = None;
        update.resources[1].resource =
            Some(Any { type_url: type_url::LISTENER.to_owned(), ..Any::default() });
        let mut handler = Picky::default();
        let message = state.receive(update, &mut handler).error_detail.unwrap().message;
        assert!(message.starts_with("empty: has no content\nforeign: holds a"), "{message}");
        assert_eq!(handler.updates[0].resources.len(), 1);
    }

    #[test]
    fn responses_nobody_asked_for_are_rejected_whole() {
        let mut state = DeltaState::default();
        state.open(&Node::default(), &all(&[type_url::CLUSTER]));
        for type_url in [type_url::LISTENER, "type.googleapis.com/foreign.Type"] {
            let mut handler = Picky::default();
            let nack = state.receive(response(type_url, &[("a", "1")], &[]), &mut handler);
            assert!(nack.error_detail.unwrap().message.contains(type_url));
            assert!(handler.updates.is_empty());
        }
    }

    #[test]
    fn named_interest_changes_by_difference_and_never_asks_for_everything_by_accident() {
        let mut state = DeltaState::default();
        let named = |names: &[&str]| -> Interests {
            [(type_url::ENDPOINT, Interest::named(names.iter().copied()))].into()
        };
        assert!(state.open(&Node::default(), &named(&[])).is_empty());
        let first = state.follow(&named(&["a", "b"])).remove(0);
        assert_eq!(first.resource_names_subscribe, ["a", "b"]);
        let second = state.follow(&named(&["b", "c"])).remove(0);
        assert_eq!(second.resource_names_subscribe, ["c"]);
        assert_eq!(second.resource_names_unsubscribe, ["a"]);
        assert!(state.follow(&named(&["b", "c"])).is_empty());
        assert_eq!(state.follow(&named(&[])).remove(0).resource_names_unsubscribe, ["b", "c"]);
    }

    #[test]
    fn what_is_no_longer_wanted_is_no_longer_held() {
        let mut state = DeltaState::default();
        let wanted: Interests = [(type_url::ENDPOINT, Interest::named(["a", "b"]))].into();
        state.open(&Node::default(), &wanted);
        state.receive(response(type_url::ENDPOINT, &[("a", "1"), ("b", "1")], &[]), &mut Picky::default());
        let fewer: Interests = [(type_url::ENDPOINT, Interest::named(["b"]))].into();
        state.follow(&fewer);
        assert_eq!(held(&mut state, &fewer, type_url::ENDPOINT), owned(&[("b", "1")]));
    }
}
