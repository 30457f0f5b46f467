//! Policies of Services: what Higress keeps for a Service and port, whichever route leads there. Of several Ingresses that
//! say something of one the oldest decides for all, and all that it says counts together (`storeBackendTrafficPolicy`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{ClusterName, LoadBalancing};
use gatewright_kinds::EntityKey;

use crate::annotations::balancing::ServicePolicy;
use crate::finding::{Finding, Place};
use crate::order::Age;

/// What an Ingress says of one Service, as seen from one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The Service's cluster without subset.
    pub(crate) service: ClusterName,
    pub(crate) age: Age,
    pub(crate) ingress: EntityKey,
    pub(crate) policy: Arc<ServicePolicy>,
}

/// All claims by Service, the oldest Ingress first.
#[derive(Default)]
pub(crate) struct ServicePolicies(BTreeMap<ClusterName, BTreeMap<(Age, EntityKey), Claimed>>);

struct Claimed {
    policy: Arc<ServicePolicy>,
    /// How many hosts of the Ingress lead to the Service.
    hosts: usize,
}

impl ServicePolicies {
    /// Returns how endpoints of a cluster are chosen; Istio's default where no Ingress says it.
    pub(crate) fn load_balancing(&self, cluster: &ClusterName) -> LoadBalancing {
        let whole = cluster.port().map(|port| ClusterName::outbound(port, "", cluster.host()));
        let claims = whole.and_then(|service| self.0.get(&service));
        let oldest = claims.and_then(|claims| claims.values().next());
        oldest.map_or(LoadBalancing::LeastRequest, |claimed| claimed.policy.load_balancing)
    }

    /// Replaces the claims of a host, and returns the Services that they concern.
    pub(crate) fn replace(&mut self, old: &[Claim], new: &[Claim]) -> BTreeSet<ClusterName> {
        if old == new {
            return BTreeSet::new();
        }
        old.iter().for_each(|claim| self.withdraw(claim));
        new.iter().for_each(|claim| self.enter(claim));
        old.iter().chain(new).map(|claim| claim.service.clone()).collect()
    }

    fn enter(&mut self, claim: &Claim) {
        let Claim { service, age, ingress, policy } = claim;
        let claims = self.0.entry(service.clone()).or_default();
        let claimed = claims.entry((age.clone(), ingress.clone()));
        let claimed = claimed.or_insert_with(|| Claimed { policy: policy.clone(), hosts: 0 });
        claimed.policy = policy.clone();
        claimed.hosts += 1;
    }

    fn withdraw(&mut self, claim: &Claim) {
        let Some(claims) = self.0.get_mut(&claim.service) else { return };
        let key = (claim.age.clone(), claim.ingress.clone());
        if let Some(claimed) = claims.get_mut(&key) {
            claimed.hosts -= 1;
            if claimed.hosts == 0 {
                claims.remove(&key);
            }
        }
        if claims.is_empty() {
            self.0.remove(&claim.service);
        }
    }

    /// Returns the Services of which an Ingress says something.
    pub(crate) fn claimed_by(&self, ingress: &EntityKey) -> BTreeSet<&ClusterName> {
        let claims =
            |claims: &BTreeMap<(Age, EntityKey), Claimed>| claims.keys().any(|(_, key)| key == ingress);
        self.0.iter().filter(|(_, of_service)| claims(of_service)).map(|(service, _)| service).collect()
    }

    /// Returns a finding for each Ingress that says something else of a Service than the one which decides.
    pub(crate) fn overruled(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (service, claims) in &self.0 {
            let mut claims = claims.iter();
            let Some(((winning, winner), decides)) = claims.next() else { continue };
            let others =
                claims.filter(|(_, other)| other.policy.load_balancing != decides.policy.load_balancing);
            for ((age, ingress), other) in others {
                let at = format!("{}:{}", service.host(), service.port().unwrap_or_default());
                let message = format!(
                    "{winner} decides how an endpoint of `{at}` is chosen, so `{}` has no effect there",
                    other.policy.key
                );
                let place = Place::annotation(ingress, &other.policy.key);
                findings.push(
                    Finding::new(&code::GW0307, place, message)
                        .with_related(Place::annotation(winner, &decides.policy.key), "this one counts")
                        .with_note(format!(
                            "Higress takes what the oldest Ingress says of a Service and port, for all routes to it; \
                             decided by {}",
                            age.decided_by(winning)
                        )),
                );
            }
        }
        findings
    }
}
