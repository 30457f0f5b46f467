//! States of an input made by hand: manifests as JSON, a model of plain forwards, and its xDS resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_behaviour::testing::route_id;
use gatewright_diagnostics::Diagnostic;
use gatewright_ir::{
    ClusterName, Discovery, Endpoint, EndpointSet, Forward, HostPattern, Ir, ListenerId, LoadBalancing,
    LoweredHost, PathMatch, Route, RouteAction, RouteId, RouteMatch, Target, UpstreamCluster,
    UpstreamProtocol, VirtualHost,
};
use gatewright_plan::{
    Changes, Describe, EntityName, Location, Plan, PlanOptions, Reach, RiskOptions, Side, Supposed,
};
use gatewright_xds::envoy::config::route::v3::VirtualHost as XdsHost;
use gatewright_xds::{Resource, XdsSnapshot};
use serde_json::Value;

/// One state.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) manifests: BTreeMap<EntityName, Value>,
    pub(crate) ir: Ir,
    pub(crate) xds: XdsSnapshot,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl State {
    pub(crate) fn new(name: &'static str) -> Self {
        State { name, ..State::default() }
    }

    /// Adds an object, in file `KIND.yaml`.
    pub(crate) fn object(mut self, kind: &str, name: &str, value: Value) -> Self {
        self.manifests.insert(entity(kind, name), value);
        self
    }

    /// Adds a host behind the clear-text listener, with prefix paths that each forward to Services of `shop`.
    pub(crate) fn host(mut self, host: &str, routes: &[(&str, &[(&str, u32)])]) -> Self {
        let pattern: HostPattern = host.parse().expect("a host pattern");
        let routes: Vec<Route> = routes.iter().map(|(path, targets)| route(host, path, targets)).collect();
        let message = XdsHost {
            name: format!("http.80/{host}"),
            domains: vec![host.into(); routes.len()],
            ..XdsHost::default()
        };
        self.xds.insert(Resource::of(&message));
        for route in &routes {
            let RouteAction::Forward(forward) = &route.action else { continue };
            for target in &forward.targets {
                self.upstream(&target.cluster);
            }
        }
        let lowered =
            LoweredHost::new(VirtualHost { listener: ListenerId::HTTP, host: pattern.clone(), routes });
        self.ir.hosts.insert((ListenerId::HTTP, pattern), Arc::new(lowered));
        self
    }

    fn upstream(&mut self, name: &ClusterName) {
        let cluster = UpstreamCluster {
            name: name.clone(),
            discovery: Discovery::Endpoints,
            protocol: UpstreamProtocol::Http1,
            load_balancing: LoadBalancing::LeastRequest,
        };
        self.ir.clusters.insert(name.clone(), Arc::new(cluster));
        let endpoint = Endpoint::new("10.0.0.1", 80);
        self.ir.endpoints.insert(name.clone(), Arc::new(EndpointSet { endpoints: vec![endpoint] }));
    }

    fn side(&self) -> Side<'_> {
        Side {
            source: format!("git:{}", self.name),
            revision: Some(self.name.repeat(10)[..40].to_owned()),
            input: "0".repeat(64),
            entities: self.manifests.keys().cloned().collect::<BTreeSet<_>>(),
            describe: self,
            ir: &self.ir,
            xds: &self.xds,
            diagnostics: &self.diagnostics,
            revision_of: &|_| None,
        }
    }
}

fn route(host: &str, path: &str, targets: &[(&str, u32)]) -> Route {
    let target = |(service, weight): &(&str, u32)| Target {
        cluster: ClusterName::outbound(80, "", &format!("{service}.shop.svc.cluster.local")),
        weight: *weight,
        fallbacks: Vec::new(),
        request_headers: Default::default(),
        response_headers: Default::default(),
    };
    Route {
        id: route_id("shop/web", &host.parse().expect("a host"), path),
        name: "shop/web".into(),
        matches: RouteMatch::path(PathMatch::Prefix(path.into())),
        action: RouteAction::Forward(Arc::new(Forward {
            targets: targets.iter().map(target).collect(),
            path_rewrite: None,
            host_rewrite: None,
        })),
        policy: Arc::default(),
        plugins: Vec::new(),
    }
}

