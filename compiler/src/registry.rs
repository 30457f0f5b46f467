//! What the McpBridge registries publish: hosts with ports and addresses, as they stand in the manifest or as the
//! registry offers them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{Endpoint, UpstreamProtocol};
use gatewright_kinds::{EntityKey, Kind};

use crate::finding::{Finding, Place};
use crate::manifest::{Body, DiscoveredService, Manifest, Registry};
use crate::options::{CompileOptions, Profile};
use crate::parse::REGISTRY_LOCK;
use crate::registry_fields;

/// One service of a `static` or `dns` registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryService {
    pub(crate) bridge: EntityKey,
    pub(crate) pointer: String,
    /// The logical port that destinations and cluster names use.
    pub(crate) port: u32,
    /// Addresses; names where `by_name`.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) by_name: bool,
    pub(crate) protocol: UpstreamProtocol,
}

/// Everything that the registries of the source publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registries {
    /// By host (`NAME.static`, `NAME.dns`).
    pub(crate) services: BTreeMap<String, RegistryService>,
    /// Registries whose services only they know, each with the entry that declares it.
    pub(crate) declared: BTreeMap<EntityKey, Place>,
    /// Host suffixes (`.nacos`, ...) of those of which not all services are known.
    pub(crate) undiscovered: BTreeSet<&'static str>,
    /// Hosts of entries that publish nothing and have a finding that says so.
    pub(crate) unpublished: BTreeSet<String>,
}

/// The one McpBridge that Higress reads.
const DEFAULT_BRIDGE: &str = "default";

/// Registry types whose services only the registry knows, with the suffix of their hosts.
const DISCOVERED: [(&str, &str); 7] = [
    ("nacos", ".nacos"),
    ("nacos2", ".nacos"),
    ("nacos3", ".nacos"),
    ("edas", ".nacos"),
    ("zookeeper", ".zookeeper"),
    ("consul", ".consul"),
    ("eureka", ".eureka"),
];

/// What is known of the services of a registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    Some,
    All,
}

/// Returns the registry that offers a service.
pub(crate) fn offering(service: &EntityKey, host: &str) -> Option<EntityKey> {
    let registry = service.name.strip_suffix(host)?.strip_suffix('/')?;
    Some(EntityKey::new(Kind::Registry, service.namespace.clone(), registry))
}

/// Reads all McpBridges, given in order of their keys. `known` says how much is known of a registry.
pub(crate) fn read<'a>(
    bridges: impl Iterator<Item = &'a Arc<Manifest>>,
    known: &dyn Fn(&EntityKey) -> Known,
    options: &CompileOptions,
) -> (Registries, Vec<Finding>) {
    let mut registries = Registries::default();
    let mut findings = Vec::new();
    for bridge in bridges {
        let Body::McpBridge(spec) = &bridge.body else { continue };
        if !in_scope(&bridge.key, options) {
            findings.push(out_of_scope(&bridge.key, options));
            continue;
        }
        findings.extend((&*bridge.key.name != DEFAULT_BRIDGE).then(|| merged(&bridge.key)));
        findings.extend(registry_fields::proxies(&bridge.key, spec));
        for entry in &spec.registries {
            findings.extend(registry_fields::unread(&bridge.key, entry));
            read_entry(&bridge.key, entry, known, &mut registries, &mut findings);
        }
    }
    (registries, findings)
}

/// Higress reads only `default` in its own namespace; the native profile merges every bridge of that namespace.
fn in_scope(key: &EntityKey, options: &CompileOptions) -> bool {
    *key.namespace == *options.system_namespace
        && (&*key.name == DEFAULT_BRIDGE || options.profile == Profile::Native)
}

fn merged(key: &EntityKey) -> Finding {
    let message = format!(
        "Higress reads only the McpBridge `{DEFAULT_BRIDGE}`; the native profile reads `{}` too",
        key.name
    );
    Finding::new(&code::GW0437, Place::value(key, "/metadata/name"), message)
        .with_note("in a cluster with Higress its services do not exist, and routes to them answer 503")
        .with_help(format!("move its registries to McpBridge `{}/{DEFAULT_BRIDGE}`", key.namespace))
}

fn out_of_scope(key: &EntityKey, options: &CompileOptions) -> Finding {
    let namespace = &options.system_namespace;
    let message =
        format!("only the McpBridge `default` in namespace `{namespace}` is read, so this one is ignored");
    Finding::new(&code::GW0207, Place::value(key, "/metadata/name"), message)
        .with_help(format!("move its registries to McpBridge `{namespace}/default`"))
}

