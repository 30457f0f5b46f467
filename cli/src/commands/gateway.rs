//! `gatewright gateway`: runs the bundled gateway, on a source or on another xDS server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use gatewright_gateway::{GatewayError, GatewayOptions, RunningGateway};
use gatewright_reconciler::cluster::Feeding;
use gatewright_reconciler::live::OnErrors;
use gatewright_reconciler::source::SourceSpec;
use tokio::net::UnixListener;

use crate::Context;
use crate::cluster::FollowArgs;
use crate::consent::ConsentArgs;
use crate::control::ControlArgs;
use crate::errors::{CliError, Exit};
use crate::runtime::{self, Shutdown};
use crate::serving::{Guarding, Serving};
use crate::settings::SettingsArgs;
use crate::terminal::Terminal;

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Run the bundled gateway
///
/// On a SOURCE the gateway brings its own control plane, which follows the SOURCE: a state without errors goes live
/// without failing a request, and one with errors leaves the last state in place.
#[derive(Debug, Args)]
pub struct Gateway {
    /// What to serve: a directory, a file, `-`, `git:REV[:SUBDIR]` or `git+URL@REV[:SUBDIR]`; several merge
    #[arg(value_name = "SOURCE", required_unless_present_any = ["xds", "cluster"])]
    sources: Vec<SourceSpec>,
    /// Take the configuration from this xDS server instead: `http://HOST:PORT`, `HOST:PORT` or `unix:PATH`
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["sources", "http", "https", "control", "control_listen", "keep_going", "cluster", "prune_budget", "allow_empty", "state_file"])]
    xds: Option<String>,
    /// Address of the clear-text listener
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address of the TLS listener, opened while a host has TLS
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Address of the admin endpoint (/ready, /config_dump, /clusters, /stats/prometheus); repeatable
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:15000")]
    admin: Vec<SocketAddr>,
    #[command(flatten)]
    control: ControlArgs,
    /// Serve what is sound although errors stand; what a broken object covers answers 503
    #[arg(long)]
    keep_going: bool,
    /// Worker threads, one for each core unless given
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    workers: usize,
    /// Name of this gateway towards the xDS server
    #[arg(long, value_name = "NAME", default_value = "gatewright-gateway")]
    node_id: String,
    /// Write no access log to standard output
    #[arg(long)]
    no_access_log: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Gateway {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        match &self.xds {
            Some(address) => {
                runtime::run(|shutdown| self.on_server(server_address(address), context, shutdown))
            }
            None => self.with_control_plane(context),
        }
    }

    fn with_control_plane(&self, context: &Context) -> Result<Exit, CliError> {
        let (source, mut options) = context.served(&self.sources, &self.settings)?;
        options.http = self.http;
        options.https = self.https;
        let on_errors = if self.keep_going { OnErrors::KeepGoing } else { OnErrors::Stop };
        runtime::run(|shutdown| async move {
            let feeding = Feeding::beside(&self.sources);
            let objects = context.follow(&self.follow, feeding, &options, shutdown.clone()).await?;
            let loader = context.loader()?;
            let guarding = (!self.sources.is_empty()).then(|| Guarding {
                consent: self.consent.consent(),
                memory: self.consent.memory(context, &loader, &source, &self.settings),
            });
            let serving =
                Serving::start(&context.terminal, loader, source, options, on_errors, objects, guarding)?;
            self.on_source(serving, context, shutdown).await
        })
    }

    async fn on_server(
        &self,
        server: String,
        context: &Context,
        shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let gateway = self.start(server)?;
        self.until_stopped(gateway, &context.terminal, shutdown).await
    }

    /// The embedded control plane speaks real ADS over a socket in a private folder.
    async fn on_source(
        &self,
        serving: Serving,
        context: &Context,
        shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let failed = |error: io::Error| {
            CliError::environment(format!("cannot open the control plane's socket: {error}"))
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let socket = folder.path().join("ads.sock");
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        let gateway = self.start(format!("unix:{}", socket.display()))?;
        let streams = serving.server.serve_unix(listener);
        let control = serving.control(&self.control, context, shutdown.clone());
        tokio::select! {
            exit = self.until_stopped(gateway, &context.terminal, shutdown.clone()) => exit,
            () = async { serving.follow(shutdown.clone()).await; std::future::pending().await } => Ok(Exit::Fine),
            Err(error) = control => Err(error),
            Err(error) = streams => Err(CliError::environment(format!("the control plane ended: {error}"))),
        }
    }

    fn start(&self, server: String) -> Result<RunningGateway, CliError> {
        let mut options = GatewayOptions::new(server, self.node_id.clone());
        options.admin.clone_from(&self.admin);
        options.workers = self.workers;
        if !self.no_access_log {
            options.access_log = Some(Box::new(io::stdout()));
        }
        Ok(gatewright_gateway::run(options)?)
    }

    async fn until_stopped(
        &self,
        gateway: RunningGateway,
        terminal: &Terminal,
        mut shutdown: Shutdown,
    ) -> Result<Exit, CliError> {
        let ready = tokio::select! {
            () = shutdown.requested() => None,
            ready = gateway.ready() => Some(ready),
        };
        match ready {
            Some(Ok(())) => {
                terminal.remark(&ready_text(&gateway));
                shutdown.requested().await;
            }
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
        gateway.shutdown(GRACE).await;
        Ok(Exit::Fine)
    }
}

fn ready_text(gateway: &RunningGateway) -> String {
    let listeners: Vec<String> =
        gateway.listeners().iter().map(|(name, address)| format!("{name} on {address}")).collect();
    let admin: Vec<String> = gateway.admin_addresses().iter().map(ToString::to_string).collect();
    format!("ready: {}; admin on {}", listeners.join(", "), admin.join(", "))
}

/// Returns the address with its scheme.
fn server_address(text: &str) -> String {
    if text.contains("://") || text.starts_with("unix:") { text.to_owned() } else { format!("http://{text}") }
}

impl From<GatewayError> for CliError {
    fn from(error: GatewayError) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        CliError::environment(text)
    }
}
