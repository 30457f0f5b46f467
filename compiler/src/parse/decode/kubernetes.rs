//! Readers of Kubernetes' own kinds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;

use crate::manifest::{
    Backend, BackendPort, ConfigMap, EndpointSlice, HttpRule, Ingress, IngressPath, IngressRule, IngressTls,
    ResourceBackend, Secret, Service, ServiceBackend, ServicePort, SliceConditions, SliceEndpoint, SlicePort,
};
use crate::parse::fields::Fields;
use crate::parse::scalar::GO_BASE64;

pub(super) fn ingress(spec: Fields<'_>) -> Ingress {
    Ingress {
        ingress_class_name: spec.text("ingressClassName"),
        default_backend: spec.some_object("defaultBackend").map(backend),
        tls: spec.list("tls").map(ingress_tls).collect(),
        rules: spec.list("rules").map(ingress_rule).collect(),
    }
}

fn ingress_tls(fields: Fields<'_>) -> IngressTls {
    IngressTls { hosts: fields.texts("hosts"), secret_name: fields.text("secretName") }
}

fn ingress_rule(fields: Fields<'_>) -> IngressRule {
    IngressRule {
        host: fields.text("host").unwrap_or_default().into(),
        http: fields
            .some_object("http")
            .map(|http| HttpRule { paths: http.list("paths").map(ingress_path).collect() }),
        misread: fields.has_other_than_text("host") || !fields.is_a_mapping(),
    }
}

fn ingress_path(fields: Fields<'_>) -> IngressPath {
    IngressPath {
        path: fields.text("path").unwrap_or_default().into(),
        path_type: fields.text("pathType").map(path_type),
        backend: backend(fields.object("backend")),
        misread: fields.has_other_than_text("path")
            || (!fields.has("path")
                && fields.text("pathType").is_some_and(|kind| kind != "ImplementationSpecific")),
    }
}

/// Every path has one of these words.
fn path_type(text: String) -> Cow<'static, str> {
    let known = ["Prefix", "Exact", "ImplementationSpecific"].into_iter().find(|known| *known == text);
    known.map_or(Cow::Owned(text), Cow::Borrowed)
}

fn backend(fields: Fields<'_>) -> Arc<Backend> {
    Arc::new(Backend {
        service: fields.some_object("service").map(|service| {
            let port = service.object("port");
            ServiceBackend {
                name: service.text("name").unwrap_or_default(),
                // The API has no other word for "not set" than zero and the empty text.
                port: BackendPort {
                    name: port.text("name").filter(|name| !name.is_empty()),
                    number: port.number("number").filter(|number| *number != 0),
                },
            }
        }),
        resource: fields.some_object("resource").map(|resource| {
            Box::new(ResourceBackend {
                api_group: resource.text("apiGroup"),
                kind: resource.text("kind").unwrap_or_default(),
                name: resource.text("name").unwrap_or_default(),
            })
        }),
    })
}

pub(super) fn service(spec: Fields<'_>) -> Service {
    Service {
        service_type: spec.text("type"),
        external_name: spec.text("externalName"),
        ports: spec.list("ports").map(service_port).collect(),
        misread: misread_ports(spec),
    }
}

/// Returns whether ports are not what they should be, or not there where they must be.
fn misread_ports(spec: Fields<'_>) -> bool {
    if !spec.has("ports") {
        let headless = spec.text("clusterIP").as_deref() == Some("None");
        return !headless && spec.text("type").as_deref() != Some("ExternalName");
    }
    let wrong = |port: Fields<'_>| port.number::<u16>("port").is_none() || port.has_other_than_text("name");
    !spec.is_list("ports") || spec.list("ports").any(wrong)
}

fn service_port(fields: Fields<'_>) -> ServicePort {
    ServicePort {
        name: fields.text("name"),
        port: fields.number("port").unwrap_or_default(),
        app_protocol: fields.text("appProtocol"),
        protocol: fields.text("protocol"),
    }
}

