//! The second level: xDS resources added, changed and removed, with counts and bytes per type.

use std::collections::BTreeMap;

use gatewright_xds::render::{self, Keys};
use gatewright_xds::{Resource, XdsSnapshot, type_url};
use serde::{Deserialize, Serialize};

use crate::objects::Change;
use crate::render::difference;

/// xDS resources and their changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdsLevel {
    /// Types that one of the states has, in the order in which additions are pushed.
    pub types: Vec<XdsType>,
    /// What changed, by type (in the same order) and name.
    pub changes: Vec<XdsChange>,
}

/// The resources of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdsType {
    /// Message name without package, e.g. `VirtualHost`.
    #[serde(rename = "type")]
    pub name: String,
    /// In the base.
    pub before: Volume,
    /// In the head.
    pub after: Volume,
    /// Resources that only the head has.
    pub added: usize,
    /// Resources with other content.
    pub changed: usize,
    /// Resources that only the base has.
    pub removed: usize,
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Number of resources.
    pub resources: usize,
    /// Sum of their encoded sizes.
    pub bytes: usize,
}

/// One xDS resource that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdsChange {
    /// Message name without package.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Resource name.
    pub name: String,
    /// How.
    pub change: Change,
    /// Encoded size in the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_bytes: Option<usize>,
    /// Encoded size in the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<usize>,
    /// Unified difference of the readable forms, where it was asked for; private keys are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// Compares two snapshots.
pub(crate) fn compare(base: &XdsSnapshot, head: &XdsSnapshot, with_text: bool) -> XdsLevel {
    let mut level = XdsLevel::default();
    let mut by_type: BTreeMap<&str, Vec<XdsChange>> = BTreeMap::new();
    let diff = base.diff(head);
    for resource in diff.added {
        by_type.entry(resource.type_url()).or_default().push(change(None, Some(&resource), with_text));
    }
    for resource in diff.changed {
        let old = base.get(resource.type_url(), resource.name());
        let row = change(old.map(AsRef::as_ref), Some(&resource), with_text);
        by_type.entry(resource.type_url()).or_default().push(row);
    }
    for resource in diff.removed {
        by_type.entry(resource.type_url()).or_default().push(change(Some(&resource), None, with_text));
    }
    for type_url in type_url::ADDITION_ORDER {
        let (before, after) = (volume(base, type_url), volume(head, type_url));
        if before.resources == 0 && after.resources == 0 {
            continue;
        }
        let mut changes = by_type.remove(type_url).unwrap_or_default();
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        let count = |change| changes.iter().filter(|row| row.change == change).count();
        level.types.push(XdsType {
            name: type_url::short(type_url).to_owned(),
            before,
            after,
            added: count(Change::Added),
            changed: count(Change::Changed),
            removed: count(Change::Removed),
        });
        level.changes.append(&mut changes);
    }
    level
}

fn volume(snapshot: &XdsSnapshot, type_url: &str) -> Volume {
    let bytes = snapshot.of_type(type_url).map(|resource| resource.body().len()).sum();
    Volume { resources: snapshot.count(type_url), bytes }
}

/// Describes the change of a resource that at least one side has.
fn change(old: Option<&Resource>, new: Option<&Resource>, with_text: bool) -> XdsChange {
    let any = new.or(old).expect("a change has a side");
    XdsChange {
        type_name: type_url::short(any.type_url()).to_owned(),
        name: any.name().to_owned(),
        change: match (old, new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        },
        before_bytes: old.map(|resource| resource.body().len()),
        after_bytes: new.map(|resource| resource.body().len()),
        diff: with_text.then(|| text_difference(&text(old), &text(new))),
    }
}

/// Returns the difference of two readable forms. Where there is none, what differs is hidden in both.
fn text_difference(old: &str, new: &str) -> String {
    match old == new {
        true => "  # a value differs that is hidden\n".to_owned(),
        false => difference::unified(old, new),
    }
}

/// Returns a resource as YAML without secrets.
fn text(resource: Option<&Resource>) -> String {
    let Some(resource) = resource else { return String::new() };
    match render::resource(resource, Keys::Hidden) {
        Ok(value) => render::yaml_text(&value),
        Err(error) => format!("{error}\n"),
    }
}

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::cluster::v3::Cluster;
    use gatewright_xds::envoy::config::core::v3::{DataSource, data_source::Specifier};
    use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{Secret, TlsCertificate, secret};

    use super::*;

    fn cluster(name: &str, alt_stat_name: &str) -> Resource {
        Resource::of(&Cluster {
            name: name.into(),
            alt_stat_name: alt_stat_name.into(),
            ..Cluster::default()
        })
    }

    fn certificate(key: &str) -> Resource {
        let private_key = Some(DataSource {
            specifier: Some(Specifier::InlineString(key.to_owned())),
            ..DataSource::default()
        });
        let certificate = TlsCertificate { private_key, ..TlsCertificate::default() };
        let message = Secret { name: "s".into(), r#type: Some(secret::Type::TlsCertificate(certificate)) };
        Resource::of_secret(&message, &[7; 32])
    }

    #[test]
    fn counts_bytes_and_rows_are_by_type() {
        let base: XdsSnapshot = [cluster("a", ""), cluster("b", ""), certificate("x")].into_iter().collect();
        let head: XdsSnapshot =
            [cluster("b", "other"), cluster("c", ""), certificate("x")].into_iter().collect();
        let level = compare(&base, &head, false);
        let rows: Vec<String> = level
            .changes
            .iter()
            .map(|row| format!("{} {} {}", row.change.sign(), row.type_name, row.name))
            .collect();
        assert_eq!(rows, ["- Cluster a", "~ Cluster b", "+ Cluster c"]);
        let names: Vec<&str> = level.types.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["Secret", "Cluster"]);
        let clusters = &level.types[1];
        assert_eq!((clusters.added, clusters.changed, clusters.removed), (1, 1, 1));
        assert_eq!((clusters.before.resources, clusters.after.resources), (2, 2));
        assert!(clusters.after.bytes > clusters.before.bytes);
    }

    #[test]
    fn a_text_difference_never_holds_a_private_key() {
        let (base, head) = ([certificate("OLD-SESAME")], [certificate("NEW-SESAME")]);
        let level = compare(&base.into_iter().collect(), &head.into_iter().collect(), true);
        assert_eq!(level.changes.len(), 1);
        let text = serde_json::to_string(&level).unwrap();
        assert!(!text.contains("SESAME") && text.contains("a value differs that is hidden"), "{text}");
    }

    #[test]
    fn a_text_difference_shows_the_changed_lines() {
        let level = compare(
            &[cluster("a", "one")].into_iter().collect(),
            &[cluster("a", "two")].into_iter().collect(),
            true,
        );
        let diff = level.changes[0].diff.as_deref().unwrap();
        assert!(diff.contains("-alt_stat_name: one\n+alt_stat_name: two\n"), "{diff}");
    }
}
