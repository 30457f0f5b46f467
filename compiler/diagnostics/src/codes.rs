//! The table of codes. A code is never reused or renumbered; each has a page under `docs/diagnostics/`.

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server, Higress or Envoy would refuse it, or a protection would be lost.
    Error,
    /// It is served, but probably not as meant.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// Returns the word used in outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `GW` and four digits.
    pub id: &'static str,
    /// Short name in words joined by hyphens.
    pub slug: &'static str,
    /// Severity unless a profile says otherwise.
    pub severity: Severity,
    /// One sentence.
    pub summary: &'static str,
    /// First version that has it.
    pub since: &'static str,
    /// The page, in Markdown.
    pub page: &'static str,
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// Returns the code with this id (`GW0101`) or slug, without regard to case.
pub fn find(id_or_slug: &str) -> Option<&'static Code> {
    CODES
        .iter()
        .copied()
        .find(|code| code.id.eq_ignore_ascii_case(id_or_slug) || code.slug.eq_ignore_ascii_case(id_or_slug))
}

macro_rules! codes {
    ($($id:ident $slug:literal $severity:ident $since:literal $summary:literal;)*) => {
        /// One static for each code.
        pub(crate) mod table {
            use super::{Code, Severity};
            $(
                #[doc = $summary]
                pub static $id: Code = Code {
                    id: stringify!($id),
                    slug: $slug,
                    severity: Severity::$severity,
                    summary: $summary,
                    since: $since,
                    page: include_str!(concat!("../../../docs/diagnostics/", stringify!($id), ".md")),
                };
            )*
        }

        /// Every code, in ascending order.
        pub static CODES: &[&Code] = &[$(&table::$id),*];
    };
}

