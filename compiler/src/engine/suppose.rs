//! What if some objects were as another state had them? For questions about why, never for what is served.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_ir::HostPattern;
use gatewright_kinds::{EntityKey, Kind};

use super::files::{Definition, PromisesOfFiles};
use super::output::WorkCounters;
use super::{Delta, Engine, hosts_of};

/// What a state says about an object; or that it has no such object, where there is no definition.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub(super) definitions: Vec<Definition>,
    /// What is said of it elsewhere, such as that something will make it.
    pub(super) promises: Option<PromisesOfFiles>,
}

/// How far the change of an object can reach in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To these hosts and what falls through to them.
    Hosts(BTreeSet<HostPattern>),
    /// To every host.
    Everything,
}

impl Engine {
    /// Takes some objects as another state had them, whatever the source says. All others are as in the source again; the
    /// next update ends it.
    pub fn suppose(&mut self, said: BTreeMap<EntityKey, Said>) -> Delta {
        let touched = self.files.suppose(said);
        self.recompute(touched, WorkCounters::default())
    }

    /// Returns how far the change of an object can reach, as the current state is.
    pub fn reach(&self, key: &EntityKey) -> Reach {
        let hosts = match key.kind {
            // Then a plugin that is lost refuses every route.
            Kind::Ingress if self.plugins.iter().any(|scope| self.can_be_lost(scope)) => {
                return Reach::Everything;
            }
            Kind::Ingress => {
                let analyzed = self.ingresses.get(key).and_then(|unit| unit.analyzed.as_deref());
                hosts_of(analyzed).iter().cloned().chain(self.spoken_of_by(key)).collect()
            }
            Kind::Service | Kind::Secret | Kind::EndpointSlice => self.dependents(key),
            Kind::Registry | Kind::RegistryService => self.dependents(key),
            Kind::McpBridge => self.readers_of_registries(|_| true),
            // Higress' own settings stand in ConfigMaps of its namespace.
            Kind::ConfigMap if *key.namespace != *self.options.system_namespace => BTreeSet::new(),
            Kind::WasmPlugin | Kind::IngressClass | Kind::ConfigMap => return Reach::Everything,
        };
        Reach::Hosts(hosts)
    }
}
