//! A client that keeps sending while the configuration changes, and counts what goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatewright_behaviour::Request;
use tokio::task::JoinHandle;

use super::client::{Client, Connection};

/// What the client saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Requests that were answered as expected.
    pub(super) answered: u64,
    /// Connections that were closed under the client.
    pub(super) reconnected: u64,
    /// What went wrong, at most a few.
    pub(super) failures: Vec<String>,
    /// Requests that failed.
    pub(super) failed: u64,
}

/// Running clients.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts one client for each request; each sends its request over one connection, again and again.
    pub(super) fn start(client: &Client, requests: Vec<(Request, u16)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = requests
            .into_iter()
            .map(|(request, status)| tokio::spawn(send(client.clone(), request, status, stop.clone())))
            .collect();
        Load { stop, tasks }
    }

    /// Ends the clients and returns what they saw together.
    pub(super) async fn finish(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for task in self.tasks {
            match task.await {
                Ok(tally) => {
                    sum.answered += tally.answered;
                    sum.reconnected += tally.reconnected;
                    sum.failed += tally.failed;
                    sum.failures.extend(tally.failures);
                }
                Err(error) => {
                    sum.failed += 1;
                    sum.failures.push(error.to_string());
                }
            }
        }
        sum.failures.truncate(3);
        sum
    }
}

async fn send(client: Client, request: Request, status: u16, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut connection: Option<Connection> = None;
    while !stop.load(Ordering::Relaxed) {
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => client.connect(&request).await,
        };
        let outcome = match open {
            Ok(mut open) => {
                let outcome = open.send(&request).await;
                if outcome.is_ok() {
                    connection = Some(open);
                } else {
                    tally.reconnected += 1;
                }
                outcome
            }
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(answer) if answer.status == status => tally.answered += 1,
            Ok(answer) => tally.fail(format!("{request}: status {} instead of {status}", answer.status)),
            Err(failure) => tally.fail(format!("{request}: {failure}")),
        }
    }
    tally
}

impl Tally {
    fn fail(&mut self, text: String) {
        self.failed += 1;
        if self.failures.len() < 3 {
            self.failures.push(text);
        }
    }
}
