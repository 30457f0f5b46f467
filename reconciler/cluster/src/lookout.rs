//! Notices between two rounds that members of an inventory were changed or deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_kinds::{EntityKey, Kind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::Cluster;
use crate::export;
use crate::inventory::{InventoryName, PART_OF};
use crate::live::LiveObject;
use crate::watch::{Followed, News, follow};

/// Changes within this time of each other are one.
const QUIET: Duration = Duration::from_millis(200);
/// Shortest time between two wakes: who changes an object again and again is not answered each time.
const PAUSE: Duration = Duration::from_secs(5);

/// The members of an inventory, followed.
pub struct Lookout {
    news: mpsc::Receiver<News>,
    /// Digest of each member, of each kind that was seen as a whole.
    members: BTreeMap<Kind, BTreeMap<EntityKey, blake3::Hash>>,
    not_before: Instant,
}

impl Lookout {
    /// Begins to follow.
    pub fn start(cluster: &Cluster, inventory: &InventoryName) -> Self {
        let members = format!("{PART_OF}={}", inventory.id());
        let followed =
            Kind::ALL.map(|kind| Followed { labels: Some(members.clone()), ..Followed::all(kind) });
        Lookout { news: follow(cluster, &followed), members: BTreeMap::new(), not_before: Instant::now() }
    }

    /// Waits until members have changed, whoever changed them, or may have.
    pub async fn changed(&mut self) {
        while let Some(news) = self.news.recv().await {
            if !self.take(news) {
                continue;
            }
            while let Ok(Some(news)) = tokio::time::timeout(QUIET, self.news.recv()).await {
                self.take(news);
            }
            tokio::time::sleep_until(self.not_before).await;
            self.not_before = Instant::now() + PAUSE;
            return;
        }
        // Followers go on while they are listened to.
        std::future::pending().await
    }

    /// Takes news in, and returns whether they say that a member is not what it was.
    fn take(&mut self, news: News) -> bool {
        match news {
            News::All(kind, objects) => {
                let digests: BTreeMap<EntityKey, blake3::Hash> =
                    objects.into_values().map(|object| (object.key.clone(), digest(&object))).collect();
                let before = self.members.insert(kind, digests);
                // What changed between the last round and the first look is not known.
                before.is_none_or(|before| self.members.get(&kind) != Some(&before))
            }
            News::Is(object) => {
                let digest = digest(&object);
                let members = self.members.entry(object.key.kind).or_default();
                members.insert(object.key, digest) != Some(digest)
            }
            News::Gone(key) => {
                self.members.get_mut(&key.kind).is_some_and(|members| members.remove(&key).is_some())
            }
            News::Failed(kind, error) => {
                tracing::debug!(kind = kind.as_str(), %error, "changes are noticed by rounds alone");
                false
            }
        }
    }
}

/// Returns a digest of what an object says. What controllers keep in it is no news.
fn digest(object: &LiveObject) -> blake3::Hash {
    blake3::hash(export::bare(object).to_string().as_bytes())
}
