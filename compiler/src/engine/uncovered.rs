//! The check that every entry of `spec.tls` covers a host, and that every host of an Ingress with TLS has a certificate:
//! Higress compares names as texts, and what covers nothing is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use gatewright_diagnostics::code;
use gatewright_ir::{HostPattern, ListenerId};

use super::Engine;
use crate::finding::{Finding, Place};
use crate::ingress::{AnalyzedIngress, TlsEntry};
use crate::manifest::{Body, Ingress};
use crate::parse::check_host;

/// Witnesses that one finding names.
const SHOWN: usize = 3;

impl Engine {
    /// Returns a finding for every name in `spec.tls` that covers nothing, and for every host that is left without.
    pub(super) fn uncovered_tls(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, unit) in &self.ingresses {
            let Some(ingress) = unit.analyzed.as_deref().filter(|ingress| !ingress.tls.is_empty()) else {
                continue;
            };
            let Some(Body::Ingress(spec)) = self.manifests.get(key).map(|manifest| &manifest.body) else {
                continue;
            };
            if self.files.is_ambiguous(key) {
                continue;
            }
            if ingress.policy.canary.is_some() {
                findings.push(of_canary(ingress));
            } else {
                Coverage::of(self, ingress, spec).check(&mut findings);
            }
        }
        findings
    }

    /// Returns what a handshake for a host meets if the host has no certificate itself; none if it has one.
    fn without_certificate(&self, host: &HostPattern) -> Option<Instead<'_>> {
        let served = self.ir.tls(ListenerId::HTTPS);
        if served.contains_key(host) {
            return None;
        }
        let wider = host.wider().into_iter().find_map(|wider| served.get(&wider));
        Some(match wider {
            Some(wider) => Instead::Wider(&wider.host),
            None => Instead::Nothing,
        })
    }
}

/// What a handshake meets where its host has no certificate.
enum Instead<'e> {
    /// The certificate and the routes of a wider host.
    Wider(&'e HostPattern),
    Nothing,
}

impl Instead<'_> {
    fn witness(&self, host: &HostPattern) -> String {
        match self {
            Instead::Wider(wider) => {
                format!("https://{}/: answered by host `{wider}`, with its certificate", host.example())
            }
            Instead::Nothing => format!("https://{}/: no certificate", host.example()),
        }
    }
}

fn of_canary(ingress: &AnalyzedIngress) -> Finding {
    let message = "a canary opens no host, so its `spec.tls` covers nothing";
    Finding::new(&code::GW0214, Place::key(&ingress.key, "/spec/tls"), message)
        .with_help("remove it: the certificate is that of the Ingress with the base route")
}

/// One Ingress with TLS.
struct Coverage<'e> {
    engine: &'e Engine,
    ingress: &'e AnalyzedIngress,
    spec: &'e Ingress,
    /// Hosts of it that no finding has named as being without certificate.
    untold: BTreeSet<&'e HostPattern>,
    /// The first rule of each host, by the host as it is written; empty where a rule names none.
    rules: BTreeMap<&'e str, usize>,
    /// The single names among the hosts without certificate, by their text from its end.
    by_end: BTreeMap<String, &'e HostPattern>,
}

impl<'e> Coverage<'e> {
    fn of(engine: &'e Engine, ingress: &'e AnalyzedIngress, spec: &'e Ingress) -> Self {
        let lacking = ingress.hosts.iter().filter(|host| engine.without_certificate(host).is_some());
        let rules = spec.rules.iter().enumerate().rev().map(|(index, rule)| (&*rule.host, index));
        let untold: BTreeSet<&HostPattern> = lacking.collect();
        let single = untold.iter().filter_map(|host| match host {
            HostPattern::Exact(name) => Some((reversed(name), *host)),
            _ => None,
        });
        let by_end = single.collect();
        Coverage { engine, ingress, spec, untold, rules: rules.collect(), by_end }
    }

