//! Following the objects of a cluster: a list, then its changes, and a list again when the changes are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{TryStreamExt as _, pin_mut};
use gatewright_kinds::{EntityKey, Kind};
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::{Cluster, ClusterError};
use crate::live::LiveObject;
use crate::resource;

/// Changes that wait for a slow reader; the API server waits behind them.
const WAITING: usize = 256;
/// The API server ends a watch after this many seconds, so that a silent connection is noticed.
const WATCH_SECONDS: u64 = 45;
/// Pause after a failure, or after a watch that ended at once; it doubles up to the longest one.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The kind.
    pub kind: Kind,
    /// Field selector; none for all objects.
    pub fields: Option<String>,
    /// Label selector; none for all objects.
    pub labels: Option<String>,
}

impl Followed {
    /// Returns all objects of a kind.
    pub fn all(kind: Kind) -> Self {
        Followed { kind, fields: None, labels: None }
    }

    /// Returns what selects the objects, as the end of a query.
    fn query(&self) -> String {
        let selectors =
            [("fieldSelector", self.fields.as_deref()), ("labelSelector", self.labels.as_deref())];
        let selectors = selectors.into_iter().filter_map(|(name, selector)| Some((name, selector?)));
        selectors.map(|(name, selector)| format!("&{name}={}", resource::escape(selector))).collect()
    }
}

/// News of a cluster.
#[derive(Debug)]
pub enum News {
    /// These are all objects of a kind.
    All(Kind, BTreeMap<EntityKey, LiveObject>),
    /// An object is there, or another version of it.
    Is(LiveObject),
    /// An object is gone.
    Gone(EntityKey),
    /// The objects of a kind cannot be followed at the moment. What was told stays true as far as is known, until they
    /// are told as a whole again.
    Failed(Kind, ClusterError),
}

/// Follows kinds of objects until the receiver is dropped. Each kind is told as a whole first, and again whenever
/// changes may have been missed. A kind that the API server does not have has no objects until it gets it.
pub fn follow(cluster: &Cluster, kinds: &[Followed]) -> mpsc::Receiver<News> {
    let (sender, receiver) = mpsc::channel(WAITING);
    for followed in kinds {
        let (cluster, followed, sender) = (cluster.clone(), followed.clone(), sender.clone());
        tokio::spawn(Follower { cluster, followed, sender, pause: PAUSE }.run());
    }
    receiver
}

/// Why a follower lists again.
enum Ended {
    /// Nobody listens any more.
    Dropped,
    /// Changes are gone that were not told.
    Missed,
    /// There is nothing to watch.
    NoKind,
    /// The API server does not answer, or refuses.
    Failed(ClusterError),
}

struct Follower {
    cluster: Cluster,
    followed: Followed,
    sender: mpsc::Sender<News>,
    pause: Duration,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.list_and_watch().await {
                Ended::Dropped => return,
                Ended::Missed => tokio::time::sleep(PAUSE).await,
                Ended::NoKind => tokio::time::sleep(LONGEST_PAUSE).await,
                Ended::Failed(error) => {
                    if self.tell(News::Failed(self.followed.kind, error)).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(self.pause).await;
                    self.pause = LONGEST_PAUSE.min(self.pause * 2);
                }
            }
        }
    }

    /// Lists, and follows the changes until they are gone or cannot be had.
    async fn list_and_watch(&mut self) -> Ended {
        let (kind, query) = (self.followed.kind, self.followed.query());
        let (objects, version) = match self.cluster.list_at(kind, &query).await {
            Ok(Some(list)) => (list.objects, Some(list.version)),
            Ok(None) => (Vec::new(), None),
            Err(error) => return Ended::Failed(error),
        };
        let all = objects.into_iter().map(|object| (object.key.clone(), object)).collect();
        if let Err(ended) = self.tell(News::All(kind, all)).await {
            return ended;
        }
        let Some(mut version) = version else { return Ended::NoKind };
        loop {
            let began = Instant::now();
            if let Err(ended) = self.changes(&mut version).await {
                return ended;
            }
            // The API server ends each watch in its time; one that it ends at once is not asked for again and again.
            if began.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Tells changes from a version on until the API server ends the watch.
    async fn changes(&mut self, version: &mut String) -> Result<(), Ended> {
        let (kind, query) = (self.followed.kind, self.followed.query());
        let stream = self.cluster.watch(kind, &query, version, WATCH_SECONDS).await.map_err(ended)?;
        pin_mut!(stream);
        while let Some(event) = stream.try_next().await.map_err(ended)? {
            self.pause = PAUSE;
            let news = match event {
                WatchEvent::Added(value) | WatchEvent::Modified(value) => {
                    self.object(value, version).map(News::Is)
                }
                WatchEvent::Deleted(value) => {
                    self.object(value, version).map(|object| News::Gone(object.key))
                }
                WatchEvent::Bookmark(bookmark) => {
                    version.clone_from(&bookmark.metadata.resource_version);
                    None
                }
                WatchEvent::Error(status) => {
                    let error = ClusterError::Refused { code: status.code, message: status.message };
                    return Err(ended(error));
                }
            };
            if let Some(news) = news {
                self.tell(news).await?;
            }
        }
        Ok(())
    }

    /// Takes the object of an event, and goes on after it.
    fn object(&self, value: Value, version: &mut String) -> Option<LiveObject> {
        let object = LiveObject::new(self.followed.kind, value)?;
        object.resource_version().clone_into(version);
        Some(object)
    }

    async fn tell(&self, news: News) -> Result<(), Ended> {
        self.sender.send(news).await.map_err(|_| Ended::Dropped)
    }
}

fn ended(error: ClusterError) -> Ended {
    match error {
        ClusterError::Refused { code: 410, .. } => Ended::Missed,
        error => Ended::Failed(error),
    }
}
