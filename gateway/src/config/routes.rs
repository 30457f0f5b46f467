//! Route configurations and their virtual hosts.

use std::sync::Arc;

use gatewright_xds::envoy::config::route::v3 as xds;

use super::error::{FieldError, Within};
use super::retry::RetryPolicy;
use super::route::Route;
use super::take::{ads, name, nothing_left};
use crate::matching::RouteList;
use crate::stream::Loader;

/// What a listener's routes have in common. The virtual hosts come on their own, or inline.
#[derive(Clone, Debug)]
pub(crate) struct RouteConfiguration {
    /// Whether virtual hosts are subscribed to.
    pub(crate) hosts_on_their_own: bool,
    /// Whether `host:port` is looked up as `host`.
    pub(crate) ignore_port: bool,
    pub(crate) hosts: Vec<Arc<VirtualHost>>,
}

impl RouteConfiguration {
    pub(crate) fn new(mut message: xds::RouteConfiguration, filters: &Loader) -> Result<Self, FieldError> {
        name(std::mem::take(&mut message.name), "name")?;
        let hosts_on_their_own = match message.vhds.take() {
            None => false,
            Some(vhds) => ads(vhds.config_source, "vhds.config_source").map(|()| true)?,
        };
        let hosts = std::mem::take(&mut message.virtual_hosts)
            .into_iter()
            .enumerate()
            .map(|(index, host)| {
                VirtualHost::new(host, filters).map(Arc::new).within(format!("virtual_hosts[{index}]"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if hosts_on_their_own && !hosts.is_empty() {
            return Err(FieldError::new("virtual_hosts", "exclude vhds"));
        }
        let ignore_port = std::mem::take(&mut message.ignore_port_in_host_matching);
        // Unknown clusters answer 503 whether or not the server asks for a check.
        message.validate_clusters = None;
        message.max_direct_response_body_size_bytes = None;
        message.metadata = None;
        nothing_left(&message)?;
        Ok(Self { hosts_on_their_own, ignore_port, hosts })
    }
}

/// The routes of a set of hosts.
#[derive(Debug)]
pub(crate) struct VirtualHost {
    pub(crate) name: Arc<str>,
    pub(crate) domains: Box<[Domain]>,
    pub(crate) routes: RouteList,
}

/// Which hosts a virtual host serves, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Domain {
    Exact(Arc<str>),
    /// Stored with its leading dot: `.example.com`.
    Suffix(Arc<str>),
    Any,
}

impl VirtualHost {
    pub(crate) fn new(mut message: xds::VirtualHost, filters: &Loader) -> Result<Self, FieldError> {
        let domains = std::mem::take(&mut message.domains)
            .into_iter()
            .enumerate()
            .map(|(index, domain)| Domain::new(&domain, index))
            .collect::<Result<Box<[_]>, _>>()?;
        if domains.is_empty() {
            return Err(FieldError::missing("domains"));
        }
        let retry = message.retry_policy.take().map(RetryPolicy::try_from).transpose();
        let retry = retry.within("retry_policy")?.map(Arc::new);
        let routes = std::mem::take(&mut message.routes)
            .into_iter()
            .enumerate()
            .map(|(index, route)| {
                let label = format!("routes[{index}]");
                Route::new(route, retry.as_ref(), filters).map(Arc::new).within(label)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let name = name(std::mem::take(&mut message.name), "name")?;
        let host = Self { name, domains, routes: RouteList::new(routes) };
        message.metadata = None;
        nothing_left(&message)?;
        Ok(host)
    }
}

impl Domain {
    fn new(text: &str, index: usize) -> Result<Self, FieldError> {
        let lower = text.to_ascii_lowercase();
        match lower.strip_prefix('*') {
            Some("") => Ok(Self::Any),
            Some(suffix) if suffix.starts_with('.') && !suffix.contains('*') => {
                Ok(Self::Suffix(suffix.into()))
            }
            None if !lower.is_empty() && !lower.contains('*') => Ok(Self::Exact(lower.into())),
            _ => {
                let problem = format!("`{text}` is neither a host, nor `*.` and a host, nor `*`");
                Err(FieldError::new(format!("domains[{index}]"), problem))
            }
        }
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}
