//! One Ingress after normalization: its paths as Higress sees them, and what its annotations say.
//!
//! This is a unit of work: it reads one manifest and the settings, nothing else.

use std::sync::{Arc, LazyLock};

use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, PathKind, PathMatch, PathRewrite, RouteId, RoutePart};
use gatewright_kinds::{EntityKey, Kind};

use crate::annotations::{self, Policy, destination};
use crate::class::{self, DefaultClass, Selection};
use crate::dead;
use crate::finding::{Finding, Place};
use crate::manifest::{Backend, Ingress, IngressPath, Metadata};
use crate::options::{CompileOptions, Profile};
use crate::order::Age;
use crate::parse::check_host;
use crate::path_text;
use crate::small_set::SmallSet;

/// A normalized Ingress.
#[derive(Clone, Debug)]
pub(crate) struct AnalyzedIngress {
    pub(crate) key: EntityKey,
    pub(crate) age: Age,
    /// `namespace/name`, or `name` alone in the system namespace.
    pub(crate) route_name: Arc<str>,
    /// Shared by all Ingresses without annotations that say something.
    pub(crate) policy: Arc<Policy>,
    pub(crate) paths: Vec<PathRule>,
    /// Places in `paths` in the order of hosts; nothing where there are so few hosts that a look at all paths is quicker.
    paths_by_host: Box<[u32]>,
    /// Hosts that the rules open.
    pub(crate) hosts: SmallSet<HostPattern>,
    pub(crate) tls: Vec<TlsEntry>,
    /// Names in `tls` with the place of the first entry that has them, in order; nothing where there are few entries.
    tls_by_name: Box<[(Box<str>, u32)]>,
    pub(crate) default_backend: Option<Arc<Backend>>,
    /// An error stands against it: it keeps its hosts and paths, and refuses their requests.
    pub(crate) erroneous: bool,
    /// The annotation by which cert-manager makes the Secrets of `tls`.
    pub(crate) certificates_by: Option<&'static str>,
    /// It has its class from the default IngressClass.
    pub(crate) class_by_default: bool,
}

/// One path of a rule.
#[derive(Clone, Debug)]
pub(crate) struct PathRule {
    pub(crate) host: HostPattern,
    pub(crate) kind: PathKind,
    /// The path as Higress compares it: without the trailing slash of a prefix.
    pub(crate) declared: Arc<str>,
    pub(crate) backend: Arc<Backend>,
    /// Its place: the rule, and the path in that rule.
    pub(crate) index: (u32, u32),
    pub(crate) tests: PathTests,
    /// Nobody knows which path is meant: `/` stands in.
    pub(crate) misread: bool,
}

/// What the path of a rule tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathTests {
    /// What its kind says.
    ByKind,
    /// Only this much is certain of an expression that is none.
    Below(Box<str>),
    /// No request can be meant. The path still owns its key.
    Nothing,
}

impl PathRule {
    /// Returns whether the path can be served.
    pub(crate) fn is_valid(&self) -> bool {
        self.tests != PathTests::Nothing
    }

    /// Returns the path tests, in order.
    pub(crate) fn matches(&self) -> Vec<PathMatch> {
        match &self.tests {
            PathTests::ByKind => path_matches(self.kind, &self.declared),
            PathTests::Below(prefix) => vec![PathMatch::Prefix(prefix.to_string())],
            PathTests::Nothing => Vec::new(),
        }
    }

    /// Returns the pointer of the path.
    pub(crate) fn pointer(&self) -> String {
        let (rule, path) = self.index;
        format!("/spec/rules/{rule}/http/paths/{path}")
    }
}

/// Hosts and entries of an Ingress above which an index is quicker than a look at all.
const FEW: usize = 8;

impl AnalyzedIngress {
    /// Returns the paths of a host, in their order.
    pub(crate) fn paths_of<'a>(&'a self, host: &'a HostPattern) -> impl Iterator<Item = &'a PathRule> {
        let at = |place: u32| &self.paths[place as usize];
        let sorted = &self.paths_by_host;
        let start = sorted.partition_point(|place| at(*place).host < *host);
        let by_index =
            sorted[start..].iter().map(move |place| at(*place)).take_while(|rule| rule.host == *host);
        let all = if sorted.is_empty() { &self.paths[..] } else { &[] };
        by_index.chain(all.iter().filter(|rule| rule.host == *host))
    }

