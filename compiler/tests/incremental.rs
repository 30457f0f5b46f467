//! An engine that saw a history of edits holds exactly what a new engine makes of the last state, and the order of
//! files and documents never matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::collections::BTreeMap;

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::parse::REGISTRY_LOCK;
use gatewright_compiler::source::{Paths, SourceTree};
use gatewright_compiler::{Engine, compile};
use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_kinds::{EntityKey, Kind};
use proptest::prelude::*;

/// Everything that a compile shows.
#[derive(Debug, PartialEq)]
struct Shown {
    xds: Vec<(String, String, Vec<u8>)>,
    ir: String,
    diagnostics: Vec<Diagnostic>,
    objects: BTreeMap<Kind, usize>,
    files: Paths,
}

/// Returns all that is asked of an engine; what it knows by an index is what a look at the whole finds.
fn shown(engine: &Engine) -> Shown {
    let diagnostics = engine.diagnostics().unwrap();
    let errors: Vec<&Diagnostic> =
        diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert_eq!(engine.diagnostics_at_least(Severity::Error).unwrap().iter().collect::<Vec<_>>(), errors);
    assert_eq!(engine.has_errors(), !errors.is_empty());
    Shown {
        xds: resources(engine),
        ir: model(engine),
        diagnostics,
        objects: engine.object_counts().clone(),
        files: engine.files_with_manifests(),
    }
}

fn resources(engine: &Engine) -> Vec<(String, String, Vec<u8>)> {
    let resource = |resource: &std::sync::Arc<gatewright_xds::Resource>| {
        (resource.type_url().to_owned(), resource.name().to_owned(), resource.body().to_vec())
    };
    engine.xds().iter().map(resource).collect()
}

fn model(engine: &Engine) -> String {
    serde_json::to_string_pretty(engine.ir()).unwrap()
}

fn cold(files: &BTreeMap<String, String>) -> Shown {
    let compiled = compile(&tree(files), &CompileOptions::higress_defaults()).unwrap();
    shown(&compiled.engine)
}

