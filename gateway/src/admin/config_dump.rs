//! `/config_dump`: every xDS resource in effect, in the shape that Envoy gives and tools read. Private keys are hidden. It
//! leaves resource by resource: as a whole it would be many times what it shows.

use std::collections::BTreeMap;
use std::iter::once;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_diagnostics::outlet::{Form, released};
use gatewright_xds::envoy::config::core::v3::TypedExtensionConfig;
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::render::{self, Keys};
use gatewright_xds::type_url;
use serde_json::{Value, json};

use crate::control::Dump;
use crate::state::Accepted;
use crate::state::store::TypeCounts;

/// Where Envoy shows the resources of a type.
struct Section {
    type_url: &'static str,
    /// Type of the section, without package.
    message: &'static str,
    /// Its list.
    field: &'static str,
    /// Where the resource stands in an entry of the list.
    resource: &'static str,
    /// Whether that is in `active_state`.
    nested: bool,
}

const fn section(
    type_url: &'static str,
    message: &'static str,
    field: &'static str,
    resource: &'static str,
    nested: bool,
) -> Section {
    Section { type_url, message, field, resource, nested }
}

const SECTIONS: [Section; 8] = [
    section(type_url::CLUSTER, "ClustersConfigDump", "dynamic_active_clusters", "cluster", false),
    section(type_url::ENDPOINT, "EndpointsConfigDump", "dynamic_endpoint_configs", "endpoint_config", false),
    section(type_url::LISTENER, "ListenersConfigDump", "dynamic_listeners", "listener", true),
    section(type_url::FILTER_CHAIN, "FilterChainsConfigDump", "dynamic_filter_chains", "filter_chain", false),
    section(type_url::ROUTE, "RoutesConfigDump", "dynamic_route_configs", "route_config", false),
    section(type_url::VIRTUAL_HOST, "VirtualHostsConfigDump", "dynamic_virtual_hosts", "virtual_host", false),
    section(type_url::EXTENSION_CONFIG, "EcdsConfigDump", "ecds_filters", "ecds_filter", false),
    section(type_url::SECRET, "SecretsConfigDump", "dynamic_active_secrets", "secret", false),
];

/// Returns the dump as indented JSON in pieces, none of which holds more than one resource. Each is made when it is asked
/// for, and what it shows is let go.
pub(super) fn pieces(dump: Dump) -> impl Iterator<Item = Bytes> {
    let Dump { mut accepted, mut counts } = dump;
    let sections = SECTIONS.iter().enumerate().flat_map(move |(index, section)| {
        let accepted = accepted.remove(section.type_url).unwrap_or_default();
        let last = index + 1 == SECTIONS.len();
        section_pieces(section, accepted, counts.remove(section.type_url), last)
    });
    let (start, end) = ("{\n  \"configs\": [\n".to_owned(), "  ]\n}\n".to_owned());
    let pieces = once(start).chain(sections).chain(once(end));
    pieces.map(|piece| Bytes::from(released(Form::Json, piece)))
}

fn section_pieces(
    section: &'static Section,
    accepted: BTreeMap<String, Arc<Accepted>>,
    counts: Option<TypeCounts>,
    last: bool,
) -> impl Iterator<Item = String> {
    let counts = counts.unwrap_or_default();
    let message = Value::from(format!("type.googleapis.com/envoy.admin.v3.{}", section.message));
    let (version, field) = (Value::from(counts.version.as_str()), section.field);
    let start = format!(
        "    {{\n      \"@type\": {message},\n      \"version_info\": {version},\n      \"{field}\": ["
    );
    let entries = accepted.into_iter().enumerate().map(|(index, (name, accepted))| {
        let entry = entry(&name, &accepted, section.resource, section.nested);
        format!("{}\n        {}", if index == 0 { "" } else { "," }, indented(&entry, 8))
    });
    let rejected = indented(&rejected(&counts), 6);
    let comma = if last { "" } else { "," };
    let end = format!("\n      ],\n      \"rejected\": {rejected}\n    }}{comma}\n");
    once(start).chain(entries).chain(once(end))
}

/// Returns a value as indented JSON whose lines behind the first one begin so far to the right.
fn indented(value: &Value, by: usize) -> String {
    format!("{value:#}").replace('\n', &format!("\n{:by$}", ""))
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

fn rejected(counts: &TypeCounts) -> Value {
    let rejected = counts.rejected.iter();
    rejected.map(|(name, reason)| json!({ "name": name, "details": reason })).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use gatewright_xds::any;
    use gatewright_xds::envoy::config::cluster::v3::Cluster;

    use super::*;

    #[test]
    fn a_dump_leaves_resource_by_resource() {
        let cluster = |index: usize| {
            let name = format!("cluster-{index:02}");
            let body = any(&Cluster { name: name.clone(), ..Cluster::default() });
            (name, Arc::new(Accepted { version: "7".into(), body, updated: SystemTime::UNIX_EPOCH }))
        };
        let rejected = [("broken".to_owned(), "two\nlines".to_owned())].into();
        let counts = TypeCounts { version: "v\"1".into(), rejected, ..TypeCounts::default() };
        let accepted = [(type_url::CLUSTER, (0..20).map(cluster).collect())].into();
        let dump = Dump { accepted, counts: [(type_url::CLUSTER, counts)].into() };
        let pieces: Vec<Bytes> = pieces(dump).collect();
        let resources = |piece: &Bytes| String::from_utf8_lossy(piece).matches("last_updated").count();
        assert_eq!(pieces.iter().map(resources).max(), Some(1));
        let value: Value = serde_json::from_slice(&pieces.concat()).unwrap();
        assert_eq!(value["configs"].as_array().unwrap().len(), SECTIONS.len());
        let section = &value["configs"][0];
        assert_eq!(section["version_info"], "v\"1");
        assert_eq!(section["rejected"], json!([{"name": "broken", "details": "two\nlines"}]));
        let shown = section["dynamic_active_clusters"].as_array().unwrap();
        assert_eq!(shown.len(), 20);
        let expected = json!({
            "name": "cluster-19", "version_info": "7", "last_updated": 0,
            "cluster": {"@type": type_url::CLUSTER, "name": "cluster-19"},
        });
        assert_eq!(shown[19], expected);
        assert_eq!(value["configs"][1]["dynamic_endpoint_configs"], json!([]));
    }
}