    /// Returns the first entry of `tls` that has a name.
    pub(crate) fn tls_entry_of(&self, name: &str) -> Option<&TlsEntry> {
        if self.tls_by_name.is_empty() {
            return self.tls.iter().find(|entry| entry.hosts.iter().any(|host| host == name));
        }
        let found = self.tls_by_name.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.tls.get(self.tls_by_name[found].1 as usize)
    }

    /// Makes the indexes, once paths and entries are there.
    fn index(&mut self) {
        if self.hosts.len() > FEW {
            let mut places: Vec<u32> = (0..).take(self.paths.len()).collect();
            // Stable: the paths of a host stay in their order.
            places.sort_by_key(|place| &self.paths[*place as usize].host);
            self.paths_by_host = places.into();
        }
        if self.tls.len() > FEW {
            let names = self.tls.iter().zip(0..).flat_map(|(entry, place)| {
                entry.hosts.iter().map(move |name| (Box::from(name.as_str()), place))
            });
            let mut names: Vec<(Box<str>, u32)> = names.collect();
            names.sort();
            names.dedup_by(|next, kept| next.0 == kept.0);
            self.tls_by_name = names.into();
        }
    }

    /// Returns whether a rule opens the host.
    pub(crate) fn opens(&self, host: &HostPattern) -> bool {
        self.hosts.contains(host)
    }

    /// Returns the key of a path: two paths with equal keys conflict, and a canary looks for its base by it.
    pub(crate) fn rule_key(&self, rule: &PathRule) -> String {
        let PathRule { host, kind, declared, .. } = rule;
        format!("{host}-{}-{declared}|{}", kind.as_str(), self.policy.conditions.rule_key)
    }

    /// Returns the id of the route that a path becomes.
    pub(crate) fn route_id(&self, rule: &PathRule) -> RouteId {
        self.generated_id(&rule.host, RoutePart::Path { kind: rule.kind, path: rule.declared.clone() })
    }

    /// Returns the id of the route that a part becomes.
    pub(crate) fn generated_id(&self, host: &HostPattern, part: RoutePart) -> RouteId {
        RouteId::new(self.key.clone(), host.clone(), part)
    }

    /// Returns where a route of this Ingress was written.
    pub(crate) fn place_of(&self, route: &RouteId) -> Option<Place> {
        match &route.part {
            RoutePart::Path { kind, path } => {
                let mut paths = self.paths_of(&route.host);
                let rule = paths.find(|rule| rule.kind == *kind && rule.declared == *path)?;
                Some(Place::value(&self.key, rule.pointer()))
            }
            RoutePart::DefaultBackend => Some(Place::value(&self.key, "/spec/defaultBackend")),
            RoutePart::AppRoot => {
                let found = self.policy.redirect.app_root.as_ref()?;
                let pointer = Place::annotation(&self.key, &found.key).pointer;
                Some(Place::value(&self.key, pointer))
            }
        }
    }
}

/// The policy of an Ingress whose annotations say nothing.
static NO_POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let nothing = EntityKey::new(Kind::Ingress, "", "");
    Arc::new(annotations::read(&nothing, &Default::default(), Profile::Native).0)
});

fn policy(key: &EntityKey, metadata: &Metadata, profile: Profile) -> (Arc<Policy>, Vec<Finding>) {
    if metadata.annotations.is_empty() {
        return (NO_POLICY.clone(), Vec::new());
    }
    let (policy, findings) = annotations::read(key, &metadata.annotations, profile);
    let says_nothing = policy == **NO_POLICY;
    (if says_nothing { NO_POLICY.clone() } else { Arc::new(policy) }, findings)
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug)]
pub(crate) struct TlsEntry {
    pub(crate) hosts: Vec<String>,
    pub(crate) secret: Option<String>,
    pub(crate) pointer: String,
}

