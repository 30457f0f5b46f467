//! Shadowed routes, compared with what the twin says about requests.

use std::collections::BTreeSet;

use gatewright_behaviour::testing::{Choices, Sizes, model, request};
use gatewright_behaviour::twin::observe;
use gatewright_behaviour::{Model, Options, shadowed};
use gatewright_ir::Ir;

/// No request takes a shadowed route; its witness matches it by itself, and takes the route that is named.
#[test]
fn shadowed_routes_take_no_request() {
    let mut found = 0;
    for seed in 0..50 {
        let mut choices = Choices::new(seed);
        let ir = model(&mut choices, Sizes { hosts: 4, routes: 8 });
        for (key, host) in &ir.hosts {
            let alone = Ir { hosts: [(key.clone(), host.clone())].into_iter().collect(), ..Ir::default() };
            let shadows = shadowed(&host.host, &Options::default());
            let indices: BTreeSet<usize> = shadows.iter().map(|shadow| shadow.index).collect();
            found += indices.len();
            for shadow in &shadows {
                let Some(witness) = &shadow.witness else { continue };
                let mut witness = witness.clone();
                witness.sni = None;
                let seen = witness.canonical().map(|request| Model::new(&alone).find(&request));
                let taken = seen.ok().flatten().map(|(_, route)| route.id.clone());
                assert_eq!(taken, shadow.taken_by, "seed {seed}: {witness}");
            }
            for _ in 0..30 {
                let mut request = request(&mut choices);
                request.listener = key.0;
                let Ok(canonical) = request.canonical() else { continue };
                let Some((_, route)) = Model::new(&alone).find(&canonical) else { continue };
                let index = host.host.routes.iter().position(|other| std::ptr::eq(other, route));
                assert!(index.is_some_and(|index| !indices.contains(&index)), "seed {seed}: {request}");
            }
        }
    }
    assert!(found > 30, "only {found} shadowed routes");
}

/// A route that is not shadowed takes some request of its own.
#[test]
fn other_routes_take_one() {
    for seed in 0..20 {
        let mut choices = Choices::new(seed);
        let ir = model(&mut choices, Sizes { hosts: 2, routes: 4 });
        for (key, host) in ir.hosts.iter().filter(|(key, _)| key.0 == gatewright_ir::ListenerId::HTTP) {
            let shadows = shadowed(&host.host, &Options::default());
            let mut missing: BTreeSet<usize> = (0..host.host.routes.len()).collect();
            shadows.iter().for_each(|shadow| {
                missing.remove(&shadow.index);
            });
            let alone = Ir { hosts: [(key.clone(), host.clone())].into_iter().collect(), ..Ir::default() };
            for index in missing {
                let without = shadow_probe(&alone, key, index);
                assert!(!without.is_empty(), "seed {seed}: route {index} of {} takes nothing", key.1);
                assert!(without.iter().all(|request| observe(&alone, request).route.is_some()));
            }
        }
    }
}

/// Requests that fare differently once a route is gone, or is moved to the front.
fn shadow_probe(
    ir: &Ir,
    key: &(gatewright_ir::ListenerId, gatewright_ir::HostPattern),
    index: usize,
) -> Vec<gatewright_behaviour::Request> {
    let mut host = ir.hosts[key].host.clone();
    let mut marked = host.routes[index].clone();
    marked.action = gatewright_ir::RouteAction::Refuse(std::sync::Arc::new(gatewright_ir::Refusal {
        code: "GW9999".into(),
        reason: "marked".into(),
    }));
    host.routes[index] = marked;
    let lowered = std::sync::Arc::new(gatewright_ir::LoweredHost::new(host));
    let changed = Ir { hosts: [(key.clone(), lowered)].into_iter().collect(), ..ir.clone() };
    let diff = gatewright_behaviour::diff(ir, &changed, &Options::default());
    diff.classes.iter().filter_map(|class| class.witness().cloned()).collect()
}
