//! Applications that are kept in sync until the command is to end, or for one round.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use gatewright_reconciler::outcome::RoundOutcome;
use gatewright_reconciler::sync::{
    App, AppName, Clock, Round, RunError, Runner, SyncServer, TargetStatus, View, Watched, WebhookSecret,
    failure_text, round_text,
};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::Context;
use crate::errors::{CliError, Exit};
use crate::runtime::Shutdown;
use crate::terminal::Terminal;

/// Where the secret of webhooks comes from.
const SECRET: &str = "GATEWRIGHT_WEBHOOK_SECRET";
const SECRET_FILE: &str = "GATEWRIGHT_WEBHOOK_SECRET_FILE";

/// What arguments and settings come to.
pub(super) struct Job {
    /// What is kept in sync with what.
    pub(super) apps: Vec<App>,
    /// Whether there is one round alone.
    pub(super) once: bool,
    /// Where it is told.
    pub(super) listen: Option<SocketAddr>,
}

impl Job {
    /// Carries the job out.
    pub(super) async fn run(self, context: &Context, shutdown: Shutdown) -> Result<Exit, CliError> {
        let loader = context.loader()?;
        let clock = Clock::new(written);
        let runners = self.apps.into_iter().map(|app| Runner::new(app, loader.clone(), clock));
        let (runners, apps): (Vec<Runner>, Vec<Watched>) =
            runners.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        match self.once {
            true => once(runners, &apps, &context.terminal).await,
            false => until(runners, apps, self.listen, context, shutdown).await,
        }
    }
}

/// Lets each application do one round, and tells of them in their order.
async fn once(runners: Vec<Runner>, apps: &[Watched], terminal: &Terminal) -> Result<Exit, CliError> {
    let rounds: Vec<_> = runners.into_iter().map(Runner::once).collect();
    let mut exit = Exit::Fine;
    let mut failure = None;
    for (round, app) in rounds.into_iter().zip(apps) {
        let ended: Result<(), RunError> = round.await.map_err(|_| broke())?;
        let view = app.view();
        if let Some(last) = &view.last {
            terminal.tell(&round_text(&last.round, told_name(&view, apps.len())));
            exit = worse(exit, exit_of(&last.round));
        }
        if let Err(error) = ended {
            failure.get_or_insert_with(|| CliError::from(error));
        }
    }
    failure.map_or(Ok(exit), Err)
}

/// Keeps applications in sync until the command is to end.
async fn until(
    runners: Vec<Runner>,
    apps: Vec<Watched>,
    listen: Option<SocketAddr>,
    context: &Context,
    shutdown: Shutdown,
) -> Result<Exit, CliError> {
    let server = serve(listen, &apps, context).await?;
    let several = apps.len();
    for app in apps {
        tokio::spawn(tell(app, several, context.terminal.clone()));
    }
    let stop = |mut shutdown: Shutdown| async move { shutdown.requested().await };
    let mut running = JoinSet::new();
    for runner in runners {
        running.spawn(runner.until(stop(shutdown.clone())));
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|_| broke())?.map_err(|_| broke())?;
    }
    if let Some(server) = server {
        server.end().await;
    }
    Ok(Exit::Fine)
}

/// Tells of rounds that differ from the ones before.
async fn tell(mut app: Watched, several: usize, terminal: Terminal) {
    let mut told: Option<Arc<View>> = None;
    while let Some(view) = app.next().await {
        let name = told_name(&view, several);
        let round = |view: &View| view.last.as_ref().map(|last| last.round.clone());
        let failure = |view: &View| view.failure.clone();
        if let Some(failed) = failure(&view) {
            if told.as_deref().and_then(failure).as_ref() != Some(&failed) {
                terminal.tell(&failure_text(&failed, name));
            }
        } else if let Some(now) = round(&view)
            && told.as_deref().and_then(round).as_ref() != Some(&now)
        {
            terminal.tell(&round_text(&now, name));
        }
        told = Some(view);
    }
}

/// Returns the name of an application, where it is one of several.
fn told_name(view: &View, several: usize) -> Option<&AppName> {
    (several > 1).then_some(&view.name)
}

/// Starts to answer over HTTP, where that is asked for.
async fn serve(
    listen: Option<SocketAddr>,
    apps: &[Watched],
    context: &Context,
) -> Result<Option<SyncServer>, CliError> {
    let Some(address) = listen else { return Ok(None) };
    let server = SyncServer::start(address, apps.to_vec(), webhook_secret()?).await;
    let server =
        server.map_err(|error| CliError::environment(format!("cannot listen on {address}: {error}")))?;
    context.terminal.remark(&format!("status and metrics on http://{}", server.address()));
    Ok(Some(server))
}

/// Returns the secret of webhooks: that of the environment, or of the file that the environment names.
fn webhook_secret() -> Result<Option<WebhookSecret>, CliError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let secret = match (variable(SECRET), variable(SECRET_FILE)) {
        (Some(secret), _) => secret.into_encoded_bytes(),
        (None, Some(file)) => std::fs::read(&file).map_err(|error| {
            CliError::environment(format!("cannot read `{}`: {error}", Path::new(&file).display()))
        })?,
        (None, None) => return Ok(None),
    };
    let end = secret.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let secret = WebhookSecret::new(&secret[..end]);
    secret.map(Some).ok_or_else(|| CliError::environment("the secret of the webhook is empty"))
}

/// Returns seconds after 1970 after RFC 3339.
fn written(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().strftime("%FT%TZ").to_string()
}

/// Says that a round has panicked, which the hook has told of.
fn broke() -> CliError {
    CliError::bug("a round broke off")
}

fn exit_of(round: &Round) -> Exit {
    let failed = |target: &TargetStatus| {
        matches!(
            target.outcome,
            RoundOutcome::Failed(_) | RoundOutcome::Unacknowledged | RoundOutcome::Standby(_)
        )
    };
    if round.is_in_sync() {
        Exit::Fine
    } else if round.errors.is_empty() && (round.unreadable.is_some() || round.targets.iter().any(failed)) {
        Exit::Environment
    } else {
        Exit::Findings
    }
}

/// Returns how several applications end: that something failed says more than that something is wrong.
fn worse(one: Exit, other: Exit) -> Exit {
    if one as u8 >= other as u8 { one } else { other }
}
