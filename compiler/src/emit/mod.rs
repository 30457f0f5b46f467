//! Stage 4: the model to Envoy's messages. Cannot fail on anything that the model can hold.

pub(crate) mod bootstrap;
pub(crate) mod cluster;
pub(crate) mod host;
pub(crate) mod listener;
pub(crate) mod secret;

mod route;

#[cfg(test)]
mod completeness;

use gatewright_xds::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address, config_source,
    socket_address,
};
use gatewright_xds::envoy::r#type::matcher::v3::RegexMatcher;

/// How the parts of a configuration find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Each part is a resource of its own, asked for over ADS.
    Ads,
    /// Everything stands in one file.
    Static,
}

fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3 as i32,
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

fn socket_address(address: &str, port: u16) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: address.to_owned(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(u32::from(port))),
            ..SocketAddress::default()
        })),
    }
}

fn regex(expression: &str) -> RegexMatcher {
    RegexMatcher { regex: expression.to_owned(), engine_type: None }
}
