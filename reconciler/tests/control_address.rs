//! Orders over a network address: who is answered, who is not, and what happens when certificates change.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::control::{
    Answer, Control, ControlAddress, ControlError, Endpoint, Identity, Question, Remote, ask,
};
use gatewright_reconciler::live::{Live, OnErrors};
use gatewright_reconciler::serve::{ServeOptions, SnapshotServer};
use gatewright_reconciler::source::{Credentials, Loader};
use gatewright_testkit::certs::{Authority, Identity as Pair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const STATUS: &[u8] = b"{\"ask\": \"status\"}\n";

/// A folder with the files of both sides.
struct Bench {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { folder: tempfile::tempdir().unwrap(), authority: Authority::new("ours") };
        bench.write("server", &bench.authority.server(&["gw.test", "127.0.0.1"]), &bench.authority);
        bench.write("client", &bench.authority.client("sync"), &bench.authority);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an identity: whose it is, and whom it trusts.
    fn write(&self, name: &str, pair: &Pair, trusted: &Authority) {
        let parts = [("crt", pair.certificate.as_str()), ("key", &pair.key), ("ca", trusted.pem())];
        for (end, text) in parts {
            std::fs::write(self.path(&format!("{name}.{end}")), text).unwrap();
        }
    }

    fn identity(&self, name: &str) -> Identity {
        let [certificate, key, authority] =
            ["crt", "key", "ca"].map(|end| self.path(&format!("{name}.{end}")));
        Identity { certificate, key, authority }
    }

    /// Starts a process that serves nothing yet, and returns where it takes orders.
    async fn serve(&self) -> SocketAddr {
        let listening = ControlAddress::listen(ANYWHERE, self.identity("server")).await.unwrap();
        let address = listening.address();
        let server = SnapshotServer::new(ServeOptions::default());
        let live = Live::new(CompileOptions::higress_defaults(), server, OnErrors::Stop);
        let loader = Loader {
            working_folder: self.folder.path().to_owned(),
            cache_folder: self.path("cache"),
            credentials: Credentials::default(),
        };
        let control = Control { live: Arc::new(Mutex::new(live)), loader };
        tokio::spawn(listening.serve(control, std::future::pending()));
        address
    }

    /// Asks as the client that stands in the files of this name.
    async fn ask(
        &self,
        at: SocketAddr,
        client: &str,
        server_name: Option<&str>,
    ) -> Result<Answer, ControlError> {
        let remote = Remote {
            address: at.to_string().parse().unwrap(),
            server_name: server_name.map(|name| name.parse().unwrap()),
            identity: self.identity(client),
        };
        ask(&Endpoint::Network(remote), &Question::Status).await
    }

    async fn refusal(&self, at: SocketAddr, client: &str, server_name: Option<&str>) -> String {
        let error = self.ask(at, client, server_name).await.unwrap_err();
        assert!(matches!(error, ControlError::Untrusted { .. }), "{error}");
        error.to_string()
    }

    /// Connects with a configuration of rustls and asks; returns what came back.
    async fn raw(&self, at: SocketAddr, config: rustls::ClientConfig) -> Vec<u8> {
        let stream = TcpStream::connect(at).await.unwrap();
        let name = ServerName::try_from("gw.test").unwrap();
        let mut told = Vec::new();
        if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            stream.write_all(STATUS).await.ok();
            stream.read_to_end(&mut told).await.unwrap_err();
        }
        told
    }

    fn config(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots)
    }
}

