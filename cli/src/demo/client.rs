//! A small HTTP client: one connection a request, or one connection for many. TLS accepts exactly the certificates of
//! the example.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatewright_behaviour::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

/// Says why nothing came back.
pub(super) type Failure = String;

/// A client of one gateway.
#[derive(Clone)]
pub(super) struct Client {
    plain: SocketAddr,
    tls: SocketAddr,
    connector: TlsConnector,
}

/// An open connection.
pub(super) struct Connection(SendRequest<Empty<Bytes>>);

impl Client {
    /// Returns a client that trusts the certificates in `pem` texts.
    pub(super) fn new(plain: SocketAddr, tls: SocketAddr, pem: &[&str]) -> Result<Self, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let known = pem.iter().flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes()));
        let known: Vec<CertificateDer<'static>> =
            known.filter_map(Result::ok).map(CertificateDer::into_owned).collect();
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { known, provider }))
            .with_no_client_auth();
        Ok(Client { plain, tls, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Opens a connection for requests like `request`.
    pub(super) async fn connect(&self, request: &Request) -> Result<Connection, Failure> {
        let address = if request.listener.is_tls() { self.tls } else { self.plain };
        let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
        if !request.listener.is_tls() {
            return open(stream).await;
        }
        let name = request.sni.clone().unwrap_or_default();
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let stream = self
            .connector
            .connect(name, stream)
            .await
            .map_err(|error| format!("TLS handshake failed: {error}"))?;
        open(stream).await
    }

    /// Sends one request over a connection of its own.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let exchange = async { self.connect(request).await?.send(request).await };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }
}

async fn open<S>(stream: S) -> Result<Connection, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(Connection(sender))
}

impl Connection {
    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&mut self, request: &Request) -> Result<Answer, Failure> {
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(&request.path)
            .header("host", &request.authority);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let message = builder.body(Empty::new()).map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self.0.send_request(message).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }
}

/// Accepts the certificates of the example and no other.
#[derive(Debug)]
struct Pinned {
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.iter().any(|known| known.as_ref() == end_entity.as_ref()) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("not a certificate of the example".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
