//! A gateway on a folder of hosts that have a certificate of their own each: what one more costs.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::follow::{Gateway, HTTPS_PORT, LIVE, PAUSE, PER_FOLDER, POLL, SERVICE};
use super::measure::{Usage, peak_memory};
use super::milliseconds;
use super::report::Report;

const EDITS: usize = 50;

/// Serves `hosts` hosts with a certificate each, and adds one after the other.
///
/// # Errors
/// When the gateway ends, or a host is not served.
pub(super) fn run(gatewright: &Path, folder: &Path, hosts: usize, report: &mut Report) -> Result<()> {
    let authority = Authority::new()?;
    let source = write(&folder.join("certificates"), hosts, &authority)?;
    let gateway = Gateway::start(gatewright, &source)?;
    let client = authority.client()?;
    time_until_served(&client, 0)?;
    let before = Usage::read(gateway.id())?.cpu;
    let mut times = Vec::new();
    for more in hosts..hosts + EDITS {
        let text = host(more, &authority)?;
        std::thread::sleep(PAUSE);
        fs::write(file(&source, more)?, text)?;
        times.push(time_until_served(&client, more)?);
    }
    let spent = Usage::read(gateway.id())?.cpu - before;
    times.sort_unstable();
    let what = format!("{hosts} hosts with certificates: one more is live");
    report.row(what.clone(), milliseconds(times[EDITS / 2]), "within 30 ms");
    let cpu = milliseconds(spent / u32::try_from(EDITS)?);
    report.row(format!("{what}, CPU (with the looking)"), cpu, "at most 15 ms");
    let peak = peak_memory(gateway.id()).unwrap_or(0);
    report.row(
        format!("{hosts} hosts with certificates: peak memory"),
        format!("{} MiB", peak >> 20),
        "at most 300 MB",
    );
    Ok(())
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let der = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), der })
    }

    /// Returns a certificate and its key as PEM.
    fn issue(&self, name: &str) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Returns a client that trusts nobody else.
    fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
    }
}

/// Waits until the handshake for a host ends with its certificate.
fn time_until_served(client: &Arc<ClientConfig>, index: usize) -> Result<Duration> {
    let begin = Instant::now();
    while begin.elapsed() < LIVE {
        if is_served(client, index)? {
            return Ok(begin.elapsed());
        }
        std::thread::sleep(POLL);
    }
    bail!("{} is not live within {LIVE:?}", name(index))
}

fn is_served(client: &Arc<ClientConfig>, index: usize) -> Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", HTTPS_PORT))?;
    stream.set_read_timeout(Some(LIVE))?;
    stream.set_nodelay(true)?;
    let mut connection = ClientConnection::new(client.clone(), ServerName::try_from(name(index))?)?;
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return Ok(false);
        }
    }
    connection.send_close_notify();
    connection.write_tls(&mut stream)?;
    stream.flush()?;
    Ok(true)
}

/// Writes a file for each host, with its Secret.
fn write(folder: &Path, hosts: usize, authority: &Authority) -> Result<PathBuf> {
    let source = folder.join(hosts.to_string());
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    fs::create_dir_all(&source)?;
    fs::write(source.join("service.yaml"), SERVICE)?;
    for index in 0..hosts {
        fs::write(file(&source, index)?, host(index, authority)?)?;
    }
    Ok(source)
}

/// Returns the file of a host, whose folder is there.
fn file(source: &Path, index: usize) -> Result<PathBuf> {
    let folder = source.join(format!("{:03}", index / PER_FOLDER));
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("host-{index:05}.yaml")))
}

fn name(index: usize) -> String {
    format!("secure-{index:05}.example.com")
}

fn host(index: usize, authority: &Authority) -> Result<String> {
    let name = name(index);
    let (certificate, key) = authority.issue(&name)?;
    let data = serde_json::json!({"tls.crt": certificate, "tls.key": key});
    Ok(format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: host-{index:05}, namespace: shop}}\nspec:\n  \
         ingressClassName: higress\n  tls: [{{hosts: [{name}], secretName: cert-{index:05}}}]\n  rules:\n  - host: {name}\n    \
         http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: cert-{index:05}, namespace: shop}}\ntype: kubernetes.io/tls\n\
         stringData: {data}\n"
    ))
}
