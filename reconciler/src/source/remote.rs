//! Remote repositories: the wanted commit is fetched, alone where the server can do that, into a bare repository of a
//! cache folder. Paths of this machine need no copy and are read where they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use git2::{AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, Oid};
use git2::{ProxyOptions, RemoteCallbacks, Repository};

use super::credentials::Credentials;
use super::error::SourceError;
use super::revision::{self, Commit};
use super::url::{Place, RemoteUrl};

/// A remote that sends nothing for this long is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// Depth that asks for one commit alone.
const ALONE: i32 = 1;
/// Depth that asks for nothing special: what is missing behind commits that came alone stays missing.
const AS_BEFORE: i32 = 0;
/// Depth that asks for the whole history, also behind commits that came alone.
const WHOLE: i32 = i32::MAX;
/// Fetched commits are kept from collection, and known to be complete, by references below this name.
const KEPT: &str = "refs/gatewright/";
/// Where the last fetched reference arrived.
const INCOMING: &str = "refs/gatewright/incoming";

/// Makes a revision of a remote repository readable and returns it. Fetches nothing that is there already. A relative path
/// of this machine begins at `folder`.
pub(super) fn commit(
    folder: &Path,
    cache: &Path,
    url: &RemoteUrl,
    revision: &str,
    credentials: &Credentials,
) -> Result<Commit, SourceError> {
    if let Place::Local(path) = url.place() {
        return Commit::at(&folder.join(path), &url.to_string(), revision);
    }
    let alive = Arc::new(Alive::default());
    let fetch = Fetch {
        cache: cache.to_owned(),
        url: url.clone(),
        revision: revision.to_owned(),
        credentials: credentials.clone(),
        alive: alive.clone(),
    };
    let (send, receive) = mpsc::channel();
    // libgit2 waits for a silent server without end, so that the waiting is done here. A thread that is given up
    // ends at the next sign of life.
    thread::spawn(move || send.send(fetch.run()));
    loop {
        match receive.recv_timeout(Duration::from_millis(100)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if alive.silence() < SILENCE => {}
            Err(error) => {
                alive.given_up.store(true, Ordering::Relaxed);
                let reason = match error {
                    RecvTimeoutError::Timeout => format!("no answer for {} seconds", SILENCE.as_secs()),
                    RecvTimeoutError::Disconnected => "the transfer broke off".to_owned(),
                };
                return Err(SourceError::Unreachable { url: url.to_string(), reason });
            }
        }
    }
}

/// When the remote was last heard of.
struct Alive {
    start: Instant,
    last: AtomicU64,
    given_up: AtomicBool,
}

impl Default for Alive {
    fn default() -> Self {
        Alive { start: Instant::now(), last: AtomicU64::new(0), given_up: AtomicBool::new(false) }
    }
}

impl Alive {
    /// Notes a sign of life and returns whether anybody still waits for it.
    fn beat(&self) -> bool {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
        !self.given_up.load(Ordering::Relaxed)
    }

    fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

struct Fetch {
    cache: PathBuf,
    url: RemoteUrl,
    revision: String,
    credentials: Credentials,
    alive: Arc<Alive>,
}

impl Fetch {
    fn run(&self) -> Result<Commit, SourceError> {
        let folder = self.folder();
        fs::create_dir_all(&self.cache).map_err(|error| self.cache_error(&error))?;
        // Held until the end: two processes must not write one repository.
        let lock = File::create(folder.with_extension("lock")).map_err(|error| self.cache_error(&error))?;
        lock.lock().map_err(|error| self.cache_error(&error))?;
        let repository = self.open(&folder)?;
        let wanted = self.wanted()?;
        let mut kept = format!("{KEPT}{}", wanted.id);
        if repository.find_reference(&kept).is_err() {
            kept = self.fetch(&repository, &wanted)?;
        }
        Commit::at(&folder, &self.url.to_string(), &kept)
            .map(|commit| Commit { given: self.revision.clone(), ..commit })
    }

    fn folder(&self) -> PathBuf {
        let digest = blake3::hash(self.url.address().as_bytes()).to_hex();
        self.cache.join(format!("{}.git", &digest[..24]))
    }

