//! Real Envoy through the harness: what it accepts, what it refuses, and one request to a real backend.

use std::net::SocketAddr;

use gatewright_testkit::envoy::{Envoy, validate};
use gatewright_testkit::http::Call;
use gatewright_testkit::{EchoBackend, free_port};

fn bootstrap(http: u16, admin: u16, backend: u16) -> String {
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: http
    address: {{socket_address: {{address: 127.0.0.1, port_value: {http}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: any, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: blue}}}}]}}
  clusters:
  - name: blue
    load_assignment:
      cluster_name: blue
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}
"#
    )
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn real_envoy_serves_what_it_validated() {
    let backend = EchoBackend::start("blue");
    let (http, admin) = (free_port(), free_port());
    let bootstrap = bootstrap(http, admin, backend.port());
    validate(&bootstrap).unwrap();
    let envoy = Envoy::start(&bootstrap, admin);
    let answer = Call::get(SocketAddr::from(([127, 0, 0, 1], http)), "h.example", "/a?b=c").send().unwrap();
    assert_eq!((answer.status, answer.json()["path"].as_str()), (200, Some("/a?b=c")));
    assert_eq!(backend.requests().len(), 1);
    assert!(envoy.config_dump()["configs"].is_array());
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn real_envoy_refuses_an_unknown_field() {
    let wrong = bootstrap(free_port(), free_port(), 1).replace("domains:", "domain:");
    let said = validate(&wrong).unwrap_err();
    assert!(said.contains("domain"), "{said}");
}
