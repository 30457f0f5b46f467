//! A small HTTP client for tests: one request on one connection, nothing retried, redirected or decoded.
//!
//! The connection's address, the host of the request and the name in the TLS handshake are chosen apart, which is
//! what a gateway's tests need.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::certs::Identity;

/// Longest time that a call may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The protocol of a call; HTTP/2 over TLS is negotiated by ALPN, without TLS it is used with prior knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// One request, where to send it and how.
#[derive(Debug, Clone)]
pub struct Call {
    address: SocketAddr,
    method: String,
    host: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    protocol: Protocol,
    tls: Option<Tls>,
    timeout: Duration,
}

/// The client's side of a TLS handshake.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The server name to send; none sends no name.
    pub sni: Option<String>,
    /// PEM of the authority to trust; none accepts any certificate.
    pub authority: Option<String>,
    /// The client's own certificate, for mutual TLS.
    pub identity: Option<Identity>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers in the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// Trailers, as headers.
    pub trailers: Vec<(String, String)>,
    /// The server's certificate in DER, on a TLS connection.
    pub certificate: Option<Vec<u8>>,
}

impl Call {
    /// A request with any method; `path` carries the query too.
    pub fn new(method: &str, address: SocketAddr, host: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            protocol: Protocol::Http1,
            tls: None,
            timeout: TIMEOUT,
        }
    }

    /// A GET request.
    pub fn get(address: SocketAddr, host: &str, path: &str) -> Self {
        Self::new("GET", address, host, path)
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Chooses the protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sends the request over TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Bounds the whole call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the request and waits for the whole answer. May be called from anywhere, an async test included.
    ///
    /// # Errors
    /// A sentence that says which step failed: connect, handshake, request or time.
    pub fn send(self) -> Result<Answer, String> {
        // On a thread of its own: a runtime must not be entered from inside another one.
        std::thread::scope(|scope| scope.spawn(|| self.block_on()).join())
            .unwrap_or_else(|_| Err("the client panicked".to_owned()))
    }

    fn block_on(self) -> Result<Answer, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("runtime: {error}"))?;
        runtime.block_on(self.send_async())
    }

    /// As [`send`](Self::send), on the caller's runtime.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_async(self) -> Result<Answer, String> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.run())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")))
    }

    async fn run(self) -> Result<Answer, String> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| format!("connect to {}: {error}", self.address))?;
        stream.set_nodelay(true).map_err(|error| format!("connection: {error}"))?;
        let Some(tls) = &self.tls else { return self.exchange(stream).await };
        let name = tls.sni.clone().unwrap_or_else(|| self.address.ip().to_string());
        let name = ServerName::try_from(name).map_err(|error| format!("server name: {error}"))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(tls, self.protocol)?));
        let stream =
            connector.connect(name, stream).await.map_err(|error| format!("TLS handshake: {error}"))?;
        let certificate =
            stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
        let answer = self.exchange(stream).await?;
        Ok(Answer { certificate, ..answer })
    }

    async fn exchange(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Answer, String> {
        let failed = |error: hyper::Error| format!("request: {error}");
        let request = self.request()?;
        let io = TokioIo::new(stream);
        match self.protocol {
            Protocol::Http1 => {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(io).await.map_err(failed)?;
                let driver = tokio::spawn(connection);
                let answer = read(sender.send_request(request).await.map_err(failed)?).await;
                driver.abort();
                answer
            }
            Protocol::Http2 => {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(failed)?;
                let driver = tokio::spawn(connection);
                let answer = read(sender.send_request(request).await.map_err(failed)?).await;
                driver.abort();
                answer
            }
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder().method(self.method.as_str());
        request = match self.protocol {
            Protocol::Http1 => request.uri(self.path.as_str()).header("host", &self.host),
            Protocol::Http2 => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                let uri = Uri::builder()
                    .scheme(scheme)
                    .authority(self.host.as_str())
                    .path_and_query(self.path.as_str())
                    .build()
                    .map_err(|error| format!("request: {error}"))?;
                request.uri(uri)
            }
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::from(self.body.clone())).map_err(|error| format!("request: {error}"))
    }
}

impl Answer {
    /// Returns the lines of one header joined with a comma, or nothing when it is absent.
    pub fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let lines: Vec<&str> =
            self.headers.iter().filter(|line| line.0 == name).map(|line| line.1.as_str()).collect();
        if lines.is_empty() { None } else { Some(lines.join(",")) }
    }

    /// Returns the body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// When it is not JSON; the message shows the status and the body.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, not JSON ({error}): {}", self.status, self.text()))
    }
}

async fn read(response: http::Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.map_err(|error| format!("answer's body: {error}"))?;
    let trailers = collected.trailers().map(lines).unwrap_or_default();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: lines(&head.headers),
        body: collected.to_bytes(),
        trailers,
        certificate: None,
    })
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

pub(crate) fn client_config(tls: &Tls, protocol: Protocol) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS settings: {error}"))?;
    let builder = match &tls.authority {
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            let der = der(pem)?;
            roots.add(CertificateDer::from(der)).map_err(|error| format!("authority: {error}"))?;
            builder.with_root_certificates(roots)
        }
        None => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate { provider }))
        }
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![CertificateDer::from(der(&identity.certificate)?)];
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
                .map_err(|error| format!("client key: {error}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("client certificate: {error}"))?
        }
    };
    config.enable_sni = tls.sni.is_some();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// Returns the first certificate of a PEM text in DER, to compare with [`Answer::certificate`].
///
/// # Errors
/// When the text holds no certificate.
pub fn der(pem: &str) -> Result<Vec<u8>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map(|certificate| certificate.to_vec())
        .map_err(|error| format!("certificate: {error}"))
}

/// Trusts every certificate but still checks that the server holds its key.
#[derive(Debug)]
struct AcceptAnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::certs::Authority;

    /// Answers one connection with the server name that the client sent.
    fn serve_once(identity: &Identity) -> SocketAddr {
        let chain = vec![CertificateDer::from(der(&identity.certificate).unwrap())];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
            let mut buffer = [0; 4096];
            // A client that refuses the certificate ends here.
            if stream.read(&mut buffer).is_ok() {
                let name = stream.conn.server_name().unwrap_or("none").to_owned();
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).unwrap();
            }
        });
        address
    }

    #[test]
    fn sends_the_chosen_server_name_and_shows_the_certificate() {
        let identity = Authority::new("a").server(&["shop.example.com"]);
        let tls = Tls { sni: Some("other.example.com".to_owned()), ..Tls::default() };
        let answer = Call::get(serve_once(&identity), "h", "/").tls(tls).send().unwrap();
        assert_eq!(answer.text(), "other.example.com");
        assert_eq!(answer.certificate, Some(der(&identity.certificate).unwrap()));
        let answer = Call::get(serve_once(&identity), "h", "/").tls(Tls::default()).send().unwrap();
        assert_eq!(answer.text(), "none");
    }

    #[test]
    fn trusts_the_given_authority_alone() {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let identity = ours.server(&["shop.example.com"]);
        let trusting = |authority: &Authority| Tls {
            sni: Some("shop.example.com".to_owned()),
            authority: Some(authority.pem().to_owned()),
            identity: None,
        };
        assert!(Call::get(serve_once(&identity), "h", "/").tls(trusting(&ours)).send().is_ok());
        let error = Call::get(serve_once(&identity), "h", "/").tls(trusting(&other)).send().unwrap_err();
        assert!(error.contains("TLS handshake"), "{error}");
    }
}
