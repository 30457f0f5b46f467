//! What `gateway`, `xds` and `sync` have in common: a source that is compiled, served over ADS, and followed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use gatewright_compiler::options::CompileOptions;
use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_reconciler::control::{self, Control, ControlError};
use gatewright_reconciler::live::{Live, Offer, OnErrors};
use gatewright_reconciler::serve::{Rejection, ServeOptions, SnapshotServer};
use gatewright_reconciler::source::{Loader, Source, Watch};
use tokio::sync::Mutex;

use crate::errors::CliError;
use crate::report::{Findings, refused};
use crate::runtime::Shutdown;
use crate::terminal::Terminal;

/// A served source.
pub struct Serving {
    /// The compiler and its server.
    pub live: Arc<Mutex<Live>>,
    /// The server, for streams.
    pub server: SnapshotServer,
    loader: Loader,
    source: Arc<Source>,
    terminal: Terminal,
}

impl Serving {
    /// Compiles a source and makes it ready to be served.
    ///
    /// # Errors
    /// It has errors and `on_errors` says stop, or cannot be read.
    pub fn start(
        terminal: &Terminal,
        loader: Loader,
        source: Source,
        options: CompileOptions,
        on_errors: OnErrors,
    ) -> Result<Self, CliError> {
        let server = SnapshotServer::new(ServeOptions::default());
        let mut live = Live::new(options, server.clone(), on_errors);
        let source = Arc::new(source);
        match live.offer(source.clone())? {
            Offer::Published { diagnostics, .. } => show(terminal, &source, &diagnostics, Severity::Warning),
            Offer::Refused { diagnostics } => {
                show(terminal, &source, &diagnostics, Severity::Warning);
                return Err(refused("nothing is served"));
            }
        }
        Ok(Serving { live: Arc::new(Mutex::new(live)), server, loader, source, terminal: terminal.clone() })
    }

    /// Follows the source until the program is to end: publishes sound states, tells about the others, and about
    /// resources that nodes reject.
    pub async fn follow(&self, mut shutdown: Shutdown) {
        let mut watch = Watch::start(self.loader.clone(), self.source.clone());
        let mut status = self.server.status();
        let mut told: BTreeSet<Rejection> = BTreeSet::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                state = watch.changed() => match state {
                    Ok(source) => self.offer(source).await,
                    Err(error) => self.terminal.tell(&format!("still serving the last state: {error}\n")),
                },
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let rejections: BTreeSet<Rejection> = status.borrow_and_update().rejections().into_iter().collect();
                    for rejection in rejections.difference(&told) {
                        self.tell_rejection(rejection).await;
                    }
                    told = rejections;
                }
            }
        }
    }

    /// Answers questions on a control socket until the program is to end.
    pub async fn control(&self, socket: PathBuf, mut shutdown: Shutdown) -> Result<(), ControlError> {
        let control = Control { live: self.live.clone(), loader: self.loader.clone() };
        control::serve(&socket, control, async move { shutdown.requested().await }).await
    }

    /// Publishes a state, or tells why the last one stays.
    async fn offer(&self, source: Arc<Source>) {
        match self.live.lock().await.offer(source.clone()) {
            Ok(Offer::Published { version, changed, removed, diagnostics }) => {
                show(&self.terminal, &source, &diagnostics, Severity::Error);
                if changed + removed > 0 {
                    let text = format!(
                        "serving version {version}: {changed} resources changed, {removed} removed\n"
                    );
                    self.terminal.tell(&text);
                }
            }
            Ok(Offer::Refused { diagnostics }) => {
                show(&self.terminal, &source, &diagnostics, Severity::Error);
                self.terminal.tell("still serving the last state without errors\n");
            }
            Err(error) => self.terminal.tell(&format!("still serving the last state: {error}\n")),
        }
    }

    async fn tell_rejection(&self, rejection: &Rejection) {
        let live = self.live.lock().await;
        let source =
            live.published().map_or_else(|| self.source.clone(), |published| published.source.clone());
        match live.explain(rejection) {
            Ok(Some(diagnostic)) => show(&self.terminal, &source, &[diagnostic], Severity::Error),
            _ => self.terminal.tell(&format!(
                "GW0701 node `{}` rejects `{}`: {}\n",
                rejection.node, rejection.resource, rejection.message
            )),
        }
    }
}

fn show(terminal: &Terminal, source: &Source, diagnostics: &[Diagnostic], severity: Severity) {
    let findings = Findings::new(source, diagnostics, None).at_least(severity);
    findings.tell(terminal);
}
