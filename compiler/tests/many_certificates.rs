//! Hosts with a certificate of their own each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::sync::Arc;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::SourceTree;
use gatewright_compiler::{Engine, WorkCounters};
use gatewright_testkit::certs::Authority;
use gatewright_xds::type_url;

fn host(index: usize) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web-{index}, namespace: shop}}\nspec:\n  ingressClassName: higress\n  tls: [{{hosts: [h{index}.test], secretName: cert-{index}}}]\n  rules:\n  - host: h{index}.test\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}\n"
    )
}

fn secret(index: usize, chain: &str, key: &str) -> String {
    let data = serde_json::json!({"tls.crt": chain, "tls.key": key});
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: cert-{index}, namespace: shop}}\ntype: kubernetes.io/tls\nstringData: {data}\n"
    )
}

/// Returns the work of one more host beside `count` others.
fn work_of_one_more(count: usize) -> WorkCounters {
    let identity = Authority::new("test").server(&["h0.test"]);
    let file = |index: usize| {
        let text = host(index) + "---\n" + &secret(index, &identity.certificate, &identity.key);
        (Arc::from(format!("{index}.yaml")), text)
    };
    let files = |count: usize| SourceTree::in_memory::<Arc<str>, _>((0..count).map(file));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&files(count)).unwrap();
    let delta = engine.update(&files(count + 1)).unwrap();
    assert_eq!(engine.ir().tls_contexts().count(), count + 1);
    delta.counters
}

#[test]
fn one_more_certificate_is_one_more_secret_and_one_more_chain() {
    let few = work_of_one_more(10);
    assert_eq!(few, work_of_one_more(200));
    // The host at both listeners, its Secret, and the filter chain of its server name.
    assert_eq!((few.files_parsed, few.hosts_lowered, few.resources_emitted), (1, 1, 4));
}

#[test]
fn what_nobody_names_any_more_goes_along_with_the_last_host() {
    let identity = Authority::new("test").server(&["h0.test"]);
    let secret = secret(0, &identity.certificate, &identity.key);
    let files = |hosts: &[usize]| {
        let hosts =
            hosts.iter().map(|index| (format!("{index}.yaml"), host(*index).replace("cert-1", "cert-0")));
        SourceTree::in_memory(hosts.chain([("secret.yaml".to_owned(), secret.clone())]))
    };
    let count = |engine: &Engine| {
        let of = |kind| engine.xds().count(kind);
        [type_url::SECRET, type_url::FILTER_CHAIN, type_url::LISTENER].map(of)
    };
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    for (hosts, expected) in
        [(&[0, 1][..], [1, 2, 2]), (&[0], [1, 1, 2]), (&[], [0, 0, 1]), (&[1], [1, 1, 2])]
    {
        engine.update(&files(hosts)).unwrap();
        assert_eq!(count(&engine), expected, "{hosts:?}");
    }
}
