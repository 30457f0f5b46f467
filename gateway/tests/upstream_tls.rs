//! TLS to upstreams: what the endpoint is asked for and shown, which certificates it may have, and secrets that come late,
//! change, or are of no use.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use gatewright_testkit::certs::{Authority, Identity};
use gatewright_testkit::wait::eventually;
use gatewright_testkit::{EchoBackend, http};
use gatewright_xds::Resource;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsParameters, UpstreamTlsContext,
};
use gatewright_xds::envoy::r#type::matcher::v3::StringMatcher;
use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use support::resources::*;
use support::{Rig, SOON};

const HOST: &str = "shop.example.com";
const NAME: &str = "backend.example.com";

/// Enough requests for each worker to have its share.
const MANY: usize = 20;

fn name(kind: SanType, pattern: MatchPattern) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher {
        san_type: kind as i32,
        matcher: Some(StringMatcher { match_pattern: Some(pattern), ..StringMatcher::default() }),
        ..SubjectAltNameMatcher::default()
    }
}

fn exact(kind: SanType, text: &str) -> SubjectAltNameMatcher {
    name(kind, MatchPattern::Exact(text.to_owned()))
}

fn context(common: CommonTlsContext) -> UpstreamTlsContext {
    UpstreamTlsContext {
        sni: NAME.to_owned(),
        common_tls_context: Some(common),
        ..UpstreamTlsContext::default()
    }
}

/// Trusts an authority that stands in the cluster, for these names.
fn trusting(authority: &Authority, names: Vec<SubjectAltNameMatcher>) -> CommonTlsContext {
    let validation = CertificateValidationContext {
        trusted_ca: Some(inline(authority.pem())),
        match_typed_subject_alt_names: names,
        ..CertificateValidationContext::default()
    };
    CommonTlsContext {
        validation_context_type: Some(ValidationContextType::ValidationContext(validation)),
        ..CommonTlsContext::default()
    }
}

/// Trusts what the secret `ca` says, for these names.
fn trusting_secret(names: Vec<SubjectAltNameMatcher>) -> CommonTlsContext {
    let combined = CombinedCertificateValidationContext {
        default_validation_context: Some(CertificateValidationContext {
            match_typed_subject_alt_names: names,
            ..CertificateValidationContext::default()
        }),
        validation_context_sds_secret_config: Some(sds("ca")),
        ..CombinedCertificateValidationContext::default()
    };
    CommonTlsContext {
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(combined)),
        ..CommonTlsContext::default()
    }
}

/// All requests to a cluster `a` behind TLS.
fn resources(backend: &EchoBackend, http2: bool, common: CommonTlsContext) -> Vec<Resource> {
    let host = host(HTTP_ROUTES, "*", vec![to(prefix("/"), forward("a"))]);
    world(vec![host], vec![upstream_tls("a", &[backend.address()], http2, &context(common))])
}

/// Returns what the endpoint saw, if it did.
fn seen(rig: &Rig) -> Option<serde_json::Value> {
    let answer = rig.get(HOST, "/");
    match answer.status {
        200 => Some(answer.json()),
        503 => None,
        other => panic!("{other} {}", answer.text()),
    }
}

fn certificate(seen: &serde_json::Value) -> Option<String> {
    seen["tls"]["certificate"].as_str().map(str::to_owned)
}

fn base64(identity: &Identity) -> String {
    let lines = identity.certificate.lines().filter(|line| !line.starts_with("---"));
    lines.collect()
}

#[test]
fn an_endpoint_is_asked_by_name_and_protocol_and_nobody_looks_without_authority() {
    let backend = EchoBackend::start_tls("a", &Authority::new("unknown").server(&["other"]), None);
    for (http2, alpn, protocol) in [(false, "http/1.1", "HTTP/1.1"), (true, "h2", "HTTP/2.0")] {
        let rig = Rig::start(resources(&backend, http2, CommonTlsContext::default()));
        let seen = seen(&rig).unwrap();
        assert_eq!(seen["tls"]["server_name"], NAME);
        assert_eq!((&seen["tls"]["alpn"], &seen["protocol"]), (&alpn.into(), &protocol.into()));
        assert_eq!(seen["tls"]["certificate"], serde_json::Value::Null);
        assert_eq!(seen["host"], HOST);
    }
}

