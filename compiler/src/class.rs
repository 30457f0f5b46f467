//! Whether an Ingress is served here: by its class, which the API server may give it, and by its namespace.

use std::cmp::Reverse;
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use crate::finding::{Finding, Place};
use crate::manifest::{Ingress, Manifest, Metadata};
use crate::options::CompileOptions;

/// Higress' own class annotation, which beats `spec.ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Marks the IngressClass that new Ingresses without class get.
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

/// The IngressClass that the API server gives to an Ingress which is made without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefaultClass(EntityKey);

/// Finds the default class, as admission does: the newest, and of equal age the first by name. Others that want to be
/// it are told.
pub(crate) fn default_of<'m>(
    classes: impl Iterator<Item = &'m Arc<Manifest>>,
) -> (Option<DefaultClass>, Vec<Finding>) {
    let marked = |class: &&Arc<Manifest>| class.metadata.annotations.get(DEFAULT_ANNOTATION) == Some("true");
    let mut marked: Vec<&Arc<Manifest>> = classes.filter(marked).collect();
    marked.sort_by_key(|class| (Reverse(&class.metadata.creation_timestamp), &class.key));
    let Some((winner, losers)) = marked.split_first() else { return (None, Vec::new()) };
    let findings = losers.iter().map(|loser| {
        let message = format!("{} is the default class already, and only one can be", winner.key);
        Finding::new(&code::GW0219, Place::annotation(&loser.key, DEFAULT_ANNOTATION), message)
            .with_related(Place::annotation(&winner.key, DEFAULT_ANNOTATION), "this one is given to Ingresses")
            .with_note(
                "the API server takes the newest, then the first by name; older ones refuse every Ingress without class",
            )
            .with_help("remove the annotation here, or there")
    });
    (Some(DefaultClass(winner.key.clone())), findings.collect())
}

impl DefaultClass {
    /// Returns the IngressClass.
    pub(crate) fn key(&self) -> &EntityKey {
        &self.0
    }

    fn place(&self) -> Place {
        Place::annotation(&self.0, DEFAULT_ANNOTATION)
    }
}

/// Returns whether the API server would give an Ingress a class. What has an age is there already: admission has had its
/// say, and does not change it any more.
pub(crate) fn takes_default(metadata: &Metadata, spec: &Ingress) -> bool {
    spec.ingress_class_name.is_none()
        && !metadata.annotations.contains_key(CLASS_ANNOTATION)
        && metadata.creation_timestamp.is_none()
}

/// Whether an Ingress is served, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection<'d> {
    /// It is.
    Served,
    /// It is, as the API server gives it the class.
    ServedByDefault(&'d DefaultClass),
    /// It names no class and gets none.
    NoClass,
    /// It names another class.
    OtherClass,
    /// The API server gives it another class.
    OtherDefault(&'d DefaultClass),
    /// Its namespace is not looked at.
    OtherNamespace,
}

/// Returns whether an Ingress is served.
pub(crate) fn select<'d>(
    key: &EntityKey,
    metadata: &Metadata,
    spec: &Ingress,
    options: &CompileOptions,
    default: Option<&'d DefaultClass>,
) -> Selection<'d> {
    if options.watch_namespace.as_ref().is_some_and(|watched| **watched != *key.namespace) {
        return Selection::OtherNamespace;
    }
    let written = metadata.annotations.get(CLASS_ANNOTATION).or(spec.ingress_class_name.as_deref());
    let default = default.filter(|_| takes_default(metadata, spec));
    let named = written.or(default.map(|class| &*class.0.name));
    let configured = options.ingress_class.as_str();
    let served = match (configured, named) {
        ("", _) => true,
        // The class `nginx` also takes Ingresses without any class, as ingress-nginx itself does.
        ("nginx", None | Some("" | "nginx")) => true,
        (configured, Some(named)) => configured == named,
        (_, None) => false,
    };
    match (served, default) {
        // Without a class of its own it would be served as well.
        (true, _) if matches!(configured, "" | "nginx") => Selection::Served,
        (true, Some(class)) => Selection::ServedByDefault(class),
        (true, None) => Selection::Served,
        (false, Some(class)) => Selection::OtherDefault(class),
        (false, None) if named.is_none() => Selection::NoClass,
        (false, None) => Selection::OtherClass,
    }
}

/// Returns what is to be said about how an Ingress was selected.
pub(crate) fn told(
    key: &EntityKey,
    metadata: &Metadata,
    selection: Selection<'_>,
    options: &CompileOptions,
) -> Option<Finding> {
    let class = &options.ingress_class;
    Some(match selection {
        Selection::Served => return None,
        Selection::ServedByDefault(default) => {
            let message =
                format!("the Ingress names no class, and the API server gives it the default, `{class}`");
            Finding::new(&code::GW0218, Place::key(key, "/spec"), message)
                .with_related(default.place(), "this makes it the default")
                .with_note("an Ingress that was made before the default class keeps none, and is not served")
                .with_help(format!("add `ingressClassName: {class}` to spec"))
        }
        Selection::OtherNamespace => {
            let message =
                format!("namespace `{}` is not the watched one, so the Ingress is ignored", key.namespace);
            Finding::new(&code::GW0207, Place::value(key, "/metadata/namespace"), message)
        }
        Selection::OtherClass => {
            let message =
                format!("the Ingress is of another class than `{class}` and is left to its controller");
            // The annotation decides where there is one.
            let place = match metadata.annotations.contains_key(CLASS_ANNOTATION) {
                true => Place::annotation_value(key, CLASS_ANNOTATION),
                false => Place::value(key, "/spec/ingressClassName"),
            };
            Finding::new(&code::GW0211, place, message)
        }
        Selection::OtherDefault(default) => {
            let message = format!(
                "the Ingress names no class, and the default class `{}` is left to its controller",
                default.0.name
            );
            Finding::new(&code::GW0211, Place::key(key, "/spec"), message)
                .with_related(default.place(), "this makes it the default")
                .with_help(format!("add `ingressClassName: {class}` to spec if it is to be served here"))
        }
        Selection::NoClass => {
            let message = format!("the Ingress names no class, so a gateway of class `{class}` ignores it");
            let finding = Finding::new(&code::GW0208, Place::key(key, "/spec"), message)
                .with_help(format!("add `ingressClassName: {class}` to spec"));
            match metadata.creation_timestamp {
                // The API server has had its say.
                Some(_) => finding,
                None => finding.with_note(
                    "the source has no default IngressClass; one of the cluster alone is not known",
                ),
            }
        }
    })
}