/// Normalizes an Ingress; none means that another controller or nobody serves it.
pub(crate) fn analyze(
    key: &EntityKey,
    metadata: &Metadata,
    spec: &Ingress,
    options: &CompileOptions,
    default: Option<&DefaultClass>,
) -> (Option<AnalyzedIngress>, Vec<Finding>) {
    let selection = class::select(key, metadata, spec, options, default);
    let told = class::told(key, metadata, selection, options);
    let class_by_default = matches!(selection, Selection::ServedByDefault(_));
    if !class_by_default && selection != Selection::Served {
        return (None, told.into_iter().collect());
    }
    let (policy, mut findings) = policy(key, metadata, options.profile);
    findings.extend(told);
    let mut analyzed = AnalyzedIngress {
        key: key.clone(),
        age: Age::of(key, metadata),
        route_name: route_name(key, options),
        policy,
        paths: Vec::new(),
        paths_by_host: Box::default(),
        hosts: SmallSet::default(),
        tls_by_name: Box::default(),
        tls: spec.tls.iter().enumerate().map(tls_entry).collect(),
        default_backend: spec.default_backend.clone(),
        erroneous: false,
        certificates_by: certificates_by(metadata),
        class_by_default,
    };
    let mut hosts = Vec::with_capacity(spec.rules.len());
    for (rule, index) in spec.rules.iter().zip(0..).filter(|(rule, _)| !rule.misread) {
        let Some(host) = read_host(&rule.host) else { continue };
        let paths = rule.http.as_ref().map_or(&[][..], |http| &http.paths);
        analyzed.paths.reserve(paths.len());
        for (path, at) in paths.iter().zip(0..) {
            analyzed.paths.push(path_rule(&analyzed, &host, path, (index, at), &mut findings));
        }
        hosts.push(host);
    }
    analyzed.paths.shrink_to_fit();
    analyzed.hosts = hosts.into_iter().collect();
    analyzed.index();
    if let Some(ignored) = ignored_destination(&analyzed) {
        // What its lines would do is nobody's business then.
        findings.retain(|finding| finding.code.id != code::GW0449.id);
        findings.push(ignored);
    }
    findings.extend(dead::of_default_backend(&analyzed, metadata));
    findings.extend(dead::without_paths(&analyzed, spec));
    findings.extend(drifting_weights(&analyzed));
    findings.extend(kept_case(&analyzed));
    findings.extend(crate::rewrites::slashless(&analyzed));
    (Some(analyzed), findings)
}

/// Returns the annotation that makes cert-manager fill the Secrets of an Ingress.
fn certificates_by(metadata: &Metadata) -> Option<&'static str> {
    const KEYS: [&str; 5] = [
        "cert-manager.io/cluster-issuer",
        "cert-manager.io/issuer",
        "certmanager.k8s.io/cluster-issuer",
        "certmanager.k8s.io/issuer",
        "kubernetes.io/tls-acme",
    ];
    KEYS.into_iter().find(|key| metadata.annotations.get(key).is_some_and(|value| value != "false"))
}

/// The destination annotation acts on resource backends alone.
fn ignored_destination(ingress: &AnalyzedIngress) -> Option<Finding> {
    let backends = ingress.paths.iter().map(|path| &path.backend).chain(&ingress.default_backend);
    let only_services =
        backends.clone().next().is_some() && backends.into_iter().all(|b| b.service.is_some());
    (only_services && !ingress.policy.destinations().is_empty()).then(|| {
        let message = "every backend of the Ingress is a Service, so the destination annotation is ignored";
        Finding::new(&code::GW0413, Place::annotation(&ingress.key, destination::KEY), message).with_help(
            "remove the annotation, or use the resource backend McpBridge `default` instead of the Service",
        )
    })
}

/// Higress normalizes the weights once for each path, on the same numbers: where they do not sum to 100, every further
/// path moves them. Here each path has the shares of the first.
fn drifting_weights(ingress: &AnalyzedIngress) -> Option<Finding> {
    let sum: i64 = ingress.policy.destinations().iter().map(|line| line.weight).sum();
    let by_resource = |path: &&PathRule| path.backend.service.is_none() && path.backend.resource.is_some();
    let several = ingress.policy.destinations().len() > 1 && ingress.policy.canary.is_none();
    let uses = ingress.paths.iter().filter(by_resource).count();
    (several && sum != 100 && uses > 1).then(|| {
        let message =
            format!("the weights sum to {sum}, so Higress moves them with each of the {uses} paths");
        Finding::new(&code::GW0420, Place::annotation_value(&ingress.key, destination::KEY), message)
            .with_note("every path here gets the shares that Higress computes for the first")
            .with_help("write weights that sum to 100")
    })
}

