//! A Lease that one instance holds at a time: taken, renewed, handed over at the end, and taken over from a holder that
//! went away without a word.
//!
//! Clocks of different machines are not compared. Who waits for a Lease notes when it last saw the holder renew, by its
//! own clock, and takes the Lease over after the holder's time without another renewal.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::client::{Cluster, ClusterError};
use crate::connect::{Access, connect};
use crate::inventory::InventoryName;
use crate::resource;

/// Parts of the Lease's time: it is renewed after one, and given up after two without an answer.
const PARTS: u32 = 3;
/// Shortest time that the API server is given for an answer: what is refused for a moment is tried again inside of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is campaigned for, and as whom.
#[derive(Clone, Debug)]
pub struct Candidacy {
    /// How the cluster is reached.
    pub access: Access,
    /// Namespace and name of the Lease.
    pub name: InventoryName,
    /// Who campaigns; no other instance says the same.
    pub identity: String,
    /// How long the Lease is held without a renewal.
    pub duration: Duration,
    /// Returns the time of day after RFC 3339, with microseconds, for people who read the Lease.
    pub clock: fn() -> String,
}

/// Who holds the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known yet.
    Unknown,
    /// We do, until then at least.
    Held(Instant),
    /// Another one does, who was not seen to renew yet: it may be gone.
    Waiting(String),
    /// Another one does, and renews.
    Standby(String),
    /// The API server did not say, for the reason given.
    Failed(String),
}

