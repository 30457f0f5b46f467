//! A scripted Kubernetes API over plain HTTP, for what a real API server does seldom and at no time of one's choosing:
//! answers that do not come, watches that end, versions that are gone.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// What the script answers.
pub enum Reply {
    /// A status and a body.
    Json(u16, Value),
    /// The events of a watch as they come. It ends when the sender is dropped.
    Events(Receiver<Value>),
}

impl Reply {
    /// Returns a refusal in the API server's words.
    pub fn refusal(code: u16, message: &str) -> Self {
        Reply::Json(code, status(code, message))
    }

    /// Returns a list of objects at a version.
    pub fn list(version: &str, items: &[Value]) -> Self {
        Reply::Json(200, json!({"metadata": {"resourceVersion": version}, "items": items}))
    }
}

/// Returns the object with which the API server says what is wrong.
pub fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
}

/// A running script; it accepts no more connections when dropped.
pub struct ScriptedApi {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Script = dyn Fn(&str) -> Reply + Send + Sync;

impl ScriptedApi {
    /// Starts on a free port of 127.0.0.1. The script is given the path with its query, on a thread for each request: it
    /// may wait.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of 127.0.0.1");
        let address = listener.local_addr().expect("a bound socket has an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let (log, stop, script): (_, _, Arc<Script>) = (requests.clone(), stopped.clone(), Arc::new(script));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (log, script) = (log.clone(), script.clone());
                // The client may leave before the answer is whole.
                std::thread::spawn(move || converse(stream, &log, &*script).ok());
            }
        });
        ScriptedApi { address, requests, stopped, thread: Some(thread) }
    }

    /// Returns the requests so far as `METHOD path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a kubeconfig for it.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "scripted",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "u", "user": {"token": "sesame"}}],
            "contexts": [{"name": "scripted", "context": {"cluster": "c", "user": "u"}}],
        });
        fs::write(path, config.to_string()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

impl Drop for ScriptedApi {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the one who accepts; without it there is nobody to wake.
        TcpStream::connect(self.address).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

/// Answers one request and closes the connection.
fn converse(mut stream: TcpStream, log: &Mutex<Vec<String>>, script: &Script) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in &mut lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
    match script(path) {
        Reply::Json(code, body) => {
            let body = body.to_string();
            write!(
                stream,
                "HTTP/1.1 {code} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Reply::Events(events) => {
            write!(
                stream,
                "HTTP/1.1 200 -\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            )?;
            for event in events {
                let line = format!("{event}\n");
                write!(stream, "{:x}\r\n{line}\r\n", line.len())?;
            }
            write!(stream, "0\r\n\r\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Call;

    #[test]
    fn answers_come_from_the_script_and_requests_are_kept() {
        let api = ScriptedApi::start(|path| match path {
            "/list" => Reply::list("7", &[json!({"a": 1})]),
            "/watch" => {
                let (send, events) = std::sync::mpsc::channel();
                send.send(json!({"type": "ADDED"})).unwrap();
                Reply::Events(events)
            }
            _ => Reply::refusal(404, "no such path"),
        });
        let get = |path: &str| Call::get(api.address, "localhost", path).send().unwrap();
        assert_eq!(get("/list").json()["metadata"]["resourceVersion"], "7");
        assert_eq!(get("/watch").text(), "{\"type\":\"ADDED\"}\n");
        assert_eq!((get("/x").status, get("/x").json()["code"].clone()), (404, json!(404)));
        assert_eq!(api.requests()[..2], ["GET /list", "GET /watch"]);
    }
}
