//! Live objects of a kube cluster for serving: endpoints, certificates and, where there is no source, everything else.

use std::collections::BTreeSet;
use std::time::Duration;

use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::export;
use gatewright_cluster::live::LiveObject;
use gatewright_cluster::watch::{Followed, News, follow};
use gatewright_compiler::input::{Object, Objects};
use gatewright_compiler::is_global;
use gatewright_compiler::options::{CompileOptions, Profile};
use gatewright_kinds::{EntityKey, Kind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::source::SourceSpec;

/// News that come within this time of each other are compiled together...
const QUIET: Duration = Duration::from_millis(5);
/// ...unless they go on for this long.
const LONGEST: Duration = Duration::from_millis(50);

/// How long an API server that refuses for reasons of its own is asked again at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every type of Secret that cannot hold the certificate of a host is left out; service accounts and charts make most
/// of the Secrets of many clusters.
const SECRETS: &str = "type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1,\
    type!=kubernetes.io/dockerconfigjson,type!=kubernetes.io/dockercfg,type!=kubernetes.io/basic-auth,\
    type!=kubernetes.io/ssh-auth,type!=bootstrap.kubernetes.io/token";

/// Which live objects are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeding {
    /// What the manifests of a source refer to.
    Discovery,
    /// The manifests too.
    Everything,
}

impl Feeding {
    /// Returns what is looked at beside SOURCEs, if there are any.
    pub fn beside(sources: &[SourceSpec]) -> Self {
        if sources.is_empty() { Feeding::Everything } else { Feeding::Discovery }
    }

    fn followed(self, system_namespace: &str) -> Vec<Followed> {
        let mut followed = vec![
            Followed::all(Kind::Service),
            Followed::all(Kind::EndpointSlice),
            Followed { fields: Some(SECRETS.to_owned()), ..Followed::all(Kind::Secret) },
        ];
        if self == Feeding::Everything {
            followed.extend(
                [Kind::IngressClass, Kind::McpBridge, Kind::WasmPlugin, Kind::Ingress].map(Followed::all),
            );
            // A selector names one object, and there are two: what is too much is left out when it comes.
            let settings = Some(format!("metadata.namespace={system_namespace}"));
            followed.push(Followed { fields: settings, ..Followed::all(Kind::ConfigMap) });
        }
        followed
    }
}

/// A cluster that is followed.
pub struct Feed {
    news: mpsc::Receiver<News>,
    objects: Objects,
    profile: Profile,
    /// Kinds that were not told as a whole yet.
    missing: BTreeSet<Kind>,
    /// Kinds that cannot be followed at the moment.
    failing: BTreeSet<Kind>,
    /// Set while changes wait to be handed out.
    waiting: Option<Waiting>,
}

/// When changes that wait are handed out.
struct Waiting {
    quiet: Instant,
    end: Instant,
}

/// What has happened in a cluster.
#[derive(Debug)]
pub enum Change {
    /// Objects changed.
    Objects(Objects),
    /// The cluster cannot be followed; what is known of it stays as it was.
    Failing(ClusterError),
    /// All of it is followed again.
    Followed,
}

impl Feed {
    /// Begins to follow a cluster. The global ConfigMaps are those of the system namespace.
    pub fn start(cluster: &Cluster, feeding: Feeding, options: &CompileOptions) -> Self {
        let followed = feeding.followed(&options.system_namespace);
        Feed {
            news: follow(cluster, &followed),
            objects: Objects::default(),
            profile: options.profile,
            missing: followed.iter().map(|followed| followed.kind).collect(),
            failing: BTreeSet::new(),
            waiting: None,
        }
    }

    /// Waits until every kind was seen as a whole, and returns the objects.
    ///
    /// # Errors
    /// A kind cannot be listed. An API server that is too busy, or not up yet, is given some time.
    pub async fn first(&mut self) -> Result<Objects, ClusterError> {
        let end = Instant::now() + PATIENCE;
        while !self.missing.is_empty() {
            match self.news().await {
                // It is asked again.
                News::Failed(_, ClusterError::Refused { code: 429 | 500..=599, .. })
                    if Instant::now() < end => {}
                News::Failed(_, error) => return Err(error),
                news => _ = self.take(news),
            }
        }
        Ok(self.objects.clone())
    }

    /// Waits for the next change. Nothing is lost when the wait is given up.
    pub async fn changed(&mut self) -> Change {
        loop {
            let news = match &self.waiting {
                None => self.news().await,
                Some(Waiting { quiet, end }) => {
                    let end = *quiet.min(end);
                    match tokio::time::timeout_at(end, self.news()).await {
                        Ok(news) => news,
                        Err(_) => {
                            self.waiting = None;
                            return Change::Objects(self.objects.clone());
                        }
                    }
                }
            };
            match news {
                News::Failed(kind, error) => {
                    let first = self.failing.is_empty();
                    self.failing.insert(kind);
                    if first {
                        return Change::Failing(error);
                    }
                }
                news => {
                    let kind = match &news {
                        News::All(kind, _) => Some(*kind),
                        _ => None,
                    };
                    if self.take(news) {
                        self.wait();
                    }
                    if kind.is_some_and(|kind| self.failing.remove(&kind)) && self.failing.is_empty() {
                        return Change::Followed;
                    }
                }
            }
        }
    }

    async fn news(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // Followers go on while they are listened to.
            None => std::future::pending().await,
        }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let waiting = self.waiting.get_or_insert(Waiting { quiet: now, end: now + LONGEST });
        waiting.quiet = now + QUIET;
    }

    /// Takes news in, and returns whether they say anything new.
    fn take(&mut self, news: News) -> bool {
        match news {
            News::All(kind, objects) => {
                self.missing.remove(&kind);
                let known = self.objects.of_kind(kind).filter(|key| !objects.contains_key(*key));
                let gone: Vec<EntityKey> = known.cloned().collect();
                let mut changed = !gone.is_empty();
                gone.iter().for_each(|key| _ = self.objects.remove(key));
                for object in objects.values() {
                    changed |= self.put(object);
                }
                changed
            }
            News::Is(object) => self.put(&object),
            News::Gone(key) => self.objects.remove(&key),
            News::Failed(..) => false,
        }
    }

    /// What controllers keep in an object is no news, and neither is a ConfigMap that sets nothing.
    fn put(&mut self, object: &LiveObject) -> bool {
        if object.key.kind == Kind::ConfigMap && !is_global(&object.key) {
            return false;
        }
        match Object::read(&export::bare(object), self.profile) {
            Some(read) => self.objects.put(read),
            None => self.objects.remove(&object.key),
        }
    }
}
