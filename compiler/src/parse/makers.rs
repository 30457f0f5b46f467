//! Kinds that make Ingresses, Secrets or other objects in a cluster: what they make is not to be seen in the source, but
//! often which Secrets that will be.

use gatewright_kinds::{EntityKey, Kind};

use super::tree::{NodeId, NodeKind, Tree};

/// A kind that makes objects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    group: &'static str,
    kind: &'static str,
    /// What it does, as a clause.
    pub(crate) how: &'static str,
    /// Where the name of a Secret that it makes stands: the first place of these that holds one. `*` stands for each element
    /// of a list.
    names: &'static [&'static [&'static str]],
    /// Where the namespace of the Secret stands, unless it is the object's own.
    namespace: &'static [&'static str],
}

const OWN_NAME: &[&str] = &["metadata", "name"];
const CHART: &str = "it makes what a chart holds";
const SECRET: &str = "it makes a Secret";
const POLICY: &str = "it can make objects, and change them as they are made";

const fn maker(group: &'static str, kind: &'static str, how: &'static str) -> Maker {
    Maker { group, kind, how, names: &[], namespace: &[] }
}

const fn secret(group: &'static str, kind: &'static str, names: &'static [&'static [&'static str]]) -> Maker {
    Maker { group, kind, how: SECRET, names, namespace: &[] }
}

/// The table, by group.
static MAKERS: [Maker; 36] = [
    maker("admissionregistration.k8s.io", "MutatingAdmissionPolicy", POLICY),
    maker("admissionregistration.k8s.io", "MutatingWebhookConfiguration", POLICY),
    maker("argoproj.io", "Application", "it makes what a repository or chart holds"),
    maker("argoproj.io", "ApplicationSet", "it makes Applications, which make what repositories hold"),
    secret("bitnami.com", "SealedSecret", &[&["spec", "template", "metadata", "name"], OWN_NAME]),
    secret("cert-manager.io", "Certificate", &[&["spec", "secretName"]]),
    maker("cert-manager.io", "ClusterIssuer", "its challenges can make Ingresses for a while"),
    maker("cert-manager.io", "Issuer", "its challenges can make Ingresses for a while"),
    maker("core.oam.dev", "Application", "it makes the objects of its components"),
    maker("external-secrets.io", "ClusterExternalSecret", "it makes Secrets in several namespaces"),
    maker("external-secrets.io", "ClusterSecretStore", "Secrets are made of what it holds"),
    secret("external-secrets.io", "ExternalSecret", &[&["spec", "target", "name"], OWN_NAME]),
    maker("external-secrets.io", "SecretStore", "Secrets are made of what it holds"),
    maker("fleet.cattle.io", "Bundle", "it makes the objects that it holds"),
    maker("fleet.cattle.io", "GitRepo", "it makes what a repository holds"),
    secret("goabout.com", "SopsSecretGenerator", &[OWN_NAME]),
    maker("helm.cattle.io", "HelmChart", CHART),
    maker("helm.cattle.io", "HelmChartConfig", "it changes what a chart makes"),
    maker("helm.toolkit.fluxcd.io", "HelmRelease", CHART),
    secret("isindir.github.com", "SopsSecret", &[&["spec", "secretTemplates", "*", "name"]]),
    secret("kubernetes-client.io", "ExternalSecret", &[OWN_NAME]),
    maker("kustomize.toolkit.fluxcd.io", "Kustomization", "it makes what a folder of a repository holds"),
    maker("kyverno.io", "ClusterPolicy", POLICY),
    maker("kyverno.io", "Policy", POLICY),
    maker("mutations.gatekeeper.sh", "Assign", POLICY),
    maker("mutations.gatekeeper.sh", "AssignMetadata", POLICY),
    maker("mutations.gatekeeper.sh", "ModifySet", POLICY),
    secret("onepassword.com", "OnePasswordItem", &[OWN_NAME]),
    Maker {
        namespace: &["spec", "managedSecret", "namespace"],
        ..secret("secrets.doppler.com", "DopplerSecret", &[&["spec", "managedSecret", "name"]])
    },
    secret("secrets.hashicorp.com", "VaultDynamicSecret", &[&["spec", "destination", "name"]]),
    secret("secrets.hashicorp.com", "VaultPKISecret", &[&["spec", "destination", "name"]]),
    secret("secrets.hashicorp.com", "VaultStaticSecret", &[&["spec", "destination", "name"]]),
    Maker {
        namespace: &["spec", "managedSecretReference", "secretNamespace"],
        ..secret(
            "secrets.infisical.com",
            "InfisicalSecret",
            &[&["spec", "managedSecretReference", "secretName"]],
        )
    },
    secret(
        "secrets-store.csi.x-k8s.io",
        "SecretProviderClass",
        &[&["spec", "secretObjects", "*", "secretName"]],
    ),
    maker("source.toolkit.fluxcd.io", "HelmChart", CHART),
    maker("viaduct.ai", "ksops", "it makes the Secrets of encrypted files"),
];

/// Returns the row of a kind that makes objects.
pub(crate) fn find(group: &str, kind: &str) -> Option<&'static Maker> {
    MAKERS.iter().find(|maker| maker.group == group && maker.kind == kind)
}

