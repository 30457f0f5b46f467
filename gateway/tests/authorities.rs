//! Which host a request names: with a malformed one nobody gets past the routes of a host to those of another.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Call, Protocol};
use support::resources::*;
use support::{Rig, SOON};

/// Starts a gateway where `h.test` answers 503, as its cluster is missing, and all other hosts lead to the backend `open`.
fn rig(open: &EchoBackend) -> Rig {
    let hosts = vec![
        host(HTTP_ROUTES, "h.test", vec![to(prefix("/"), forward("protected"))]),
        host(HTTP_ROUTES, "*", vec![to(prefix("/"), forward("open"))]),
    ];
    Rig::start(world(hosts, vec![upstream("open", &[open.address()])]))
}

/// Sends a request as it is written, and returns the status of the answer.
fn status(rig: &Rig, request: &[u8]) -> u16 {
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client.write_all(request).unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap_or_else(|error| panic!("{}: {error}", request.escape_ascii()));
    std::str::from_utf8(&start[9..]).unwrap().parse().unwrap()
}

#[test]
fn a_malformed_host_leads_past_no_protected_route() {
    let open = EchoBackend::start("open");
    let rig = rig(&open);
    let refused = [
        "h.test/x",
        "h.test?x",
        "h.test#x",
        "h.test, o.test",
        "\"h.test\"",
        "h.test\\",
        "h.test |",
        "{h.test}",
        "h.tést",
        "h.test \tx",
        "h.test 80",
    ];
    for name in refused {
        assert_eq!(status(&rig, format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes()), 400, "{name}");
    }
    for name in [
        "h.test",
        "H.Test",
        "h.test:",
        "h.test:80",
        "h.test:abc",
        "h.test:-1",
        "h.test:65536",
        "h.test:80,o.test",
    ] {
        assert_eq!(status(&rig, format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes()), 503, "{name}");
    }
    assert!(open.take_requests().is_empty());
    for name in ["o.test", "h.test:80:80", "h.test,o.test", "[::1]:x", ""] {
        assert_eq!(status(&rig, format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes()), 200, "{name}");
        assert_eq!(open.take_requests()[0].host, name);
    }
}

#[test]
fn a_host_in_the_target_is_read_strictly_and_goes_before_the_line() {
    let open = EchoBackend::start("open");
    let rig = rig(&open);
    for (target, expected) in [
        ("http://h.test/", 503),
        ("http://user:word@h.test:80/", 503),
        ("HTTP://H.TEST", 503),
        ("http://o.test/x", 200),
        ("http://h.test:abc/", 400),
        ("http://h.test:65536/", 400),
        ("http://h.test,o.test/", 400),
        ("http://a@b@h.test/", 400),
        ("http://h_x.test/", 400),
        ("http://[::1/", 400),
        ("ftp://h.test/", 400),
        ("https://h.test/", 403),
        ("http://h.test?x", 404),
        ("h.test:80", 400),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: o.test\r\n\r\n");
        assert_eq!(status(&rig, request.as_bytes()), expected, "{target}");
    }
    status(&rig, b"GET http://user:word@o.test:81/ HTTP/1.1\r\nHost: h.test\r\n\r\n");
    assert_eq!(open.take_requests().last().unwrap().host, "o.test:81");
}

#[test]
fn an_authority_of_http2_has_no_user_information() {
    let open = EchoBackend::start("open");
    let rig = rig(&open);
    for (name, expected) in
        [("o.test:abc", 200), ("h.test:80", 503), ("user@h.test", 400), ("user@o.test", 400)]
    {
        // What the client's library does not send cannot be asked here.
        let answer = Call::get(rig.http(), name, "/").protocol(Protocol::Http2).send();
        if name != "o.test:abc" || answer.is_ok() {
            assert_eq!(answer.unwrap().status, expected, "{name}");
        }
    }
    for (line, expected) in [("o.test", 200), ("h.test/x", 400)] {
        let call = Call::get(rig.http(), "o.test", "/").protocol(Protocol::Http2).header("host", line);
        assert_eq!(call.send().unwrap().status, expected, "{line}");
    }
}
