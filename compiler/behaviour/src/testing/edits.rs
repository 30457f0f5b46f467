//! Edits of models: small ones that may change behaviour, and refactorings that must not.

use std::sync::Arc;

use gatewright_ir::{
    Discovery, HostPattern, Ir, ListenerId, LoadBalancing, RetryPolicy, Route, RouteAction, RoutePolicy,
    TlsContext, UpstreamProtocol,
};

use super::Choices;
use super::models::{host_pattern, put_host, route_id, route_match, routes_of_path, tls_context, tls_of};

/// Returns a model after `count` small edits.
pub fn edited(choices: &mut Choices, ir: &Ir, count: usize) -> Ir {
    let mut edited = ir.clone();
    for _ in 0..count {
        match choices.below(12) {
            0 => edit_cluster(choices, &mut edited),
            1 => edit_endpoints(choices, &mut edited),
            2 => edit_tls(choices, &mut edited),
            3 => remove_host(choices, &mut edited),
            4 => add_host(choices, &mut edited),
            _ => edit_routes(choices, &mut edited),
        }
    }
    edited
}

/// Returns a model that behaves alike and is written in another way.
pub fn refactored(choices: &mut Choices, ir: &Ir) -> Ir {
    let mut refactored = ir.clone();
    let keys: Vec<(ListenerId, HostPattern)> = ir.hosts.keys().cloned().collect();
    for (listener, host) in keys {
        let mut routes = routes_at(&refactored, listener, &host);
        for route in &mut routes {
            route.id = route_id("shop/again", &route.id.host, &route.id.part.to_string());
            route.name = format!("{}-again", route.name).into();
            if let RouteAction::Forward(forward) = &mut route.action {
                rewrite_forward(choices, Arc::make_mut(forward));
            }
            rewrite_policy(Arc::make_mut(&mut route.policy));
        }
        if let Some(end) = routes.iter().position(|route| route.matches.is_catch_all()) {
            routes.extend(routes_of_path(choices, &host));
            routes.truncate(end + 2 + choices.below(2));
        } else if let Some(wider) = refactored.falls_back_to(listener, &host).cloned() {
            let inherited = routes_at(ir, listener, &wider);
            if choices.one_in(2) {
                routes.extend(inherited);
            }
        }
        if choices.one_in(2)
            && let Some(last) = routes.last().cloned()
        {
            routes.push(last);
        }
        put_host(&mut refactored, listener, &host, routes);
    }
    let (tls, refactored_tls) = (ir.tls(ListenerId::HTTPS), tls_of(&mut refactored));
    let names: Vec<HostPattern> = tls.keys().cloned().collect();
    for name in names.iter().filter(|name| matches!(name, HostPattern::Suffix(_))) {
        let narrower = HostPattern::Exact(name.example().into());
        if let (Some(context), false) = (tls.get(name), tls.contains_key(&narrower)) {
            let covered = names
                .iter()
                .any(|other| other != name && other.covers(&name.example()) && narrow(other, name));
            if !covered {
                let context = TlsContext { host: narrower.clone(), ..context.as_ref().clone() };
                refactored_tls.insert(narrower, Arc::new(context));
            }
        }
    }
    refactored
}

/// Whether `a` takes names before `b` does.
fn narrow(a: &HostPattern, b: &HostPattern) -> bool {
    let length = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(_) => usize::MAX,
        HostPattern::Suffix(parent) => parent.len(),
        HostPattern::Any => 0,
    };
    length(a) > length(b)
}

fn rewrite_forward(choices: &mut Choices, forward: &mut gatewright_ir::Forward) {
    if forward.targets.len() > 1 {
        let factor = choices.pick(&[1, 2, 3]);
        forward.targets.iter_mut().for_each(|target| target.weight *= factor);
        forward.targets.reverse();
    } else if let Some(target) = forward.targets.first().cloned() {
        forward.targets.push(target);
    }
}

fn rewrite_policy(policy: &mut RoutePolicy) {
    if policy.timeout_ms.is_none() {
        policy.timeout_ms = Some(0);
    }
    if let Some(retry) = &policy.retry {
        let mut retry: RetryPolicy = retry.as_ref().clone();
        retry.retry_on.reverse();
        retry.excluded_methods.reverse();
        policy.retry = Some(Arc::new(retry));
    }
}