#[test]
fn a_certificate_must_be_signed_and_made_out_as_the_cluster_says() {
    let authority = Authority::new("test authority");
    let foreign = Authority::new("test authority");
    let host = authority.server(&[NAME, "*.wild.example.com", "127.0.0.1"]);
    let uri = "spiffe://cluster.local/ns/shop/sa/cart";
    let (dns, address) = (SanType::Dns, SanType::IpAddress);
    let prefixed = |text: &str| MatchPattern::Prefix(text.to_owned());
    let cases: Vec<(Identity, Vec<SubjectAltNameMatcher>, bool)> = vec![
        (host.clone(), vec![], true),
        (foreign.server(&[NAME]), vec![], false),
        (foreign.server(&[NAME]), vec![exact(dns, NAME)], false),
        (authority.client(NAME), vec![], false),
        (host.clone(), vec![exact(dns, NAME)], true),
        (host.clone(), vec![exact(dns, "other.example.com")], false),
        (host.clone(), vec![exact(dns, "other.example.com"), exact(dns, NAME)], true),
        (host.clone(), vec![exact(dns, "x.wild.example.com")], true),
        (host.clone(), vec![exact(dns, "x.y.wild.example.com")], false),
        (host.clone(), vec![name(dns, prefixed("backend."))], true),
        (host.clone(), vec![name(dns, prefixed("front."))], false),
        (host.clone(), vec![exact(address, "127.0.0.1")], true),
        (host.clone(), vec![exact(address, "127.0.0.2")], false),
        (host, vec![exact(SanType::Uri, NAME)], false),
        (authority.server_of_uri(uri), vec![exact(SanType::Uri, uri)], true),
        (authority.server_of_uri(uri), vec![name(SanType::Uri, prefixed("spiffe://other/"))], false),
        (authority.server_of_uri(uri), vec![exact(dns, NAME)], false),
    ];
    for (index, (identity, names, good)) in cases.into_iter().enumerate() {
        let backend = EchoBackend::start_tls("a", &identity, None);
        let rig = Rig::start(resources(&backend, false, trusting(&authority, names)));
        assert_eq!(seen(&rig).is_some(), good, "case {index}");
        assert_eq!(backend.requests().len(), usize::from(good), "case {index}");
        if !good {
            assert_eq!(rig.log.line("/")["response_flags"], "UF", "case {index}");
        }
    }
}

#[test]
fn a_cluster_waits_for_its_authority_and_takes_another_one() {
    let authority = Authority::new("test authority");
    let backend = EchoBackend::start_tls("a", &authority.server(&[NAME]), None);
    let names = vec![exact(SanType::Dns, NAME)];
    let rig = Rig::launch(resources(&backend, true, trusting_secret(names)), |_| {});
    eventually("the secret alone is missing", SOON, || match rig.gateway().missing() {
        missing if missing == ["secret ca"] => Ok(()),
        missing => Err(format!("{missing:?}")),
    });
    rig.control.put(vec![authority_secret("ca", authority.pem())]);
    rig.wait_until_ready();
    assert!(seen(&rig).is_some());
    drop(backend);
    let renewed = Authority::new("another authority");
    let backend = EchoBackend::start_tls("a", &renewed.server(&[NAME]), None);
    rig.control.put(vec![endpoints("a", &[backend.address()])]);
    eventually("the endpoint of the other authority is refused", SOON, || match seen(&rig) {
        None if rig.admin("/clusters").text().contains(&backend.address().to_string()) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(backend.requests().is_empty());
    rig.control.put(vec![authority_secret("ca", renewed.pem())]);
    eventually("the other authority", SOON, || seen(&rig).ok_or_else(|| "refused".to_owned()));
}

#[test]
fn the_gateways_certificate_is_shown_and_changes_for_new_connections() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let mut backend = EchoBackend::start_tls("a", &authority.server(&[NAME]), Some(clients.pem()));
    let common = CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![sds("client")],
        ..trusting(&authority, vec![])
    };
    let (first, second) = (clients.client("first"), clients.client("second"));
    let mut all = resources(&backend, false, common);
    all.push(secret("client", &first));
    let rig = Rig::start(all);
    assert_eq!(certificate(&seen(&rig).unwrap()), Some(base64(&first)));
    rig.control.put(vec![secret("client", &second)]);
    // The connection that is open goes on; one that is opened now shows the other certificate.
    eventually("the other certificate", SOON, || {
        backend.restart();
        let seen = seen(&rig).ok_or_else(|| "refused".to_owned())?;
        if certificate(&seen) == Some(base64(&second)) {
            Ok(())
        } else {
            Err("still the first one".to_owned())
        }
    });
    let mut broken = clients.client("third");
    broken.key = first.key.clone();
    rig.control.put(vec![secret("client", &broken)]);
    assert!(rig.control.rejection("client:").contains("GW0701 tls_certificate.certificate_chain:"));
    backend.restart();
    assert_eq!(certificate(&seen(&rig).unwrap()), Some(base64(&second)));
}

