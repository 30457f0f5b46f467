//! The bundled gateway on live objects: endpoints, certificates, and a cluster without any source.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatewright_testkit::certs::Authority;
use gatewright_testkit::cluster::{ADMIN, Cluster};
use gatewright_testkit::http::{Call, Tls, der};
use gatewright_testkit::kube_relay::STAND_IN;
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{EchoBackend, eventually, free_port};
use serde_json::{Value, json};

use super::scene::Scene;
use super::support::{Folder, program};

const SOON: Duration = Duration::from_secs(60);

/// How often endpoints change under load, and how long that may take.
const CHANGES: usize = 1_000;
const CHANGES_WITHIN: Duration = Duration::from_secs(240);

/// A gateway that follows a cluster.
pub(crate) struct Gateway {
    pub(crate) process: ChildProcess,
    http: SocketAddr,
    https: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts the gateway and waits until it is ready.
    pub(crate) fn start(folder: &Folder, cluster: &Cluster, user: &str, sources: &[&str]) -> Self {
        let kubeconfig = cluster.loopback_kubeconfig_of(user);
        let kubeconfig = kubeconfig.to_str().expect("a temporary folder is text");
        let mut arguments = sources.to_vec();
        arguments.extend(["--cluster", "--kubeconfig", kubeconfig]);
        Self::with(folder, &arguments, free_local(), free_local())
    }

    fn with(folder: &Folder, arguments: &[&str], http: SocketAddr, https: SocketAddr) -> Self {
        let admin = free_local();
        let mut command = program(folder.path());
        command.arg("gateway").args(arguments).args(["--workers", "1", "--no-access-log"]);
        command.arg("--admin").arg(admin.to_string());
        if !arguments.contains(&"--xds") {
            command.arg("--http").arg(http.to_string()).arg("--https").arg(https.to_string());
        }
        let mut process = ChildProcess::spawn("gateway", &mut command);
        process.wait_for_http(admin, "/ready", SOON);
        Gateway { process, http, https, admin }
    }

    /// Sends a request and returns the status and who answered.
    fn call(&self, host: &str) -> Result<(u16, String), String> {
        let answer = Call::get(self.http, host, "/").send()?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok((answer.status, body["backend"].as_str().unwrap_or_default().to_owned()))
    }

    /// Waits until a host is answered by a backend.
    pub(crate) fn answers(&self, host: &str, backend: &str) {
        eventually(&format!("{backend} answers for {host}"), SOON, || match self.call(host)? {
            (200, name) if name == backend => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Waits until TLS clients of a host are shown a certificate.
    fn shows(&self, host: &str, certificate: &str) {
        let wanted = der(certificate).expect("a certificate of the test");
        eventually(&format!("{host} has the certificate"), SOON, || {
            let tls = Tls { sni: Some(host.to_owned()), ..Tls::default() };
            let answer = Call::get(self.https, host, "/").tls(tls).send()?;
            if answer.certificate.as_ref() == Some(&wanted) {
                Ok(())
            } else {
                Err("it is another one".to_owned())
            }
        });
    }

    /// Returns how many responses of each type were received.
    fn responses(&self) -> BTreeMap<String, u64> {
        let text =
            Call::get(self.admin, "localhost", "/stats/prometheus").send().expect("an admin page").text();
        let samples = text.lines().filter_map(|line| line.strip_prefix("gatewright_xds_responses_total"));
        samples
            .map(|sample| {
                let (labels, count) = sample.rsplit_once(' ').expect("a sample has a value");
                (labels.to_owned(), count.parse().expect("a counter is a number"))
            })
            .collect()
    }

    /// Checks that nothing but endpoints was received since `before`, and returns how often those were.
    fn only_endpoints_since(&self, before: &BTreeMap<String, u64>) -> u64 {
        let mut endpoints = 0;
        for (labels, count) in self.responses() {
            let more = count - before.get(&labels).copied().unwrap_or_default();
            if labels.contains("ClusterLoadAssignment") {
                endpoints += more;
            } else {
                assert_eq!(more, 0, "{labels} were pushed");
            }
        }
        endpoints
    }
}

fn free_local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Makes these backends the endpoints of the Service `web`.
pub(crate) fn point_to(cluster: &Cluster, namespace: &str, backends: &[&EchoBackend]) {
    let slice = |backend: &EchoBackend| {
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("web-{}", backend.name()), "namespace": namespace,
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "endpoints": [{"addresses": [STAND_IN], "conditions": {"ready": true}}],
            "ports": [{"port": backend.address().port()}],
        })
    };
    let resource = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    for backend in backends {
        let path = format!("{resource}/web-{}?fieldManager=test&force=true", backend.name());
        let body = slice(backend).to_string();
        let (status, answer) = cluster.call("PATCH", &path, "application/apply-patch+yaml", &body);
        assert!(status == 200 || status == 201, "{answer}");
    }
    let live = cluster.get(&resource);
    for name in
        live["items"].as_array().into_iter().flatten().filter_map(|item| item["metadata"]["name"].as_str())
    {
        if !backends.iter().any(|backend| name == format!("web-{}", backend.name())) {
            let (status, answer) =
                cluster.call("DELETE", &format!("{resource}/{name}"), "application/json", "");
            assert_eq!(status, 200, "{answer}");
        }
    }
}

/// Clients that send one request after the other, each on a connection of its own.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(usize, Vec<String>)>>,
}