fn tree(files: &BTreeMap<String, String>) -> SourceTree {
    SourceTree::in_memory(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
}

const HOSTS: [&str; 6] = ["a.com", "x.a.com", "*.a.com", "*.com", "b.com", ""];
const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/b.c", "/(x|y)"];
const ANNOTATIONS: [&[(&str, &str)]; 19] = [
    &[],
    &[],
    &[("nginx.ingress.kubernetes.io/canary", "true"), ("nginx.ingress.kubernetes.io/canary-weight", "30")],
    &[("nginx.ingress.kubernetes.io/canary", "true"), ("nginx.ingress.kubernetes.io/canary-by-header", "x")],
    &[("nginx.ingress.kubernetes.io/rewrite-target", "/$1")],
    &[("higress.io/rewrite-path", "/new")],
    &[("nginx.ingress.kubernetes.io/ssl-redirect", "true")],
    &[("nginx.ingress.kubernetes.io/app-root", "/start")],
    &[("higress.io/match-method", "GET POST")],
    &[("higress.io/exact-match-header-v", "1")],
    &[("nginx.ingress.kubernetes.io/default-backend", "s1")],
    &[("nginx.ingress.kubernetes.io/whitelist-source-range", "10.0.0.0/8")],
    &[("higress.io/destination", "60% api.static\n40% s0.one.svc.cluster.local:80")],
    &[("nginx.ingress.kubernetes.io/use-regex", "true")],
    &[("higress.io/timeout", "5"), ("nginx.ingress.kubernetes.io/enable-cors", "true")],
    &[("nginx.ingress.kubernetes.io/permanent-redirect", "ftp://nowhere")],
    &[("higress.io/destination", "50% orders.g.public.nacos\n50% users.g.public.nacos:80")],
    &[("higress.io/load-balance", "random")],
    &[("higress.io/load-balance", "round_robin"), ("higress.io/destination", "orders.g.public.nacos")],
];

#[derive(Clone, Debug)]
struct IngressSpec {
    name: usize,
    namespace: usize,
    host: usize,
    paths: Vec<(usize, bool, usize)>,
    annotations: usize,
    tls: bool,
    default_backend: bool,
    comment: bool,
}

fn ingress_spec() -> impl Strategy<Value = IngressSpec> {
    (
        0..6usize,
        0..2usize,
        0..HOSTS.len(),
        prop::collection::vec((0..PATHS.len(), any::<bool>(), 0..3usize), 0..3),
        0..ANNOTATIONS.len(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(|(name, namespace, host, paths, annotations, tls, default_backend, comment)| {
            IngressSpec { name, namespace, host, paths, annotations, tls, default_backend, comment }
        })
}

const NAMESPACES: [&str; 2] = ["one", "two"];

fn ingress(spec: &IngressSpec) -> String {
    let mut text = String::from("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n");
    text += &format!("  name: i{}\n  namespace: {}\n", spec.name, NAMESPACES[spec.namespace]);
    let annotations = ANNOTATIONS[spec.annotations];
    if !annotations.is_empty() {
        text += "  annotations:\n";
        for (key, value) in annotations {
            text += &format!("    {key}: {value:?}\n");
        }
    }
    if spec.comment {
        text += "# a remark\n";
    }
    text += "spec:\n  ingressClassName: higress\n";
    if spec.default_backend {
        text += "  defaultBackend:\n    service:\n      name: s0\n      port:\n        number: 80\n";
    }
    if spec.tls {
        let hosts = if HOSTS[spec.host].is_empty() {
            String::new()
        } else {
            format!("    hosts: [{:?}]\n", HOSTS[spec.host])
        };
        text += &format!("  tls:\n  - secretName: cert\n{hosts}");
    }
    text += &format!("  rules:\n  - host: {:?}\n", HOSTS[spec.host]);
    if !spec.paths.is_empty() {
        text += "    http:\n      paths:\n";
    }
    for (path, exact, backend) in &spec.paths {
        let kind = if *exact { "Exact" } else { "Prefix" };
        text += &format!("      - path: {:?}\n        pathType: {kind}\n        backend:\n", PATHS[*path]);
        text += match backend {
            0 => "          service: {name: s0, port: {number: 80}}\n",
            1 => "          service: {name: s1, port: {name: web}}\n",
            _ => "          resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}\n",
        };
    }
    text
}

fn service(name: usize, namespace: usize, grpc: bool) -> String {
    let port = if grpc { "grpc" } else { "web" };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{name}\n  namespace: {}\nspec:\n  ports:\n  - name: {port}\n    port: 80\n",
        NAMESPACES[namespace]
    )
}

fn slice(name: usize, namespace: usize, last: usize, ready: bool) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: s{name}-x\n  namespace: {}\n  labels:\n    kubernetes.io/service-name: s{name}\naddressType: IPv4\nendpoints:\n- addresses: [10.0.0.{last}]\n  conditions:\n    ready: {ready}\nports:\n- name: web\n  port: 8080\n",
        NAMESPACES[namespace]
    )
}

fn bridge(port: usize) -> String {
    format!(
        "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata:\n  name: default\n  namespace: higress-system\nspec:\n  registries:\n  - name: api\n    type: static\n    domain: 10.1.1.{port}:80\n    port: {port}\n{}",
        ["", NACOS, ""][port - 80]
    )
}

const NACOS: &str = "  - {name: prod, type: nacos2, domain: nacos.test, port: 8848, nacosGroups: [g]}\n";

/// A service of a registry. Port 0 is a mistake.
fn offered(port: usize, last: usize, state: usize) -> String {
    let state = ["known", "empty", "unknown"][state];
    let instance = format!(r#"{{"ip": "127.0.0.{last}", "port": 8080, "weight": {last}}}"#);
    let instances = if state == "known" { instance } else { String::new() };
    format!(
        r#"{{"host": "orders.g.public.nacos", "port": {port}, "state": "{state}", "instances": [{instances}]}}"#
    )
}

fn snapshot(complete: bool, service: &str) -> String {
    format!(
        r#"{{"version": 1, "registries": [{{"type": "nacos2", "name": "prod", "complete": {complete}, "services": [{service}]}}]}}"#
    )
}

fn plugin(open: bool, rule: usize) -> String {
    let strategy = if open { "FAIL_OPEN" } else { "FAIL_CLOSE" };
    let rule = ["domain: [\"x.a.com\"]", "ingress: [\"one/i1\"]", "service: [\"api.static\"]"][rule];
    format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata:\n  name: guard\n  namespace: higress-system\nspec:\n  url: oci://example.com/guard:1\n  phase: AUTHN\n  failStrategy: {strategy}\n  defaultConfigDisable: true\n  matchRules:\n  - {rule}\n    config: {{a: 1}}\n"
    )
}

