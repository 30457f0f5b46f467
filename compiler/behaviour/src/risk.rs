//! Risk marks: what a careful operator would stop a merge for, each with a reason and a witness.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatewright_ir::{FailStrategy, HostPattern, Ir, PluginApplication, RouteId, SecretRef};
use gatewright_kinds::EntityKey;
use serde::{Deserialize, Serialize};

use crate::class::{BehaviourDiff, Case, RoutePair};
use crate::outcome::{CorsOutcome, ForwardOutcome, Handshake, HeaderOutcome, Outcome};
use crate::request::Request;

/// What is at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskKind {
    /// Requests that were refused for want of a protection are served, or a plugin no longer sees them.
    ProtectionLost,
    /// Routes are served that ask for a protection which nothing gives.
    Unprotected,
    /// A name no longer gets a certificate.
    TlsLost,
    /// A lower TLS version or more cipher suites are accepted.
    TlsWeaker,
    /// A name gets another Secret's certificate.
    CertificateChanged,
    /// Requests for https are no longer redirected there.
    HttpsRedirectLost,
    /// Requests go to a route of another namespace.
    Captured,
    /// A wildcard host or the default backend serves requests that had no route.
    WildcardWidened,
    /// Requests find no endpoint.
    NoEndpoint,
    /// An upstream's share moves by more than the threshold.
    WeightJump,
    /// A plugin that failed closed fails open.
    FailOpen,
    /// A plugin runs another module.
    PluginMoved,
    /// A plugin's module is no longer pinned by a digest.
    PluginUnpinned,
    /// A time limit is gone, or longer by more than the threshold.
    TimeoutRaised,
    /// CORS lets more origins, credentials or headers through.
    CorsWidened,
    /// A response header that was removed reaches clients.
    HeaderExposed,
    /// More than the set share of hosts or routes is gone.
    MassDeletion,
}

/// How much a risk weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskLevel {
    /// It is not reported.
    Ignore,
    /// It is shown.
    Note,
    /// It is shown, and makes a change risky.
    Stop,
}

/// Levels and thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RiskOptions {
    /// Levels by kind; kinds that are not named have [`RiskKind::default_level`].
    pub levels: BTreeMap<RiskKind, RiskLevel>,
    /// Points, 0 to 1, by which an upstream's share may move.
    pub weight_jump: f64,
    /// Factor by which a time limit may grow.
    pub timeout_factor: u64,
    /// Share of hosts or routes, 0 to 1, that may go.
    pub deleted_share: f64,
    /// Hosts or routes that may always go, however large their share.
    pub deleted_count: usize,
}

/// One risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// What is at risk.
    pub kind: RiskKind,
    /// How much it weighs.
    pub level: RiskLevel,
    /// Why, in one sentence.
    pub reason: String,
    /// Index of the class in [`BehaviourDiff::classes`]; none for the change as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// Indices of the cases of that class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<usize>,
    /// Routes of both sides.
    pub routes: BTreeSet<RoutePair>,
    /// A request that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Request>,
}

impl Default for RiskOptions {
    fn default() -> Self {
        RiskOptions {
            levels: BTreeMap::new(),
            weight_jump: 0.25,
            timeout_factor: 10,
            deleted_share: 0.2,
            deleted_count: 2,
        }
    }
}

impl RiskKind {
    /// Returns the level where none is configured.
    pub fn default_level(self) -> RiskLevel {
        match self {
            RiskKind::CertificateChanged | RiskKind::PluginMoved => RiskLevel::Note,
            _ => RiskLevel::Stop,
        }
    }

    /// Returns its name for people.
    pub fn label(self) -> &'static str {
        match self {
            RiskKind::ProtectionLost => "protection lost",
            RiskKind::Unprotected => "protection not given",
            RiskKind::TlsLost => "TLS lost",
            RiskKind::TlsWeaker => "TLS weaker",
            RiskKind::CertificateChanged => "certificate changed",
            RiskKind::HttpsRedirectLost => "https redirect lost",
            RiskKind::Captured => "captured from another namespace",
            RiskKind::WildcardWidened => "wildcard widened",
            RiskKind::NoEndpoint => "backend without endpoints",
            RiskKind::WeightJump => "weights jump",
            RiskKind::FailOpen => "fail-open",
            RiskKind::PluginMoved => "plugin module moved",
            RiskKind::PluginUnpinned => "plugin unpinned",
            RiskKind::TimeoutRaised => "time limit raised",
            RiskKind::CorsWidened => "CORS widened",
            RiskKind::HeaderExposed => "header exposed",
            RiskKind::MassDeletion => "mass deletion",
        }
    }
}

