//! The asking side of the control socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::{Answer, ControlError, Question};

/// Asks the process behind a control socket and waits for its answer.
pub async fn ask(socket: &Path, question: &Question) -> Result<Answer, ControlError> {
    let path = || socket.to_owned();
    let mut stream =
        UnixStream::connect(socket).await.map_err(|source| ControlError::Connect { path: path(), source })?;
    let line = exchange(&mut stream, question)
        .await
        .map_err(|source| ControlError::Lost { path: path(), source })?;
    serde_json::from_str(&line).map_err(|source| ControlError::Protocol { path: path(), source })
}

async fn exchange(stream: &mut UnixStream, question: &Question) -> io::Result<String> {
    let mut text = serde_json::to_string(question)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}