#[derive(Clone, Debug)]
enum Edit {
    Ingress(usize, IngressSpec),
    Service(usize, usize, bool),
    Slice(usize, usize, usize, bool),
    Bridge(usize),
    Plugin(bool, usize),
    /// Where it lies, and what it says.
    Snapshot(bool, (bool, usize, usize, usize)),
    Garbage(usize),
    Remove(usize),
    Move(usize, usize),
    Join(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let file = 0..8usize;
    prop_oneof![
        6 => (file.clone(), ingress_spec()).prop_map(|(file, spec)| Edit::Ingress(file, spec)),
        2 => (0..2usize, 0..2usize, any::<bool>()).prop_map(|(n, ns, grpc)| Edit::Service(n, ns, grpc)),
        2 => (0..2usize, 0..2usize, 1..5usize, any::<bool>()).prop_map(|(n, ns, ip, ready)| Edit::Slice(n, ns, ip, ready)),
        1 => (80..83usize).prop_map(Edit::Bridge),
        1 => (any::<bool>(), 0..3usize).prop_map(|(open, rule)| Edit::Plugin(open, rule)),
        3 => (prop::bool::weighted(0.8), (any::<bool>(), 79..82usize, 0..3usize, 0..3usize))
            .prop_map(|(home, said)| Edit::Snapshot(home, said)),
        1 => file.clone().prop_map(Edit::Garbage),
        2 => file.clone().prop_map(Edit::Remove),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Edit::Move(from, to)),
        1 => (file.clone(), file).prop_map(|(from, to)| Edit::Join(from, to)),
    ]
}

fn apply(files: &mut BTreeMap<String, String>, edit: &Edit) {
    let path = |file: usize| format!("f{file}.yaml");
    match edit {
        Edit::Ingress(file, spec) => drop(files.insert(path(*file), ingress(spec))),
        Edit::Service(n, ns, grpc) => {
            drop(files.insert(format!("service-{n}-{ns}.yaml"), service(*n, *ns, *grpc)))
        }
        Edit::Slice(n, ns, ip, ready) => {
            drop(files.insert(format!("slice-{n}-{ns}.yaml"), slice(*n, *ns, *ip, *ready)))
        }
        Edit::Bridge(port) => drop(files.insert("bridge.yaml".into(), bridge(*port))),
        Edit::Plugin(open, rule) => drop(files.insert("plugin.yaml".into(), plugin(*open, *rule))),
        Edit::Snapshot(home, (complete, port, last, state)) => {
            let path = if *home { "registries.lock.json" } else { "moved/registries.lock.json" };
            let port = if *port == 79 { 0 } else { *port };
            files.insert(path.into(), snapshot(*complete, &offered(port, *last, *state)));
        }
        Edit::Garbage(file) => drop(files.insert(path(*file), "kind: Ingress\nspec: [\n".into())),
        Edit::Remove(file) => drop(files.remove(&path(*file))),
        Edit::Move(from, to) => {
            if let Some(text) = files.remove(&path(*from)) {
                files.insert(format!("moved/{}", path(*to)), text);
            }
        }
        Edit::Join(from, to) => {
            if let (Some(a), Some(b)) = (files.get(&path(*from)).cloned(), files.get(&path(*to)).cloned()) {
                files.insert("joined.yaml".into(), format!("{a}---\n{b}"));
            }
        }
    }
}

/// Does what an edit does where every object has a file of its own, with a name that says which.
fn apply_to_objects(files: &mut BTreeMap<EntityKey, String>, edit: &Edit) {
    let key = |kind, namespace: &str, name: String| EntityKey::new(kind, namespace, name);
    let (key, text) = match edit {
        Edit::Ingress(_, spec) => {
            (key(Kind::Ingress, NAMESPACES[spec.namespace], format!("i{}", spec.name)), ingress(spec))
        }
        Edit::Service(n, ns, grpc) => {
            (key(Kind::Service, NAMESPACES[*ns], format!("s{n}")), service(*n, *ns, *grpc))
        }
        Edit::Slice(n, ns, ip, ready) => {
            (key(Kind::EndpointSlice, NAMESPACES[*ns], format!("s{n}-x")), slice(*n, *ns, *ip, *ready))
        }
        Edit::Bridge(port) => (key(Kind::McpBridge, "higress-system", "default".into()), bridge(*port)),
        Edit::Plugin(open, rule) => {
            (key(Kind::WasmPlugin, "higress-system", "guard".into()), plugin(*open, *rule))
        }
        Edit::Snapshot(_, (_, port, last, state)) => {
            let name = "prod/orders.g.public.nacos".into();
            (key(Kind::RegistryService, "nacos2", name), offered((*port).max(80), *last, *state))
        }
        Edit::Garbage(file) | Edit::Remove(file) | Edit::Move(file, _) | Edit::Join(file, _) => {
            let names: Vec<EntityKey> = files.keys().cloned().collect();
            if let Some(key) = names.get(*file) {
                files.remove(key);
            }
            return;
        }
    };
    files.insert(key, text);
}

