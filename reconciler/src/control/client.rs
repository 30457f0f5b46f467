//! The asking side of control sockets and addresses.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::endpoint::Remote;
use super::{Answer, ControlError, Endpoint, Question};

/// How long a connection to another machine may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// How long another machine may take to answer, beside what it waits for its nodes: it reads and compiles a source.
const ANSWER: Duration = Duration::from_secs(300);

/// Asks the process at an endpoint and waits for its answer.
///
/// # Errors
/// It cannot be reached, is not who it must be, or goes away.
pub async fn ask(endpoint: &Endpoint, question: &Question) -> Result<Answer, ControlError> {
    let line = match endpoint {
        Endpoint::Socket(path) => over_socket(endpoint, path, question).await?,
        Endpoint::Network(remote) => over_network(endpoint, remote, question).await?,
    };
    serde_json::from_str(&line)
        .map_err(|source| ControlError::Protocol { endpoint: endpoint.clone(), source })
}

async fn over_socket(endpoint: &Endpoint, path: &Path, question: &Question) -> Result<String, ControlError> {
    let stream = UnixStream::connect(path).await;
    let stream = stream.map_err(|source| ControlError::Connect { endpoint: endpoint.clone(), source })?;
    exchange(stream, question)
        .await
        .map_err(|source| ControlError::Lost { endpoint: endpoint.clone(), source })
}

async fn over_network(
    endpoint: &Endpoint,
    remote: &Remote,
    question: &Question,
) -> Result<String, ControlError> {
    let connector = TlsConnector::from(Arc::new(remote.identity.client()?));
    let unreached = |source| failed(endpoint, source, true);
    let stream = timeout(CONNECT, TcpStream::connect(remote.address.parts())).await;
    let stream = stream.map_err(io::Error::from).flatten().map_err(unreached)?;
    let stream = timeout(CONNECT, connector.connect(remote.peer(), stream)).await;
    let stream = stream.map_err(io::Error::from).flatten().map_err(unreached)?;
    let line = timeout(patience(question), exchange(stream, question)).await;
    line.map_err(io::Error::from).flatten().map_err(|source| failed(endpoint, source, false))
}

fn patience(question: &Question) -> Duration {
    match question {
        Question::Status => ANSWER,
        Question::Apply(order) => ANSWER.saturating_add(Duration::from_millis(order.timeout_ms)),
    }
}

/// Tells trouble with certificates from trouble with the network. That our certificate is not taken is heard only after
/// the question, as the other side looks at it last.
fn failed(endpoint: &Endpoint, source: io::Error, connecting: bool) -> ControlError {
    let endpoint = endpoint.clone();
    match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => ControlError::Untrusted { endpoint, reason: error.to_string() },
        None if connecting => ControlError::Connect { endpoint, source },
        None => ControlError::Lost { endpoint, source },
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
) -> io::Result<String> {
    let mut text = serde_json::to_string(question)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}