impl fmt::Display for RiskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Returns the risks of a change, by class and kind; those of the change as a whole come first.
pub fn risks(before: &Ir, after: &Ir, diff: &BehaviourDiff, options: &RiskOptions) -> Vec<Risk> {
    let judge = Judge { before, after, options };
    let mut risks = judge.deletions(diff);
    let mut of_classes = Vec::new();
    for (index, class) in diff.classes.iter().enumerate() {
        let mut found: BTreeMap<RiskKind, Risk> = BTreeMap::new();
        for (number, case) in class.cases.iter().enumerate() {
            for (kind, reason) in judge.case(case) {
                let level = options.levels.get(&kind).copied().unwrap_or_else(|| kind.default_level());
                let risk = found.entry(kind).or_insert_with(|| Risk {
                    kind,
                    level,
                    reason,
                    class: Some(index),
                    cases: Vec::new(),
                    routes: BTreeSet::new(),
                    witness: case.witness.clone(),
                });
                risk.cases.push(number);
                risk.routes.extend(case.routes.iter().cloned());
            }
        }
        of_classes.extend(found.into_values().filter(|risk| risk.level > RiskLevel::Ignore));
    }
    risks.extend(judge.asked_in_vain(&of_classes));
    risks.extend(of_classes);
    risks
}

struct Judge<'a> {
    before: &'a Ir,
    after: &'a Ir,
    options: &'a RiskOptions,
}

type Found = Vec<(RiskKind, String)>;