pub(super) fn endpoint_slice(object: Fields<'_>) -> EndpointSlice {
    EndpointSlice {
        address_type: object.text("addressType").unwrap_or_default(),
        endpoints: object.list("endpoints").map(slice_endpoint).collect(),
        ports: object.list("ports").map(slice_port).collect(),
    }
}

fn slice_endpoint(fields: Fields<'_>) -> SliceEndpoint {
    SliceEndpoint {
        addresses: fields.texts("addresses"),
        conditions: SliceConditions { ready: fields.object("conditions").boolean("ready") },
    }
}

fn slice_port(fields: Fields<'_>) -> SlicePort {
    SlicePort { name: fields.text("name"), port: fields.number("port") }
}

/// Reads an Endpoints object as slices: one for each subset and address family, in that order, as the control plane
/// mirrors them. One without addresses is one empty slice.
pub(crate) fn endpoints(object: Fields<'_>) -> Vec<EndpointSlice> {
    let mut slices = Vec::new();
    for subset in object.list("subsets") {
        let ports: Vec<SlicePort> = subset.list("ports").map(slice_port).collect();
        let mut addresses = subset_addresses(subset.list("addresses"), true);
        addresses.extend(subset_addresses(subset.list("notReadyAddresses"), false));
        for (address_type, wanted) in
            [("IPv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("IPv6", IpAddr::is_ipv6)]
        {
            let endpoints: Vec<SliceEndpoint> = addresses
                .iter()
                .filter(|(address, _)| address.parse().is_ok_and(|ip| wanted(&ip)))
                .map(|(address, ready)| SliceEndpoint {
                    addresses: vec![address.clone()],
                    conditions: SliceConditions { ready: Some(*ready) },
                })
                .collect();
            if !endpoints.is_empty() {
                slices.push(EndpointSlice {
                    address_type: address_type.to_owned(),
                    endpoints,
                    ports: ports.clone(),
                });
            }
        }
    }
    if slices.is_empty() {
        slices.push(EndpointSlice { address_type: "IPv4".to_owned(), ..EndpointSlice::default() });
    }
    slices
}

fn subset_addresses<'t>(values: impl Iterator<Item = Fields<'t>>, ready: bool) -> Vec<(String, bool)> {
    values.filter_map(|address| Some((address.text("ip")?, ready))).collect()
}

pub(super) fn config_map(object: Fields<'_>) -> ConfigMap {
    ConfigMap { data: object.text_map("data") }
}

/// Reads a Secret: `data` decoded, `stringData` on top as it is. Members that are not base64 are left out and named.
pub(super) fn secret(object: Fields<'_>, not_base64: &mut Vec<String>) -> Secret {
    let mut data = BTreeMap::new();
    for (key, text) in object.text_map("data") {
        match decode_base64(&text) {
            Some(bytes) => drop(data.insert(key, bytes)),
            None => not_base64.push(key),
        }
    }
    data.extend(object.text_map("stringData").into_iter().map(|(key, text)| (key, text.into_bytes())));
    let secret_type = object.text("type").unwrap_or_else(|| "Opaque".to_owned());
    let wrong = |field: &str| {
        let values = object.object(field);
        !object.is_mapping_or_missing(field) || values.keys().len() > values.own_texts().len()
    };
    let needs = |key: &str| secret_type == "kubernetes.io/tls" && !data.contains_key(key);
    let misread = !not_base64.is_empty()
        || ["data", "stringData"].into_iter().any(wrong)
        || ["tls.crt", "tls.key"].into_iter().any(needs);
    Secret { secret_type, data, misread }
}

/// Go's decoder skips line breaks, requires padding, and does not look at the bits that the last character has too many.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let joined: String;
    let text = if text.contains(['\r', '\n']) {
        joined = text.replace(['\r', '\n'], "");
        &joined
    } else {
        text
    };
    GO_BASE64.decode(text).ok()
}
