//! Messages that two readers could read differently, bodies that break off, rewrites that give no path, and floods.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::Call;
use gatewright_xds::envoy::config::route::v3::RouteAction;
use gatewright_xds::envoy::r#type::matcher::v3::{RegexMatchAndSubstitute, RegexMatcher};
use support::resources::*;
use support::{Rig, SOON, raw};

const HOST: &str = "a.example.com";

fn rig(upstream: Vec<gatewright_xds::Resource>, action: RouteAction) -> Rig {
    Rig::start(world(vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), action)])], vec![upstream]))
}

/// Answers every head with these bytes, and tells what came.
fn scripted(answer: &'static [u8]) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    if text.contains(" HTTP/1.1\r\n") {
                        stream.write_all(answer).ok();
                    }
                    sender.send(text).ok();
                }
            });
        }
    });
    (address, received)
}

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn an_ambiguous_request_ends_its_connection() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]), forward("a"));
    let next = format!("GET /next HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for (head, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "400"),
        ("Transfer-Encoding: gzip, chunked", "501"),
        ("Transfer-Encoding: chunked\r\nConnection: host", "400"),
    ] {
        let request = format!("POST /p HTTP/1.1\r\nHost: {HOST}\r\n{head}\r\n\r\n0\r\n\r\n{next}");
        let answer = raw(rig.http(), request.as_bytes());
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        assert!(answer.contains("connection: close"), "{head}: {answer}");
    }
    // The number of a request is counted right behind others.
    let second = format!("{next}GET /x#y HTTP/1.1\r\nHost: {HOST}\r\n\r\n{next}");
    let answer = raw(rig.http(), second.as_bytes());
    let codes: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
    assert_eq!(codes, ["200", "400"], "{answer}");
    let paths: Vec<String> = backend.take_requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/next"]);
}

#[test]
fn a_body_that_breaks_off_is_the_clients_fault() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]), forward("a"));
    for (path, body) in
        [("/size", "5\r\nhello\r\nzz\r\n"), ("/end", "0\r\n\n"), ("/trailer", "0\r\nx: y\n\n")]
    {
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let answer = raw(rig.http(), request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        let line = rig.log.line(path);
        assert_eq!((&line["response_code"], &line["response_flags"]), (&400.into(), &"DPE".into()), "{line}");
    }
    let metrics = rig.admin("/stats/prometheus").text();
    let resets = metrics.lines().find(|line| line.contains("_reset") && line.contains("\"a\""));
    assert!(resets.is_none_or(|line| line.ends_with(" 0")), "{resets:?}");
}

#[test]
fn an_ambiguous_response_is_not_passed_on() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            [..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        b"garbage\r\n\r\n",
    ] {
        let (address, _received) = scripted(answer);
        let rig = rig(upstream("a", &[address]), forward("a"));
        let seen = rig.get(HOST, "/response");
        assert_eq!(seen.status, 502, "{}", answer.escape_ascii());
        assert!(seen.text().ends_with("reset reason: protocol error"), "{}", seen.text());
        assert_eq!(rig.log.line("/response")["response_flags"], "UPE");
    }
}

#[test]
fn the_length_of_an_upgrade_belongs_to_the_request() {
    let (address, received) =
        scripted(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let rig = rig(upstream("a", &[address]), forward("a"));
    let upgrade = format!("Host: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    let mut client = TcpStream::connect(rig.http()).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client.write_all(format!("GET / HTTP/1.1\r\n{upgrade}Content-Length: 1\r\n\r\nx").as_bytes()).unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
    client.write_all(b"0\r\n\n and GET / HTTP/1.1\n\n").unwrap();
    let mut all = String::new();
    while !all.ends_with("\r\n\r\nx0\r\n\n and GET / HTTP/1.1\n\n") {
        all += &received.recv_timeout(SOON).unwrap_or_else(|_| panic!("only {all:?} came"));
    }
    assert!(all.contains("content-length: 1\r\n"), "{all}");
    let chunked = format!("GET / HTTP/1.1\r\n{upgrade}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(raw(rig.http(), chunked.as_bytes()).starts_with("HTTP/1.1 400 "));
}

fn rewriting(substitution: &str) -> RouteAction {
    let pattern = RegexMatcher { regex: "^/svc/(.*)".to_owned(), ..RegexMatcher::default() };
    RouteAction {
        regex_rewrite: Some(RegexMatchAndSubstitute {
            pattern: Some(pattern),
            substitution: substitution.to_owned(),
        }),
        ..forward("a")
    }
}

#[test]
fn a_rewrite_without_slash_is_sent_as_envoy_sends_it() {
    for (substitution, path, line) in [
        ("\\1", "/svc/admin/x?q=1", "GET admin/x?q=1 HTTP/1.1"),
        ("\\1", "/svc/http://b.test/x", "GET http://b.test/x HTTP/1.1"),
        ("/a b/\\1", "/svc/x", "GET /a b/x HTTP/1.1"),
        ("/a#\\1", "/svc/x", "GET /a#x HTTP/1.1"),
        ("\\1", "/svc/", "GET /svc/ HTTP/1.1"),
        ("/\\1", "/svc/x", "GET /x HTTP/1.1"),
    ] {
        let (address, received) = scripted(FINE);
        let rig = rig(upstream("a", &[address]), rewriting(substitution));
        // The second request finds no connection on which another target would be written.
        for _ in 0..2 {
            assert_eq!(rig.get(HOST, path).text(), "hi", "{path}");
            let head = received.recv_timeout(SOON).unwrap();
            assert_eq!(head.lines().next(), Some(line), "{head}");
            assert!(head.contains(&format!("host: {HOST}\r\n")) && head.ends_with("\r\n\r\n"), "{head}");
        }
        assert_eq!(rig.get(HOST, "/other").status, 200);
        assert!(received.recv_timeout(SOON).unwrap().starts_with("GET /other HTTP/1.1\r\n"));
    }
}

#[test]
fn what_http2_cannot_be_sent_is_answered_and_not_sent() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream_http2("a", &[backend.address()]), rewriting("\\1"));
    assert_eq!(rig.get(HOST, "/svc/admin").status, 503);
    assert_eq!(rig.get(HOST, "/svc//admin").status, 200);
    let paths: Vec<String> = backend.take_requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/admin"]);
}

#[test]
fn a_flood_of_control_frames_ends_its_connection_alone() {
    let backend = EchoBackend::start("a");
    let rig = rig(upstream("a", &[backend.address()]), forward("a"));
    let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let priority = b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\x10";
    let window = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01";
    for frame in [&ping[..], priority, window, b"\0\0\0\x04\0\0\0\0\0"] {
        let mut client = TcpStream::connect(rig.http()).unwrap();
        client.set_write_timeout(Some(SOON)).unwrap();
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let reader = client.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut { reader }, &mut std::io::sink()));
        let cut = (0..2000).any(|_| client.write_all(&frame.repeat(1000)).is_err());
        assert!(cut, "2 million frames of type {} were taken", frame[3]);
    }
    assert_eq!(Call::get(rig.http(), HOST, "/").send().unwrap().status, 200);
}
