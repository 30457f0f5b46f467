//! Reader of McpBridges, canonical and in the guide's dialect.

use super::dialect::{Dialect, Form};
use crate::manifest::{McpBridge, Registry};
use crate::parse::fields::Fields;

/// Port of a fixed service that names none.
const HTTP_PORT: u32 = 80;
/// Port of Nacos where an address names none.
const NACOS_PORT: u32 = 8848;

pub(super) fn mcp_bridge(spec: Fields<'_>, dialect: &mut Dialect) -> McpBridge {
    let mut registries = Vec::new();
    for (index, fields) in spec.list("registries").enumerate() {
        registries.push(registry(fields, format!("/spec/registries/{index}"), dialect));
    }
    if dialect.allowed {
        for section in ["dns", "nacos"] {
            let entries = spec.list(section);
            if entries.len() > 0 {
                dialect.note(format!("/spec/{section}"), Form::Section(section));
            }
            for (index, fields) in entries.enumerate() {
                let pointer = format!("/spec/{section}/{index}");
                registries.push(match section {
                    "dns" => Registry { registry_type: "dns".into(), ..registry(fields, pointer, dialect) },
                    _ => nacos_entry(fields, pointer),
                });
            }
        }
    }
    let proxies = spec.list("proxies").map(|proxy| proxy.text("name").unwrap_or_default()).collect();
    McpBridge { registries, proxies }
}

fn registry(fields: Fields<'_>, pointer: String, dialect: &mut Dialect) -> Registry {
    let mut registry_type = fields.text("type").unwrap_or_default();
    let mut port = fields.number("port");
    let misread = (fields.has("port") && port.is_none()) || has_misread_text(fields, dialect.allowed);
    let mut domain = domain(fields, &pointer, dialect);
    if dialect.allowed {
        match registry_type.as_str() {
            "fixed" => {
                dialect.note(format!("{pointer}/type"), Form::FixedType);
                registry_type = "static".into();
                port = port.or(Some(HTTP_PORT));
            }
            "edas" => dialect.note(format!("{pointer}/type"), Form::EdasType),
            _ => {}
        }
        let addresses = one_or_many(fields, "address");
        if !addresses.is_empty() && domain.is_empty() {
            domain = join_addresses(&addresses, port.unwrap_or(HTTP_PORT));
            dialect.note(format!("{pointer}/address"), Form::Address(domain.clone()));
        }
    }
    Registry {
        registry_type,
        name: fields.text("name").unwrap_or_default(),
        domain,
        port: port.unwrap_or_default(),
        protocol: fields.text("protocol"),
        sni: fields.text("sni"),
        fields: fields.names(),
        pointer,
        misread,
    }
}

/// Returns whether a field that must be text is something else; the dialect has lists of domains.
fn has_misread_text(registry: Fields<'_>, lists_allowed: bool) -> bool {
    ["type", "name", "protocol", "sni"].into_iter().any(|name| registry.has_other_than_text(name))
        || (registry.has_other_than_text("domain") && !(lists_allowed && registry.is_list("domain")))
}

fn domain(registry: Fields<'_>, pointer: &str, dialect: &mut Dialect) -> String {
    if dialect.allowed && registry.is_list("domain") {
        let joined = one_or_many(registry, "domain").join(",");
        dialect.note(format!("{pointer}/domain"), Form::DomainList(joined.clone()));
        return joined;
    }
    registry.text("domain").unwrap_or_default()
}

/// Reads an entry of the guide's `spec.nacos`: `name` and `address`, which is `host:port`.
fn nacos_entry(fields: Fields<'_>, pointer: String) -> Registry {
    let address = fields.text("address").unwrap_or_default();
    let (domain, port) = match address.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host.to_owned(), port),
            Err(_) => (address, NACOS_PORT),
        },
        None => (address, NACOS_PORT),
    };
    Registry {
        registry_type: "nacos2".into(),
        name: fields.text("name").unwrap_or_default(),
        domain,
        port,
        protocol: None,
        sni: None,
        fields: Vec::new(),
        pointer,
        misread: fields.has_other_than_text("name") || fields.has_other_than_text("address"),
    }
}

/// Returns the texts of a field that is one text or a list of them.
fn one_or_many(fields: Fields<'_>, name: &str) -> Vec<String> {
    match fields.text(name) {
        Some(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        None => fields.list(name).filter_map(|element| Some(element.own_text()?.trim().to_owned())).collect(),
    }
}

/// Returns `ip:port,ip:port`; addresses without a port get `port`.
fn join_addresses(addresses: &[String], port: u32) -> String {
    let with_port = addresses.iter().map(|address| {
        if address.parse::<std::net::SocketAddr>().is_ok() {
            address.clone()
        } else if address.parse::<std::net::Ipv6Addr>().is_ok() {
            format!("[{address}]:{port}")
        } else if address.contains(':') {
            address.clone()
        } else {
            format!("{address}:{port}")
        }
    });
    with_port.collect::<Vec<_>>().join(",")
}
