//! `gatewright xds`: serves the compiled xDS over ADS and follows the source.

use std::net::SocketAddr;

use clap::Args;
use gatewright_reconciler::cluster::Feeding;
use gatewright_reconciler::live::OnErrors;
use gatewright_reconciler::source::SourceSpec;
use tokio::net::TcpListener;

use crate::Context;
use crate::cluster::FollowArgs;
use crate::consent::ConsentArgs;
use crate::control::ControlArgs;
use crate::errors::{CliError, Exit};
use crate::runtime::{self, Shutdown};
use crate::serving::{Guarding, Serving};
use crate::settings::SettingsArgs;

/// Serve the compiled xDS to Envoy and to gateways
///
/// Speaks aggregated discovery in both forms, incremental and state of the world. A state without errors goes out as
/// soon as it is there; one with errors leaves the last state in place.
///
/// An Envoy of one's own needs two lines of runtime in its bootstrap, as `compile --format envoy-bootstrap` sets them:
/// `envoy.reloadable_features.match_headers_individually: false`, by which a condition tests all lines of a header as one
/// text, and `re2.max_program_size.error_level: 32768`, without which it refuses larger expressions.
#[derive(Debug, Args)]
pub struct Xds {
    /// What to serve: a directory, a file, `-`, `git:REV[:SUBDIR]` or `git+URL@REV[:SUBDIR]`; several merge
    #[arg(value_name = "SOURCE", required_unless_present = "cluster")]
    sources: Vec<SourceSpec>,
    /// Address on which data planes connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:15010")]
    listen: SocketAddr,
    /// Address of the clear-text listener of the data planes
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:80")]
    http: SocketAddr,
    /// Address of the TLS listener of the data planes
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:443")]
    https: SocketAddr,
    #[command(flatten)]
    control: ControlArgs,
    /// Serve what is sound although errors stand; what a broken object covers answers 503
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Xds {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
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
            self.serve(serving, context, shutdown).await
        })
    }

    async fn serve(&self, serving: Serving, context: &Context, shutdown: Shutdown) -> Result<Exit, CliError> {
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|error| CliError::environment(format!("cannot listen on {}: {error}", self.listen)))?;
        let address = listener.local_addr().unwrap_or(self.listen);
        context.terminal.remark(&format!("serving xDS on {address}"));
        let control = serving.control(&self.control, context, shutdown.clone());
        tokio::select! {
            () = serving.follow(shutdown.clone()) => Ok(Exit::Fine),
            Err(error) = control => Err(error),
            ended = serving.server.serve_tcp(listener) => match ended {
                Ok(()) => Ok(Exit::Fine),
                Err(error) => Err(CliError::environment(format!("the xDS server ended: {error}"))),
            },
        }
    }
}
