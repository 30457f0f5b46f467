//! Secrets: applied, and given to the listeners and clusters that name them.

use gatewright_xds_client::{Received, Rejected};

use super::store::{Store, read, rejection};
use crate::config::SecretContent;

impl Store {
    pub(super) fn apply_secrets(&mut self, resources: Vec<Received>) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name = resource.name.clone();
            let read = read(resource, |message, _| SecretContent::new(message), &self.filters);
            let content = read.and_then(|(_, content)| match self.other_kind(&name, &content) {
                Some(problem) => Err(rejection(&name, problem)),
                None => Ok(content),
            });
            match content {
                Ok(content) => self.secrets.insert(&name, content),
                Err(reason) => {
                    self.secrets.fail(&name);
                    rejected.push(reason);
                }
            }
            self.settle_secret(&name.into());
        }
        self.show_certificates();
        self.settle_secured_clusters();
        rejected
    }

    /// Says what is wrong with a secret that is not what those who name it need.
    fn other_kind(&self, name: &str, content: &SecretContent) -> Option<&'static str> {
        match content {
            SecretContent::Identity(_) => {
                let mut wanted = self.cluster_tls().filter_map(|tls| tls.validation_secret.as_deref());
                wanted
                    .any(|wanted| wanted == name)
                    .then_some("type: must be validation_context: a cluster names it so")
            }
            SecretContent::Validation(_) => {
                let named = self.cluster_tls().any(|tls| tls.identity.as_deref() == Some(name))
                    || self.secrets_of_listeners.contains(name)
                    || self.secrets_of_chains.contains(name);
                named.then_some("type: must be tls_certificate: a listener or cluster names it so")
            }
        }
    }
}
