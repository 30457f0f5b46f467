//! Messages byte for byte: what real Envoy answers to each, and what the bundled gateway answers. Where the two differ, the
//! table says why that is meant.

mod requests;
mod responses;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::configuration::Configuration;
use super::ground::{Ground, compile};
use super::manifest::service;
use super::planes::{Plane, Planes};

/// How long an answer may take; one that does not come costs this.
const PATIENCE: Duration = Duration::from_secs(4);
const NAME: &str = "corpora";

/// Two readers could read a message differently, and Envoy takes it all the same.
const STRICT: &str = "stricter than Envoy";

/// A message and the status that it meets; 0 is a connection closed without an answer.
pub(crate) struct Case {
    name: &'static str,
    message: &'static [u8],
    envoy: u16,
    gateway: u16,
    /// Why the two differ.
    reason: &'static str,
}

/// Both answer alike.
const fn same(name: &'static str, message: &'static [u8], status: u16) -> Case {
    Case { name, message, envoy: status, gateway: status, reason: "" }
}

const fn differs(
    name: &'static str,
    message: &'static [u8],
    envoy: u16,
    gateway: u16,
    reason: &'static str,
) -> Case {
    Case { name, message, envoy, gateway, reason }
}

/// Sends every request and lets an upstream send every response; returns the answers that are not those of the tables.
pub(crate) fn unexpected_answers(ground: &Ground, envoy: bool) -> String {
    let upstream = scripted_upstream();
    let document = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i, namespace: {NAME}}}\nspec:\n  \
         ingressClassName: higress\n  rules:\n  - host: o.test\n    http:\n      paths:\n      \
         - {{path: /response, pathType: Prefix, backend: {{service: {{name: scripted, port: {{number: 80}}}}}}}}\n      \
         - {{path: /, pathType: Prefix, backend: {{service: {{name: s0, port: {{number: 80}}}}}}}}\n---\n{}",
        service(NAME, "scripted", &[upstream.port()]),
    );
    let configurations = [Configuration { name: NAME.to_owned(), documents: vec![document] }];
    let files = ground.files(&configurations);
    let planes = Planes::start(&compile(&files), &files, envoy).expect("Envoy takes the configuration");
    let mut found = String::new();
    for (plane, address) in planes.plain_addresses() {
        for case in requests::CASES {
            found += &judge(plane, case, status(address, case.message));
        }
        for (index, case) in responses::CASES.iter().enumerate() {
            let request = format!("GET /response/{index} HTTP/1.1\r\nHost: o.test\r\n\r\n");
            found += &judge(plane, case, status(address, request.as_bytes()));
        }
    }
    found
}

fn judge(plane: Plane, case: &Case, status: u16) -> String {
    assert_eq!(case.reason.is_empty(), case.envoy == case.gateway, "{}: why do they differ?", case.name);
    let expected = if plane == Plane::Envoy { case.envoy } else { case.gateway };
    let mut text = String::new();
    if status != expected {
        let _ = writeln!(text, "{}: {plane} answers {status} instead of {expected}", case.name);
    }
    text
}

/// Sends a request on a connection of its own, and returns the status of the final answer.
pub(crate) fn status(address: SocketAddr, request: &[u8]) -> u16 {
    let mut client = TcpStream::connect(address).expect("a plane that listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a time to wait");
    // A plane may refuse before all is written.
    let _ = client.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        if let Some(status) = final_status(&answer) {
            return status;
        }
    }
    0
}

fn final_status(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    let heads = text.split("\r\n\r\n").filter(|head| head.starts_with("HTTP/1.") && head.contains("\r\n"));
    let codes = heads.filter_map(|head| head.split(' ').nth(1)?.parse().ok());
    codes.into_iter().find(|code| !(100..200).contains(code) || *code == 101)
}

/// Serves `/response/N` with the bytes of response number N, until the process ends.
fn scripted_upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Answers one request and closes the connection.
fn serve(mut stream: TcpStream) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let index: usize = head.split(' ').nth(1)?.rsplit('/').next()?.parse().ok()?;
    stream.write_all(responses::CASES.get(index)?.message).ok()
}