impl Judge<'_> {
    fn case(&self, case: &Case) -> Found {
        let mut found = Found::new();
        match (&case.before, &case.after) {
            (Outcome::Handshake(before), Outcome::Handshake(after)) => handshakes(before, after, &mut found),
            (before, after) => {
                self.answers(case, before, after, &mut found);
                self.plugins(before, after, &mut found);
                if let (Some(before), Some(after)) = (before.forward(), after.forward()) {
                    self.forwards(before, after, &mut found);
                }
            }
        }
        found
    }

    fn answers(&self, case: &Case, before: &Outcome, after: &Outcome, found: &mut Found) {
        if let (Some(refused), None) = (before.refuse(), after.refuse())
            && after.answer().is_some()
        {
            let reason = format!("requests that were refused ({}) are served", refused.refusal.code);
            found.push((RiskKind::ProtectionLost, reason));
        }
        if let Some(redirect) = before.redirect()
            && redirect.scheme.as_deref() == Some("https")
            && after.forward().is_some()
        {
            found.push((
                RiskKind::HttpsRedirectLost,
                "plain requests are served instead of sent to https".into(),
            ));
        }
        if let Some((old, new)) = case.routes.iter().find_map(captured) {
            found.push((
                RiskKind::Captured,
                format!("requests go from namespace `{old}` to namespace `{new}`"),
            ));
        }
        if let Some(reason) = self.unprotected(case, before, after) {
            found.push((RiskKind::Unprotected, reason));
        }
        let wide = case.region.hosts().into_iter().find(|host| !matches!(host, HostPattern::Exact(_)));
        if let (Outcome::NoRoute, Some(_), Some(host)) = (before, after.forward(), wide) {
            found.push((RiskKind::WildcardWidened, format!("`{host}` serves requests that had no route")));
        }
        let unserved = |outcome: &Outcome| outcome.forward().map_or(0.0, ForwardOutcome::unserved_share);
        if unserved(after) > unserved(before) {
            let share = unserved(after) * 100.0;
            found.push((RiskKind::NoEndpoint, format!("{share:.0}% of the requests find no endpoint")));
        }
    }

    /// Tells what a route that is newly served asks for in vain.
    fn unprotected(&self, case: &Case, before: &Outcome, after: &Outcome) -> Option<String> {
        let open = |outcome: &Outcome| outcome.answer().is_some() && outcome.refuse().is_none();
        let newly = |pair: &RoutePair| {
            let object = &pair.after.as_ref()?.object;
            let keys = self.after.unprotected.get(object)?;
            let was = pair.before.as_ref().filter(|_| open(before));
            let asked = |route: &RouteId| self.before.unprotected.contains_key(&route.object);
            (!was.is_some_and(asked)).then(|| in_vain(object, keys))
        };
        case.routes.iter().filter(|_| open(after)).find_map(newly)
    }

    /// The objects that newly ask for a protection in vain, where no class shows it: nothing changes for requests.
    fn asked_in_vain(&self, of_classes: &[Risk]) -> Vec<Risk> {
        let level = self.options.levels.get(&RiskKind::Unprotected).copied();
        let level = level.unwrap_or_else(|| RiskKind::Unprotected.default_level());
        let newly = self.after.unprotected.iter().filter(|(object, keys)| {
            self.before.unprotected.get(*object).is_none_or(|old| !keys.is_subset(old))
        });
        let reasons = newly.map(|(object, keys)| in_vain(object, keys));
        let told = |reason: &String| of_classes.iter().any(|risk| risk.reason == *reason);
        reasons
            .filter(|reason| level > RiskLevel::Ignore && !told(reason))
            .map(|reason| Risk {
                kind: RiskKind::Unprotected,
                level,
                reason,
                class: None,
                cases: Vec::new(),
                routes: BTreeSet::new(),
                witness: None,
            })
            .collect()
    }

    fn plugins(&self, before: &Outcome, after: &Outcome, found: &mut Found) {
        if after.answer().is_none() || after.refuse().is_some() {
            return;
        }
        for old in before.plugins() {
            let name = &old.plugin;
            let Some(new) = after.plugins().iter().find(|plugin| plugin.plugin == *name) else {
                found
                    .push((RiskKind::ProtectionLost, format!("plugin `{name}` no longer sees the requests")));
                continue;
            };
            if old.fail_strategy == FailStrategy::FailClose && new.fail_strategy == FailStrategy::FailOpen {
                found.push((RiskKind::FailOpen, format!("plugin `{name}` lets requests pass when it fails")));
            }
            if pinned(self.before, old) && !pinned(self.after, new) {
                found.push((
                    RiskKind::PluginUnpinned,
                    format!("plugin `{name}` is no longer pinned by a digest"),
                ));
            } else if old.module != new.module {
                let reason =
                    format!("plugin `{name}` runs another module: {} instead of {}", new.module, old.module);
                found.push((RiskKind::PluginMoved, reason));
            }
        }
    }

    fn forwards(&self, before: &ForwardOutcome, after: &ForwardOutcome, found: &mut Found) {
        if let Some((cluster, jump)) = largest_jump(before, after)
            && jump > self.options.weight_jump
        {
            let points = jump * 100.0;
            found.push((
                RiskKind::WeightJump,
                format!("the share of `{cluster}` moves by {points:.0} points"),
            ));
        }
        if let Some(old) = before.plain.timeout_ms {
            match after.plain.timeout_ms {
                None => found.push((RiskKind::TimeoutRaised, format!("the time limit of {old} ms is gone"))),
                Some(new) if new >= old.saturating_mul(self.options.timeout_factor) => {
                    found.push((
                        RiskKind::TimeoutRaised,
                        format!("the time limit goes from {old} ms to {new} ms"),
                    ));
                }
                Some(_) => {}
            }
        }
        if let Some(after) = &after.cors
            && let Some(reason) = cors_widened(before.cors.as_ref(), after)
        {
            found.push((RiskKind::CorsWidened, reason));
        }
        if let Some(name) = exposed_header(before, after) {
            found.push((RiskKind::HeaderExposed, format!("response header `{name}` is no longer removed")));
        }
    }

    fn deletions(&self, diff: &BehaviourDiff) -> Vec<Risk> {
        let counters = &diff.counters;
        let level = self.options.levels.get(&RiskKind::MassDeletion).copied();
        let level = level.unwrap_or_else(|| RiskKind::MassDeletion.default_level());
        let lost_routes = counters.routes_before.saturating_sub(counters.routes_after);
        let lost = [
            ("virtual hosts", counters.hosts_removed, counters.hosts_before),
            ("routes", lost_routes, counters.routes_before),
        ];
        let case = || {
            let cases = diff.classes.iter().flat_map(|class| &class.cases);
            cases.into_iter().find(|case| case.after == Outcome::NoRoute)
        };
        lost.into_iter()
            .filter(|_| level > RiskLevel::Ignore)
            .filter(|(_, gone, all)| {
                *gone > self.options.deleted_count && *gone as f64 > self.options.deleted_share * *all as f64
            })
            .map(|(what, gone, all)| Risk {
                kind: RiskKind::MassDeletion,
                level,
                reason: format!("{gone} of {all} {what} are gone"),
                class: None,
                cases: Vec::new(),
                routes: BTreeSet::new(),
                witness: case().and_then(|case| case.witness.clone()),
            })
            .collect()
    }
}

fn changed_certificate(before: &SecretRef, after: &SecretRef) -> String {
    format!("names get the certificate {after} instead of {before}")
}