/// `ignore-path-case` concerns how literal paths are compared, and nothing else that reads the path.
fn kept_case(ingress: &AnalyzedIngress) -> Vec<Finding> {
    let policy = &ingress.policy;
    let Some(key) = policy.ignore_case.as_ref().filter(|_| policy.canary.is_none()) else {
        return Vec::new();
    };
    let finding =
        |message: String| Finding::new(&code::GW0426, Place::annotation(&ingress.key, key), message);
    let mut findings = Vec::new();
    for rule in ingress.paths.iter().filter(|rule| rule.is_valid()) {
        let path = &rule.declared;
        if !path.bytes().any(|byte| byte.is_ascii_alphabetic()) || path.contains("(?i)") {
            continue;
        }
        if matches!(rule.kind, PathKind::PrefixRegex | PathKind::FullPathRegex) {
            findings.push(
                finding(format!("path `{path}` is a regular expression, and those do not ignore case"))
                    .with_help("write `(?i)` behind the first `/`"),
            );
        } else if policy.redirect.url.is_none()
            && let Some(PathRewrite::Regex { .. }) = policy.path.rewrite(&rule.matches())
            && let Some(rewrite) = policy.path.rewrite_key()
        {
            let message = format!("requests that write path `{path}` in another case are not rewritten");
            findings.push(finding(message).with_related(
                Place::annotation(&ingress.key, rewrite),
                "this one looks for the path as written",
            ));
        }
    }
    findings
}

/// Returns the name that Higress gives every route of an Ingress, and that plugins read.
pub(crate) fn route_name(key: &EntityKey, options: &CompileOptions) -> Arc<str> {
    if *key.namespace == *options.system_namespace {
        key.name.clone()
    } else {
        format!("{}/{}", key.namespace, key.name).into()
    }
}

fn tls_entry((index, entry): (usize, &crate::manifest::IngressTls)) -> TlsEntry {
    let hosts = if entry.hosts.is_empty() { vec!["*".to_owned()] } else { entry.hosts.clone() };
    TlsEntry {
        hosts,
        secret: entry.secret_name.clone().filter(|name| !name.is_empty()),
        pointer: format!("/spec/tls/{index}"),
    }
}

/// Returns the host of a rule; none if it is no host, which the parser has told.
fn read_host(host: &Arc<str>) -> Option<HostPattern> {
    if host.is_empty() {
        return Some(HostPattern::Any);
    }
    check_host(host).ok()?;
    Some(match host.strip_prefix("*.") {
        Some(parent) => HostPattern::Suffix(parent.into()),
        None => HostPattern::Exact(host.clone()),
    })
}

fn path_rule(
    ingress: &AnalyzedIngress,
    host: &HostPattern,
    path: &IngressPath,
    index: (u32, u32),
    findings: &mut Vec<Finding>,
) -> PathRule {
    let written = if path.path.is_empty() { "/" } else { &*path.path };
    let path_type = path.path_type.as_deref().unwrap_or("Prefix");
    let regex_kind = ingress.policy.path.regex_kind(written);
    let kind = regex_kind.unwrap_or(if path_type == "Exact" { PathKind::Exact } else { PathKind::Prefix });
    let declared = match kind {
        PathKind::Prefix if written.len() > 1 => written.strip_suffix('/').unwrap_or(written),
        _ => written,
    };
    let mut rule = PathRule {
        host: host.clone(),
        kind,
        declared: if *declared == *path.path { path.path.clone() } else { declared.into() },
        backend: path.backend.clone(),
        index,
        tests: PathTests::ByKind,
        misread: path.misread,
    };
    let place = || Place::value(&ingress.key, format!("{}/path", rule.pointer()));
    let before = findings.len();
    let tests = path_tests(written, kind, &place, findings);
    let accepted = findings.len() == before && !path_text::is_refused(written, path_type);
    if let Some(character) = ingress.policy.path.accidental_regex(written) {
        let message =
            format!("`{character}` turns path `{written}` into a regular expression beside rewrite-target");
        findings.push(
            Finding::new(&code::GW0424, place(), message)
                .with_note(
                    "pathType has no effect on it, and it is matched after every Exact and Prefix path",
                )
                .with_help("use `higress.io/rewrite-path` to rewrite a literal path"),
        );
    }
    if accepted {
        findings.extend(path_text::misleading(written, kind, place));
    }
    rule.tests = tests;
    if accepted {
        findings.extend(invalid_rewrite(ingress, &rule).or_else(|| missing_group(ingress, &rule)));
    }
    rule
}

