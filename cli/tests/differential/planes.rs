//! The data planes under test: real Envoy on our static bootstrap, and the bundled gateway as the real program.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use gatewright_behaviour::Request;
use gatewright_compiler::{BootstrapOptions, Engine};
use gatewright_testkit::envoy::Envoy;
use gatewright_testkit::http::{Call, Protocol, Tls};
use gatewright_testkit::process::ChildProcess;
use gatewright_testkit::{eventually, free_port};

use super::client::{Answer, Client, Seen};
use super::ground::{bootstrap, write};

/// Clients that send at the same time, for each plane.
const CLIENTS: usize = 2;
/// Until a plane is ready.
const START: Duration = Duration::from_secs(120);

/// Which program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plane {
    Envoy,
    Gateway,
}

impl std::fmt::Display for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Plane::Envoy => "Envoy",
            Plane::Gateway => "gateway",
        })
    }
}

/// Running planes; they stop when dropped.
pub(crate) struct Planes {
    addresses: BTreeMap<Plane, Doors>,
    _envoy: Option<Envoy>,
    _gateway: ChildProcess,
    _folder: tempfile::TempDir,
}

#[derive(Clone, Copy)]
struct Doors {
    plain: SocketAddr,
    tls: SocketAddr,
}

/// Says that Envoy ended instead of serving a bootstrap.
#[derive(Debug)]
pub(crate) struct RefusedByEnvoy;

impl Planes {
    /// Starts the planes on files that `engine` has compiled. Without Envoy the gateway is alone.
    pub(crate) fn start(
        engine: &Engine,
        files: &BTreeMap<String, String>,
        with_envoy: bool,
    ) -> Result<Self, RefusedByEnvoy> {
        let mut addresses = BTreeMap::new();
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), files);
        let (doors, admin) = (Doors::new(), local(free_port()));
        addresses.insert(Plane::Gateway, doors);
        let mut gateway = ChildProcess::spawn(
            "gatewright gateway",
            Command::new(env!("CARGO_BIN_EXE_gatewright"))
                .arg("gateway")
                .arg(folder.path())
                .args(["--keep-going", "--allow-empty", "--no-access-log", "--workers", "1"])
                .env("GATEWRIGHT_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"))
                .args(["--http", &doors.plain.to_string(), "--https", &doors.tls.to_string()])
                .args(["--admin", &admin.to_string()]),
        );
        let envoy = match with_envoy {
            true => {
                let doors = Doors::new();
                addresses.insert(Plane::Envoy, doors);
                Some(start_envoy(engine, doors)?)
            }
            false => None,
        };
        gateway.wait_for_http(admin, "/ready", START);
        Ok(Planes { addresses, _envoy: envoy, _gateway: gateway, _folder: folder })
    }

    /// Returns where each plane serves clear text.
    pub(crate) fn plain_addresses(&self) -> impl Iterator<Item = (Plane, SocketAddr)> {
        self.addresses.iter().map(|(plane, doors)| (*plane, doors.plain))
    }

    /// Sends every request to every plane and returns the answers in the order of the requests.
    pub(crate) fn send(&self, requests: &[&Request]) -> BTreeMap<Plane, Vec<Seen>> {
        let share = requests.len().div_ceil(CLIENTS).max(1);
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .addresses
                .iter()
                .map(|(plane, doors)| {
                    let parts = requests.chunks(share).map(|part| scope.spawn(|| send_all(*doors, part)));
                    (*plane, parts.collect::<Vec<_>>())
                })
                .collect();
            let joined = |parts: Vec<std::thread::ScopedJoinHandle<'_, Vec<Seen>>>| {
                parts.into_iter().flat_map(|part| part.join().expect("a client does not panic")).collect()
            };
            running.into_iter().map(|(plane, parts)| (plane, joined(parts))).collect()
        })
    }

    /// Sends a request over HTTP/2 to every plane; none where the client cannot send it.
    pub(crate) fn send_http2(&self, request: &Request) -> Option<Vec<(Plane, Seen)>> {
        let answers =
            self.addresses.iter().map(|(plane, doors)| Some((*plane, call_http2(*doors, request)?)));
        answers.collect()
    }
}

fn call_http2(doors: Doors, request: &Request) -> Option<Seen> {
    let address = if request.listener.is_tls() { doors.tls } else { doors.plain };
    let mut call =
        Call::new(&request.method, address, &request.authority, &request.path).protocol(Protocol::Http2);
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    if request.listener.is_tls() {
        call = call.tls(Tls { sni: request.sni.clone(), ..Tls::default() });
    }
    Some(match call.send() {
        Ok(answer) => Seen::Answer(Answer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body.to_vec(),
            certificate: answer.certificate,
        }),
        // The client's library refuses some targets itself.
        Err(reason) if reason.starts_with("request: ") && !reason.contains("connection") => return None,
        Err(reason) => Seen::Closed(reason),
    })
}

fn start_envoy(engine: &Engine, doors: Doors) -> Result<Envoy, RefusedByEnvoy> {
    let admin = local(free_port());
    let mut envoy = Envoy::launch_binary(&bootstrap(engine, &doors.options(admin)), admin.port());
    eventually("Envoy serves or ends", START, || {
        if envoy.process().exited().is_some() {
            return Ok(Err(RefusedByEnvoy));
        }
        match Call::get(admin, "localhost", "/ready").send() {
            Ok(answer) if answer.status == 200 => Ok(Ok(())),
            Ok(answer) => Err(format!("/ready answers {}", answer.status)),
            Err(error) => Err(error),
        }
    })?;
    Ok(envoy)
}

fn send_all(doors: Doors, requests: &[&Request]) -> Vec<Seen> {
    let mut client = Client::new(doors.plain, doors.tls);
    requests.iter().map(|request| client.send(request)).collect()
}

impl Doors {
    fn new() -> Self {
        Doors { plain: local(free_port()), tls: local(free_port()) }
    }

    fn options(self, admin: SocketAddr) -> BootstrapOptions {
        BootstrapOptions { http: self.plain, https: self.tls, admin }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Returns why Envoy refuses the configuration of an engine, if it does.
pub(crate) fn refused_by_envoy(engine: &Engine) -> Option<String> {
    let options = Doors::new().options(local(free_port()));
    gatewright_testkit::envoy::validate_binary(&bootstrap(engine, &options)).err()
}
