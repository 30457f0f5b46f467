//! Fields of an McpBridge that nothing reads: of another registry type, or of nobody.

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use crate::finding::{Finding, Place};
use crate::manifest::{McpBridge, Registry};

const NACOS: &[&str] = &["edas", "nacos", "nacos2", "nacos3"];
const NACOS_GRPC: &[&str] = &["edas", "nacos2", "nacos3"];
const LITERAL: &[&str] = &["static", "dns"];

/// Which registry types read a field; fields that are not listed are read by all.
const READERS: [(&str, &[&str]); 25] = [
    ("allowMcpServers", &[]),
    ("authSecretName", &["nacos2", "nacos3", "consul"]),
    ("consulDatacenter", &["consul"]),
    ("consulNamespace", &[]),
    ("consulRefreshInterval", &["consul"]),
    ("consulServiceTag", &["consul"]),
    ("enableMCPServer", &["nacos3"]),
    ("enableScopeMcpServers", &[]),
    ("mcpServerBaseUrl", &["nacos3"]),
    ("mcpServerExportDomains", &["nacos3"]),
    ("metadata", &[]),
    ("nacosAccessKey", NACOS_GRPC),
    ("nacosAddressServer", NACOS_GRPC),
    ("nacosGroups", NACOS),
    ("nacosNamespace", NACOS),
    ("nacosNamespaceId", NACOS),
    ("nacosRefreshInterval", NACOS),
    ("nacosSecretKey", NACOS_GRPC),
    ("protocol", LITERAL),
    ("proxyName", &["dns"]),
    ("sni", LITERAL),
    ("vport", &["edas", "nacos", "nacos2", "nacos3", "eureka"]),
    ("zkServicesPath", &["zookeeper"]),
    ("weight", &[]),
    ("priority", &[]),
];

/// Returns a finding for every field of a registry that has no effect.
pub(crate) fn unread(bridge: &EntityKey, entry: &Registry) -> Vec<Finding> {
    let finding = |field: &str, why: &str| {
        let place = Place::key(bridge, format!("{}/{field}", entry.pointer));
        let message = format!("`{field}` of registry `{}` has no effect: {why}", entry.name);
        Finding::new(&code::GW0448, place, message)
    };
    let kind = entry.registry_type.as_str();
    let known =
        LITERAL.contains(&kind) || NACOS.contains(&kind) || ["zookeeper", "consul", "eureka"].contains(&kind);
    let mut findings = Vec::new();
    for field in entry.fields.iter().filter(|_| known) {
        let Some((_, readers)) = READERS.iter().find(|(name, _)| name == field) else { continue };
        if readers.is_empty() {
            findings.push(finding(field, "Higress declares it and reads it nowhere"));
        } else if !readers.contains(&kind) {
            findings.push(finding(field, &format!("registries of type `{kind}` do not read it")));
        } else if let Some(why) = not_used(entry, field) {
            findings.push(finding(field, &why));
        }
    }
    findings
}

/// Why a field that its type reads is not used in this entry.
fn not_used(entry: &Registry, field: &str) -> Option<String> {
    let protocol = entry.protocol.as_deref().unwrap_or_default().to_ascii_lowercase();
    match field {
        "sni" if !["https", "grpcs"].contains(&protocol.as_str()) => {
            Some("only protocols with TLS send a server name".to_owned())
        }
        "proxyName" if protocol != "https" => {
            Some("only services with protocol `https` go through a proxy".to_owned())
        }
        "proxyName" if entry.domain.contains(',') => {
            Some("only a service with one domain goes through a proxy".to_owned())
        }
        "proxyName" => {
            Some("outbound proxies are not implemented yet, so the service is called directly".to_owned())
        }
        "vport" => Some("services of this registry are not discovered yet".to_owned()),
        _ => None,
    }
}

/// Returns the finding for outbound proxies.
pub(crate) fn proxies(bridge: &EntityKey, spec: &McpBridge) -> Option<Finding> {
    (!spec.proxies.is_empty()).then(|| {
        let used = spec.registries.iter().any(|entry| entry.fields.iter().any(|field| field == "proxyName"));
        let why = if used {
            "outbound proxies are not implemented yet, so services are called directly"
        } else {
            "no registry names one of them with `proxyName`"
        };
        Finding::new(
            &code::GW0448,
            Place::key(bridge, "/spec/proxies"),
            format!("`proxies` has no effect: {why}"),
        )
    })
}
