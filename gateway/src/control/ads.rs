//! The control thread as a client of the xDS server.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::config::core::v3::node::UserAgentVersionType;
use gatewright_xds::features::FILTER_CHAINS;
use gatewright_xds::type_url;
use gatewright_xds_client::{
    Backoff, ClientOptions, Handler, Interest, InterestHandle, Interests, Link, Rejected, Update,
};

use super::Control;
use crate::state::Wanted;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Returns how the gateway subscribes: to all listeners and clusters at first, then to what they name.
pub(super) fn options(server: &str, node_id: &str) -> ClientOptions {
    let interests =
        Interests::from([(type_url::LISTENER, Interest::all()), (type_url::CLUSTER, Interest::all())]);
    let node = Node {
        id: node_id.to_owned(),
        cluster: "gatewright".to_owned(),
        user_agent_name: "gatewright".to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentVersion(
            env!("CARGO_PKG_VERSION").to_owned(),
        )),
        client_features: vec![FILTER_CHAINS.to_owned()],
        ..Node::default()
    };
    ClientOptions { server: server.to_owned(), node, interests, backoff: backoff() }
}

/// A lost server is looked for again after a moment, then ever more slowly.
fn backoff() -> Backoff {
    // Spread over gateways that lost their server together.
    let mut random = RandomState::new().hash_one(std::process::id());
    Backoff::new(FIRST_RETRY, LONGEST_RETRY, move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// Subscribes to what the state refers to.
pub(super) fn subscribe(interests: &InterestHandle, wanted: &Wanted) {
    interests.set(type_url::ENDPOINT, wanted.endpoints.clone().into());
    interests.set(type_url::ROUTE, Interest::named(wanted.routes.iter().cloned()));
    interests.set(type_url::SECRET, wanted.secrets.clone().into());
    interests.set(type_url::EXTENSION_CONFIG, Interest::named(wanted.extensions.iter().cloned()));
    for (type_url, wanted) in
        [(type_url::FILTER_CHAIN, wanted.chains), (type_url::VIRTUAL_HOST, wanted.hosts)]
    {
        interests.set(type_url, if wanted { Interest::all() } else { Interest::default() });
    }
}

/// Takes updates on behalf of the control thread.
pub(super) struct AdsHandler(pub(super) Rc<RefCell<Control>>);

impl Handler for AdsHandler {
    fn apply(&mut self, update: Update) -> Vec<Rejected> {
        let control = &mut *self.0.borrow_mut();
        let kind = type_url::short(update.type_url);
        tracing::debug!(
            kind,
            resources = update.resources.len(),
            removed = update.removed.len(),
            version = update.system_version,
            "an xDS update"
        );
        control.last_update = Instant::now();
        let references = matches!(
            update.type_url,
            type_url::CLUSTER | type_url::LISTENER | type_url::FILTER_CHAIN | type_url::ROUTE
        );
        let rejected = control.store.apply(update, &mut control.sockets);
        for Rejected { name, reason } in &rejected {
            tracing::warn!(kind, %name, %reason, "an xDS resource is rejected");
        }
        control.publish(references);
        control.load();
        rejected
    }

    fn link(&mut self, link: Link) {
        let connected = link == Link::Up;
        match link {
            Link::Up => tracing::info!("connected to the xDS server"),
            Link::Down { reason, retry_in } => {
                tracing::warn!(%reason, ?retry_in, "no stream to the xDS server")
            }
        }
        let control = &mut *self.0.borrow_mut();
        control.last_update = Instant::now();
        control.progress.send_modify(|progress| progress.connected = connected);
    }
}