fn routes_at(ir: &Ir, listener: ListenerId, host: &HostPattern) -> Vec<Route> {
    ir.hosts.get(&(listener, host.clone())).map(|host| host.host.routes.clone()).unwrap_or_default()
}

fn any_host(choices: &mut Choices, ir: &Ir) -> Option<(ListenerId, HostPattern)> {
    let keys: Vec<_> = ir.hosts.keys().collect();
    if keys.is_empty() { None } else { Some(choices.pick(&keys).clone()) }
}

fn edit_cluster(choices: &mut Choices, ir: &mut Ir) {
    let names: Vec<_> = ir.clusters.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = &names[choices.below(names.len())];
    let Some(cluster) = ir.clusters.get(name) else { return };
    let mut cluster = cluster.as_ref().clone();
    match choices.below(4) {
        0 => {
            ir.clusters.remove(name);
            return;
        }
        1 => cluster.protocol = UpstreamProtocol::Http2,
        2 => cluster.load_balancing = LoadBalancing::Random,
        _ => cluster.discovery = Discovery::Endpoints,
    }
    ir.clusters.insert(name.clone(), Arc::new(cluster));
}

fn edit_endpoints(choices: &mut Choices, ir: &mut Ir) {
    let names: Vec<_> = ir.endpoints.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = &names[choices.below(names.len())];
    match choices.one_in(2) {
        true => {
            ir.endpoints.remove(name);
        }
        false => {
            if let Some(set) = ir.endpoints.get(name) {
                let mut set = set.as_ref().clone();
                set.endpoints.iter_mut().for_each(|endpoint| endpoint.address.push('1'));
                ir.endpoints.insert(name.clone(), Arc::new(set));
            }
        }
    }
}

fn edit_tls(choices: &mut Choices, ir: &mut Ir) {
    let context = tls_context(choices);
    match choices.one_in(3) {
        true => {
            tls_of(ir).remove(&context.host);
        }
        false => {
            tls_of(ir).insert(context.host.clone(), Arc::new(context));
        }
    }
}

fn remove_host(choices: &mut Choices, ir: &mut Ir) {
    if let Some(key) = any_host(choices, ir) {
        ir.hosts.remove(&key);
    }
}

fn add_host(choices: &mut Choices, ir: &mut Ir) {
    let host = host_pattern(choices);
    let routes = routes_of_path(choices, &host);
    let listener = choices.pick(&ListenerId::OF_INGRESSES);
    put_host(ir, listener, &host, routes);
}

fn edit_routes(choices: &mut Choices, ir: &mut Ir) {
    let Some((listener, host)) = any_host(choices, ir) else { return };
    let mut routes = routes_at(ir, listener, &host);
    if routes.is_empty() {
        return;
    }
    let index = choices.below(routes.len());
    match choices.below(8) {
        0 => {
            routes.remove(index);
        }
        1 => {
            let other = choices.below(routes.len());
            routes.swap(index, other);
        }
        2 => {
            let new = routes_of_path(choices, &host);
            routes.splice(index..index, new);
        }
        3 => routes[index].matches = route_match(choices),
        4 => Arc::make_mut(&mut routes[index].policy).request_headers = Default::default(),
        5 => Arc::make_mut(&mut routes[index].policy).cors = None,
        6 => routes[index].plugins.clear(),
        _ => edit_action(choices, &host, &mut routes[index]),
    }
    put_host(ir, listener, &host, routes);
}

fn edit_action(choices: &mut Choices, host: &HostPattern, route: &mut Route) {
    let other = routes_of_path(choices, host);
    let Some(other) = other.into_iter().next() else { return };
    let timeout_ms = other.policy.timeout_ms;
    match (&mut route.action, other.action) {
        (RouteAction::Forward(forward), RouteAction::Forward(other)) => {
            let (forward, other) = (Arc::make_mut(forward), Arc::unwrap_or_clone(other));
            match choices.below(4) {
                0 => forward.targets = other.targets,
                1 => forward.path_rewrite = other.path_rewrite,
                2 => Arc::make_mut(&mut route.policy).timeout_ms = timeout_ms,
                _ => forward.host_rewrite = other.host_rewrite,
            }
        }
        (action, other) => *action = other,
    }
}
