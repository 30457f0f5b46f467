//! Higress' global ConfigMaps, `higress-config` and `higress-https`: whether Higress takes them, and what has no effect here
//! yet. The certificates that `higress-https` chooses for hosts are part of the model.

mod config;
mod fields;
mod https;

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::SecretRef;
use gatewright_kinds::{EntityKey, Kind};

pub(crate) use https::{Credential, Credentials, ISSUED};

use crate::finding::{Finding, Place};
use crate::manifest::{Body, ConfigMap, Manifest};
use crate::options::CompileOptions;
use crate::parse::inner::Inner;

const CONFIG: &str = "higress-config";
const HTTPS: &str = "higress-https";

/// Returns whether an object is one of the global ConfigMaps, in whatever namespace.
pub fn is_global(key: &EntityKey) -> bool {
    key.kind == Kind::ConfigMap && matches!(&*key.name, CONFIG | HTTPS)
}

/// Returns the key of a Secret.
pub(crate) fn secret_key(secret: &SecretRef) -> EntityKey {
    EntityKey::new(Kind::Secret, secret.namespace.as_str(), secret.name.as_str())
}

/// Returns the key of the ConfigMap that chooses certificates.
pub(crate) fn https_key(options: &CompileOptions) -> EntityKey {
    EntityKey::new(Kind::ConfigMap, options.system_namespace.as_str(), HTTPS)
}

/// Reads the global ConfigMaps of a source.
pub(crate) fn read(
    manifests: &BTreeMap<EntityKey, Arc<Manifest>>,
    options: &CompileOptions,
) -> (Credentials, Vec<Finding>) {
    let mut credentials = Credentials::default();
    let mut findings = Vec::new();
    for (key, manifest) in manifests.iter().filter(|(key, _)| is_global(key)) {
        let Body::ConfigMap(body) = &manifest.body else { continue };
        if *key.namespace != *options.system_namespace {
            findings.push(out_of_scope(key, options));
        } else if &*key.name == CONFIG {
            config::check(key, body, &mut findings);
        } else {
            credentials = https::read(key, body, options, &mut findings);
        }
    }
    (credentials, findings)
}

fn out_of_scope(key: &EntityKey, options: &CompileOptions) -> Finding {
    let namespace = &options.system_namespace;
    let message =
        format!("ConfigMap `{}` counts in namespace `{namespace}` alone, so this one is ignored", key.name);
    Finding::new(&code::GW0207, Place::value(key, "/metadata/name"), message)
        .with_help(format!("move it to namespace `{namespace}`"))
}

/// Reports what is wrong with a text of a ConfigMap, and keys of it that nobody reads.
fn report(key: &EntityKey, member: &str, inner: &Inner, findings: &mut Vec<Finding>) {
    let place = Place::value(key, format!("/data/{member}"));
    for remark in &inner.remarks {
        let message = format!("{}, in `{member}` of ConfigMap `{}`", remark.message, key.name);
        let place = place.clone().within(remark.within);
        let mut finding = if remark.refused {
            Finding::new(&code::GW0112, place, message)
                .with_note("Higress drops the whole text and keeps what it had, or its defaults")
        } else {
            Finding::new(&code::GW0113, place, message)
        };
        finding.help = remark.help.map(str::to_owned);
        findings.push(finding);
    }
}

fn unread_members(key: &EntityKey, body: &ConfigMap, read: &[&str], findings: &mut Vec<Finding>) {
    for member in body.data.keys().filter(|member| !read.contains(&member.as_str())) {
        let place = Place::key(key, format!("/data/{}", crate::finding::escape(member)));
        let message = format!("ConfigMap `{}` has no key that Higress reads under this name", key.name);
        findings.push(
            Finding::new(&code::GW0113, place, message)
                .with_help(format!("the keys are `{}`", read.join("`, `"))),
        );
    }
    if !body.data.contains_key(read[0]) {
        let message =
            format!("ConfigMap `{}` has no key `{}`, so Higress keeps what it had", key.name, read[0]);
        findings.push(Finding::new(&code::GW0113, Place::key(key, "/data"), message));
    }
}