codes! {
    GW0001 "yaml-syntax" Error "0.1.0" "the file is not well-formed YAML";
    GW0002 "duplicate-key" Warning "0.1.0" "one mapping has the same key twice, and the last one counts";
    GW0003 "alias-budget" Error "0.1.0" "aliases expand beyond the budget or refer to themselves";
    GW0004 "unreadable-text" Error "0.1.0" "the file is not UTF-8 text or is too large";
    GW0005 "not-a-manifest" Warning "0.1.0" "the document is not a Kubernetes manifest and is left out";
    GW0006 "needs-rendering" Warning "0.1.0" "the folder holds a Helm chart or a Kustomization, which must be rendered first";
    GW0007 "yaml-scalar-type" Warning "0.1.0" "an unquoted value means something else in Kubernetes than it seems to";
    GW0008 "no-manifest" Error "0.1.0" "no file of the SOURCEs holds a manifest";
    GW0009 "incomplete-type" Error "0.1.0" "the object does not say both its `apiVersion` and its `kind`, and is refused";
    GW0010 "template" Error "0.1.0" "the document is a template, which must be rendered before it is a manifest";
    GW0011 "variable" Error "0.1.0" "a field holds a variable, which must be replaced before the manifest is applied";
    GW0012 "placeholder-in-annotation" Warning "0.1.0" "an annotation holds a template or a variable, which is taken as it stands";
    GW0101 "unknown-field" Error "0.1.0" "the kind has no such field";
    GW0102 "schema" Error "0.1.0" "a value does not fit the kind's schema";
    GW0103 "api-version" Error "0.1.0" "this apiVersion of the kind is not supported";
    GW0104 "not-modelled" Warning "0.1.0" "the kind can change routing but is not modelled";
    GW0105 "kind-ignored" Info "0.1.0" "the kind has no part in routing and is left out";
    GW0106 "unknown-crd-field" Warning "0.1.0" "the custom resource has no such field, and the API server would drop it";
    GW0110 "makes-objects" Info "0.1.0" "the kind makes objects that are not in the source, or changes how they are made";
    GW0111 "encrypted" Info "0.1.0" "the file or object is encrypted, and is taken as one that the cluster alone has";
    GW0112 "global-config-refused" Error "0.1.0" "Higress refuses the text of a global ConfigMap, and drops all of it";
    GW0113 "global-config-unread" Warning "0.1.0" "Higress reads nothing under this key of a global ConfigMap";
    GW0201 "duplicate-entity" Error "0.1.0" "two manifests describe the same object";
    GW0202 "external" Info "0.1.0" "the reference leaves the source";
    GW0203 "port-name" Error "0.1.0" "the Service has no port of this name, so Higress drops the path";
    GW0204 "secret-missing" Info "0.1.0" "the TLS Secret is not in the source, so handshakes for the host fail";
    GW0205 "no-endpoints" Info "0.1.0" "the Service has no EndpointSlice in the source and is resolved by DNS name";
    GW0206 "unknown-destination" Warning "0.1.0" "no Service or registry of the source has this destination host";
    GW0207 "out-of-scope" Warning "0.1.0" "the object is ignored because of its namespace or name";
    GW0208 "ingress-class" Warning "0.1.0" "the Ingress is ignored because of its class";
    GW0209 "registry-not-implemented" Warning "0.1.0" "services of this registry type are not discovered yet";
    GW0210 "port-missing" Warning "0.1.0" "the Service has no such port, so requests answer 503";
    GW0211 "other-class" Info "0.1.0" "the Ingress belongs to another class and is left to its controller";
    GW0212 "secret-unusable" Error "0.1.0" "the Secret holds no usable certificate and key, so handshakes for the host fail";
    GW0213 "external-name" Warning "0.1.0" "in Higress 2.2 an ExternalName Service is an alias, and this one leads nowhere";
    GW0214 "tls-covers-nothing" Warning "0.1.0" "an entry of spec.tls covers no host of the Ingress, so it gives nobody a certificate";
    GW0215 "host-without-tls" Warning "0.1.0" "a host is in no entry of its Ingress' spec.tls, so it has no certificate";
    GW0216 "registry-undeclared" Warning "0.1.0" "the snapshot is of a registry that no McpBridge declares, so its services are not published";
    GW0217 "no-instance" Warning "0.1.0" "the registry offers the service without an instance, so requests answer 503";
    GW0218 "default-class" Info "0.1.0" "the Ingress has its class from the default IngressClass";
    GW0219 "default-classes" Warning "0.1.0" "more than one IngressClass is the default";
    GW0301 "duplicate-route" Warning "0.1.0" "an older Ingress already owns this host, path and conditions";
    GW0302 "tls-conflict" Warning "0.1.0" "an older Ingress already chose the certificate of this host";
    GW0303 "app-root-conflict" Warning "0.1.0" "a newer Ingress sets another app-root for this host";
    GW0304 "default-backend-conflict" Warning "0.1.0" "another Ingress decides the default backend of this host";
    GW0306 "unreachable-route" Warning "0.1.0" "earlier routes take every request of this one";
    GW0307 "service-policy-conflict" Warning "0.1.0" "an older Ingress decides how endpoints of the Service are chosen";
    GW0401 "unknown-annotation" Warning "0.1.0" "Higress reads no annotation of this name";
    GW0402 "annotation-not-implemented" Warning "0.1.0" "the annotation is known but not implemented yet";
    GW0403 "annotation-value" Warning "0.1.0" "the annotation's value is invalid and its default is used";
    GW0404 "protection-not-implemented" Warning "0.1.0" "the protection is not implemented yet, so its routes answer 503";
    GW0405 "protection-broken" Error "0.1.0" "the protection protects nothing as it is written";
    GW0406 "destination" Error "0.1.0" "the destination annotation cannot be read, so Higress ignores all of it";
    GW0407 "weights" Error "0.1.0" "the weights leave no meaningful distribution";
    GW0408 "canary-without-base" Warning "0.1.0" "no route has the same host, path and conditions, so the canary does nothing";
    GW0409 "canary-keys" Warning "0.1.0" "canary annotations disable each other";
    GW0410 "canary-ignored-annotation" Warning "0.1.0" "a canary takes this annotation from its base route";
    GW0411 "regex" Error "0.1.0" "the regular expression is not valid RE2, and Envoy rejects the host";
    GW0412 "redirect-code" Error "0.1.0" "Envoy cannot redirect with this code";
    GW0413 "destination-ignored" Warning "0.1.0" "the destination annotation is ignored beside a Service backend";
    GW0414 "backend" Error "0.1.0" "the backend names nothing to forward to, so Higress drops the path";
    GW0415 "host" Error "0.1.0" "the host is not a DNS name or a wildcard that Kubernetes accepts";
    GW0416 "path" Error "0.1.0" "the path is not one that Kubernetes accepts";
    GW0417 "annotation-loses" Warning "0.1.0" "another annotation takes precedence over this one";
    GW0418 "header-control-line" Warning "0.1.0" "a line of the header control has no value and is skipped";
    GW0419 "header-value" Error "0.1.0" "Envoy refuses the header value, and with it the host";
    GW0420 "weight-rounding" Warning "0.1.0" "Higress' arithmetic serves another share than the one written";
    GW0421 "fallback-service" Warning "0.1.0" "the default-backend annotation names no Service of the source and has no effect";
    GW0422 "redirect-without-tls" Warning "0.1.0" "the host redirects to HTTPS but has no certificate";
    GW0423 "default-backend-unexposed" Warning "0.1.0" "no Ingress opens host `*`, so the default backend is never reached";
    GW0424 "regex-by-accident" Warning "0.1.0" "a character in the path turns it into a regular expression";
    GW0425 "match-key" Error "0.1.0" "the match annotation's key is malformed, and Higress crashes or drops conditions at random";
    GW0426 "path-case" Warning "0.1.0" "ignore-path-case does not reach everything that reads the path";
    GW0427 "preflight" Warning "0.1.0" "no route with CORS takes the preflights of this path";
    GW0428 "header-command" Warning "0.1.0" "Envoy's commands in header values are not implemented yet, and the edit is left out";
    GW0430 "plugin-fail-close" Warning "0.1.0" "plugins are not executed yet, so requests in the scope of this FAIL_CLOSE plugin answer 503";
    GW0431 "plugin-fail-open" Warning "0.1.0" "plugins are not executed yet, so requests pass this FAIL_OPEN plugin unchanged";
    GW0432 "plugin-rule-condition" Error "0.1.0" "a match rule without condition makes Higress reject the whole plugin";
    GW0433 "plugin-rule-matches-nothing" Warning "0.1.0" "no route, host or service of the source matches the rule";
    GW0434 "plugin-grpc-rule" Error "0.1.0" "a GRPC rule with ingress names never matches";
    GW0435 "plugin-unpinned" Info "0.1.0" "the module is not pinned by digest";
    GW0436 "registry" Error "0.1.0" "the registry entry is invalid, so its service is not published";
    GW0437 "dialect" Warning "0.1.0" "the manifest uses a form that only the native profile understands";
    GW0438 "plugin-config-overrides" Warning "0.1.0" "pluginConfig makes Higress ignore the plugin's other configuration";
    GW0439 "mcpbridge-crash" Error "0.1.0" "a default backend by resource other than McpBridge `default` crashes Higress";
    GW0440 "foreign-annotation" Warning "0.1.0" "another controller reads the annotation, Higress does not";
    GW0441 "protection-not-given" Error "0.1.0" "an annotation asks for a protection that nothing gives, so its routes answer 503";
    GW0442 "protection-not-given-open" Warning "0.1.0" "Higress serves routes without the protection that an annotation asks for";
    GW0443 "plugin-protects-nothing" Error "0.1.0" "a plugin that is to keep requests out acts on nothing, so routes answer 503";
    GW0444 "plugin-protects-nothing-open" Warning "0.1.0" "a plugin that is to keep requests out acts on nothing, and Higress serves the routes";
    GW0445 "no-effect" Warning "0.1.0" "the setting has no effect without another one, or beside it";
    GW0446 "annotation-prefix" Warning "0.1.0" "Higress reads no annotations with this prefix";
    GW0447 "header-twice" Warning "0.1.0" "a header stands twice in one list of edits, and the last line counts";
    GW0448 "registry-field" Warning "0.1.0" "nothing reads this field of the McpBridge";
    GW0449 "destination-subset" Warning "0.1.0" "the destination names a subset that nothing defines, so its requests answer 503";
    GW0450 "registry-twice" Warning "0.1.0" "two registry entries publish the same service, and the last one counts";
    GW0451 "never-matches" Warning "0.1.0" "no request can match the path";
    GW0452 "misleading-path" Warning "0.1.0" "the path matches other requests than it seems to";
    GW0453 "rewrite-group" Warning "0.1.0" "the rewrite names a group that is not there";
    GW0454 "nginx-variable" Warning "0.1.0" "a variable of nginx in the value stays as it is written";
    GW0460 "certificate-kept" Error "0.1.0" "a Secret has become unusable, and the last good certificate is still served";
    GW0461 "client-certificate-bypass" Warning "0.1.0" "a host asks clients for certificates and answers in clear text without one";
    GW0462 "global-config-not-implemented" Warning "0.1.0" "the global setting is not implemented yet and has no effect";
    GW0463 "certificate-by-domain" Info "0.1.0" "ConfigMap higress-https chooses the certificate of the host";
    GW0470 "rewrite-without-slash" Warning "0.1.0" "a rewrite gives a path without a slash at its beginning";
    GW0501 "host-not-served" Error "0.1.0" "an object with an error stands behind this host";
    GW0601 "plan-stale" Error "0.1.0" "the plan was made for other inputs or another live state";
    GW0602 "unacknowledged" Error "0.1.0" "a data plane did not acknowledge the configuration in time";
    GW0610 "foreign-owner" Error "0.1.0" "fields of a cluster's object that differ belong to another owner";
    GW0611 "prune-refused" Error "0.1.0" "a suspicious source or inventory: nothing is changed in the cluster";
    GW0612 "inventory-lost" Warning "0.1.0" "objects that left the source are not deleted, as the inventory was not there";
    GW0613 "shared-object" Warning "0.1.0" "an object that left the source is not deleted, as others have applied to it too";
    GW0614 "deletions-wait" Warning "0.1.0" "objects that left the source are not deleted while errors stand in it";
    GW0615 "not-applied" Error "0.1.0" "the API server did not take an object";
    GW0616 "drift" Warning "0.1.0" "an object was changed or deleted in the cluster and is left so";
    GW0617 "source-shrunk" Error "0.1.0" "the source serves nothing, or much less than the last good state: that one keeps serving";
    GW0618 "control-untrusted" Error "0.1.0" "one side of a control address does not take the certificate of the other";
    GW0701 "xds-rejected" Error "0.1.0" "a data plane rejected an xDS resource";
    GW0801 "settings" Error "0.1.0" "gatewright.yaml is invalid";
    GW0802 "test-file" Error "0.1.0" "a route test file is invalid";
    GW0803 "apps-clash" Error "0.1.0" "two applications of a sync have a name, target or file that one alone may have";
    GW0804 "control-identity" Error "0.1.0" "a certificate, key or authority of a control address cannot be used";
    GW0901 "internal" Error "0.1.0" "gatewright broke one of its own rules";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_slugs_are_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].id < pair[1].id));
        let slugs: std::collections::BTreeSet<_> = CODES.iter().map(|code| code.slug).collect();
        assert_eq!(slugs.len(), CODES.len());
    }

    #[test]
    fn codes_are_found_by_id_and_slug() {
        assert_eq!(find("gw0002").map(|code| code.slug), Some("duplicate-key"));
        assert_eq!(find("duplicate-key").map(|code| code.id), Some("GW0002"));
        assert!(find("GW9999").is_none());
    }
}
