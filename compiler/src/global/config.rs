//! ConfigMap `higress-config`: its text is checked as Higress checks it. None of its settings has an effect here yet.

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use super::fields;
use super::{report, unread_members};
use crate::finding::{Finding, Place};
use crate::manifest::ConfigMap;
use crate::parse::inner::{self, Inner, Remark};

const MEMBER: &str = "higress";
/// Texts of Istio in the same ConfigMap.
const MESH: [&str; 2] = ["mesh", "meshNetworks"];
const PROVIDERS: [&str; 3] = ["zipkin", "skywalking", "opentelemetry"];

/// Checks the ConfigMap.
pub(super) fn check(key: &EntityKey, body: &ConfigMap, findings: &mut Vec<Finding>) {
    unread_members(key, body, &[MEMBER, MESH[0], MESH[1]], findings);
    for mesh in MESH.into_iter().filter(|mesh| body.data.contains_key(*mesh)) {
        let place = Place::key(key, format!("/data/{mesh}"));
        findings.push(not_implemented(place, mesh));
    }
    let Some(text) = body.data.get(MEMBER) else { return };
    let mut inner = inner::read(text, &fields::CONFIG);
    inner.remarks.extend(providers(&inner));
    inner.remarks.extend(user_level_server(&inner));
    report(key, MEMBER, &inner, findings);
    // What Higress drops has no effect there either.
    if inner.is_refused() {
        return;
    }
    for (name, within) in inner.keys() {
        if fields::CONFIG.iter().any(|field| field.name.eq_ignore_ascii_case(&name)) {
            let place = Place::value(key, format!("/data/{MEMBER}")).within(within);
            findings.push(not_implemented(place, &name));
        }
    }
}

fn not_implemented(place: Place, name: &str) -> Finding {
    let message =
        format!("`{name}` of ConfigMap `higress-config` is not implemented yet and has no effect here");
    Finding::new(&code::GW0462, place, message)
        .with_note("Higress applies it: routes, plans and traces do not show what it changes")
}

/// Tracing that is on names exactly one provider.
fn providers(inner: &Inner) -> Option<Remark> {
    let tracing = inner.fields()?.some_object("tracing")?;
    let named = PROVIDERS.iter().filter(|provider| tracing.has(provider)).count();
    (tracing.boolean("enable") == Some(true) && named != 1).then_some(())?;
    let message = format!("`tracing` that is on needs one of `{}`, and has {named}", PROVIDERS.join("`, `"));
    Some(Remark { within: inner.place("/tracing/enable")?, message, help: None, refused: true })
}

/// Servers for single users keep their state in redis.
fn user_level_server(inner: &Inner) -> Option<Remark> {
    let server = inner.fields()?.some_object("mcpServer")?;
    (server.boolean("enable_user_level_server") == Some(true) && !server.has("redis")).then_some(())?;
    let message = "`enable_user_level_server` needs `redis`".to_owned();
    Some(Remark {
        within: inner.place("/mcpServer/enable_user_level_server")?,
        message,
        help: None,
        refused: true,
    })
}