#[test]
fn a_certificate_that_is_not_there_is_not_left_out() {
    let authority = Authority::new("test authority");
    let backend = EchoBackend::start_tls("a", &authority.server(&[NAME]), None);
    let common = CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![sds("client")],
        ..trusting(&authority, vec![])
    };
    let mut all = resources(&backend, false, common);
    // What is told of certificates is no certificate.
    all.push(authority_secret("client", authority.pem()));
    let rig = Rig::start(all);
    let rejection = rig.control.rejection("client:");
    assert!(rejection.contains("GW0701 type: must be tls_certificate"), "{rejection}");
    assert_eq!(seen(&rig), None);
    assert!(backend.requests().is_empty());
    rig.control.put(vec![secret("client", &authority.client("gateway"))]);
    eventually("the certificate", SOON, || seen(&rig).ok_or_else(|| "refused".to_owned()));
}

#[test]
fn an_edit_of_the_settings_opens_new_connections() {
    let authority = Authority::new("test authority");
    let backend = EchoBackend::start_tls("a", &authority.server(&[NAME]), None);
    let rig = Rig::start(resources(&backend, true, trusting(&authority, vec![])));
    // Every worker has a connection.
    (0..MANY).for_each(|_| assert!(seen(&rig).is_some()));
    let strict = trusting(&authority, vec![exact(SanType::Dns, "other.example.com")]);
    rig.control.put(upstream_tls("a", &[backend.address()], true, &context(strict)));
    eventually("the connection of before is not used", SOON, || match seen(&rig) {
        None => Ok(()),
        Some(_) => Err("still answered".to_owned()),
    });
    (0..MANY).for_each(|_| assert!(seen(&rig).is_none(), "a connection of before is used"));
    let clear = upstream("a", &[backend.address()]);
    rig.control.put(clear);
    // In clear text an endpoint of TLS has nothing to say.
    eventually("clear text", SOON, || match rig.get(HOST, "/").status {
        502 | 503 => Ok(()),
        other => Err(other.to_string()),
    });
}

#[test]
fn what_is_not_understood_refuses_the_cluster_by_name() {
    let backend = EchoBackend::start("a");
    let host = host(HTTP_ROUTES, "*", vec![to(prefix("/"), forward("b"))]);
    let rig = Rig::start(world(vec![host], vec![upstream("b", &[backend.address()])]));
    let old = CommonTlsContext {
        tls_params: Some(TlsParameters { tls_maximum_protocol_version: 2, ..TlsParameters::default() }),
        ..CommonTlsContext::default()
    };
    rig.control.put(upstream_tls("a", &[backend.address()], false, &context(old)));
    let rejection = rig.control.rejection("a:");
    let field = "transport_socket.common_tls_context.tls_params.tls_maximum_protocol_version";
    assert!(rejection.contains(&format!("GW0701 {field}:")), "{rejection}");
    assert_eq!(http::Call::get(rig.http(), HOST, "/").send().unwrap().status, 200);
}
