//! Listeners and their filter chains.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gatewright_xds::envoy::config::core::v3 as core;
use gatewright_xds::envoy::config::core::v3::socket_address::{PortSpecifier, Protocol};
use gatewright_xds::envoy::config::listener::v3 as xds;
use gatewright_xds::envoy::config::rbac::v3::rbac::Action;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use gatewright_xds::envoy::extensions::filters::network::rbac::v3::Rbac;
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::names::filter_chain_parts;

use super::error::{FieldError, Within};
use super::filters::FilterUse;
use super::http::HttpConnections;
use super::take::{ads, name, nothing_left, unpack};
use super::tls::TlsSettings;
use crate::stream::Loader;

const TLS_INSPECTOR: &str =
    "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";

/// An address to listen on and what happens to its connections.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    /// Each server name stands in one chain only. There is none where they come on their own.
    pub(crate) chains: Vec<Arc<FilterChain>>,
    /// How chains serve that come on their own; none where they stand here.
    pub(crate) of_chains: Option<Arc<HttpConnections>>,
}

/// What happens to connections with certain server names.
#[derive(Clone, Debug)]
pub(crate) struct FilterChain {
    /// Empty takes every connection that no other chain takes.
    pub(crate) server_names: Box<[ServerName]>,
    pub(crate) action: ChainAction,
}

/// What a filter chain does with a connection.
#[derive(Clone, Debug)]
pub(crate) enum ChainAction {
    /// Closes it at once.
    Refuse,
    /// Serves HTTP, within TLS where there are settings for it.
    Serve { tls: Option<TlsSettings>, http: Arc<HttpConnections> },
    /// Serves HTTP within TLS as its listener says.
    ServeAsListener { tls: TlsSettings },
}

/// A server name of TLS, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ServerName {
    Exact(Box<str>),
    /// With its leading dot.
    Suffix(Box<str>),
}