    fn open(&self, folder: &Path) -> Result<Repository, SourceError> {
        if let Ok(repository) = Repository::open_bare(folder) {
            return Ok(repository);
        }
        // What is there instead is of no use: an interrupted first run, or something damaged.
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| self.cache_error(&error))?;
        }
        Repository::init_bare(folder)
            .map_err(|error| revision::unusable(&folder.display().to_string(), &error))
    }

    /// Asks the remote which object the revision is.
    fn wanted(&self) -> Result<Wanted, SourceError> {
        if self.revision.len() == 40
            && let Ok(id) = Oid::from_str(&self.revision)
        {
            return Ok(Wanted { id, reference: None });
        }
        let login = Login::new(self);
        let mut remote =
            git2::Remote::create_detached(self.url.address()).map_err(|error| self.error(&error, &login))?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(login.callbacks()), Some(proxy()))
            .map_err(|error| self.error(&error, &login))?;
        let heads = connection.list().map_err(|error| self.error(&error, &login))?;
        let names =
            ["", "refs/", "refs/tags/", "refs/heads/"].map(|prefix| format!("{prefix}{}", self.revision));
        let found = names.iter().find_map(|name| heads.iter().find(|head| head.name() == *name));
        let head = found.ok_or_else(|| self.missing())?;
        Ok(Wanted { id: head.oid(), reference: Some(head.name().to_owned()) })
    }

    /// Fetches what is wanted and returns the reference that keeps it.
    fn fetch(&self, repository: &Repository, wanted: &Wanted) -> Result<String, SourceError> {
        let source = wanted.reference.clone().unwrap_or_else(|| wanted.id.to_string());
        let one = [format!("+{source}:{INCOMING}")];
        let result = match self.download(repository, &one, ALONE) {
            Err(error @ (SourceError::Denied { .. } | SourceError::Untrusted { .. })) => return Err(error),
            // Some servers cannot send one commit alone.
            Err(_) => self.download(repository, &one, AS_BEFORE),
            done => done,
        };
        match (result, &wanted.reference) {
            // The reference may have moved since it was looked up.
            (Ok(()), Some(_)) => self.keep(repository, repository.refname_to_id(INCOMING)),
            (Err(error), Some(_)) => Err(error),
            (Ok(()), None) => self.keep(repository, Ok(wanted.id)),
            (Err(_), None) => {
                // Nor do all servers hand out commits that no reference names: then the history of everything comes.
                let all = [format!("+refs/heads/*:{KEPT}heads/*"), format!("+refs/tags/*:{KEPT}tags/*")];
                self.download(repository, &all, WHOLE)
                    .or_else(|_| self.download(repository, &all, AS_BEFORE))?;
                self.keep(repository, Ok(wanted.id))
            }
        }
    }

    /// Keeps an object, and the commit that a tag names under the commit's own id too.
    fn keep(&self, repository: &Repository, id: Result<Oid, git2::Error>) -> Result<String, SourceError> {
        let object = id.and_then(|id| repository.find_object(id, None)).map_err(|_| self.missing())?;
        let commit = object.peel_to_commit().map_err(|_| self.missing())?;
        for id in [commit.id(), object.id()] {
            repository
                .reference(&format!("{KEPT}{id}"), id, true, "fetched")
                .map_err(|error| revision::unusable(&self.url.to_string(), &error))?;
        }
        Ok(format!("{KEPT}{}", object.id()))
    }

    fn download(&self, repository: &Repository, refspecs: &[String], depth: i32) -> Result<(), SourceError> {
        let login = Login::new(self);
        let mut options = FetchOptions::new();
        options.remote_callbacks(login.callbacks()).proxy_options(proxy()).update_fetchhead(false);
        options.download_tags(AutotagOption::None).depth(depth);
        let mut remote =
            repository.remote_anonymous(self.url.address()).map_err(|error| self.error(&error, &login))?;
        remote.fetch(refspecs, Some(&mut options), None).map_err(|error| self.error(&error, &login))
    }

    fn missing(&self) -> SourceError {
        SourceError::MissingRevision { revision: self.revision.clone(), repository: self.url.to_string() }
    }

    fn cache_error(&self, error: &std::io::Error) -> SourceError {
        SourceError::Cache { folder: self.cache.clone(), reason: error.to_string() }
    }

    fn error(&self, error: &git2::Error, login: &Login<'_>) -> SourceError {
        let url = self.url.to_string();
        if let Some(reason) = login.refusal() {
            return SourceError::Denied { url, reason };
        }
        let reason = revision::words(error);
        match (error.code(), error.class()) {
            (ErrorCode::Auth, _) => SourceError::Denied { url, reason },
            (ErrorCode::Certificate, _) | (_, ErrorClass::Ssl) => SourceError::Untrusted { url, reason },
            _ => SourceError::Unreachable { url, reason },
        }
    }
}

/// What a revision is at the remote.
struct Wanted {
    id: Oid,
    /// Full name, unless a commit id was asked for.
    reference: Option<String>,
}

fn proxy() -> ProxyOptions<'static> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

/// Answers one connection's questions for credentials, each kind at most once: a server that refuses them asks again
/// without end.
struct Login<'a> {
    fetch: &'a Fetch,
    tried: Mutex<Vec<&'static str>>,
    refusal: Mutex<Option<String>>,
}

impl<'a> Login<'a> {
    fn new(fetch: &'a Fetch) -> Self {
        Login { fetch, tried: Mutex::default(), refusal: Mutex::default() }
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let alive = &self.fetch.alive;
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|url, username, allowed| {
            alive.beat();
            self.answer(url, username, allowed)
        });
        callbacks.sideband_progress(|_| alive.beat());
        callbacks.transfer_progress(|_| alive.beat());
        callbacks
    }

    fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(
        &self,
        url: &str,
        username: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, git2::Error> {
        let (address, own) = (&self.fetch.url, &self.fetch.credentials);
        // A redirect must not carry credentials to another server.
        if !address.is_served_at(url) {
            return self.refuse("it redirects to another server");
        }
        let username = username.or(address.username()).or(own.username.as_deref());
        if allowed.contains(CredentialType::USERNAME) && self.first("user name") {
            return Cred::username(username.unwrap_or("git"));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            let username = username.unwrap_or("git");
            if let Some(key) = &own.ssh_key
                && self.first("key file")
            {
                return Cred::ssh_key(username, None, key, own.ssh_passphrase.as_deref());
            }
            if own.ssh_agent && self.first("ssh agent") {
                return Cred::ssh_key_from_agent(username);
            }
        }
        if allowed.contains(CredentialType::USER_PASS_PLAINTEXT)
            && let Some(password) = address.password().or(own.password.as_deref())
            && self.first("password")
        {
            return Cred::userpass_plaintext(username.unwrap_or("git"), password);
        }
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner).join(", ");
        if tried.is_empty() || tried == "user name" {
            self.refuse("it asks for credentials and none are given")
        } else {
            self.refuse(&format!("the credentials are not accepted (tried: {tried})"))
        }
    }

    fn first(&self, kind: &'static str) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !tried.contains(&kind);
        if first {
            tried.push(kind);
        }
        first
    }

    fn refuse(&self, reason: &str) -> Result<Cred, git2::Error> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, reason))
    }
}