impl Describe for State {
    fn manifest(&self, entity: &EntityName) -> Option<Value> {
        self.manifests.get(entity).cloned()
    }

    fn place(&self, entity: &EntityName, pointer: &str) -> Option<Location> {
        self.manifests.get(entity)?;
        let line = 1 + pointer.matches('/').count();
        Some(Location {
            path: format!("{}.yaml", entity.kind),
            line,
            revision: Some(self.name.repeat(10)[..10].to_owned()),
        })
    }

    fn route(&self, _: &RouteId) -> Option<Location> {
        Some(Location {
            path: "Ingress.yaml".into(),
            line: 7,
            revision: Some(self.name.repeat(10)[..10].to_owned()),
        })
    }

    fn dependents(&self, entity: &EntityName) -> BTreeSet<String> {
        let all = || self.ir.hosts.keys().map(|(_, host)| host.to_string()).collect();
        if self.manifests.contains_key(entity) && entity.kind == "Service" { all() } else { BTreeSet::new() }
    }
}

/// Names an object of namespace `shop`.
pub(crate) fn entity(kind: &str, name: &str) -> EntityName {
    EntityName { kind: kind.into(), namespace: "shop".into(), name: name.into() }
}

/// Plans from one state to another. Nothing but all changes together makes the head.
pub(crate) fn plan(base: &State, head: &State) -> Plan {
    let names: BTreeSet<&EntityName> = base.manifests.keys().chain(head.manifests.keys()).collect();
    let differs = |name: &&&EntityName| base.manifests.get(**name) != head.manifests.get(**name);
    let names: Vec<EntityName> = names.iter().filter(differs).map(|name| (*name).clone()).collect();
    let reach = names.iter().map(|name| reach(name, base, head)).collect();
    let mut together =
        Together { base: &base.ir, head: &head.ir, alone: BTreeMap::new(), names, reach, work: 1 };
    plan_with(base, head, &mut together)
}

/// An object reaches the host that is called as it is, and all where there is none.
fn reach(name: &EntityName, base: &State, head: &State) -> Reach {
    let host: HostPattern = format!("{}.example.com", name.name).parse().expect("a host pattern");
    let known =
        [base, head].iter().any(|state| state.ir.hosts.contains_key(&(ListenerId::HTTP, host.clone())));
    if known { Reach::Hosts(BTreeSet::from([host])) } else { Reach::Everything }
}

/// Plans from one state to another with changes that a test has thought out.
pub(crate) fn plan_with(base: &State, head: &State, changes: &mut dyn Changes) -> Plan {
    let options = PlanOptions { xds_text: false, risks: RiskOptions::default() };
    gatewright_plan::plan(&base.side(), &head.side(), changes, &options)
}

/// Changes that make the head together and leave the base as it is otherwise; with exceptions.
pub(crate) struct Together<'a> {
    pub(crate) base: &'a Ir,
    pub(crate) head: &'a Ir,
    /// What some changes make alone.
    pub(crate) alone: BTreeMap<usize, &'a Ir>,
    pub(crate) names: Vec<EntityName>,
    pub(crate) reach: Vec<Reach>,
    /// What a try costs.
    pub(crate) work: usize,
}

impl Changes for Together<'_> {
    fn objects(&self) -> &[EntityName] {
        &self.names
    }

    fn owner(&self, _: &RouteId) -> Option<usize> {
        None
    }

    fn reach(&mut self) -> Option<Vec<Reach>> {
        Some(self.reach.clone())
    }

    fn with(&mut self, made: &BTreeSet<usize>) -> Option<Supposed<'_>> {
        let alone = made.first().filter(|_| made.len() == 1).and_then(|only| self.alone.get(only));
        let ir = match alone {
            Some(ir) => ir,
            None if made.len() == self.names.len() => self.head,
            None => self.base,
        };
        Some(Supposed { ir, work: self.work })
    }
}
