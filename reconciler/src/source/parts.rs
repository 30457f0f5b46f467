//! Files that are parts of something else, and manifests only once that is rendered: those of a Helm chart, and those that
//! a Kustomization names.

use std::collections::BTreeSet;

use serde_yaml::Value;

/// Says that a folder is a Helm chart.
pub(super) const CHART: &str = "Chart.yaml";
/// Names under which kustomize looks for a Kustomization, in this order.
pub(super) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Folders of a chart.
const CHART_FOLDERS: [&str; 3] = ["charts", "crds", "templates"];
/// The group of Kustomizations that kustomize reads. Flux has a kind of that name too, which is an object like others.
const GROUP: &str = "kustomize.config.k8s.io/";
/// Members of a Kustomization that name files, themselves or in their members.
const NAMING: [&str; 17] = [
    "bases",
    "components",
    "configMapGenerator",
    "configurations",
    "crds",
    "generators",
    "helmChartInflationGenerator",
    "helmCharts",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "resources",
    "secretGenerator",
    "transformers",
    "validators",
];
/// Members of those that are texts of their own.
const TEXTS: [&str; 5] = ["literals", "options", "patch", "target", "valuesInline"];

/// Returns whether a file of this name can decide about others: whether they are parts of something.
pub(super) fn decides(name: &str) -> bool {
    name == CHART || KUSTOMIZATIONS.contains(&name)
}

/// Returns whether an entry of a chart's folder belongs to the chart.
pub(super) fn is_of_chart(name: &str) -> bool {
    CHART_FOLDERS.contains(&name) || name == CHART || (name.starts_with("values") && is_yaml(name))
}

fn is_yaml(name: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
}

/// What a file with the name of a Kustomization is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kustomization {
    /// One, with the paths that it may name, from its folder. Whether they are files is for others to know.
    Names(BTreeSet<String>),
    /// Something that cannot be read, so that nobody knows what it names.
    Unreadable,
    /// An object that stands for itself.
    Object,
}

impl Kustomization {
    /// Reads one.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Ok(value) = serde_yaml::from_slice::<Value>(bytes) else { return Kustomization::Unreadable };
        let group = value.get("apiVersion").and_then(Value::as_str);
        match (&value, group) {
            (_, Some(group)) if !group.starts_with(GROUP) => Kustomization::Object,
            (Value::Null, _) => Kustomization::Names(BTreeSet::new()),
            (Value::Mapping(members), _) => {
                let mut names = BTreeSet::new();
                let naming =
                    members.iter().filter(|(key, _)| key.as_str().is_some_and(|key| NAMING.contains(&key)));
                naming.for_each(|(_, value)| gather(value, &mut names));
                Kustomization::Names(names)
            }
            _ => Kustomization::Unreadable,
        }
    }
}

fn gather(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            names.insert(text.clone());
            // Generators write `KEY=FILE`.
            names.extend(text.split_once('=').map(|(_, file)| file.to_owned()));
        }
        Value::Sequence(items) => items.iter().for_each(|item| gather(item, names)),
        Value::Mapping(members) => {
            let text = |key: &Value| key.as_str().is_some_and(|key| TEXTS.contains(&key));
            members.iter().filter(|(key, _)| !text(key)).for_each(|(_, value)| gather(value, names));
        }
        _ => {}
    }
}

/// Returns the path from the root of the source of what a Kustomization in `folder` names; none where that lies outside.
pub(super) fn place(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!name.starts_with('/')).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        match Kustomization::read(text.as_bytes()) {
            Kustomization::Names(names) => names.into_iter().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_way_to_name_a_file_is_known() {
        let text = "\
resources: [a.yaml, ../base]
components: [c]
patches:
- path: p.yaml
  target: {kind: Ingress, name: target.yaml}
- patch: '- op: remove'
patchesStrategicMerge: [s.yaml]
configMapGenerator:
- name: x
  files: [k=f.yaml]
  literals: [key=literal.yaml]
helmCharts: [{name: h, valuesFile: v.yaml}]
openapi: {path: o.json}
images: [{name: image.yaml}]
";
        let expected = [
            "../base", "a.yaml", "c", "f.yaml", "h", "k=f.yaml", "o.json", "p.yaml", "s.yaml", "v.yaml", "x",
        ];
        assert_eq!(names(text), expected);
        assert_eq!(names(""), <[String; 0]>::default());
    }

    #[test]
    fn an_object_of_flux_is_no_kustomization_of_kustomize() {
        let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: ./apps}\n";
        assert_eq!(Kustomization::read(flux.as_bytes()), Kustomization::Object);
        let own = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
        assert_eq!(Kustomization::read(own.as_bytes()), Kustomization::Names(BTreeSet::new()));
        for text in ["resources: [", "- a", "{{ x }}: ["] {
            assert_eq!(Kustomization::read(text.as_bytes()), Kustomization::Unreadable, "{text}");
        }
    }

    #[test]
    fn a_name_begins_at_its_folder_and_stays_in_the_source() {
        assert_eq!(place("a/b", "../c/./d.yaml").as_deref(), Some("a/c/d.yaml"));
        assert_eq!(place("", "x.yaml").as_deref(), Some("x.yaml"));
        assert_eq!([place("a", "../../x.yaml"), place("a", "/x.yaml")], [None, None]);
    }

    #[test]
    fn a_chart_has_its_own_folders_and_values() {
        let of_chart = ["templates", "crds", "charts", "Chart.yaml", "values.yaml", "values-prod.yml"];
        assert!(of_chart.iter().all(|name| is_of_chart(name)));
        assert!(!["examples", "web.yaml", "values.json"].iter().any(|name| is_of_chart(name)));
    }
}
