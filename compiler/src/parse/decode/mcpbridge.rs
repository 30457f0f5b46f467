//! Reader of McpBridges, canonical and in the guide's dialect.

use serde_json::Value;

use super::dialect::{Dialect, Form};
use crate::manifest::{McpBridge, Registry};
use crate::parse::fields::Fields;

/// Port of a fixed service that names none.
const HTTP_PORT: u32 = 80;
/// Port of Nacos where an address names none.
const NACOS_PORT: u32 = 8848;

pub(super) fn mcp_bridge(mut spec: Fields, dialect: &mut Dialect) -> McpBridge {
    let mut registries = Vec::new();
    for (index, value) in spec.list("registries").into_iter().enumerate() {
        registries.push(registry(Fields::of(value), format!("/spec/registries/{index}"), dialect));
    }
    if dialect.allowed {
        for section in ["dns", "nacos"] {
            let entries = spec.list(section);
            if !entries.is_empty() {
                dialect.note(format!("/spec/{section}"), Form::Section(section));
            }
            for (index, value) in entries.into_iter().enumerate() {
                let (fields, pointer) = (Fields::of(value), format!("/spec/{section}/{index}"));
                registries.push(match section {
                    "dns" => Registry { registry_type: "dns".into(), ..registry(fields, pointer, dialect) },
                    _ => nacos_entry(fields, pointer),
                });
            }
        }
    }
    McpBridge { registries }
}

fn registry(mut fields: Fields, pointer: String, dialect: &mut Dialect) -> Registry {
    let mut registry_type = fields.text("type").unwrap_or_default();
    let mut port = fields.number("port");
    let mut domain = domain(fields.take("domain"), &pointer, dialect);
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
        let addresses = one_or_many(fields.take("address"));
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
        pointer,
    }
}

fn domain(value: Option<Value>, pointer: &str, dialect: &mut Dialect) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(list @ Value::Array(_)) if dialect.allowed => {
            let joined = one_or_many(Some(list)).join(",");
            dialect.note(format!("{pointer}/domain"), Form::DomainList(joined.clone()));
            joined
        }
        _ => String::new(),
    }
}

/// Reads an entry of the guide's `spec.nacos`: `name` and `address`, which is `host:port`.
fn nacos_entry(mut fields: Fields, pointer: String) -> Registry {
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
        pointer,
    }
}

/// Returns the texts of a value that is one text or a list of them.
fn one_or_many(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Some(Value::Array(elements)) => {
            elements.iter().filter_map(|element| Some(element.as_str()?.trim().to_owned())).collect()
        }
        _ => Vec::new(),
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