#[tokio::test]
async fn both_sides_show_a_certificate_that_the_other_trusts() {
    let bench = Bench::new();
    let at = bench.serve().await;
    assert!(matches!(bench.ask(at, "client", None).await, Ok(Answer::Status(_))));
    assert!(matches!(bench.ask(at, "client", Some("gw.test")).await, Ok(Answer::Status(_))));
    let start = format!("GW0618 no trust between this side and the control address {at}: ");
    let misnamed = bench.refusal(at, "client", Some("other.test")).await;
    assert!(misnamed.starts_with(&start) && misnamed.contains("invalid peer certificate"), "{misnamed}");

    let stranger = Authority::new("theirs");
    bench.write("stranger", &stranger.client("sync"), &bench.authority);
    let refused = bench.refusal(at, "stranger", None).await;
    assert!(refused.starts_with(&start) && refused.contains("received fatal alert"), "{refused}");
    // A certificate for servers gives no orders.
    bench.write("server-as-client", &bench.authority.server(&["gw.test"]), &bench.authority);
    assert!(bench.refusal(at, "server-as-client", None).await.contains("received fatal alert"));
    bench.write("distrustful", &bench.authority.client("sync"), &stranger);
    assert!(bench.refusal(at, "distrustful", None).await.contains("invalid peer certificate"));
}

#[tokio::test]
async fn without_a_certificate_or_tls_1_3_nothing_is_answered() {
    let bench = Bench::new();
    let at = bench.serve().await;
    let nobody = bench.config(&[&rustls::version::TLS13]).with_no_client_auth();
    assert_eq!(bench.raw(at, nobody).await, b"");
    let client = bench.authority.client("sync");
    let chain = vec![CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap()];
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
    let old = bench.config(&[&rustls::version::TLS12]).with_client_auth_cert(chain, key).unwrap();
    assert_eq!(bench.raw(at, old).await, b"");
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(STATUS).await.unwrap();
    plain.shutdown().await.unwrap();
    let mut told = Vec::new();
    plain.read_to_end(&mut told).await.ok();
    // An alert of TLS at most.
    assert!(told.len() <= 7, "{told:?}");
}

#[tokio::test]
async fn certificates_that_change_count_from_the_next_connection_on() {
    let bench = Bench::new();
    let at = bench.serve().await;
    let next = Authority::new("next");
    bench.write("renewed", &next.client("sync"), &bench.authority);
    bench.refusal(at, "renewed", None).await;
    std::fs::write(bench.path("server.ca"), next.pem()).unwrap();
    assert!(bench.ask(at, "renewed", None).await.is_ok());
    bench.refusal(at, "client", None).await;
    // In the midst of a renewal, what was there last counts.
    std::fs::write(bench.path("server.key"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    assert!(bench.ask(at, "renewed", None).await.is_ok());
    bench.write("server", &next.server(&["gw.test", "127.0.0.1"]), &next);
    bench.refusal(at, "renewed", None).await;
    bench.write("renewed", &next.client("sync"), &next);
    assert!(bench.ask(at, "renewed", None).await.is_ok());
}

#[tokio::test]
async fn files_that_are_of_no_use_are_named_and_not_repeated() {
    let bench = Bench::new();
    let other = bench.authority.server(&["gw.test"]);
    let missing = "No such file or directory (os error 2)";
    let certificate = "it holds no certificate in PEM";
    let key_of = format!("it is not the key of `{}`", bench.path("server.crt").display());
    for (file, text, reason) in [
        ("crt", None, missing),
        ("key", None, missing),
        ("ca", None, missing),
        ("crt", Some("SESAME"), certificate),
        ("ca", Some(""), certificate),
        ("key", Some("-----BEGIN PRIVATE KEY-----\nSESAME\n"), "it holds no private key in PEM"),
        ("key", Some(other.key.as_str()), key_of.as_str()),
    ] {
        let path = bench.path(&format!("server.{file}"));
        let before = std::fs::read(&path).unwrap();
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let error = ControlAddress::listen(ANYWHERE, bench.identity("server")).await.err().unwrap();
        assert_eq!(error.to_string(), format!("GW0804 cannot use `{}`: {reason}", path.display()));
        std::fs::write(&path, before).unwrap();
    }
    let lost = Identity { key: Path::new("/nowhere/key").to_owned(), ..bench.identity("client") };
    let remote = Remote { address: "127.0.0.1:1".parse().unwrap(), server_name: None, identity: lost };
    let error = ask(&Endpoint::Network(remote), &Question::Status).await.unwrap_err();
    assert!(error.to_string().starts_with("GW0804 cannot use `/nowhere/key`: "), "{error}");
}