fn read_entry(
    bridge: &EntityKey,
    entry: &Registry,
    known: &dyn Fn(&EntityKey) -> Known,
    registries: &mut Registries,
    findings: &mut Vec<Finding>,
) {
    let place = Place::value(bridge, entry.pointer.clone());
    let refuse = |reason: String, findings: &mut Vec<Finding>| {
        // What is of another type than it should be has a finding of its own.
        if !entry.misread {
            let message = format!("registry `{}` publishes nothing: {reason}", entry.name);
            findings.push(Finding::new(&code::GW0436, place.clone(), message));
        }
    };
    if let Some((kind, suffix)) = DISCOVERED.into_iter().find(|(kind, _)| *kind == entry.registry_type) {
        let key = EntityKey::new(Kind::Registry, kind, entry.name.as_str());
        let known = known(&key);
        registries.declared.insert(key, place.clone());
        if known != Known::All {
            registries.undiscovered.insert(suffix);
        }
        if known == Known::Nothing {
            findings.push(not_discovered(kind, place.clone()));
        }
        if let Err(reason) = check_port(entry) {
            refuse(reason, findings);
        }
        return;
    }
    if let Some(protocol) = unsupported_protocol(entry) {
        let message = format!(
            "protocol `{protocol}` to upstreams is not implemented yet: the service's routes answer 503"
        );
        findings.push(Finding::new(&code::GW0209, place.clone(), message));
        // What else is wrong with it would show when it is implemented.
        let plain = Registry { protocol: None, ..entry.clone() };
        if let Err(reason) = service_of(bridge, &plain) {
            refuse(reason, findings);
        }
        registries.unpublished.insert(host_of(entry));
        return;
    }
    match service_of(bridge, entry) {
        Ok((host, service)) => {
            if let Some(previous) = registries.services.insert(host.clone(), service) {
                let message = format!("an earlier entry publishes `{host}` too, and this one counts");
                let other = Place::value(&previous.bridge, previous.pointer);
                findings.push(
                    Finding::new(&code::GW0450, place.clone(), message)
                        .with_related(other, "this one has no effect")
                        .with_help("remove one of them, or give it another name"),
                );
            }
        }
        Err(reason) => {
            registries.unpublished.insert(host_of(entry));
            refuse(reason, findings);
        }
    }
}

fn not_discovered(kind: &str, place: Place) -> Finding {
    let message =
        format!("services of registry type `{kind}` are not discovered yet: their routes answer 503");
    Finding::new(&code::GW0209, place, message)
        .with_help(format!("write down what the registry offers in a file `{REGISTRY_LOCK}` of the source"))
}

/// Notes that the services of a bridge are not known: it is defined several times, which has a finding of its own.
pub(crate) fn withhold(bridge: &Manifest, options: &CompileOptions, registries: &mut Registries) {
    let Body::McpBridge(spec) = &bridge.body else { return };
    for entry in spec.registries.iter().filter(|_| in_scope(&bridge.key, options)) {
        match DISCOVERED.into_iter().find(|(kind, _)| *kind == entry.registry_type) {
            Some((_, suffix)) => drop(registries.undiscovered.insert(suffix)),
            None => drop(registries.unpublished.insert(host_of(entry))),
        }
    }
}

/// Returns the host of the service that an entry of type `static` or `dns` publishes.
fn host_of(entry: &Registry) -> String {
    format!("{}.{}", entry.name, entry.registry_type)
}

fn service_of(bridge: &EntityKey, entry: &Registry) -> Result<(String, RegistryService), String> {
    let by_name = match entry.registry_type.as_str() {
        "static" => false,
        "dns" => true,
        other => return Err(format!("`{other}` is not a registry type")),
    };
    if entry.name.is_empty() {
        return Err("it has no name".to_owned());
    }
    check_port(entry)?;
    let items = entry.domain.split(',');
    let endpoints: Result<Vec<Endpoint>, String> = if by_name {
        items.map(|item| dns_name(item, entry.port)).collect()
    } else {
        items.map(address).collect()
    };
    let mut endpoints = endpoints?;
    endpoints.sort();
    endpoints.dedup();
    let service = RegistryService {
        bridge: bridge.clone(),
        pointer: entry.pointer.clone(),
        port: entry.port,
        endpoints,
        by_name,
        protocol: protocol(entry.protocol.as_deref().unwrap_or_default())?,
    };
    Ok((host_of(entry), service))
}

fn check_port(entry: &Registry) -> Result<(), String> {
    match entry.port {
        1..=65535 => Ok(()),
        other => Err(format!("port {other} is not between 1 and 65535")),
    }
}

/// `ip:port` without spaces; IPv6 in brackets.
fn address(item: &str) -> Result<Endpoint, String> {
    let socket: std::net::SocketAddr =
        item.parse().map_err(|_| format!("`{}` is not `ip:port`", gatewright_secrets::address(item)))?;
    Ok(Endpoint::new(socket.ip().to_string(), socket.port()))
}

