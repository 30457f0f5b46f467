//! `/config_dump`: every xDS resource in effect, in the shape that Envoy gives and tools read. Private keys are hidden.

use std::collections::BTreeMap;

use gatewright_xds::envoy::config::core::v3::TypedExtensionConfig;
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::render::{self, Keys};
use gatewright_xds::type_url;
use serde_json::{Value, json};

use crate::control::Dump;
use crate::state::Accepted;
use crate::state::store::TypeCounts;

/// Where Envoy shows a type: type of the section, field, field of the resource in an entry, and whether an entry has its
/// resource in `active_state`.
const SECTIONS: [(&str, &str, &str, &str, bool); 7] = [
    (type_url::CLUSTER, "ClustersConfigDump", "dynamic_active_clusters", "cluster", false),
    (type_url::ENDPOINT, "EndpointsConfigDump", "dynamic_endpoint_configs", "endpoint_config", false),
    (type_url::LISTENER, "ListenersConfigDump", "dynamic_listeners", "listener", true),
    (type_url::ROUTE, "RoutesConfigDump", "dynamic_route_configs", "route_config", false),
    (type_url::VIRTUAL_HOST, "VirtualHostsConfigDump", "dynamic_virtual_hosts", "virtual_host", false),
    (type_url::EXTENSION_CONFIG, "EcdsConfigDump", "ecds_filters", "ecds_filter", false),
    (type_url::SECRET, "SecretsConfigDump", "dynamic_active_secrets", "secret", false),
];

/// Renders the dump as indented JSON.
pub(super) fn json(dump: &Dump) -> String {
    let none = BTreeMap::new();
    let sections: Vec<Value> = SECTIONS
        .iter()
        .map(|(type_url, section, field, resource, nested)| {
            let counts = dump.counts.get(type_url);
            let accepted = dump.accepted.get(type_url).unwrap_or(&none);
            let entries: Vec<Value> =
                accepted.iter().map(|(name, accepted)| entry(name, accepted, resource, *nested)).collect();
            json!({
                "@type": format!("type.googleapis.com/envoy.admin.v3.{section}"),
                "version_info": counts.map_or("", |counts| &counts.version),
                *field: entries,
                "rejected": rejected(counts),
            })
        })
        .collect();
    render::json_text(&json!({ "configs": sections }))
}

fn entry(name: &str, accepted: &Accepted, resource: &str, nested: bool) -> Value {
    let body = match accepted.body.type_url == type_url::EXTENSION_CONFIG {
        true => extension(&accepted.body),
        false => render::any(&accepted.body, Keys::Hidden)
            .unwrap_or_else(|error| json!({ "error": error.to_string() })),
    };
    let seconds = accepted.updated.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let state = json!({ "version_info": accepted.version, resource: body, "last_updated": seconds });
    if nested { json!({ "name": name, "active_state": state }) } else { with_name(state, name) }
}

/// Shows of a filter's configuration its name and type: what is in it may be any plugin's secret.
fn extension(body: &Any) -> Value {
    match gatewright_xds::unpack::<TypedExtensionConfig>(body) {
        Ok(config) => {
            let of_type = config.typed_config.map(|config| config.type_url);
            json!({ "name": config.name, "typed_config": { "@type": of_type } })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn with_name(mut state: Value, name: &str) -> Value {
    state["name"] = name.into();
    state
}

fn rejected(counts: Option<&TypeCounts>) -> Value {
    counts
        .into_iter()
        .flat_map(|counts| &counts.rejected)
        .map(|(name, reason)| json!({ "name": name, "details": reason }))
        .collect()
}
