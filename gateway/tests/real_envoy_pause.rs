//! A filter that pauses on headers and whose data callback continues: what a real Envoy does with a plugin of that kind, and
//! that the gateway's two ways to stop at a head are Envoy's two.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use gatewright_gateway::stream::{Event, Host, Side, Step};
use gatewright_testkit::envoy::Envoy;
use gatewright_testkit::http::Call;
use gatewright_testkit::{EchoBackend, free_port};
use gatewright_xds::Resource;
use serde_json::json;
use support::Rig;
use support::filters::{Behaviours, Gate, Memory, Notes, TestKind, filter};
use support::resources::*;

const HOST: &str = "a.example.com";
/// What is not answered in this time is held.
const MOMENT: Duration = Duration::from_secs(2);

/// Returns a plugin of proxy-wasm ABI 0.2.1 that answers 1 (pause) to request headers and 0 (continue) to a request body.
fn plugin() -> Vec<u8> {
    const I32: u8 = 0x7f;
    let section = |id: u8, content: &[u8]| [&[id, content.len() as u8], content].concat();
    let export =
        |name: &str, kind: u8, index: u8| [&[name.len() as u8], name.as_bytes(), &[kind, index]].concat();
    let code = |instructions: &[u8]| [&[instructions.len() as u8 + 2, 0], instructions, &[0x0b]].concat();
    let marker = [0x60, 0, 0];
    let allocator = [0x60, 1, I32, 1, I32];
    let callback = [0x60, 3, I32, I32, I32, 1, I32];
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[&[3][..], &marker, &allocator, &callback].concat()),
        section(3, &[4, 0, 1, 2, 2]),
        section(5, &[1, 0, 16]),
        section(
            7,
            &[
                &[5][..],
                &export("memory", 2, 0),
                &export("proxy_abi_version_0_2_1", 0, 0),
                &export("malloc", 0, 1),
                &export("proxy_on_request_headers", 0, 2),
                &export("proxy_on_request_body", 0, 3),
            ]
            .concat(),
        ),
        section(
            10,
            &[&[4][..], &code(&[]), &code(&[0x41, 0x80, 0x20]), &code(&[0x41, 1]), &code(&[0x41, 0])]
                .concat(),
        ),
    ]
    .concat()
}

fn bootstrap(port: u16, admin: u16, backend: &EchoBackend, module: &str, literal: bool) -> String {
    let address = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let extension = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let wasm = json!({
        "@type": extension("http.wasm.v3.Wasm"),
        "config": {
            "name": "pause",
            "allow_on_headers_stop_iteration": literal,
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module } },
            },
        },
    });
    let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "a" } }]);
    let manager = json!({
        "@type": extension("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "test",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": [
            { "name": "pause", "typed_config": wasm },
            { "name": "router", "typed_config": { "@type": extension("http.router.v3.Router") } },
        ],
    });
    let endpoint = json!({ "endpoint": { "address": address(backend.port()) } });
    json!({
        "admin": { "address": address(admin) },
        "static_resources": {
            "listeners": [{
                "name": "http",
                "address": address(port),
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
            }],
            "clusters": [{
                "name": "a",
                "type": "STATIC",
                "load_assignment": { "cluster_name": "a", "endpoints": [{ "lb_endpoints": [endpoint] }] },
            }],
        },
    })
    .to_string()
}

/// Stops at the head, in the way that it is configured with, and continues at data.
fn pause(memory: &mut Memory, event: Event<'_>, _: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } if memory.argument == "literal" => Step::StopHeaders,
        Event::Head { side: Side::Request, .. } => Step::StopAll,
        _ => Step::Continue,
    }
}

fn gateway(backend: &EchoBackend, way: &str) -> Rig {
    let hosts = vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))])];
    let mut all = world(hosts, vec![upstream("a", &[backend.address()])]);
    let chain = vec![filter("pause", &format!("pause {way}"))];
    all[0] = Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, chain)));
    let behaviours = Behaviours::from([("pause", (true, false, pause as _))]);
    let kind = TestKind { behaviours, notes: Notes::default(), gate: Gate::default() };
    let rig = Rig::launch(all, |options| options.filters.add(Arc::new(kind)));
    rig.wait_until_ready();
    rig
}

#[test]
#[ignore = "needs a real Envoy, named by GATEWRIGHT_ENVOY"]
fn real_envoy_keeps_a_paused_head_as_the_gateway_does() {
    let module = format!("{}/pause.wasm", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&module, plugin()).unwrap();
    for (literal, way) in [(false, "all"), (true, "literal")] {
        let backend = EchoBackend::start("a");
        let (port, admin) = (free_port(), free_port());
        let _envoy = Envoy::start(&bootstrap(port, admin, &backend, &module, literal), admin);
        let rig = gateway(&backend, way);
        for (plane, address) in [("envoy", ([127, 0, 0, 1], port).into()), ("gateway", rig.http())] {
            let call = Call::new("POST", address, HOST, "/").body("body").timeout(MOMENT);
            let answered = call.send().is_ok();
            assert_eq!(answered, literal, "{plane}, {way}");
            assert_eq!(backend.take_requests().len(), usize::from(literal), "{plane}, {way}");
        }
    }
}