    fn check(mut self, findings: &mut Vec<Finding>) {
        let mut named: BTreeSet<&str> = BTreeSet::new();
        let ingress = self.ingress;
        for (index, entry) in ingress.tls.iter().enumerate() {
            for (at, name) in entry.hosts.iter().enumerate() {
                let written = self.spec.tls.get(index).is_some_and(|entry| !entry.hosts.is_empty());
                let pointer =
                    if written { format!("{}/hosts/{at}", entry.pointer) } else { entry.pointer.clone() };
                let place = Place::value(&ingress.key, pointer);
                if !named.insert(name) {
                    findings.extend(self.opens(name).then(|| repeated(place, name)));
                } else {
                    findings.extend(self.name(entry, name, written, place));
                }
            }
        }
        findings.extend(self.untold.iter().filter_map(|host| self.left_out(host)));
    }

    fn opens(&self, name: &str) -> bool {
        self.host_called(name).is_some()
    }

    /// Returns the host of the Ingress that a name writes exactly.
    fn host_called(&self, name: &str) -> Option<HostPattern> {
        let host = name.parse::<HostPattern>().ok()?;
        (host.to_string() == *name && self.ingress.opens(&host)).then_some(host)
    }

    /// Checks one name of an entry.
    fn name(&mut self, entry: &TlsEntry, name: &str, written: bool, place: Place) -> Option<Finding> {
        if self.opens(name) {
            return if entry.secret.is_none() { self.without_secret(name, place) } else { None };
        }
        // Its own error says that it is no name.
        if self.ingress.erroneous && name != "*" && check_host(name).is_err() {
            return None;
        }
        let other = if written { self.router(name) } else { None };
        let meant = self.meant(name, other.is_some());
        let (message, help) = self.reason(name, written, &meant);
        let mut finding = Finding::new(&code::GW0214, place, message).with_help(help);
        self.add_witnesses(&mut finding, &meant);
        if written
            && (meant.is_empty() || other.is_some())
            && let Ok(host) = name.parse::<HostPattern>()
        {
            finding
                .notes
                .extend(self.engine.without_certificate(&host).map(|instead| instead.witness(&host)));
        }
        Some(match other {
            Some(other) => finding.with_related(
                Place::key(&other.key, "/spec/rules"),
                "the host is routed here, and only the `tls` of this Ingress counts",
            ),
            None => finding,
        })
    }

