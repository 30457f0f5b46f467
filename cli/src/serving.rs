//! What `gateway`, `xds` and `sync` have in common: a source that is compiled, served over ADS, and followed.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_compiler::input::Objects;
use gatewright_compiler::options::CompileOptions;
use gatewright_diagnostics::outlet::visible;
use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_reconciler::cluster::{Change, Feed};
use gatewright_reconciler::control::{self, Control, ControlAddress};
use gatewright_reconciler::extent::{Consent, Shrinkage};
use gatewright_reconciler::live::{Live, Offer, OnErrors};
use gatewright_reconciler::memory::Memory;
use gatewright_reconciler::serve::{Rejection, ServeOptions, SnapshotServer};
use gatewright_reconciler::source::{Loader, Source, Watch};
use tokio::sync::Mutex;

use crate::Context;
use crate::control::ControlArgs;
use crate::errors::CliError;
use crate::report::{Findings, KeepGoing, refused};
use crate::runtime::Shutdown;
use crate::terminal::Terminal;

/// A kube cluster that is followed, and its first state.
pub struct LiveObjects {
    /// The cluster.
    pub feed: Feed,
    /// What it holds.
    pub first: Objects,
}

/// What keeps a source from being served that suddenly serves much less.
pub struct Guarding {
    /// What is agreed to.
    pub consent: Consent,
    /// The last good state of an earlier process.
    pub memory: Option<Memory>,
}

/// A served source.
pub struct Serving {
    /// The compiler and its server.
    pub live: Arc<Mutex<Live>>,
    /// The server, for streams.
    pub server: SnapshotServer,
    loader: Loader,
    source: Arc<Source>,
    /// Taken by the one who follows it.
    feed: Mutex<Option<Feed>>,
    terminal: Terminal,
}

impl Serving {
    /// Compiles a source, with live objects beside it, and makes it ready to be served.
    ///
    /// # Errors
    /// It has errors and `on_errors` says stop, or cannot be read.
    pub fn start(
        terminal: &Terminal,
        loader: Loader,
        source: Source,
        options: CompileOptions,
        on_errors: OnErrors,
        objects: Option<LiveObjects>,
        guarding: Option<Guarding>,
    ) -> Result<Self, CliError> {
        let server = SnapshotServer::new(ServeOptions::default());
        let mut live = Live::new(options, server.clone(), on_errors);
        let feed = objects.map(|objects| {
            live.put_beside(objects.first);
            objects.feed
        });
        if let Some(Guarding { consent, memory }) = guarding {
            live.guard(consent, memory);
        }
        let source = Arc::new(source);
        match live.offer(source.clone())? {
            Offer::Published { .. } => show_findings(terminal, &live, &source, Severity::Warning),
            Offer::Refused => {
                show_findings(terminal, &live, &source, Severity::Warning);
                return Err(refused("nothing is served", KeepGoing::Possible));
            }
            Offer::Shrunk { shrinkage } => {
                // What is left out, and why, is the first that one wants to know.
                show_findings(terminal, &live, &source, Severity::Warning);
                resume(terminal, &loader, &mut live, &shrinkage)?;
            }
        }
        let (live, feed) = (Arc::new(Mutex::new(live)), Mutex::new(feed));
        Ok(Serving { live, server, loader, source, feed, terminal: terminal.clone() })
    }

