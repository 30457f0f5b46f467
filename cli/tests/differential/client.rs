//! A client that keeps connections open and sends requests byte for byte as they are written: no library decides what
//! is a valid path, and thousands of requests need no new connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use gatewright_behaviour::Request;
use gatewright_ir::ListenerId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// How long one read may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Open TLS connections, one for each server name, before all are closed.
const OPEN_DOORS: usize = 24;

/// What came back for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No answer: what failed.
    Closed(String),
    /// An answer.
    Answer(Answer),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// In DER, on the TLS listener.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Answer {
    /// Returns the lines of a header joined by `,`, or nothing when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> =
            self.headers.iter().filter(|line| line.0 == name).map(|line| line.1.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    }
}

/// A client of one gateway.
pub(crate) struct Client {
    plain: SocketAddr,
    tls: SocketAddr,
    named: Arc<ClientConfig>,
    nameless: Arc<ClientConfig>,
    open: BTreeMap<Door, Connection>,
}

type Door = (ListenerId, Option<String>);

impl Client {
    pub(crate) fn new(plain: SocketAddr, tls: SocketAddr) -> Self {
        let named = tls_config();
        let mut nameless = named.clone();
        nameless.enable_sni = false;
        Client { plain, tls, named: Arc::new(named), nameless: Arc::new(nameless), open: BTreeMap::new() }
    }

    /// Sends a request and reads the answer.
    pub(crate) fn send(&mut self, request: &Request) -> Seen {
        let door = (request.listener, request.sni.clone());
        if let Some(mut connection) = self.open.remove(&door) {
            // A kept connection may have been closed meanwhile, which says nothing about this request.
            if let Ok(answer) = connection.exchange(request) {
                return self.keep(door, connection, answer);
            }
        }
        let connected = self.connect(&door);
        let exchanged = connected.and_then(|mut connection| {
            let answer = connection.exchange(request)?;
            Ok((connection, answer))
        });
        match exchanged {
            Ok((connection, answer)) => self.keep(door, connection, answer),
            Err(reason) => Seen::Closed(reason),
        }
    }

    fn keep(&mut self, door: Door, connection: Connection, answer: Answer) -> Seen {
        let closing = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !closing {
            if self.open.len() >= OPEN_DOORS {
                self.open.clear();
            }
            self.open.insert(door, connection);
        }
        Seen::Answer(answer)
    }

    fn connect(&self, (listener, name): &Door) -> Result<Connection, String> {
        let address = if listener.is_tls() { self.tls } else { self.plain };
        let stream = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).map_err(text)?;
        if !listener.is_tls() {
            return Ok(Connection { stream: Stream::Plain(stream), unread: Vec::new(), certificate: None });
        }
        let config = if name.is_some() { &self.named } else { &self.nameless };
        let server = match name {
            Some(name) => {
                ServerName::try_from(name.clone()).map_err(|error| format!("server name: {error}"))?
            }
            None => ServerName::from(address.ip()),
        };
        let session = ClientConnection::new(Arc::clone(config), server).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| format!("handshake: {error}"))?;
        }
        let certificate =
            stream.conn.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
        Ok(Connection { stream: Stream::Tls(Box::new(stream)), unread: Vec::new(), certificate })
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

struct Connection {
    stream: Stream,
    unread: Vec<u8>,
    certificate: Option<Vec<u8>>,
}

impl Connection {
    fn exchange(&mut self, request: &Request) -> Result<Answer, String> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, request.authority);
        for (name, value) in &request.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        if ["POST", "PUT", "PATCH"].contains(&request.method.as_str()) {
            bytes.push_str("Content-Length: 0\r\n");
        }
        bytes.push_str("\r\n");
        self.write(bytes.as_bytes())?;
        let (status, headers) = self.head()?;
        let mut answer = Answer { status, headers, body: Vec::new(), certificate: self.certificate.clone() };
        if request.method != "HEAD" && !matches!(status, 204 | 304) {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
        .map_err(|error| format!("write: {error}"))
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>), String> {
        let mut status = 100;
        let mut headers = Vec::new();
        while status < 200 {
            let end = self.find(b"\r\n\r\n")?;
            let head = self.take(end);
            let head = String::from_utf8_lossy(&head);
            let mut lines = head.split("\r\n");
            let first = lines.next().unwrap_or_default();
            status = first
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .ok_or_else(|| format!("`{first}` is no status line"))?;
            headers = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
        }
        Ok((status, headers))
    }

    fn body(&mut self, answer: &Answer) -> Result<Vec<u8>, String> {
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        let length = answer.header("content-length").ok_or("the answer has no length")?;
        let length = length.parse().map_err(|_| format!("`{length}` is no length"))?;
        while self.unread.len() < length {
            self.fill()?;
        }
        Ok(self.take(length))
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let end = self.find(b"\r\n")?;
            let size = self.take(end);
            let size = String::from_utf8_lossy(&size).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(|_| format!("`{size}` is no chunk size"))?;
            while self.unread.len() < size + 2 {
                self.fill()?;
            }
            let chunk = self.take(size + 2);
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads until `mark` has arrived, and returns where it ends.
    fn find(&mut self, mark: &[u8]) -> Result<usize, String> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                return Ok(at + mark.len());
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut buffer = [0; 8192];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut buffer),
            Stream::Tls(stream) => stream.read(&mut buffer),
        };
        match read.map_err(|error| format!("read: {error}"))? {
            0 => Err("the connection was closed before the answer".to_owned()),
            read => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

fn tls_config() -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Which certificate is served is compared afterwards.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