    /// Returns the hosts that the author seems to mean by a name that is none of them, nor perhaps one of another Ingress.
    fn meant(&self, name: &str, routed_elsewhere: bool) -> Vec<&'e HostPattern> {
        let plain = name.trim().trim_end_matches('.').to_ascii_lowercase();
        let alike = plain.parse().ok().and_then(|host| self.lacking(&host));
        if let Some(alike) = alike.filter(|host| host.to_string() == plain) {
            return vec![alike];
        }
        let covered = name.parse().map(|host| self.covering(&host)).unwrap_or_default();
        // Nothing is like it: whatever the Ingress lacks a certificate for may be meant.
        if covered.is_empty() && !routed_elsewhere { self.untold.iter().copied().collect() } else { covered }
    }

    /// Returns a host of the Ingress, if it has no certificate and no finding has named it.
    fn lacking(&self, host: &HostPattern) -> Option<&'e HostPattern> {
        let ingress: &'e AnalyzedIngress = self.ingress;
        ingress.hosts.get(host).filter(|host| self.untold.contains(host))
    }

    /// Returns the hosts without certificate that lie below a name, or above it.
    fn covering(&self, name: &HostPattern) -> Vec<&'e HostPattern> {
        let mut found: Vec<&HostPattern> = match name {
            HostPattern::Suffix(parent) => {
                let end = reversed(&format!(".{parent}"));
                let below = self.by_end.range::<str, _>((Bound::Included(end.as_str()), Bound::Unbounded));
                let below = below.take_while(|(text, _)| text.starts_with(&end) && text.len() > end.len());
                below.map(|(_, host)| *host).filter(|host| self.untold.contains(host)).collect()
            }
            HostPattern::Exact(_) => {
                let suffixes = name.wider().into_iter().filter(|wider| *wider != HostPattern::Any);
                suffixes.filter_map(|wider| self.lacking(&wider)).collect()
            }
            HostPattern::Any => Vec::new(),
        };
        found.sort();
        found
    }

    fn reason(&self, name: &str, written: bool, meant: &[&HostPattern]) -> (String, String) {
        let named: Vec<String> =
            meant.iter().filter(|host| ***host != HostPattern::Any).map(|host| format!("`{host}`")).collect();
        let help = match (named.is_empty(), meant.is_empty()) {
            (false, _) => format!("write {} into the `hosts` of the entry", list(named)),
            (true, false) => "write no `hosts` for the rule without host".to_owned(),
            (true, true) => "remove the name, or add a rule for the host here".to_owned(),
        };
        if self.ingress.hosts.is_empty() {
            let what =
                if written { format!("`{name}` in spec.tls") } else { "this entry of spec.tls".to_owned() };
            return (
                format!("the Ingress has no rule that opens a host, so {what} covers nothing"),
                "add a rule with the host".to_owned(),
            );
        }
        if !written {
            return (
                "an entry of spec.tls without `hosts` covers host `*` alone, which no rule opens".to_owned(),
                help,
            );
        }
        let message =
            format!("`{name}` in spec.tls is the host of no rule of the Ingress, so it covers nothing");
        (message, help)
    }

    fn add_witnesses(&mut self, finding: &mut Finding, meant: &[&'e HostPattern]) {
        let mut witnesses = meant.iter().filter_map(|host| {
            self.untold.remove(host);
            Some(self.engine.without_certificate(host)?.witness(host))
        });
        let shown: Vec<String> = witnesses.by_ref().take(SHOWN).collect();
        let more = witnesses.count();
        finding
            .notes
            .push("Higress compares the names in spec.tls with the hosts of rules as texts".to_owned());
        finding.notes.extend(shown);
        if more > 0 {
            finding.notes.push(format!("and {more} more hosts"));
        }
    }

    /// An entry that names a host and no Secret.
    fn without_secret(&mut self, name: &str, place: Place) -> Option<Finding> {
        let host = &self.host_called(name)?;
        self.untold.remove(host).then_some(())?;
        let witness = self.engine.without_certificate(host)?.witness(host);
        let message =
            format!("the entry of spec.tls for `{name}` names no Secret, so the host has no certificate");
        Some(
            Finding::new(&code::GW0214, place, message)
                .with_note(witness)
                .with_help("add `secretName` to the entry"),
        )
    }

    /// A host that no entry names, of an Ingress that asks for TLS.
    fn left_out(&self, host: &HostPattern) -> Option<Finding> {
        let written = if *host == HostPattern::Any { String::new() } else { host.to_string() };
        let rule = self.rules.get(written.as_str())?;
        let witness = self.engine.without_certificate(host)?.witness(host);
        let message = format!("host `{host}` is in no entry of spec.tls and has no certificate");
        let place = Place::value(&self.ingress.key, format!("/spec/rules/{rule}/host"));
        let help = match host {
            HostPattern::Any => "add an entry without `hosts`, if it is to have TLS".to_owned(),
            host => format!("write `{host}` into the `hosts` of an entry, if it is to have TLS"),
        };
        Some(Finding::new(&code::GW0215, place, message).with_note(witness).with_help(help))
    }

    /// Returns another Ingress that routes a host of this name.
    fn router(&self, name: &str) -> Option<&'e AnalyzedIngress> {
        let host: HostPattern = name.parse().ok()?;
        let mut others = self.engine.ingresses_of(&host).into_iter();
        others.find(|other| {
            other.key != self.ingress.key && other.policy.canary.is_none() && other.opens(&host)
        })
    }
}

fn repeated(place: Place, name: &str) -> Finding {
    let message = format!("an earlier entry of spec.tls names `{name}` already, so this one covers nothing");
    Finding::new(&code::GW0214, place, message).with_help("name each host once: a host has one certificate")
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn list(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(SHOWN);
    items.truncate(SHOWN);
    let mut text = items.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
