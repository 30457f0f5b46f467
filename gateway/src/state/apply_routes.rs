//! Route configurations and virtual hosts: applied in any order, together in effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_xds::names::virtual_host_parts;
use gatewright_xds_client::{Received, Rejected};

use super::hosts::HostSet;
use super::snapshot::RouteTable;
use super::store::{Store, read, rejection};
use crate::config::{RouteConfiguration, VirtualHost};

/// What one response says about the hosts of one route configuration.
#[derive(Default)]
struct HostChanges {
    put: Vec<Arc<VirtualHost>>,
    removed: Vec<Arc<str>>,
}

impl Store {
    pub(super) fn apply_routes(&mut self, resources: Vec<Received>) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            match read(resource, RouteConfiguration::new, &self.filters) {
                Ok((name, config)) => match self.put_inline_hosts(&name, &config) {
                    Ok(()) => {
                        self.routes.insert(name.clone(), config);
                        self.publish_routes(&name);
                    }
                    Err(reason) => rejected.push(rejection(&name, &reason)),
                },
                Err(reason) => rejected.push(reason),
            }
        }
        rejected
    }

    /// Puts the hosts in effect that a route configuration brings itself, in the place of those it brought before.
    fn put_inline_hosts(&mut self, name: &Arc<str>, config: &RouteConfiguration) -> Result<(), String> {
        if config.hosts_on_their_own {
            return Ok(());
        }
        let mut set = HostSet::default();
        match set.apply(config.hosts.clone(), &[]).into_iter().next() {
            Some((host, reason)) => Err(format!("virtual_hosts: {host}: {reason}")),
            None => {
                self.hosts.insert(name.clone(), set);
                Ok(())
            }
        }
    }

    pub(super) fn apply_hosts(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        let mut changed: BTreeMap<Arc<str>, HostChanges> = BTreeMap::new();
        for name in removed {
            if let Some((routes, _)) = virtual_host_parts(name) {
                changed.entry(routes.into()).or_default().removed.push(name.as_str().into());
            }
        }
        if resources.is_empty() && removed.is_empty() {
            // The server has no host at all.
            self.hosts_seen.extend(self.routes.keys().cloned());
        }
        for resource in resources {
            let name = resource.name.clone();
            let host = read(resource, VirtualHost::new, &self.filters);
            match (virtual_host_parts(&name), host) {
                (Some((routes, _)), Ok((_, host))) => {
                    changed.entry(routes.into()).or_default().put.push(Arc::new(host));
                }
                (None, Ok(_)) => {
                    rejected.push(rejection(&name, "name: has no route configuration before a `/`"))
                }
                (_, Err(reason)) => rejected.push(reason),
            }
        }
        for (routes, HostChanges { put, removed }) in changed {
            let conflicts = self.hosts.entry(routes.clone()).or_default().apply(put, &removed);
            rejected.extend(conflicts.iter().map(|(name, reason)| rejection(name, reason)));
            self.hosts_seen.insert(routes.clone());
            self.publish_routes(&routes);
        }
        rejected
    }

    /// Puts a route configuration in the next snapshot if it is there; hosts alone are held.
    fn publish_routes(&mut self, name: &Arc<str>) {
        let Some(config) = self.routes.get(name) else { return };
        let hosts = self.hosts.get(name).map(|set| set.table.clone()).unwrap_or_default();
        self.current.routes.insert(name.clone(), RouteTable { ignore_port: config.ignore_port, hosts });
    }
}