impl Load {
    fn start(address: SocketAddr, host: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (stop, host) = (stop.clone(), host.to_owned());
            std::thread::spawn(move || {
                let (mut sent, mut failures) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    sent += 1;
                    match Call::get(address, &host, "/").send() {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => failures.push(format!("status {}: {}", answer.status, answer.text())),
                        Err(reason) => failures.push(reason),
                    }
                }
                (sent, failures)
            })
        };
        Load { clients: (0..2).map(client).collect(), stop }
    }

    /// Returns how many requests were sent, and what went wrong.
    fn finish(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut sent, mut failures) = (0, Vec::new());
        for client in self.clients {
            let (own, of_client) = client.join().expect("a client ends");
            sent += own;
            failures.extend(of_client);
        }
        (sent, failures)
    }
}

/// Returns a scene whose Service is in the cluster alone, and with one endpoint.
fn scene(namespace: &'static str, backend: &EchoBackend) -> Scene {
    let scene = Scene::new(namespace);
    scene.cluster.admin(&["apply", "--server-side", "-f", "-"], &scene.service());
    scene.remove("service.yaml");
    point_to(scene.cluster, namespace, &[backend]);
    scene
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_endpoint_that_moves_is_followed_and_changes_nothing_else() {
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let scene = scene("live", &one);
    let gateway = Gateway::start(&scene.folder, scene.cluster, ADMIN, &["source"]);
    gateway.answers("web.live.example.com", "one");
    let before = gateway.responses();
    assert!(before.len() >= 4, "{before:?}");
    for backend in [&two, &one, &two] {
        point_to(scene.cluster, "live", &[backend]);
        gateway.answers("web.live.example.com", backend.name());
    }
    assert!(gateway.only_endpoints_since(&before) >= 3);
    // The source is followed too, and one with errors stops neither.
    scene.write("other.yaml", &scene.ingress("other"));
    gateway.answers("other.live.example.com", "two");
    scene.write("other.yaml", &scene.ingress("other").replace("pathType", "pathTypo"));
    gateway.process.wait_for_log("still serving the last state without errors", SOON);
    point_to(scene.cluster, "live", &[&one]);
    gateway.answers("other.live.example.com", "one");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_thousand_endpoint_changes_at_load_fail_no_request() {
    let backends = ["one", "two", "three"].map(EchoBackend::start);
    let scene = scene("many-changes", &backends[0]);
    let gateway = Gateway::start(&scene.folder, scene.cluster, ADMIN, &["source"]);
    gateway.answers("web.many-changes.example.com", "one");
    let before = gateway.responses();
    let load = Load::start(gateway.http, "web.many-changes.example.com");
    let began = Instant::now();
    let mut changes = 0;
    while changes < CHANGES {
        // A slice comes and an earlier one goes: two changes, and at every time one healthy endpoint.
        let turn = changes / 2;
        point_to(scene.cluster, "many-changes", &[&backends[turn % 3], &backends[(turn + 1) % 3]]);
        changes += 2;
        assert!(began.elapsed() < CHANGES_WITHIN, "{changes} changes took {:?}", began.elapsed());
    }
    point_to(scene.cluster, "many-changes", &[&backends[2]]);
    gateway.answers("web.many-changes.example.com", "three");
    let (sent, failures) = load.finish();
    assert!(failures.is_empty(), "{} of {sent} failed: {:?}", failures.len(), failures.first());
    assert!(sent > CHANGES, "{sent} requests are no load");
    let pushes = gateway.only_endpoints_since(&before);
    println!("{changes} changes in {:?}, {sent} requests, {pushes} pushes of endpoints", began.elapsed());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn a_certificate_that_changes_in_its_secret_is_served() {
    let backend = EchoBackend::start("one");
    let scene = scene("certificates", &backend);
    let host = "web.certificates.example.com";
    let tls = format!("  tls:\n  - hosts: [{host}]\n    secretName: web-tls\n  rules:");
    scene.write("ingress.yaml", &scene.ingress("web").replace("  rules:", &tls));
    let authority = Authority::new("authority of the test");
    let (old, new) = (authority.server(&[host]), authority.server(&[host]));
    let write = |certificate: &str, key: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "web-tls", "namespace": "certificates"},
            "stringData": {"tls.crt": certificate, "tls.key": key},
        });
        scene.cluster.admin(&["apply", "-f", "-"], &secret.to_string());
    };
    write(&old.certificate, &old.key);
    let gateway = Gateway::start(&scene.folder, scene.cluster, ADMIN, &["source"]);
    gateway.shows(host, &old.certificate);
    let before = gateway.responses();
    write(&new.certificate, &new.key);
    gateway.shows(host, &new.certificate);
    let pushed = gateway.responses().into_iter().filter(|(labels, count)| before.get(labels) != Some(count));
    let pushed: Vec<String> = pushed.map(|(labels, _)| labels).collect();
    assert!(pushed.len() == 1 && pushed[0].contains("Secret"), "{pushed:?}");

    // One that nobody can use is told, and the last good certificate stays; it stops nothing else.
    write("see the vault", "see the vault");
    gateway.process.wait_for_log("GW0460", SOON);
    gateway.shows(host, &new.certificate);
    let other = EchoBackend::start("other");
    point_to(scene.cluster, "certificates", &[&other]);
    scene.write("plain.yaml", &scene.ingress("plain"));
    gateway.answers("plain.certificates.example.com", "other");
    write(&new.certificate, &new.key);
    gateway.shows(host, &new.certificate);
    assert!(!gateway.process.log().contains("PRIVATE KEY"), "{}", gateway.process.log());
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn what_is_known_is_served_while_the_api_server_is_away() {
    let mut cluster = Cluster::start();
    cluster.namespace("away");
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let folder = Folder::new();
    // Nothing but the cluster says what is served.
    let manifests =
        super::support::SERVICE.to_owned() + "---\n" + &super::support::ingress("web", "shop.example.com");
    cluster.admin(&["apply", "-f", "-"], &manifests.replace("namespace: shop", "namespace: away"));
    point_to(&cluster, "away", &[&one]);
    let gateway = Gateway::start(&folder, &cluster, ADMIN, &[]);
    gateway.answers("shop.example.com", "one");

    cluster.stop();
    gateway
        .process
        .wait_for_log("still serving what is known of the cluster: the API server http://127.0.0.1:", SOON);
    gateway.answers("shop.example.com", "one");
    cluster.start_again();
    gateway.process.wait_for_log("the cluster is followed again", SOON);
    point_to(&cluster, "away", &[&two]);
    gateway.answers("shop.example.com", "two");
    let told = gateway.process.log().matches("still serving what is known").count();
    assert_eq!(told, 1, "{}", gateway.process.log());

    // An Ingress that goes takes its routes along.
    cluster.admin(&["delete", "ingress", "web", "-n", "away"], "");
    eventually("the host is unknown", SOON, || match gateway.call("shop.example.com")? {
        (404, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn an_xds_server_follows_a_cluster_for_its_gateways() {
    let (one, two) = (EchoBackend::start("one"), EchoBackend::start("two"));
    let scene = scene("of-a-server", &one);
    let (listen, http) = (free_local(), free_local());
    let mut command = program(scene.folder.path());
    command
        .args(["xds", "source", "--cluster", "--kubeconfig"])
        .arg(scene.cluster.loopback_kubeconfig_of(ADMIN));
    command.arg("--listen").arg(listen.to_string());
    command.arg("--http").arg(http.to_string()).arg("--https").arg(free_local().to_string());
    let server = ChildProcess::spawn("xds", &mut command);
    server.wait_for_log("serving xDS on", SOON);
    let gateway = Gateway::with(&scene.folder, &["--xds", &listen.to_string()], http, http);
    gateway.answers("web.of-a-server.example.com", "one");
    point_to(scene.cluster, "of-a-server", &[&two]);
    gateway.answers("web.of-a-server.example.com", "two");
}

#[test]
#[ignore = "needs kube-apiserver: cargo xtask test"]
fn the_cluster_says_which_certificate_a_domain_has() {
    let backend = EchoBackend::start("one");
    let scene = scene("of-a-domain", &backend);
    let certificate = Authority::new("authority of the test").server(&["web.of-a-domain.example.com"]);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "by-domain", "namespace": "of-a-domain"},
        "stringData": {"tls.crt": certificate.certificate, "tls.key": certificate.key},
    });
    let choice = "automaticHttps: false\ncredentialConfig:\n- domains: [web.of-a-domain.example.com]\n  tlsSecret: of-a-domain/by-domain\n";
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "higress-https", "namespace": "higress-system"}, "data": {"cert": choice},
    });
    let ingress =
        scene.ingress("web").replace("spec:\n", "spec:\n  tls: [{hosts: [web.of-a-domain.example.com]}]\n");
    scene.cluster.namespace("higress-system");
    for object in [secret.to_string(), ingress] {
        scene.cluster.admin(&["apply", "--server-side", "-f", "-"], &object);
    }
    let gateway = Gateway::start(&scene.folder, scene.cluster, ADMIN, &["--keep-going"]);
    gateway.answers("web.of-a-domain.example.com", "one");
    scene.cluster.admin(&["apply", "--server-side", "-f", "-"], &settings.to_string());
    gateway.shows("web.of-a-domain.example.com", &certificate.certificate);
    scene.cluster.admin(&["delete", "configmap", "higress-https", "-n", "higress-system"], "");
}