    /// Follows the source until the program is to end: publishes sound states, tells about the others, and about
    /// resources that nodes reject.
    pub async fn follow(&self, mut shutdown: Shutdown) {
        let mut watch = Watch::start(self.loader.clone(), self.source.clone());
        let mut status = self.server.status();
        let mut told: BTreeSet<Rejection> = BTreeSet::new();
        let mut feed = self.feed.lock().await.take();
        let mut errors = Vec::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                change = next(&mut feed) => self.take(change, &mut errors).await,
                state = watch.changed() => match state {
                    Ok(source) => self.offer(source).await,
                    Err(error) => self.terminal.remark(&format!("still serving the last state: {error}")),
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

    /// Answers questions on a control socket and a control address until the program is to end, where there are such.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub async fn control(
        &self,
        arguments: &ControlArgs,
        context: &Context,
        shutdown: Shutdown,
    ) -> Result<(), CliError> {
        let control = Control { live: self.live.clone(), loader: self.loader.clone() };
        let stop = |mut shutdown: Shutdown| async move { shutdown.requested().await };
        let socket = async {
            let Some(socket) = arguments.socket() else { return Ok(()) };
            control::serve(socket, control.clone(), stop(shutdown.clone())).await
        };
        let network = async {
            let Some((address, identity)) = arguments.address(&context.working_folder) else { return Ok(()) };
            let listening = ControlAddress::listen(address, identity).await?;
            self.terminal.remark(&format!("taking orders on {}", listening.address()));
            listening.serve(control.clone(), stop(shutdown.clone())).await;
            Ok(())
        };
        tokio::try_join!(socket, network)?;
        Ok(())
    }

    /// Publishes live objects of a cluster, or tells what hinders it. `errors` are those that were told.
    async fn take(&self, change: Change, errors: &mut Vec<Diagnostic>) {
        let objects = match change {
            Change::Objects(objects) => objects,
            Change::Failing(error) => {
                return self.terminal.remark(&format!("still serving what is known of the cluster: {error}"));
            }
            Change::Followed => return self.terminal.remark("the cluster is followed again"),
        };
        let mut live = self.live.lock().await;
        live.put_beside(objects);
        match live.refresh() {
            // Endpoints come and go all the time, and what is wrong stays wrong.
            Ok(now) if now == *errors => {}
            Ok(now) => {
                let source = live.published().map_or(&self.source, |published| &published.source);
                show(&self.terminal, source, &now, Severity::Error);
                *errors = now;
            }
            Err(error) => self.terminal.remark(&format!("still serving the last state: {error}")),
        }
    }

    /// Publishes a state, or tells why the last one stays.
    async fn offer(&self, source: Arc<Source>) {
        let mut live = self.live.lock().await;
        match live.offer(source.clone()) {
            Ok(Offer::Published { version, changed, removed }) => {
                show_findings(&self.terminal, &live, &source, Severity::Error);
                if changed + removed > 0 {
                    let text =
                        format!("serving version {version}: {changed} resources changed, {removed} removed");
                    self.terminal.remark(&text);
                }
            }
            Ok(Offer::Refused) => {
                show_findings(&self.terminal, &live, &source, Severity::Error);
                self.terminal.remark("still serving the last state without errors");
            }
            Ok(Offer::Shrunk { shrinkage }) => {
                show_findings(&self.terminal, &live, &source, Severity::Warning);
                self.terminal.tell(&suspicion(&shrinkage));
                self.terminal.remark("still serving the last good state");
            }
            Err(error) => self.terminal.remark(&format!("still serving the last state: {error}")),
        }
    }

    async fn tell_rejection(&self, rejection: &Rejection) {
        let live = self.live.lock().await;
        let source =
            live.published().map_or_else(|| self.source.clone(), |published| published.source.clone());
        match live.explain(rejection) {
            Ok(Some(diagnostic)) => show(&self.terminal, &source, &[diagnostic], Severity::Error),
            _ => self.terminal.remark(&format!(
                "GW0701 node `{}` rejects `{}`: {}",
                rejection.node, rejection.resource, rejection.message
            )),
        }
    }
}

/// Serves the last good state of an earlier process in the place of one that serves much less, where it can be had.
fn resume(
    terminal: &Terminal,
    loader: &Loader,
    live: &mut Live,
    shrinkage: &Shrinkage,
) -> Result<(), CliError> {
    let last = live.memory().and_then(|memory| memory.last_good(loader));
    let Some(last) = last.map(Arc::new) else {
        let hint = format!("look at the SOURCE; if it is meant, give {}", shrinkage.consent());
        return Err(CliError::findings(format!("GW0617 {shrinkage}: nothing is served")).with_hint(hint));
    };
    match live.offer(last.clone())? {
        Offer::Published { .. } => {
            let revisions: Vec<&str> =
                last.revisions().map(|(_, revision)| revision.short.as_str()).collect();
            let text = format!(
                "{}serving the last good state, {}\n",
                suspicion(shrinkage),
                visible(&revisions.join(", "))
            );
            terminal.tell(&text);
            Ok(())
        }
        Offer::Refused | Offer::Shrunk { .. } => Err(refused("nothing is served", KeepGoing::Possible)),
    }
}

fn suspicion(shrinkage: &Shrinkage) -> String {
    let (what, consent) = (shrinkage.to_string(), shrinkage.consent());
    format!("error: GW0617 {}\n  help: if it is meant, give {}\n", visible(&what), visible(&consent))
}

/// Waits for live objects; without a cluster, for ever.
async fn next(feed: &mut Option<Feed>) -> Change {
    match feed {
        Some(feed) => feed.changed().await,
        None => std::future::pending().await,
    }
}

/// Tells what was found in a state that was offered. That a file cannot be read any more hinders nothing: the next state
/// says what stands in it now.
fn show_findings(terminal: &Terminal, live: &Live, source: &Source, severity: Severity) {
    match live.findings(severity) {
        Ok(found) => show(terminal, source, &found, severity),
        Err(error) => terminal.remark(&format!("what was found cannot be shown: {error}")),
    }
}

fn show(terminal: &Terminal, source: &Source, diagnostics: &[Diagnostic], severity: Severity) {
    let findings = Findings::new(source, diagnostics.to_vec(), None).at_least(severity);
    findings.tell(terminal);
}