/// A candidacy that goes on in the background until it is given up.
pub struct Tenure {
    standing: watch::Receiver<Standing>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Tenure {
    /// Begins to campaign.
    pub fn begin(candidacy: Candidacy) -> Self {
        let (tell, standing) = watch::channel(Standing::Unknown);
        let (stop, stopped) = watch::channel(false);
        let campaign = Campaign { candidacy, seen: None, cluster: None, held: None };
        Tenure { standing, stop, task: tokio::spawn(campaign.run(tell, stopped)) }
    }

    /// Waits until it is known who holds the Lease, and if `decided`, until that one was seen alive or was replaced.
    pub async fn standing(&mut self, decided: bool) -> Standing {
        let known = |standing: &Standing| match standing {
            Standing::Unknown => false,
            Standing::Waiting(_) => !decided,
            Standing::Held(until) => *until > Instant::now(),
            Standing::Standby(_) | Standing::Failed(_) => true,
        };
        match self.standing.wait_for(known).await {
            Ok(standing) => standing.clone(),
            Err(_) => Standing::Failed("the candidacy for the Lease has ended".to_owned()),
        }
    }

    /// Waits until the Lease is not held any more.
    pub async fn lost(&mut self) {
        loop {
            let Standing::Held(until) = self.standing.borrow_and_update().clone() else { return };
            tokio::select! {
                changed = self.standing.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    /// Waits until the Lease is got.
    pub async fn got(&mut self) {
        // A candidacy that has ended gets nothing.
        if self.standing.wait_for(|standing| matches!(standing, Standing::Held(_))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the candidacy; a Lease that is held is handed over.
    pub async fn end(self) {
        self.stop.send_replace(true);
        // One that panicked holds nothing that could be handed over.
        self.task.await.ok();
    }
}

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Empty where nobody holds it.
    holder: String,
    seconds: u64,
    renewed: String,
    transitions: u64,
    version: String,
}

impl Record {
    fn read(lease: &Value) -> Self {
        let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let number = |pointer: &str| lease.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        Record {
            holder: text("/spec/holderIdentity").to_owned(),
            seconds: number("/spec/leaseDurationSeconds"),
            renewed: text("/spec/renewTime").to_owned(),
            transitions: number("/spec/leaseTransitions"),
            version: text("/metadata/resourceVersion").to_owned(),
        }
    }
}

/// Another holder, as this process has seen it.
struct Seen {
    holder: String,
    renewed: String,
    /// When it was first seen at this renewal.
    since: Instant,
    /// Whether it renewed while it was watched.
    alive: bool,
}

/// What is done about a Lease.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Take,
    Renew,
    Wait { holder: String, alive: bool },
}

/// Decides about a Lease, and notes what was seen of its holder.
fn next(seen: &mut Option<Seen>, live: Option<&Record>, identity: &str, now: Instant) -> Next {
    let Some(live) = live.filter(|live| !live.holder.is_empty()) else { return Next::Take };
    if live.holder == identity {
        return Next::Renew;
    }
    let known = seen.take().filter(|known| known.holder == live.holder);
    let (since, alive) = match known {
        Some(known) if known.renewed == live.renewed => (known.since, known.alive),
        known => (now, known.is_some()),
    };
    if now.duration_since(since) >= Duration::from_secs(live.seconds) {
        return Next::Take;
    }
    *seen = Some(Seen { holder: live.holder.clone(), renewed: live.renewed.clone(), since, alive });
    Next::Wait { holder: live.holder.clone(), alive }
}

struct Campaign {
    candidacy: Candidacy,
    /// Kept until a request fails: then credentials are read anew.
    cluster: Option<Cluster>,
    seen: Option<Seen>,
    /// Until when the Lease is held without another renewal.
    held: Option<Instant>,
}

impl Campaign {
    async fn run(mut self, tell: watch::Sender<Standing>, mut stopped: watch::Receiver<bool>) {
        let pause = self.candidacy.duration / PARTS;
        loop {
            let standing = tokio::select! {
                standing = self.attempt() => standing,
                _ = stopped.wait_for(|stop| *stop) => break,
            };
            tell.send_replace(standing);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopped.wait_for(|stop| *stop) => break,
            }
        }
        // Without an answer in time the Lease runs out by itself.
        tokio::time::timeout(pause, self.hand_over()).await.ok();
    }

    /// Looks at the Lease, and takes or renews it where that is due.
    async fn attempt(&mut self) -> Standing {
        let asked = Instant::now();
        let tried =
            tokio::time::timeout(self.candidacy.duration.max(PATIENCE), self.try_to_hold(asked)).await;
        let error =
            match tried.unwrap_or_else(|_| Err(format!("the Lease {}: no answer", self.candidacy.name))) {
                Ok(standing) => {
                    self.held = match standing {
                        Standing::Held(until) => Some(until),
                        _ => None,
                    };
                    return standing;
                }
                Err(error) => error,
            };
        self.cluster = None;
        match self.held.filter(|until| *until > Instant::now()) {
            Some(until) => Standing::Held(until),
            None => Standing::Failed(error),
        }
    }

    async fn try_to_hold(&mut self, asked: Instant) -> Result<Standing, String> {
        let cluster = self.cluster().await?;
        let failed = |error: ClusterError| format!("the Lease {}: {error}", self.candidacy.name);
        let live = self.read(&cluster).await.map_err(failed)?;
        let next = next(&mut self.seen, live.as_ref(), &self.candidacy.identity, Instant::now());
        let taken = match next {
            Next::Wait { holder, alive: true } => return Ok(Standing::Standby(holder)),
            Next::Wait { holder, alive: false } => return Ok(Standing::Waiting(holder)),
            Next::Take => true,
            Next::Renew => false,
        };
        match self.write(&cluster, live.as_ref(), &self.candidacy.identity, taken).await {
            Ok(()) => {
                let usable = self.candidacy.duration * (PARTS - 1) / PARTS;
                Ok(Standing::Held(asked + usable))
            }
            Err(ClusterError::Moved(_)) => Ok(Standing::Waiting("another instance".to_owned())),
            Err(error) => Err(failed(error)),
        }
    }

    async fn cluster(&mut self) -> Result<Cluster, String> {
        if self.cluster.is_none() {
            let connected = connect(&self.candidacy.access).await.map_err(|error| error.to_string())?;
            self.cluster = Some(connected);
        }
        Ok(self.cluster.clone().expect("it was just set"))
    }

    /// Gives the Lease up, if it is ours.
    async fn hand_over(&mut self) {
        let Ok(cluster) = self.cluster().await else { return };
        let Ok(Some(live)) = self.read(&cluster).await else { return };
        if live.holder == self.candidacy.identity {
            // Who comes next waits for the Lease to run out.
            self.write(&cluster, Some(&live), "", false).await.ok();
        }
    }

    async fn read(&self, cluster: &Cluster) -> Result<Option<Record>, ClusterError> {
        let path = format!("{}/{}", self.collection(), resource::escape(&self.candidacy.name.name));
        match cluster.ask(Method::GET, &path, None, &[]).await {
            Ok(lease) => Ok(Some(Record::read(&lease))),
            Err(ClusterError::Refused { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the Lease, or changes exactly the version that was seen.
    async fn write(
        &self,
        cluster: &Cluster,
        live: Option<&Record>,
        holder: &str,
        taken: bool,
    ) -> Result<(), ClusterError> {
        let now = (self.candidacy.clock)();
        let mut spec = json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": self.candidacy.duration.as_secs(),
            "renewTime": now,
        });
        if taken {
            spec["acquireTime"] = now.into();
            spec["leaseTransitions"] = live.map_or(0, |live| live.transitions + 1).into();
        }
        let InventoryName { namespace, name } = &self.candidacy.name;
        let manager = crate::decide::MANAGER;
        let Some(live) = live else {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"namespace": namespace, "name": name},
                "spec": spec,
            });
            let uri = format!("{}?fieldManager={manager}", self.collection());
            let body = lease.to_string().into_bytes();
            return cluster.ask(Method::POST, &uri, Some("application/json"), &body).await.map(drop);
        };
        let patch = json!({"metadata": {"resourceVersion": live.version}, "spec": spec});
        let uri = format!("{}/{}?fieldManager={manager}", self.collection(), resource::escape(name));
        let body = patch.to_string().into_bytes();
        cluster.ask(Method::PATCH, &uri, Some("application/merge-patch+json"), &body).await.map(drop)
    }

    fn collection(&self) -> String {
        let namespace = resource::escape(&self.candidacy.name.namespace);
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, renewed: &str) -> Record {
        Record {
            holder: holder.to_owned(),
            seconds: 15,
            renewed: renewed.to_owned(),
            transitions: 0,
            version: "1".to_owned(),
        }
    }

    fn wait(holder: &str, alive: bool) -> Next {
        Next::Wait { holder: holder.to_owned(), alive }
    }

    #[test]
    fn what_nobody_holds_is_taken_and_what_is_ours_is_renewed() {
        let now = Instant::now();
        assert_eq!(next(&mut None, None, "me", now), Next::Take);
        assert_eq!(next(&mut None, Some(&record("", "1")), "me", now), Next::Take);
        assert_eq!(next(&mut None, Some(&record("me", "1")), "me", now), Next::Renew);
    }

    #[test]
    fn a_holder_is_replaced_after_its_time_without_a_renewal_by_our_own_clock() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seen = None;
        let mut look = |live: &Record, seconds| next(&mut seen, Some(live), "me", at(seconds));
        assert_eq!(look(&record("a", "1"), 0), wait("a", false));
        assert_eq!(look(&record("a", "1"), 14), wait("a", false));
        assert_eq!(look(&record("a", "2"), 14), wait("a", true));
        assert_eq!(look(&record("a", "2"), 28), wait("a", true));
        // Another holder is another story.
        assert_eq!(look(&record("b", "2"), 29), wait("b", false));
        assert_eq!(look(&record("b", "2"), 44), Next::Take);
    }
}
