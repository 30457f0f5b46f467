//! Settings of a WasmPlugin that nothing reads, or that others rule out.

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use crate::finding::{Finding, Place};
use crate::manifest::{MatchRule, WasmPlugin};

/// Returns a finding for every setting without effect.
pub(super) fn dead(key: &EntityKey, spec: &WasmPlugin) -> Vec<Finding> {
    let mut findings = fetching(key, spec);
    if spec.plugin_config.is_some() {
        return findings;
    }
    let mut all: Option<usize> = None;
    for (index, rule) in spec.match_rules.iter().enumerate().filter(|(_, rule)| !rule.config_disable) {
        let pointer = format!("/spec/matchRules/{index}");
        if let Some(first) = all {
            let message = format!("no request comes to this rule: matchRules[{first}] takes every host");
            let earlier = Place::value(key, format!("/spec/matchRules/{first}/domain"));
            findings.push(
                Finding::new(&code::GW0445, Place::value(key, pointer), message)
                    .with_related(earlier, "this one comes first")
                    .with_help("put the rule before it: the first that matches counts"),
            );
            continue;
        }
        findings.extend(second_condition(key, &pointer, rule));
        if takes_everything(rule) {
            all = Some(index);
        }
    }
    findings
}

/// How a module is got that is no image.
fn fetching(key: &EntityKey, spec: &WasmPlugin) -> Vec<Finding> {
    let scheme = spec.url.split_once("://").map_or("oci", |(scheme, _)| scheme);
    let of_images = format!("modules of `{scheme}://` are no images");
    let fields = spec.fetching.iter().filter_map(|field| match field.as_str() {
        "verificationKey" => Some((field, "Higress declares it and reads it nowhere")),
        _ if ["http", "https", "file"].contains(&scheme) => Some((field, of_images.as_str())),
        _ => None,
    });
    fields
        .map(|(field, why)| {
            let message = format!("`{field}` has no effect: {why}");
            Finding::new(&code::GW0445, Place::key(key, format!("/spec/{field}")), message)
        })
        .collect()
}

/// The SDK of most plugins looks at one kind of condition: names of routes, else domains, else services.
fn second_condition(key: &EntityKey, pointer: &str, rule: &MatchRule) -> Option<Finding> {
    let (dead, first) = match (rule.ingress.is_empty(), rule.domain.is_empty(), rule.service.is_empty()) {
        (false, false, _) => ("domain", "ingress"),
        (true, false, false) => ("service", "domain"),
        _ => return None,
    };
    let message = format!("`{dead}` has no effect beside `{first}` in one rule");
    let finding = Finding::new(&code::GW0445, Place::key(key, format!("{pointer}/{dead}")), message)
        .with_related(Place::key(key, format!("{pointer}/{first}")), "this one alone is compared")
        .with_note("so does the Go SDK of Higress; plugins of its C++ SDK look at services before domains")
        .with_help("write a rule for each of the two");
    Some(finding)
}

fn takes_everything(rule: &MatchRule) -> bool {
    rule.ingress.is_empty() && rule.domain.iter().any(|domain| domain == "*")
}