fn named(files: &BTreeMap<EntityKey, String>) -> BTreeMap<String, String> {
    let is_service = |key: &EntityKey| key.kind == Kind::RegistryService;
    let services: Vec<&str> =
        files.iter().filter(|(key, _)| is_service(key)).map(|(_, text)| text.as_str()).collect();
    let snapshot = (REGISTRY_LOCK.to_owned(), snapshot(true, &services.join(",")));
    let manifests = files.iter().filter(|(key, _)| !is_service(key));
    manifests
        .map(|(key, text)| (format!("{}.yaml", key.to_string().replace('/', "-")), text.clone()))
        .chain([snapshot])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_cold(edits in prop::collection::vec(edit(), 1..24)) {
        let mut files = BTreeMap::new();
        let mut engine = Engine::new(CompileOptions::higress_defaults());
        for edit in &edits {
            apply(&mut files, edit);
            engine.update(&tree(&files)).unwrap();
            prop_assert_eq!(shown(&engine), cold(&files));
        }
    }

    #[test]
    fn what_is_supposed_is_cold(
        old in prop::collection::vec(edit(), 1..16),
        edits in prop::collection::vec(edit(), 1..8),
        masks in prop::collection::vec(any::<u64>(), 1..4),
    ) {
        let mut base = BTreeMap::new();
        old.iter().for_each(|edit| apply_to_objects(&mut base, edit));
        let mut head = base.clone();
        edits.iter().for_each(|edit| apply_to_objects(&mut head, edit));
        let mut engine = Engine::new(CompileOptions::higress_defaults());
        engine.update(&tree(&named(&base))).unwrap();
        let before = engine.provenance();
        engine.update(&tree(&named(&head))).unwrap();
        let changed: Vec<EntityKey> = engine.provenance().changed(&before).into_iter().collect();
        for mask in masks {
            let taken = changed.iter().enumerate().filter(|(index, _)| mask >> (index % 64) & 1 == 1);
            let taken: Vec<&EntityKey> = taken.map(|(_, key)| key).collect();
            engine.suppose(taken.iter().map(|key| ((*key).clone(), before.said(key))).collect());
            let mut mixed = head.clone();
            for key in taken {
                match base.get(key) {
                    Some(text) => drop(mixed.insert(key.clone(), text.clone())),
                    None => drop(mixed.remove(key)),
                }
            }
            // Findings have no places here: what is supposed stands in files of another state.
            let expected = cold(&named(&mixed));
            prop_assert_eq!(model(&engine), expected.ir);
            prop_assert_eq!(resources(&engine), expected.xds);
        }
        engine.update(&tree(&named(&head))).unwrap();
        prop_assert_eq!(shown(&engine), cold(&named(&head)));
    }

    #[test]
    fn the_delta_says_exactly_what_changed(edits in prop::collection::vec(edit(), 1..16)) {
        let mut files = BTreeMap::new();
        let mut engine = Engine::new(CompileOptions::higress_defaults());
        let mut held = BTreeMap::new();
        for edit in &edits {
            apply(&mut files, edit);
            let delta = engine.update(&tree(&files)).unwrap();
            for (key, resource) in &delta.changed {
                let old = held.insert(key.clone(), resource.version().to_owned());
                prop_assert_ne!(old.as_deref(), Some(resource.version()));
            }
            for key in &delta.removed {
                prop_assert!(held.remove(key).is_some());
            }
            let all: BTreeMap<_, _> = engine
                .xds()
                .iter()
                .map(|resource| ((resource.type_url(), resource.shared_name()), resource.version().to_owned()))
                .collect();
            prop_assert_eq!(&held, &all);
        }
    }

    #[test]
    fn order_of_documents_and_files_does_not_matter(
        specs in prop::collection::vec(ingress_spec(), 1..8),
        shuffled in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
    ) {
        let mut named: BTreeMap<(usize, usize), IngressSpec> = BTreeMap::new();
        for spec in specs {
            named.insert((spec.namespace, spec.name), spec);
        }
        let documents: Vec<String> = named.values().map(ingress).collect();
        let one_file = BTreeMap::from([("all.yaml".to_owned(), documents.join("---\n"))]);
        let mut rotated = documents.clone();
        let turn = usize::try_from(shuffled % rotated.len() as u64).unwrap();
        rotated.rotate_left(turn);
        rotated.reverse();
        let other_file = BTreeMap::from([("all.yaml".to_owned(), rotated.join("---\n"))]);
        let many: BTreeMap<String, String> =
            documents.iter().enumerate().map(|(index, text)| (format!("{}.yaml", 90 - index), text.clone())).collect();
        let first = cold(&one_file);
        for files in [&other_file, &many] {
            let second = cold(files);
            prop_assert_eq!(&first.xds, &second.xds);
            prop_assert_eq!(&first.ir, &second.ir);
        }
    }
}