/// A dotted host name that ends in an alphabetic label of 2 to 63 letters, as Higress demands.
fn dns_name(item: &str, port: u32) -> Result<Endpoint, String> {
    let labels: Vec<&str> = item.split('.').collect();
    let label_ok = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_ok = labels
        .last()
        .is_some_and(|last| last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if labels.len() < 2 || !labels.iter().all(label_ok) || !last_ok {
        return Err(format!("`{}` is not a dotted host name", gatewright_secrets::address(item)));
    }
    let port = u16::try_from(port).map_err(|_| format!("port {port} is too large"))?;
    Ok(Endpoint::new(item.to_owned(), port))
}

/// TLS to upstreams: Higress speaks it, this version does not yet.
fn unsupported_protocol(entry: &Registry) -> Option<&str> {
    entry.protocol.as_deref().filter(|text| ["https", "grpcs"].contains(&text.to_ascii_lowercase().as_str()))
}

fn protocol(text: &str) -> Result<UpstreamProtocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "http" | "tcp" | "dubbo" => Ok(UpstreamProtocol::Http1),
        "http2" | "grpc" | "triple" | "tri" => Ok(UpstreamProtocol::Http2),
        _ => Err(format!("`{text}` is not a protocol")),
    }
}

/// Returns whether an entity is an McpBridge.
pub(crate) fn is_bridge(key: &EntityKey) -> bool {
    key.kind == Kind::McpBridge
}

/// A service that is published under a host.
#[derive(Clone, Copy)]
pub(crate) enum Published<'a> {
    /// It stands in an McpBridge.
    Entry(&'a RegistryService),
    /// A registry offers it.
    Offered(&'a EntityKey, &'a DiscoveredService),
}

impl Published<'_> {
    /// Returns the port that destinations and cluster names use.
    pub(crate) fn port(self) -> u32 {
        match self {
            Published::Entry(service) => service.port,
            Published::Offered(_, service) => service.port.into(),
        }
    }

    /// Returns where it is told.
    pub(crate) fn place(self) -> Place {
        match self {
            Published::Entry(service) => Place::value(&service.bridge, service.pointer.clone()),
            Published::Offered(key, _) => Place::value(key, "/host"),
        }
    }

    /// Returns whether there is no endpoint that requests could go to.
    pub(crate) fn is_empty(self) -> bool {
        match self {
            Published::Entry(service) => service.endpoints.is_empty(),
            Published::Offered(_, service) => service.is_empty(),
        }
    }
}

impl DiscoveredService {
    /// Returns whether no instance may get requests.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances.iter().all(|instance| instance.weight == 0)
    }

    /// Returns what its instances speak. The schema lets no other word through than those that are known.
    pub(crate) fn protocol(&self) -> UpstreamProtocol {
        protocol(self.protocol.as_deref().unwrap_or_default()).unwrap_or(UpstreamProtocol::Http1)
    }

    /// Returns the endpoints, sorted. Only the ratio of their weights counts, so equal weights are 1 each.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let used = self.instances.iter().filter(|instance| instance.weight > 0);
        let divisor = used.clone().fold(0, |divisor, instance| gcd(divisor, instance.weight));
        let sum: u64 = used.clone().map(|instance| u64::from(instance.weight / divisor)).sum();
        // Envoy adds the weights up in 32 bits.
        let scale = u32::try_from(sum / u64::from(u32::MAX / 2)).map_or(u32::MAX, |over| over + 1);
        let mut endpoints: Vec<Endpoint> = used
            .map(|instance| Endpoint {
                weight: (instance.weight / divisor / scale).max(1),
                healthy: instance.healthy,
                ..Endpoint::new(instance.ip.as_str(), instance.port)
            })
            .collect();
        endpoints.sort();
        endpoints.dedup_by(|next, one| (&next.address, next.port) == (&one.address, one.port));
        endpoints
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_port_and_no_spaces() {
        assert_eq!(address("10.0.0.1:80").unwrap(), Endpoint::new("10.0.0.1", 80));
        assert_eq!(address("[::1]:80").unwrap().address, "::1");
        assert!(address(" 10.0.0.1:80").is_err());
        assert!(address("10.0.0.1").is_err());
        assert!(address("host:80").is_err());
    }

    #[test]
    fn names_need_dots_and_letters_at_the_end() {
        assert!(dns_name("api.example.com", 443).is_ok());
        for bad in ["localhost", "10.0.0.1", "a_b.com", "example.com.", "x.c"] {
            assert!(dns_name(bad, 443).is_err(), "{bad}");
        }
    }
}
