//! The table of kinds.

use serde::Serialize;

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Namespaced,
    Cluster,
}

/// Who defines a kind.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    BuiltIn,
    Custom,
    /// No API server: a registry of services.
    Registry,
}

/// What is known of a kind.
struct Row {
    name: &'static str,
    api_version: &'static str,
    plural: &'static str,
    scope: Scope,
    origin: Origin,
}

macro_rules! kinds {
    ($($kind:ident $api_version:literal $plural:literal $scope:ident $origin:ident;)*) => {
        /// A kind that the compiler reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Kind {
            $(#[doc = concat!("`", $api_version, "`")] $kind,)*
        }

        const ROWS: [Row; [$($plural),*].len()] = [$(Row {
            name: stringify!($kind),
            api_version: $api_version,
            plural: $plural,
            scope: Scope::$scope,
            origin: Origin::$origin,
        },)*];

        impl Kind {
            /// Every kind, in the order of outputs.
            pub const EVERY: [Kind; ROWS.len()] = [$(Kind::$kind,)*];
        }
    };
}

kinds! {
    Ingress       "networking.k8s.io/v1"             "ingresses"      Namespaced BuiltIn;
    IngressClass  "networking.k8s.io/v1"             "ingressclasses" Cluster    BuiltIn;
    Service       "v1"                               "services"       Namespaced BuiltIn;
    EndpointSlice "discovery.k8s.io/v1"              "endpointslices" Namespaced BuiltIn;
    Secret        "v1"                               "secrets"        Namespaced BuiltIn;
    ConfigMap     "v1"                               "configmaps"     Namespaced BuiltIn;
    McpBridge     "networking.higress.io/v1"         "mcpbridges"     Namespaced Custom;
    WasmPlugin    "extensions.higress.io/v1alpha1"   "wasmplugins"    Namespaced Custom;
    Registry        "" "" Namespaced Registry;
    RegistryService "" "" Namespaced Registry;
}

/// How many kinds no API server has; they stand last.
const OF_REGISTRIES: usize = 2;

impl Kind {
    /// The kinds of Kubernetes objects, in the order of outputs.
    pub const ALL: [Kind; ROWS.len() - OF_REGISTRIES] = {
        let mut all = [Kind::Ingress; ROWS.len() - OF_REGISTRIES];
        let mut index = 0;
        while index < all.len() {
            all[index] = Kind::EVERY[index];
            index += 1;
        }
        all
    };

    /// Returns the kind of Kubernetes objects of a name, whatever the version: `Ingress`.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns the kind of a name in its supported version: `networking.k8s.io/v1` and `Ingress`.
    pub fn of(api_version: &str, name: &str) -> Option<Kind> {
        Kind::named(name).filter(|kind| kind.api_version() == api_version)
    }

    /// Returns the kind whose typed list this is: `networking.k8s.io/v1` and `IngressList`.
    pub fn of_list(api_version: &str, name: &str) -> Option<Kind> {
        Kind::of(api_version, name.strip_suffix("List")?)
    }

    /// Returns the kind's name.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Returns the supported `apiVersion`.
    pub fn api_version(self) -> &'static str {
        self.row().api_version
    }

    /// Returns the API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.api_version().rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the resource: the plural that stands in paths of the API and in roles.
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Returns whether objects of this kind live in a namespace.
    pub fn namespaced(self) -> bool {
        self.row().scope == Scope::Namespaced
    }

    /// Returns whether the kind is part of Kubernetes itself, and no custom resource.
    pub fn built_in(self) -> bool {
        self.row().origin == Origin::BuiltIn
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_found_by_what_it_says() {
        for kind in Kind::ALL {
            let name = kind.as_str();
            assert_eq!(format!("{kind:?}"), name);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!(Kind::named(name), Some(kind));
            assert_eq!(Kind::of(kind.api_version(), name), Some(kind));
            assert_eq!(Kind::of_list(kind.api_version(), &format!("{name}List")), Some(kind));
            assert_eq!(Kind::of("example.com/v1", name), None);
            assert_eq!(Kind::of_list(kind.api_version(), name), None);
        }
    }

    #[test]
    fn no_two_rows_share_a_name_or_a_resource() {
        let names: BTreeSet<_> = Kind::ALL.into_iter().map(Kind::as_str).collect();
        let resources: BTreeSet<_> =
            Kind::ALL.into_iter().map(|kind| (kind.group(), kind.plural())).collect();
        assert_eq!((names.len(), resources.len()), (Kind::ALL.len(), Kind::ALL.len()));
    }

    #[test]
    fn kinds_of_registries_are_none_of_kubernetes() {
        let theirs = Kind::EVERY.into_iter().filter(|kind| kind.row().origin == Origin::Registry);
        let theirs: Vec<Kind> = theirs.collect();
        assert_eq!(theirs, [Kind::Registry, Kind::RegistryService]);
        for kind in theirs {
            assert!(!Kind::ALL.contains(&kind));
            assert_eq!((Kind::named(kind.as_str()), Kind::of("", kind.as_str())), (None, None));
        }
    }

    #[test]
    fn groups_come_from_versions() {
        assert_eq!((Kind::Service.group(), Kind::Service.plural()), ("", "services"));
        assert_eq!(Kind::WasmPlugin.group(), "extensions.higress.io");
        let custom: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !kind.built_in()).collect();
        assert_eq!(custom, [Kind::McpBridge, Kind::WasmPlugin]);
        assert!(!Kind::IngressClass.namespaced() && Kind::Ingress.namespaced());
    }
}