/// An Ingress with one path of a host.
fn plain(name: usize, host: usize) -> IngressSpec {
    IngressSpec {
        name,
        namespace: 0,
        host,
        paths: vec![(1, false, 0)],
        annotations: 0,
        tls: false,
        default_backend: false,
        comment: false,
    }
}

#[test]
fn a_plugin_is_lost_with_the_last_host_that_it_covers() {
    let mut files = BTreeMap::new();
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    for edit in [
        Edit::Ingress(0, plain(0, 0)),
        Edit::Ingress(2, plain(1, 1)),
        Edit::Plugin(false, 0),
        Edit::Remove(2),
    ] {
        apply(&mut files, &edit);
        engine.update(&tree(&files)).unwrap();
        assert_eq!(shown(&engine), cold(&files));
    }
    assert!(engine.diagnostics().unwrap().iter().any(|found| found.code.id == "GW0443"));
}

#[test]
fn an_edit_of_a_plugin_lowers_the_hosts_that_it_covers() {
    let mut files: BTreeMap<String, String> =
        (0..HOSTS.len()).map(|host| (format!("f{host}.yaml"), ingress(&plain(host, host)))).collect();
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    files.insert("plugin.yaml".into(), plugin(true, 0));
    engine.update(&tree(&files)).unwrap();
    // `x.a.com` and what is wider; then also what the new rule takes; then that alone.
    for (rule, config, hosts) in [(0, "a: 2", 4), (1, "a: 2", 4), (1, "a: 3", 1)] {
        files.insert("plugin.yaml".into(), plugin(true, rule).replace("a: 1", config));
        let delta = engine.update(&tree(&files)).unwrap();
        assert_eq!(delta.counters.hosts_lowered, hosts, "rule {rule}, {config}");
        assert_eq!(shown(&engine), cold(&files));
    }
}

#[test]
fn comments_and_moves_change_no_resource() {
    let spec = plain(1, 0);
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let before =
        BTreeMap::from([("a.yaml".to_owned(), ingress(&spec)), ("s.yaml".to_owned(), service(0, 0, false))]);
    engine.update(&tree(&before)).unwrap();
    let commented = format!("# why\n{}", ingress(&IngressSpec { comment: true, ..spec }));
    let after =
        BTreeMap::from([("b/c.yaml".to_owned(), commented), ("t.yaml".to_owned(), service(0, 0, false))]);
    let delta = engine.update(&tree(&after)).unwrap();
    assert!(delta.changed.is_empty() && delta.removed.is_empty());
    assert_eq!(
        (delta.counters.files_parsed, delta.counters.hosts_lowered, delta.counters.resources_emitted),
        (1, 0, 0)
    );
}

/// One edited path among `count` hosts: the work must not depend on `count`.
fn work_of_one_edit(count: usize) -> gatewright_compiler::WorkCounters {
    let file = |index: usize, path: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i{index}, namespace: one}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: h{index}.com\n    http:\n      paths:\n      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: s0, port: {{number: 80}}}}}}}}\n"
        )
    };
    let mut files: BTreeMap<String, String> =
        (0..count).map(|index| (format!("{index}.yaml"), file(index, "/a"))).collect();
    files.insert("s.yaml".into(), service(0, 0, false));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&tree(&files)).unwrap();
    files.insert("7.yaml".into(), file(7, "/b"));
    engine.update(&tree(&files)).unwrap().counters
}

#[test]
fn the_work_of_an_edit_does_not_grow_with_the_source() {
    let small = work_of_one_edit(20);
    assert_eq!(small, work_of_one_edit(600));
    assert_eq!((small.files_parsed, small.ingresses_analyzed, small.hosts_lowered), (1, 1, 1));
    assert_eq!(small.resources_emitted, 1);
}
