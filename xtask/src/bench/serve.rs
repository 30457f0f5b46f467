//! Processor time per request: the bundled gateway against Envoy and nginx with the same hosts, one core each.
//!
//! The proxy runs alone on core 0; the load and the upstream share core 1. Requests per second say little there, the
//! proxy's processor time per request says what serving costs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::measure::Usage;
use super::nginx;
use super::repository::{Repository, UPSTREAM_PORT};
use crate::{machine, process, testbed};

const HTTP_PORT: u16 = 18_081;
const HTTPS_PORT: u16 = 18_082;
const ADMIN_PORT: u16 = 18_083;
/// Not on every path.
const NGINX: &str = "/usr/sbin/nginx";
const CONNECTIONS: &str = "64";
const READY: Duration = Duration::from_secs(60);
const LOAD: Duration = Duration::from_secs(60);
const ROUNDS: usize = 5;
const BODY: usize = 1024;

/// Median processor time per request of each proxy.
pub(crate) struct Comparison {
    pub(crate) nginx: Duration,
    pub(crate) envoy: Duration,
    pub(crate) gateway: Duration,
}

/// Measures them in turns.
///
/// # Errors
/// When wrk, taskset, nginx or Envoy cannot be had, or a proxy answers anything but 200.
pub(crate) fn compare(gatewright: &Path, repository: &Repository, folder: &Path) -> Result<Comparison> {
    for (tool, package) in [("wrk", "wrk"), ("taskset", "util-linux"), (NGINX, "nginx-light")] {
        if !machine::has_program(tool) {
            ensure!(machine::may_install(false), "there is no {tool} (Debian: {package})");
            machine::install(&[package])?;
        }
    }
    pin(std::process::id(), "1")?;
    std::thread::spawn(upstream);
    let result = rounds(gatewright, repository, folder);
    pin(std::process::id(), "0,1")?;
    result
}

fn rounds(gatewright: &Path, repository: &Repository, folder: &Path) -> Result<Comparison> {
    let script = folder.join("hosts.lua");
    fs::write(&script, HOSTS)?;
    let bootstrap = bootstrap(gatewright, repository, folder)?;
    let (mut nginx, mut envoy, mut gateway) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (program, ports) = (pinned(Path::new(NGINX)), (HTTP_PORT, ADMIN_PORT));
        let mut command = nginx::command(program, folder, repository.ingresses, ports)?;
        nginx.push(round(&mut command, &script)?);
        envoy.push(round(&mut envoy_command(&bootstrap)?, &script)?);
        gateway.push(round(&mut gateway_command(gatewright, repository), &script)?);
    }
    Ok(Comparison { nginx: median(nginx), envoy: median(envoy), gateway: median(gateway) })
}

/// Each connection takes its hosts in turn, so that no proxy lives from one cached decision.
const HOSTS: &str = r#"
local requests = {}
init = function()
  for i = 1, 200 do
    local host = string.format("shop-%05d.example.com", i)
    requests[i] = wrk.format("GET", i % 2 == 0 and "/api/items?id=7" or "/cart", { Host = host })
  end
end
local next = 0
request = function()
  next = next % #requests + 1
  return requests[next]
end
"#;

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
    let mut command = pinned(&testbed::envoy()?);
    command.args(["--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "--config-path"]);
    command.arg(bootstrap);
    Ok(command)
}

fn gateway_command(gatewright: &Path, repository: &Repository) -> Command {
    let mut command = pinned(gatewright);
    command.arg("gateway").arg(&repository.folder);
    for (flag, port) in [("--http", HTTP_PORT), ("--https", HTTPS_PORT), ("--admin", ADMIN_PORT)] {
        command.args([flag, &format!("127.0.0.1:{port}")]);
    }
    command
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts a proxy, warms it up and returns its processor time per request.
fn round(command: &mut Command, script: &Path) -> Result<Duration> {
    // taskset replaces itself by the program, so the id stays.
    let proxy = Running(command.spawn().context("the proxy cannot be run")?);
    wait_until_ready()?;
    load("1s", script)?;
    let before = Usage::read(proxy.0.id())?.cpu;
    let requests = load("4s", script)?;
    let spent = Usage::read(proxy.0.id())?.cpu - before;
    Ok(spent / requests)
}

/// A proxy that ends with its value.
struct Running(Child);

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

/// Sends requests for a while and returns how many were answered with 200.
fn load(time: &str, script: &Path) -> Result<u32> {
    let mut wrk = Command::new("taskset");
    wrk.args(["-c", "1", "wrk", "-t", "1", "-c", CONNECTIONS, "-d", time, "-s"]).arg(script);
    wrk.arg(format!("http://127.0.0.1:{HTTP_PORT}"));
    let ended = process::run_quietly(&mut wrk, LOAD)?;
    ensure!(ended.success(), "wrk: {}: {}", ended.reason(), ended.lines.join(" "));
    let line = |text: &str| ended.lines.iter().find(|line| line.contains(text));
    if let Some(errors) = line("Non-2xx").or_else(|| line("Socket errors")) {
        bail!("wrk: {}", errors.trim());
    }
    let requests = line(" requests in ").and_then(|line| line.trim().split(' ').next()?.parse().ok());
    requests.filter(|&requests| requests > 0).with_context(|| format!("wrk says {}", ended.lines.join(" ")))
}

/// Moves the first thread of a process, and the ones that it starts from now on. Not those that run already: the
/// upstream's come and go, and one that ends meanwhile would be an error.
fn pin(id: u32, cores: &str) -> Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", "-p", cores, &id.to_string()]);
    let ended = process::run_quietly(&mut taskset, LOAD)?;
    ensure!(ended.success(), "taskset: {}: two cores are needed", ended.lines.join(" "));
    Ok(())
}

/// Answers every request of every connection with the same kilobyte, until the bench ends.
fn upstream() {
    let listener = match TcpListener::bind(("127.0.0.1", UPSTREAM_PORT)) {
        Ok(listener) => listener,
        Err(error) => {
            println!("upstream on port {UPSTREAM_PORT}: {error}");
            return;
        }
    };
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) {
    let body = "x".repeat(BODY);
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY}\r\n\r\n{body}");
    let mut buffer = [0; 16 * 1024];
    let mut seen = 0;
    // Requests have no body and one is under way at a time: its end is an empty line.
    while let Ok(count @ 1..) = stream.read(&mut buffer[seen..]) {
        seen += count;
        if buffer[..seen].ends_with(b"\r\n\r\n") {
            seen = 0;
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
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
