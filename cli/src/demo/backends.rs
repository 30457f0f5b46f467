//! The demo's upstreams, in a process of their own: each answers with its name and what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use clap::Args;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::runtime;

/// What a backend was asked, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Echo {
    pub(super) backend: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Serve the demo's upstreams: one for each name, each at a free port
#[derive(Debug, Args)]
pub struct DemoBackends {
    /// Outlive the process that started this one
    #[arg(long)]
    detached: bool,
    /// Names of the upstreams
    names: Vec<String>,
}

impl DemoBackends {
    /// Carries the command out. The first line of standard output is a JSON list of the ports. Unless detached, the end
    /// of standard input ends the process, so that it does not outlive the demo.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        runtime::run(|mut shutdown| async move {
            let failed =
                |error: io::Error| CliError::environment(format!("cannot serve an upstream: {error}"));
            let mut ports = Vec::new();
            for name in &self.names {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
                ports.push(listener.local_addr().map_err(failed)?.port());
                tokio::spawn(serve(listener, name.clone()));
            }
            context.terminal.show(&format!("{}\n", serde_json::json!(ports)))?;
            if self.detached {
                shutdown.requested().await;
                return Ok(Exit::Fine);
            }
            let orphaned = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()));
            tokio::select! {
                () = shutdown.requested() => {}
                _ = orphaned => {}
            }
            // The thread that reads standard input may never end.
            std::process::exit(0)
        })
    }
}

async fn serve(listener: TcpListener, name: String) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let name = name.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(name.clone(), request));
            let mut server = hyper::server::conn::http1::Builder::new();
            // A client that goes away is none of the backend's business.
            server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(backend: String, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| {
        request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let echo = Echo {
        backend,
        method: request.method().to_string(),
        path: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        host: header("host").unwrap_or_default(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
    };
    let mut response = Response::new(Full::new(Bytes::from(serde_json::json!(echo).to_string())));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response.headers_mut().insert("x-powered-by", http::HeaderValue::from_static("demo"));
    Ok(response)
}

/// The running process of the upstreams.
pub(super) struct Backends {
    child: Child,
    /// Real port of each placeholder port.
    pub(super) ports: BTreeMap<u16, u16>,
    kept: bool,
}

impl Backends {
    /// Starts the upstreams for the placeholder ports, named as given; detached ones can be left running.
    pub(super) fn start(named: &[(u16, String)], detached: bool) -> Result<Self, CliError> {
        let failed =
            |error: io::Error| CliError::environment(format!("cannot start the demo's upstreams: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("demo-backends")
            .args(detached.then_some("--detached"))
            .args(named.iter().map(|(_, name)| name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        }
        let ports: Vec<u16> = serde_json::from_str(&line).unwrap_or_default();
        let mut backends = Backends { child, ports: BTreeMap::new(), kept: false };
        if ports.len() != named.len() {
            return Err(CliError::environment("the demo's upstreams ended before they served"));
        }
        backends.ports = named.iter().map(|(placeholder, _)| *placeholder).zip(ports).collect();
        Ok(backends)
    }

    /// Returns the process id, for the user.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process.
    pub(super) fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }

    /// Leaves the process running.
    pub(super) fn leave(mut self) {
        self.kept = true;
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        if !self.kept {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