impl Listener {
    pub(crate) fn new(mut message: xds::Listener, loader: &Loader) -> Result<Self, FieldError> {
        let of_chains = of_chains(&mut message, loader)?;
        let chains = std::mem::take(&mut message.filter_chains)
            .into_iter()
            .chain(message.default_filter_chain.take())
            .enumerate()
            .map(|(index, chain)| {
                FilterChain::new(chain, loader).map(Arc::new).within(format!("filter_chains[{index}]"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if chains.is_empty() == of_chains.is_none() {
            return Err(FieldError::new("filter_chains", "stand here, or come on their own: one of both"));
        }
        let listener = Self {
            of_chains,
            name: name(std::mem::take(&mut message.name), "name")?,
            address: socket_address(message.address.take()).within("address")?,
            chains,
        };
        listener_filters(std::mem::take(&mut message.listener_filters))?;
        listener.check_names()?;
        // How long the server name is waited for is the gateway's own limit of a handshake.
        message.listener_filters_timeout = None;
        message.metadata = None;
        message.traffic_direction = 0;
        message.stat_prefix.clear();
        message.enable_reuse_port = None;
        nothing_left(&message)?;
        Ok(listener)
    }

    /// Refuses two chains for one name, and clear text beside TLS.
    fn check_names(&self) -> Result<(), FieldError> {
        let mut names = std::collections::BTreeSet::new();
        let mut rest = 0;
        for (index, chain) in self.chains.iter().enumerate() {
            let field = format!("filter_chains[{index}].filter_chain_match.server_names");
            rest += usize::from(chain.server_names.is_empty());
            if rest > 1 && chain.server_names.is_empty() {
                return Err(FieldError::new(field, "a second chain takes all other names"));
            }
            if let Some(name) = chain.server_names.iter().find(|name| !names.insert((*name).clone())) {
                return Err(FieldError::new(field, format!("`{name}` stands in a chain before")));
            }
        }
        let clear = |chain: &FilterChain| matches!(&chain.action, ChainAction::Serve { tls: None, .. });
        if self.chains.len() > 1 && self.chains.iter().any(|chain| clear(chain)) {
            return Err(FieldError::new("filter_chains", "mix TLS and clear text"));
        }
        Ok(())
    }

    /// Returns whether the first bytes of a connection are a TLS hello.
    pub(crate) fn is_tls(&self) -> bool {
        self.chains.iter().all(|chain| !matches!(&chain.action, ChainAction::Serve { tls: None, .. }))
    }

    /// Returns the filters of all chains.
    pub(crate) fn filters(&self) -> impl Iterator<Item = &FilterUse> {
        self.https().flat_map(|http| &http.filters)
    }

    /// Returns the HTTP settings of all chains.
    pub(crate) fn https(&self) -> impl Iterator<Item = &HttpConnections> {
        let of_chains = self.chains.iter().filter_map(|chain| match &chain.action {
            ChainAction::Serve { http, .. } => Some(&**http),
            ChainAction::Refuse | ChainAction::ServeAsListener { .. } => None,
        });
        self.of_chains.as_deref().into_iter().chain(of_chains)
    }

    /// Returns the secrets that the chains in it name.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.chains.iter().filter_map(|chain| chain.tls()).map(|tls| &tls.secret)
    }
}

impl FilterChain {
    /// Reads a chain that comes on its own, for the server name in its resource name. Without filters it has those of its
    /// listener.
    pub(crate) fn on_its_own(mut message: xds::FilterChain, loader: &Loader) -> Result<Self, FieldError> {
        let filters = std::mem::take(&mut message.filters);
        let socket = message.transport_socket.take();
        let tls = socket.map(TlsSettings::new).transpose().within("transport_socket")?;
        let action = match (filters.is_empty(), tls) {
            (true, Some(tls)) => ChainAction::ServeAsListener { tls },
            (true, None) => return Err(FieldError::missing("transport_socket")),
            (false, tls) => action(filters, tls, loader)?,
        };
        if matches!(action, ChainAction::Serve { .. }) {
            return Err(FieldError::new("filters", "that serve are those of the listener"));
        }
        let name = std::mem::take(&mut message.name);
        let server_names = match message.filter_chain_match.take() {
            None => Box::default(),
            Some(names) => server_names(names).within("filter_chain_match")?,
        };
        let own = match &*server_names {
            [] => "*".to_owned(),
            [name] => name.to_string(),
            _ => return Err(FieldError::new("filter_chain_match.server_names", "are more than one")),
        };
        if filter_chain_parts(&name).is_none_or(|(_, server_name)| server_name != own) {
            let problem = format!("`{own}` is not that of the resource's name");
            return Err(FieldError::new("filter_chain_match.server_names", problem));
        }
        nothing_left(&message)?;
        Ok(Self { server_names, action })
    }

    /// Returns the TLS settings, where it serves within TLS.
    pub(crate) fn tls(&self) -> Option<&TlsSettings> {
        match &self.action {
            ChainAction::Serve { tls, .. } => tls.as_ref(),
            ChainAction::ServeAsListener { tls } => Some(tls),
            ChainAction::Refuse => None,
        }
    }

    fn new(mut message: xds::FilterChain, loader: &Loader) -> Result<Self, FieldError> {
        let server_names = match message.filter_chain_match.take() {
            None => Box::default(),
            Some(names) => server_names(names).within("filter_chain_match")?,
        };
        let tls =
            message.transport_socket.take().map(TlsSettings::new).transpose().within("transport_socket")?;
        let filters = std::mem::take(&mut message.filters);
        let action = action(filters, tls, loader)?;
        message.name.clear();
        message.metadata = None;
        nothing_left(&message)?;
        Ok(Self { server_names, action })
    }
}

impl ServerName {
    fn new(text: &str, index: usize) -> Result<Self, FieldError> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix('*') {
            None if !lower.is_empty() && !lower.contains('*') => Ok(Self::Exact(lower.into())),
            Some(suffix) if suffix.len() > 1 && suffix.starts_with('.') && !suffix.contains('*') => {
                Ok(Self::Suffix(suffix.into()))
            }
            _ => {
                let problem = format!("`{text}` is neither a server name nor `*.` and one");
                Err(FieldError::new(format!("server_names[{index}]"), problem))
            }
        }
    }
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Takes out how chains serve that come on their own, where the listener says that they do.
fn of_chains(
    message: &mut xds::Listener,
    loader: &Loader,
) -> Result<Option<Arc<HttpConnections>>, FieldError> {
    let Some(mut discovery) = message.fcds_config.take() else { return Ok(None) };
    ads(discovery.config_source.take(), "config_source").within("fcds_config")?;
    nothing_left(&discovery).within("fcds_config")?;
    let chain = message.default_filter_chain.take();
    let chain = chain.ok_or_else(|| FieldError::missing("default_filter_chain"))?;
    match FilterChain::new(chain, loader).within("default_filter_chain")?.action {
        ChainAction::Serve { tls: None, http } => Ok(Some(http)),
        _ => Err(FieldError::new("default_filter_chain", "must be HTTP without TLS")),
    }
}

fn server_names(mut message: xds::FilterChainMatch) -> Result<Box<[ServerName]>, FieldError> {
    let names = std::mem::take(&mut message.server_names)
        .iter()
        .enumerate()
        .map(|(index, text)| ServerName::new(text, index))
        .collect::<Result<_, _>>()?;
    if message.transport_protocol == "tls" {
        message.transport_protocol.clear();
    }
    nothing_left(&message)?;
    Ok(names)
}

fn listener_filters(messages: Vec<xds::ListenerFilter>) -> Result<(), FieldError> {
    for (index, message) in messages.into_iter().enumerate() {
        let known = match &message.config_type {
            Some(xds::listener_filter::ConfigType::TypedConfig(any)) => any.type_url == TLS_INSPECTOR,
            _ => false,
        };
        if !known || message.filter_disabled.is_some() {
            let problem = format!("`{}` is not supported", message.name);
            return Err(FieldError::new(format!("listener_filters[{index}]"), problem));
        }
    }
    Ok(())
}

/// Reads the network filters: one that serves HTTP, or a first one that refuses every connection (what follows it
/// never sees one).
fn action(
    filters: Vec<xds::Filter>,
    tls: Option<TlsSettings>,
    loader: &Loader,
) -> Result<ChainAction, FieldError> {
    let mut filters = filters.into_iter();
    let filter = filters.next().ok_or_else(|| FieldError::missing("filters"))?;
    let Some(xds::filter::ConfigType::TypedConfig(any)) = filter.config_type else {
        return Err(FieldError::missing("filters[0].typed_config"));
    };
    if any.type_url == RBAC {
        return refuses_all(any).within("filters[0].typed_config").map(|()| ChainAction::Refuse);
    }
    if filters.next().is_some() {
        return Err(FieldError::unsupported("filters[1]"));
    }
    let message: HttpConnectionManager = unpack(Some(any), "filters[0].typed_config")?;
    let http = HttpConnections::new(message, loader).within("filters[0].typed_config")?;
    Ok(ChainAction::Serve { tls, http: Arc::new(http) })
}

/// Accepts rules that deny whoever matches a policy where one policy matches everybody.
fn refuses_all(any: Any) -> Result<(), FieldError> {
    use gatewright_xds::envoy::config::rbac::v3::{permission, principal};
    let message: Rbac = unpack(Some(any), "rules")?;
    let rules = message.rules.ok_or_else(|| FieldError::missing("rules"))?;
    let everybody = rules.policies.values().any(|policy| {
        let any_permission = |p: &gatewright_xds::envoy::config::rbac::v3::Permission| {
            matches!(p.rule, Some(permission::Rule::Any(true)))
        };
        let any_principal = |p: &gatewright_xds::envoy::config::rbac::v3::Principal| {
            matches!(p.identifier, Some(principal::Identifier::Any(true)))
        };
        policy.permissions.iter().any(any_permission) && policy.principals.iter().any(any_principal)
    });
    if rules.action != Action::Deny as i32 || !everybody {
        return Err(FieldError::new("rules", "only the denial of everybody is supported"));
    }
    Ok(())
}

/// Reads an IP address and port.
pub(super) fn socket_address(message: Option<core::Address>) -> Result<SocketAddr, FieldError> {
    let (host, port) = host_and_port(message)?;
    let ip: IpAddr = host
        .parse()
        .map_err(|_| FieldError::new("socket_address.address", format!("`{host}` is not an IP address")))?;
    Ok(SocketAddr::new(ip, port))
}

/// Reads a host (name or address) and port of TCP.
pub(super) fn host_and_port(message: Option<core::Address>) -> Result<(String, u16), FieldError> {
    let Some(core::address::Address::SocketAddress(mut message)) = message.and_then(|m| m.address) else {
        return Err(FieldError::missing("socket_address"));
    };
    if message.protocol != Protocol::Tcp as i32 {
        return Err(FieldError::new("socket_address.protocol", "only TCP is supported"));
    }
    let port = match message.port_specifier.take() {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port)
            .map_err(|_| FieldError::new("socket_address.port_value", format!("{port} is not a port")))?,
        _ => return Err(FieldError::missing("socket_address.port_value")),
    };
    let host = std::mem::take(&mut message.address);
    nothing_left(&message).within("socket_address")?;
    Ok((host, port))
}
