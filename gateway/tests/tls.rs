//! TLS: the certificate by server name, swapped under load, and never another one's.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_testkit::EchoBackend;
use gatewright_testkit::certs::Authority;
use gatewright_testkit::http::{Answer, Call, Protocol, Tls, der};
use gatewright_testkit::wait::eventually;
use gatewright_xds::type_url;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use support::resources::*;
use support::{Rig, SOON};

const HOST: &str = "a.example.com";

struct World {
    authority: Authority,
    _backend: EchoBackend,
    rig: Rig,
}

/// A TLS listener with chains for `a.example.com`, `*.wild.example.com`, all others, and refused ones.
fn world() -> World {
    let authority = Authority::new("test authority");
    let backend = EchoBackend::start("a");
    let chains = vec![
        tls_chain(&[HOST], Some("a")),
        tls_chain(&["*.wild.example.com"], Some("wild")),
        tls_chain(&["refused.example.com"], None),
        tls_chain(&[], Some("rest")),
    ];
    let mut all = vec![
        tls_listener(chains),
        routes(HTTPS_ROUTES),
        host(HTTPS_ROUTES, "*", vec![to(prefix("/"), forward("a"))]),
        secret("a", &authority.server(&[HOST])),
        secret("wild", &authority.server(&["*.wild.example.com"])),
        secret("rest", &authority.server(&["rest.example.com"])),
    ];
    all.extend(upstream("a", &[backend.address()]));
    World { authority, _backend: backend, rig: Rig::start(all) }
}

impl World {
    fn call(&self, sni: Option<&str>, protocol: Protocol) -> Result<Answer, String> {
        let tls = Tls { sni: sni.map(str::to_owned), authority: None, identity: None };
        Call::get(self.rig.address(HTTPS), sni.unwrap_or(HOST), "/").tls(tls).protocol(protocol).send()
    }

    fn certificate(&self, sni: Option<&str>) -> Vec<u8> {
        self.call(sni, Protocol::Http1).unwrap().certificate.unwrap()
    }
}

#[test]
fn the_certificate_follows_the_server_name() {
    let world = world();
    let trusted = |sni: &str| {
        let authority = Some(world.authority.pem().to_owned());
        let tls = Tls { sni: Some(sni.to_owned()), authority, identity: None };
        Call::get(world.rig.address(HTTPS), sni, "/").tls(tls).send()
    };
    assert_eq!(trusted(HOST).unwrap().status, 200);
    assert_eq!(trusted("x.wild.example.com").unwrap().status, 200);
    assert_eq!(trusted("rest.example.com").unwrap().status, 200);
    assert!(
        trusted("other.example.com").is_err(),
        "the certificate of all others is not made out to this name"
    );
    assert_eq!(world.certificate(Some("other.example.com")), world.certificate(None));
    assert_ne!(world.certificate(Some(HOST)), world.certificate(None));
    let answer = world.call(Some(HOST), Protocol::Http2).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["headers"]["x-forwarded-proto"][0], "https");
    eventually("the log", SOON, || {
        let lines = world.rig.log.lines();
        let named =
            |line: &serde_json::Value| line["requested_server_name"] == HOST && line["protocol"] == "HTTP/2";
        if lines.iter().any(named) { Ok(()) } else { Err(format!("{lines:?}")) }
    });
}

#[test]
fn a_refused_name_gets_no_certificate_at_all() {
    let world = world();
    assert!(world.call(Some("refused.example.com"), Protocol::Http1).is_err());
    assert_eq!(world.call(Some(HOST), Protocol::Http1).unwrap().status, 200);
}

#[test]
fn a_new_certificate_is_used_for_handshakes_and_open_connections_go_on() {
    let world = world();
    let old = world.certificate(Some(HOST));
    let address = world.rig.address(HTTPS);
    let renewed = world.authority.server(&[HOST]);
    let pem = world.authority.pem().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut sender = runtime.block_on(async move {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der(&pem).unwrap().into()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    });
    let mut ask = || {
        runtime.block_on(async {
            let request = http::Request::get(format!("https://{HOST}/")).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let status = response.status();
            response.into_body().collect().await.unwrap();
            status
        })
    };
    assert_eq!(ask(), 200);
    world.rig.control.put(vec![secret("a", &renewed)]);
    eventually("the new certificate", SOON, || {
        if world.certificate(Some(HOST)) == old { Err("still the old one".to_owned()) } else { Ok(()) }
    });
    assert_eq!(world.certificate(Some(HOST)), der(&renewed.certificate).unwrap());
    assert_eq!(ask(), 200, "on the connection opened before");
}

#[test]
fn a_broken_certificate_leaves_the_good_one() {
    let world = world();
    let old = world.certificate(Some(HOST));
    let mut broken = world.authority.server(&[HOST]);
    broken.key = world.authority.server(&[HOST]).key;
    world.rig.control.put(vec![secret("a", &broken)]);
    let rejection = world.rig.control.rejection("a:");
    assert!(rejection.contains("GW0701 tls_certificate.certificate_chain:"), "{rejection}");
    assert_eq!(world.certificate(Some(HOST)), old);
}

#[test]
fn a_name_whose_certificate_never_comes_is_refused_and_the_rest_is_served() {
    let authority = Authority::new("test authority");
    let backend = EchoBackend::start("a");
    let mut broken = authority.server(&["broken.example.com"]);
    broken.key = "no key".to_owned();
    let mut all = vec![
        tls_listener(vec![tls_chain(&[HOST], Some("a")), tls_chain(&["broken.example.com"], Some("broken"))]),
        routes(HTTPS_ROUTES),
        host(HTTPS_ROUTES, "*", vec![to(prefix("/"), forward("a"))]),
        secret("a", &authority.server(&[HOST])),
        secret("broken", &broken),
    ];
    all.extend(upstream("a", &[backend.address()]));
    let world = World { authority, _backend: backend, rig: Rig::start(all) };
    assert_eq!(world.call(Some(HOST), Protocol::Http1).unwrap().status, 200);
    assert!(world.call(Some("broken.example.com"), Protocol::Http1).is_err());
    let good = world.authority.server(&["broken.example.com"]);
    world.rig.control.put(vec![secret("broken", &good)]);
    eventually("the repaired certificate", SOON, || world.call(Some("broken.example.com"), Protocol::Http1));
}

#[test]
fn the_dump_shows_certificates_and_no_key() {
    let world = world();
    let dump = world.rig.admin("/config_dump").text();
    assert!(dump.contains("[redacted]"));
    assert!(!dump.contains("PRIVATE KEY"));
    let key = world.authority.server(&[HOST]).key;
    world.rig.control.put(vec![secret(
        "a",
        &gatewright_testkit::certs::Identity { certificate: String::new(), key: key.clone() },
    )]);
    let rejection = world.rig.control.rejection("a:");
    let line = key.lines().nth(1).unwrap();
    assert!(!rejection.contains(line) && !world.rig.admin("/config_dump").text().contains(line));
}

#[test]
fn a_listener_that_is_removed_closes() {
    let world = world();
    let address = world.rig.address(HTTPS);
    assert_eq!(world.call(Some(HOST), Protocol::Http1).unwrap().status, 200);
    world.rig.control.remove(type_url::LISTENER, HTTPS);
    eventually("the closed port", SOON, || {
        match std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) => Err("it still accepts".to_owned()),
            Err(_) => Ok(()),
        }
    });
}
