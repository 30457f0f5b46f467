//! xDS messages to the gateway's own types. Each conversion takes out of the message what it understands and refuses
//! what is left, so that no setting is ignored in silence; an error names the field. Nothing here sees live state.

mod cluster;
mod cors;
mod endpoints;
mod error;
mod filters;
mod headers;
mod http;
mod listener;
mod path_match;
mod retry;
mod route;
mod route_action;
mod routes;
mod secret;
mod take;
mod text_test;
mod tls;
mod upstream_tls;
mod validation;

pub(crate) use cluster::{Cluster, Discovery, DnsTarget, Family, LoadBalancing, UpstreamProtocol};
pub(crate) use cors::CorsPolicy;
pub(crate) use endpoints::{EndpointEntry, Endpoints, endpoints};
pub use error::FieldError;
pub(crate) use filters::{FilterUse, Source, extension};
pub use headers::HeaderEdits;
pub(crate) use http::HttpConnections;
pub(crate) use listener::{ChainAction, FilterChain, Listener, ServerName};
pub(crate) use path_match::PathMatch;
pub(crate) use retry::RetryPolicy;
pub use route::Route;
pub(crate) use route::{HeaderTest, QueryTest, RouteMatch, TestedHeader, ValueTest};
pub(crate) use route_action::{DirectResponse, Forward, PathRewrite, Redirect, RouteAction};
pub(crate) use routes::{Domain, RouteConfiguration, VirtualHost};
pub(crate) use secret::SecretContent;
pub(crate) use tls::TlsSettings;
pub(crate) use upstream_tls::UpstreamTls;
pub(crate) use validation::Validation;

#[cfg(test)]
mod tests;
