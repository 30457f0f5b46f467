//! A git repository over HTTP: the real `git http-backend` behind a small server, which can also misbehave.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::oneshot;

/// Path under which the repository is served.
const PLACE: &str = "/team/gateways.git";

/// A repository that is served on a free port of 127.0.0.1 until this is dropped.
pub struct GitHttp {
    address: SocketAddr,
    state: Arc<State>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

struct State {
    repository: PathBuf,
    manner: Mutex<Manner>,
    seen: Mutex<Vec<String>>,
}

/// How the server behaves.
#[derive(Clone, Default)]
struct Manner {
    /// The only accepted value of `Authorization`.
    login: Option<String>,
    /// Bytes of a pack after which the connection breaks off.
    cut: Option<usize>,
    redirect: Option<String>,
}

impl GitHttp {
    /// Serves the repository of a work tree, to everybody.
    ///
    /// # Panics
    /// When no port is to be had.
    pub fn serve(work_tree: &Path) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, crate::free_port()));
        let state =
            State { repository: work_tree.join(".git"), manner: Mutex::default(), seen: Mutex::default() };
        let mut server = Self { address, state: Arc::new(state), running: None };
        server.restart();
        server
    }

    /// Returns the address of the repository.
    pub fn url(&self) -> String {
        format!("http://{}{PLACE}", self.address)
    }

    /// Returns host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves only who proves to be this user from now on.
    pub fn require(&self, user: &str, password: &str) {
        self.manner().login = Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
    }

    /// Breaks off every pack after so many bytes from now on, or none any more.
    pub fn cut_packs(&self, after: Option<usize>) {
        self.manner().cut = after;
    }

    /// Sends everybody to another address from now on.
    pub fn redirect(&self, url: &str) {
        self.manner().redirect = Some(url.to_owned());
    }

    /// Returns the requests so far: method, path with query, and `Authorization` where it was there.
    pub fn requests(&self) -> Vec<String> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops accepting and closes every connection. Does nothing when already stopped.
    pub fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // The thread is gone already when nobody receives: then there is nothing left to stop.
            stop.send(()).ok();
            thread.join().expect("the server's thread does not panic");
        }
    }

    /// Listens again on the same port after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        self.kill();
        let listener = std::net::TcpListener::bind(self.address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .unwrap_or_else(|error| panic!("git over HTTP on {}: {error}", self.address));
        let (stop, stopped) = oneshot::channel();
        let state = self.state.clone();
        let thread = std::thread::spawn(move || run(listener, &state, stopped));
        self.running = Some((stop, thread));
    }

    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.state.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Serves until told to stop; dropping the runtime drops the connections with it.
fn run(listener: std::net::TcpListener, state: &Arc<State>, stopped: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the server");
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener).expect("a listener that does not block");
        tokio::select! {
            () = accept(listener, state) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: TcpListener, state: &Arc<State>) {
    loop {
        // An error here concerns one connection that is gone again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            // A client that goes away, and a pack that is cut, end the connection with an error on purpose.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Piece>, Infallible> {
    let (head, body) = request.into_parts();
    let login =
        head.headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let shown = login.as_deref().map(|login| format!(" {login}")).unwrap_or_default();
    let seen = format!("{} {}{shown}", head.method, head.uri);
    state.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let Manner { login: wanted, cut, redirect } =
        state.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let rest = head.uri.path().strip_prefix(PLACE).map(str::to_owned);
    let (Some(rest), Ok(body)) = (rest, body.collect().await) else {
        return Ok(empty(StatusCode::NOT_FOUND, None));
    };
    if let Some(url) = redirect {
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Ok(empty(StatusCode::FOUND, Some((LOCATION, format!("{url}{rest}{query}")))));
    }
    if wanted.is_some() && wanted != login {
        let challenge = "Basic realm=\"git\"".to_owned();
        return Ok(empty(StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, challenge))));
    }
    let output = backend(&state.repository, &head, &rest, body.to_bytes()).await;
    let cut = cut.filter(|_| rest.ends_with("/git-upload-pack")).unwrap_or(usize::MAX);
    Ok(response(&output, cut).unwrap_or_else(|| empty(StatusCode::INTERNAL_SERVER_ERROR, None)))
}

/// A body in one piece, whose length is what the header says: a shorter one breaks the connection off.
struct Piece(Option<Bytes>);

impl Body for Piece {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Runs git's own CGI program, as a web server does.
async fn backend(repository: &Path, head: &Parts, rest: &str, body: Bytes) -> Vec<u8> {
    let header = |name: HeaderName| {
        head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_TRANSLATED", format!("{}{rest}", repository.display()))
        .env("PATH_INFO", rest)
        .env("REQUEST_METHOD", head.method.as_str())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let optional = [
        ("CONTENT_TYPE", CONTENT_TYPE),
        ("HTTP_CONTENT_ENCODING", CONTENT_ENCODING),
        ("HTTP_GIT_PROTOCOL", HeaderName::from_static("git-protocol")),
    ];
    for (variable, name) in optional {
        if let Some(value) = header(name) {
            command.env(variable, value);
        }
    }
    let mut child = command.spawn().unwrap_or_else(|error| panic!("git cannot be run: {error}"));
    let mut input = child.stdin.take().expect("standard input is a pipe");
    // git may answer, and close its input, before it has read all of it.
    input.write_all(&body).await.ok();
    drop(input);
    child.wait_with_output().await.expect("a child of this process").stdout
}

/// Reads what a CGI program printed: headers, an empty line, the body, of which only the first `cut` bytes are sent.
fn response(output: &[u8], cut: usize) -> Option<Response<Piece>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&output[..end]).ok()?, &output[end + 4..]);
    let mut response = Response::new(Piece(Some(Bytes::copy_from_slice(&body[..body.len().min(cut)]))));
    for line in head.lines() {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = value.split(' ').next()?.parse().ok()?;
        } else {
            response
                .headers_mut()
                .append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Some(response)
}

fn empty(status: StatusCode, header: Option<(HeaderName, String)>) -> Response<Piece> {
    let mut response = Response::new(Piece(None));
    *response.status_mut() = status;
    if let Some((name, value)) = header {
        let value = HeaderValue::try_from(value).expect("a header of this server is valid");
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::TempRepo;

    fn clone(url: &str) -> std::process::Output {
        let folder = tempfile::tempdir().unwrap();
        let mut git = std::process::Command::new("git");
        git.args(["clone", "--quiet", url]).arg(folder.path().join("clone"));
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0").output().unwrap()
    }

    #[test]
    fn git_clones_what_is_served_and_only_with_the_right_login() {
        let repository = TempRepo::new();
        repository.write("a.yaml", "x: 1\n").commit("one");
        let server = GitHttp::serve(repository.path());
        let cloned = clone(&server.url());
        assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
        server.require("me", "secret");
        assert!(!clone(&server.url()).status.success());
        assert!(clone(&server.url().replace("//", "//me:secret@")).status.success());
        assert!(server.requests().iter().any(|request| request.contains(" Basic ")));
    }

    #[test]
    fn a_cut_pack_is_no_clone() {
        let repository = TempRepo::new();
        repository.write("a.yaml", "x: 1\n").commit("one");
        let server = GitHttp::serve(repository.path());
        server.cut_packs(Some(40));
        assert!(!clone(&server.url()).status.success());
        server.cut_packs(None);
        assert!(clone(&server.url()).status.success());
    }
}
