//! Processor time per request: the bundled gateway against Envoy and nginx with the same hosts, one core each.
//!
//! The proxy runs alone on core 0; the load and the upstream share core 1. All are offered the same requests per second,
//! which none of them is too slow for: a proxy that is never idle wakes less often for more, and the faster one would
//! find the load at its end and be measured idle. Each adds the same headers and writes the same line for each request
//! into a file.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::load::{self, Protocol};
use super::measure::Usage;
use super::nginx;
use super::repository::Repository;
use crate::{machine, testbed};

const PORTS: nginx::Ports = nginx::Ports { http: HTTP_PORT, http2: 18_084, admin: ADMIN_PORT };
const HTTP_PORT: u16 = 18_081;
const HTTPS_PORT: u16 = 18_082;
const ADMIN_PORT: u16 = 18_083;
/// Not on every path.
const NGINX: &str = "/usr/sbin/nginx";
const READY: Duration = Duration::from_secs(60);
const ROUNDS: usize = 5;

/// Median processor time per request of each proxy, by one protocol.
pub(crate) struct Costs {
    pub(crate) nginx: Duration,
    pub(crate) envoy: Duration,
    pub(crate) gateway: Duration,
}

/// Processor times of each round.
#[derive(Default)]
struct Times {
    nginx: Vec<Duration>,
    envoy: Vec<Duration>,
    gateway: Vec<Duration>,
}

/// Measures them in turns, and returns what a request costs by HTTP/1.1 and by HTTP/2.
///
/// # Errors
/// When a tool, nginx or Envoy cannot be had, or a proxy answers anything but 200.
pub(crate) fn compare(gatewright: &Path, repository: &Repository, folder: &Path) -> Result<[Costs; 2]> {
    let needed =
        [("wrk", "wrk"), ("h2load", "nghttp2-client"), ("taskset", "util-linux"), (NGINX, "nginx-light")];
    for (tool, package) in needed {
        if !machine::has_program(tool) {
            ensure!(machine::may_install(false), "there is no {tool} (Debian: {package})");
            machine::install(&[package])?;
        }
    }
    let script = load::script(folder)?;
    let bootstrap = bootstrap(gatewright, repository, folder)?;
    let log = folder.join("requests.log");
    let _upstream = Running::start(&mut nginx::upstream(pinned(Path::new(NGINX), "1"), folder)?)?;
    let mut times = [Times::default(), Times::default()];
    for _ in 0..ROUNDS {
        let mut command = nginx::peer(pinned(Path::new(NGINX), "0"), folder, repository.ingresses, PORTS)?;
        let [http1, http2] = round(&mut command, &script, PORTS.http2)?;
        times[0].nginx.push(http1);
        times[1].nginx.push(http2);
        let [http1, http2] = round(logged(&mut envoy_command(&bootstrap)?, &log)?, &script, HTTP_PORT)?;
        times[0].envoy.push(http1);
        times[1].envoy.push(http2);
        let mut command = gateway_command(gatewright, repository);
        let [http1, http2] = round(logged(&mut command, &log)?, &script, HTTP_PORT)?;
        times[0].gateway.push(http1);
        times[1].gateway.push(http2);
    }
    Ok(times.map(|Times { nginx, envoy, gateway }| Costs {
        nginx: median(nginx),
        envoy: median(envoy),
        gateway: median(gateway),
    }))
}

fn bootstrap(gatewright: &Path, repository: &Repository, folder: &Path) -> Result<PathBuf> {
    let mut compile = Command::new(gatewright);
    compile.arg("compile").arg(&repository.folder).args(["--format", "envoy-bootstrap"]);
    let ports = [("--http-port", HTTP_PORT), ("--https-port", HTTPS_PORT), ("--admin-port", ADMIN_PORT)];
    for (flag, port) in ports {
        compile.args([flag, &port.to_string()]);
    }
    let output = compile.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "compile: {}", String::from_utf8_lossy(&output.stderr));
    let file = folder.join("envoy.yaml");
    fs::write(&file, output.stdout)?;
    Ok(file)
}

fn envoy_command(bootstrap: &Path) -> Result<Command> {
    let mut command = pinned(&testbed::envoy()?, "0");
    command.args(["--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "--config-path"]);
    command.arg(bootstrap);
    Ok(command)
}

fn gateway_command(gatewright: &Path, repository: &Repository) -> Command {
    let mut command = pinned(gatewright, "0");
    command.arg("gateway").arg(&repository.folder);
    for (flag, port) in [("--http", HTTP_PORT), ("--https", HTTPS_PORT), ("--admin", ADMIN_PORT)] {
        command.args([flag, &format!("127.0.0.1:{port}")]);
    }
    command
}

fn pinned(program: &Path, core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Has a proxy write its log anew.
fn logged<'a>(command: &'a mut Command, log: &Path) -> Result<&'a mut Command> {
    Ok(command.stdout(File::create(log)?))
}

/// Starts a proxy, and returns its processor time per request of HTTP/1.1, and of HTTP/2, which it has on a port of its own.
fn round(command: &mut Command, script: &Path, http2: u16) -> Result<[Duration; 2]> {
    let proxy = Running::start(command)?;
    wait_until_ready()?;
    let http1 = cost(&proxy, &Protocol::Http1 { port: HTTP_PORT, script })?;
    Ok([http1, cost(&proxy, &Protocol::Http2 { port: http2 })?])
}

/// Warms a proxy up and returns its processor time per request.
fn cost(proxy: &Running, protocol: &Protocol<'_>) -> Result<Duration> {
    load::run(protocol, 1)?;
    let before = Usage::read(proxy.0.id())?.cpu;
    let requests = load::run(protocol, 4)?;
    Ok((Usage::read(proxy.0.id())?.cpu - before) / requests)
}

/// A process that ends with its value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        // taskset replaces itself by the program, so the id stays.
        Ok(Self(command.spawn().context("a program of the requests cannot be run")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then the round has failed already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn wait_until_ready() -> Result<()> {
    let deadline = Instant::now() + READY;
    while Instant::now() < deadline {
        if get(ADMIN_PORT, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("a proxy is not ready within {READY:?}")
}

fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_odd_number_of_rounds() {
        let times = [5, 1, 3].map(Duration::from_secs).to_vec();
        assert_eq!(median(times), Duration::from_secs(3));
    }
}