/// A definition of a kind that routes: it decides which fields of such objects the API server keeps.
pub(crate) static DEFINITION: Maker = maker(
    "apiextensions.k8s.io",
    "CustomResourceDefinition",
    "it decides what the API server keeps of its objects",
);

/// Returns whether a definition, by its name, is that of a kind that can route.
pub(crate) fn defines_routing(name: &str) -> bool {
    ["higress.io", "istio.io", "gateway.networking.k8s.io"]
        .iter()
        .any(|group| name.strip_suffix(group).is_some_and(|rest| rest.ends_with('.')))
}

impl Maker {
    /// Returns the Secrets that an object will make.
    pub(crate) fn secrets(&self, tree: &Tree<'_>, object: NodeId) -> Vec<EntityKey> {
        let own = texts(tree, object, &["metadata", "namespace"]).pop();
        let given = if self.namespace.is_empty() { None } else { texts(tree, object, self.namespace).pop() };
        let namespace = given.or(own).filter(|text| !text.is_empty()).unwrap_or_else(|| "default".to_owned());
        let names = self.names.iter().map(|path| texts(tree, object, path)).find(|names| !names.is_empty());
        let keys =
            names.into_iter().flatten().map(|name| EntityKey::new(Kind::Secret, namespace.as_str(), name));
        keys.collect()
    }
}

/// Returns the texts at a path, which `*` can make many.
fn texts(tree: &Tree<'_>, from: NodeId, path: &[&str]) -> Vec<String> {
    match path {
        [] => match &tree.node(tree.target(from)).kind {
            NodeKind::Scalar { text, .. } if !text.is_empty() && !tree.is_null(from) => {
                vec![text.to_string()]
            }
            _ => Vec::new(),
        },
        ["*", rest @ ..] => {
            tree.elements(from).iter().flat_map(|element| texts(tree, *element, rest)).collect()
        }
        [name, rest @ ..] => {
            tree.entry(from, name).map(|(_, value)| texts(tree, value, rest)).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_kind_twice() {
        assert!(MAKERS.windows(2).all(|pair| (pair[0].group, pair[0].kind) != (pair[1].group, pair[1].kind)));
        for maker in &MAKERS {
            assert_eq!(find(maker.group, maker.kind), Some(maker), "{} {}", maker.group, maker.kind);
        }
    }

    #[test]
    fn definitions_are_told_by_their_group() {
        assert!(defines_routing("mcpbridges.networking.higress.io"));
        assert!(defines_routing("httproutes.gateway.networking.k8s.io"));
        assert!(!defines_routing("things.nothigress.io"));
        assert!(!defines_routing("certificates.cert-manager.io"));
    }
}