fn handshakes(before: &Handshake, after: &Handshake, found: &mut Found) {
    let Handshake::Served { certificate, min_version, ciphers, .. } = before else { return };
    if let Handshake::ExternalSecret { secret, .. } = after {
        // What it holds cannot be seen; that it is another one can.
        if secret != certificate {
            found.push((RiskKind::CertificateChanged, changed_certificate(certificate, secret)));
        }
        return;
    }
    let Handshake::Served { certificate: new, min_version: new_min, ciphers: new_ciphers, .. } = after else {
        found.push((RiskKind::TlsLost, format!("names that got the certificate {certificate} get none")));
        return;
    };
    if certificate != new {
        found.push((RiskKind::CertificateChanged, changed_certificate(certificate, new)));
    }
    if new_min < min_version {
        found
            .push((RiskKind::TlsWeaker, format!("{new_min:?} is accepted; it was {min_version:?} at least")));
    }
    if let Some(suite) = new_ciphers.iter().find(|suite| !ciphers.is_empty() && !ciphers.contains(suite)) {
        found.push((RiskKind::TlsWeaker, format!("cipher suite {suite} is accepted in addition")));
    }
}

/// The namespaces of a pair of routes, where they differ.
fn captured(pair: &RoutePair) -> Option<(String, String)> {
    let old = &pair.before.as_ref()?.object.namespace;
    let new = &pair.after.as_ref()?.object.namespace;
    (old != new).then(|| (old.to_string(), new.to_string()))
}

fn in_vain(object: &EntityKey, keys: &BTreeSet<String>) -> String {
    // Annotations are names; a plugin has a reason instead.
    let quoted = |key: &String| if key.contains(' ') { key.clone() } else { format!("`{key}`") };
    let keys: Vec<String> = keys.iter().map(quoted).collect();
    format!("{object} asks for a protection that nothing gives: {}", keys.join(", "))
}

fn pinned(ir: &Ir, plugin: &PluginApplication) -> bool {
    ir.plugins.iter().any(|other| other.name == plugin.plugin && other.sha256.is_some())
}

/// The cluster whose share moves most, where a side has weights at all.
fn largest_jump(before: &ForwardOutcome, after: &ForwardOutcome) -> Option<(String, f64)> {
    if before.targets.len() < 2 && after.targets.len() < 2 {
        return None;
    }
    let (old, new) = (shares(before), shares(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let share = |shares: &BTreeMap<String, f64>, name: &String| shares.get(name).copied().unwrap_or(0.0);
    let jumps = names.into_iter().map(|name| (name.clone(), (share(&new, name) - share(&old, name)).abs()));
    jumps.max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
}

fn shares(forward: &ForwardOutcome) -> BTreeMap<String, f64> {
    let total: f64 = forward.targets.iter().map(|target| f64::from(target.weight)).sum();
    let mut shares = BTreeMap::new();
    for target in &forward.targets {
        *shares.entry(target.cluster.name.to_string()).or_insert(0.0) += f64::from(target.weight) / total;
    }
    shares
}

fn cors_widened(before: Option<&CorsOutcome>, after: &CorsOutcome) -> Option<String> {
    let Some(before) = before else {
        return Some("answers can be read by pages of other origins".into());
    };
    let words = |list: &str| -> BTreeSet<String> {
        list.split(',').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()).collect()
    };
    if let Some(origin) = after.origins.iter().find(|origin| !before.origins.contains(origin)) {
        return Some(format!("origin {} is allowed in addition", crate::summary::value_text(origin)));
    }
    if after.allow_credentials && !before.allow_credentials {
        return Some("credentials are allowed".into());
    }
    let lists = [
        ("method", &before.allow_methods, &after.allow_methods),
        ("request header", &before.allow_headers, &after.allow_headers),
        ("response header", &before.expose_headers, &after.expose_headers),
    ];
    lists.into_iter().find_map(|(what, before, after)| {
        let more = words(after).difference(&words(before)).next()?.clone();
        Some(format!("{what} `{more}` is allowed in addition"))
    })
}

/// A response header that every target removed, and one does not any more.
fn exposed_header(before: &ForwardOutcome, after: &ForwardOutcome) -> Option<String> {
    let removes = |headers: &HeaderOutcome, name: &str| {
        headers.0.get(name).is_some_and(|change| !change.keep && change.add.is_empty())
    };
    let names = before.targets.first()?.response_headers.0.keys();
    names
        .into_iter()
        .find(|name| {
            before.targets.iter().all(|target| removes(&target.response_headers, name))
                && after.targets.iter().any(|target| !removes(&target.response_headers, name))
        })
        .cloned()
}
