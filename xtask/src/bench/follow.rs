//! A gateway on a folder: how long a large first configuration takes, and what one edited file costs.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::measure::{Usage, peak_memory};
use super::milliseconds;
use super::push::{Running, address};
use super::report::Report;

const HTTP_PORT: u16 = 18_088;
pub(super) const HTTPS_PORT: u16 = 18_089;
const ADMIN_PORT: u16 = 18_090;
const PATHS: usize = 12;
const EDITS: usize = 50;
const READY: Duration = Duration::from_secs(300);
pub(super) const LIVE: Duration = Duration::from_secs(30);
pub(super) const POLL: Duration = Duration::from_millis(1);
/// Between two edits, so that each is followed by itself.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// Ingresses of one folder.
pub(super) const PER_FOLDER: usize = 1_000;
/// An annotation that Higress does not read, so that its file has a finding.
const UNREAD: &str = "  annotations:\n    higress.io/tiemout: \"5\"\n";

/// Starts a gateway on many hosts with many paths, and waits until it is ready.
///
/// # Errors
/// When it ends, or is not ready in time.
pub(super) fn large(gatewright: &Path, folder: &Path, hosts: usize, report: &mut Report) -> Result<()> {
    let source = write(&folder.join("large"), hosts, PATHS, "")?;
    let begin = Instant::now();
    let gateway = Gateway::start(gatewright, &source)?;
    let what = format!("{hosts} hosts x {PATHS} paths: gateway ready");
    report.row(what, milliseconds(begin.elapsed()), "it becomes ready");
    let peak = peak_memory(gateway.id()).context("no memory is told")?;
    report.row(format!("{hosts} hosts x {PATHS} paths: peak memory"), format!("{} MiB", peak >> 20), "");
    Ok(())
}

/// Edits one file of a folder that a gateway follows, and waits for its requests to be answered otherwise.
///
/// # Errors
/// When the gateway ends, or an edit has no effect.
pub(super) fn edits(gatewright: &Path, folder: &Path, files: usize, report: &mut Report) -> Result<()> {
    for (place, annotations, what) in
        [("followed", "", ""), ("followed-findings", UNREAD, ", a finding in each file")]
    {
        let source = write(&folder.join(place), files, 2, annotations)?;
        let gateway = Gateway::start(gatewright, &source)?;
        let mut client = Client::connect()?;
        let before = Usage::read(gateway.id())?.cpu;
        let mut times = Vec::new();
        for edit in 0..EDITS {
            std::thread::sleep(PAUSE);
            let path = format!("/edit-{edit}");
            fs::write(file(&source, 0), ingress(0, std::slice::from_ref(&path), annotations))?;
            times.push(client.time_until_served(&path)?);
        }
        let spent = Usage::read(gateway.id())?.cpu - before;
        times.sort_unstable();
        let what = format!("{files} files{what}: an edit is live");
        report.row(what.clone(), milliseconds(times[EDITS / 2]), "within 20 ms");
        let edits = u32::try_from(EDITS)?;
        report.row(format!("{what}, CPU (with the looking)"), milliseconds(spent / edits), "at most 10 ms");
    }
    Ok(())
}

/// A gateway that follows a folder.
pub(super) struct Gateway(Running);

impl Gateway {
    /// Returns its process.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub(super) fn start(gatewright: &Path, source: &Path) -> Result<Self> {
        let mut command = Command::new(gatewright);
        command.arg("gateway").arg(source);
        for (flag, port) in [("--http", HTTP_PORT), ("--https", HTTPS_PORT), ("--admin", ADMIN_PORT)] {
            command.args([flag, &address(port)]);
        }
        let mut gateway = Self(Running::start(&mut command)?);
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            ensure!(gateway.0.runs()?, "the gateway has ended");
            if status(ADMIN_PORT, "/ready").is_ok_and(|code| code == 200) {
                return Ok(gateway);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the gateway is not ready within {READY:?}")
    }
}

/// Asks for paths of the edited host, over one connection.
struct Client(TcpStream);

impl Client {
    fn connect() -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", HTTP_PORT))?;
        stream.set_read_timeout(Some(LIVE))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// The Service has no endpoints: a path that is served is answered 503, and any other one 404.
    fn time_until_served(&mut self, path: &str) -> Result<Duration> {
        let begin = Instant::now();
        while begin.elapsed() < LIVE {
            if self.is_served(path)? {
                return Ok(begin.elapsed());
            }
            std::thread::sleep(POLL);
        }
        bail!("{path} is not live within {LIVE:?}")
    }

    fn is_served(&mut self, path: &str) -> Result<bool> {
        write!(self.0, "GET {path}/x HTTP/1.1\r\nhost: {}\r\n\r\n", host(0))?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !complete(&answer) {
            let read = self.0.read(&mut buffer)?;
            ensure!(read > 0, "the gateway has closed the connection");
            answer.extend_from_slice(&buffer[..read]);
        }
        Ok(answer.starts_with(b"HTTP/1.1 503"))
    }
}

/// Returns whether a whole answer is there; its length is given, as gatewright's own answers are short texts.
fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

fn status(port: u16, path: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.get(9..12).and_then(|code| code.parse().ok()).with_context(|| format!("no answer: {answer}"))
}

/// Writes a file for each host, and a Service without endpoints.
fn write(folder: &Path, hosts: usize, paths: usize, annotations: &str) -> Result<PathBuf> {
    let source = folder.join(format!("{hosts}x{paths}"));
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    fs::create_dir_all(&source)?;
    fs::write(source.join("service.yaml"), SERVICE)?;
    let paths: Vec<String> = (0..paths).map(|path| format!("/path-{path:02}")).collect();
    for index in 0..hosts {
        let file = file(&source, index);
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(file, ingress(index, &paths, annotations))?;
    }
    Ok(source)
}

fn file(source: &Path, index: usize) -> PathBuf {
    source.join(format!("{:03}/host-{index:05}.yaml", index / PER_FOLDER))
}

fn host(index: usize) -> String {
    format!("host-{index:05}.example.com")
}

fn ingress(index: usize, paths: &[String], annotations: &str) -> String {
    let mut text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: host-{index:05}\n  namespace: shop\n\
         {annotations}spec:\n  ingressClassName: higress\n  rules:\n  - host: {}\n    http:\n      paths:\n",
        host(index)
    );
    for path in paths {
        let service = "backend: {service: {name: web, port: {number: 80}}}";
        // Writing into a String cannot fail.
        write!(text, "      - path: {path}\n        pathType: Prefix\n        {service}\n").ok();
    }
    text
}

pub(super) const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  ports:\n  \
                       - port: 80\n";
