//! What reading costs beside bare loading.

use super::*;

/// A file of Ingresses as `xtask bench` writes them.
fn many_ingresses(count: usize) -> String {
    let one = |n: usize| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: route-{n}\n  namespace: shop\n  \
             annotations:\n    higress.io/timeout: \"{n}\"\n    nginx.ingress.kubernetes.io/enable-cors: \"true\"\n  \
             labels:\n    app.kubernetes.io/name: shop\nspec:\n  ingressClassName: higress\n  rules:\n  - host: \
             host-{n}.example.com\n    http:\n      paths:\n      - path: /api/v{n}\n        pathType: Prefix\n        \
             backend:\n          service:\n            name: service-{n}\n            port:\n              number: \
             8080\n      - path: /exact\n        pathType: Exact\n        backend:\n          service:\n            \
             name: service-{n}\n            port:\n              name: http\n---\n"
        )
    };
    (0..count).map(one).collect()
}

#[test]
#[ignore = "a measurement, of use with --release --nocapture"]
fn reading_costs_little_more_than_loading() {
    let text = many_ingresses(20_000);
    let time = |work: &dyn Fn()| {
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        });
        best.min().unwrap().as_secs_f64()
    };
    let events = time(&|| assert!(saphyr_parser::Parser::new_from_str(&text).all(|event| event.is_ok())));
    let load = time(&|| {
        let source = load::Source::new(&text);
        let (mut loader, mut tree) = (load::Loader::new(&source), tree::Tree::default());
        while loader.next(&mut tree).is_some() {}
    });
    let parse = time(&|| assert_eq!(parse_file(text.as_bytes(), Profile::Native).manifests.len(), 20_000));
    let megabytes = text.len() as f64 / 1e6;
    for (what, seconds) in [("events", events), ("trees", load), ("manifests", parse)] {
        println!(
            "{what}: {seconds:.3} s, {:.1} MB/s, {:.2} times the events",
            megabytes / seconds,
            seconds / events
        );
    }
    assert!(parse < 3.0 * load, "reading takes {parse} s, loading {load} s");
}