/// A rewrite whose expression, which Higress makes of the literal path, is none: `/a(b` becomes `^/a(b(/.*)?`.
fn invalid_rewrite(ingress: &AnalyzedIngress, rule: &PathRule) -> Option<Finding> {
    let policy = ingress.policy.redirect.url.is_none().then_some(&ingress.policy.path)?;
    let PathRewrite::Regex { pattern, .. } = policy.rewrite(&rule.matches())? else { return None };
    let reason = annotations::regex::validate(&pattern).err()?;
    let place = Place::annotation_value(&ingress.key, policy.rewrite_key()?);
    let finding = annotations::regex::invalid(place, &pattern, reason)
        .with_related(Place::value(&ingress.key, format!("{}/path", rule.pointer())), "the path")
        .with_help("Higress makes an expression of the path: take the signs of expressions out of it");
    Some(finding)
}

/// A rewrite whose groups the path does not have.
fn missing_group(ingress: &AnalyzedIngress, rule: &PathRule) -> Option<Finding> {
    let policy = &ingress.policy;
    if policy.redirect.url.is_some() || policy.path.is_literal() {
        return None;
    }
    let PathRewrite::Regex { pattern, substitution } = policy.path.rewrite(&rule.matches())? else {
        return None;
    };
    let key = policy.path.rewrite_key()?;
    let place = || Place::annotation_value(&ingress.key, key);
    let finding = path_text::missing_group(&pattern, &substitution, &rule.declared, place)?;
    Some(finding.with_related(Place::value(&ingress.key, format!("{}/path", rule.pointer())), "the path"))
}

/// Returns what a path tests. One that the parser has refused still tests for the requests that are meant: its route
/// answers 503 and keeps them from other routes. Of an expression that is none RE2's complaint is told.
fn path_tests(
    written: &str,
    kind: PathKind,
    place: &dyn Fn() -> Place,
    findings: &mut Vec<Finding>,
) -> PathTests {
    if !written.starts_with('/') {
        return PathTests::Nothing;
    }
    let valid = |test: &PathMatch| match test {
        PathMatch::Regex(whole) => annotations::regex::validate(whole),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => Ok(()),
    };
    // By itself first: what is appended may make a valid expression of none.
    if matches!(kind, PathKind::PrefixRegex | PathKind::FullPathRegex)
        && let Err(reason) = annotations::regex::validate(written)
            .and_then(|()| path_matches(kind, written).iter().try_for_each(valid))
    {
        findings.push(annotations::regex::invalid(place(), written, reason));
        return PathTests::Below(annotations::regex::literal_prefix(written).into());
    }
    PathTests::ByKind
}

/// Returns the path tests of a path. A prefix below the root is two: the path itself, and everything below it.
fn path_matches(kind: PathKind, declared: &str) -> Vec<PathMatch> {
    match kind {
        PathKind::Exact => vec![PathMatch::Exact(declared.to_owned())],
        PathKind::Prefix if declared == "/" => vec![PathMatch::Prefix("/".to_owned())],
        PathKind::Prefix => {
            vec![PathMatch::Exact(declared.to_owned()), PathMatch::Prefix(format!("{declared}/"))]
        }
        PathKind::PrefixRegex => vec![PathMatch::Regex(format!("{declared}.*"))],
        PathKind::FullPathRegex => vec![PathMatch::Regex(format!("{declared}$"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_path_and_what_is_below() {
        assert_eq!(
            path_matches(PathKind::Prefix, "/cat"),
            [PathMatch::Exact("/cat".into()), PathMatch::Prefix("/cat/".into())]
        );
        assert_eq!(path_matches(PathKind::Prefix, "/"), [PathMatch::Prefix("/".into())]);
    }
}
