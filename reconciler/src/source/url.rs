//! Addresses of git repositories, which hide the credentials that stand in them.

use std::fmt;
use std::path::PathBuf;

use super::error::SourceError;
use super::spec::malformed;

/// Where a repository is. Neither its `Display` nor its `Debug` form holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    shown: String,
    place: Place,
    username: Option<String>,
    password: Option<String>,
}

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A path of this machine.
    Local(PathBuf),
    /// A host that answers over `http`, `https` or `ssh`.
    Host(String),
}

impl RemoteUrl {
    /// Reads `http(s)://`, `ssh://` and `file://` URLs, `[user@]host:path`, and paths of this machine.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text.contains("://") {
            return Self::of_url(text);
        }
        let Some((login, path)) = text.split_once(':').filter(|(login, _)| is_login(login)) else {
            return Ok(Self::local(text));
        };
        let (user, host) = login.rsplit_once('@').map_or((None, login), |(user, host)| (Some(user), host));
        if host.is_empty() || path.is_empty() || user.is_some_and(|user| user.contains(':')) {
            return Err(malformed("git+…", "the address is not [user@]host:path"));
        }
        let place = Place::Host(host.to_owned());
        Ok(RemoteUrl { shown: text.to_owned(), place, username: user.map(str::to_owned), password: None })
    }

    /// Returns the address of a path of this machine.
    pub(super) fn local(path: &str) -> Self {
        let place = Place::Local(PathBuf::from(path));
        RemoteUrl { shown: path.to_owned(), place, username: None, password: None }
    }

    fn of_url(text: &str) -> Result<Self, SourceError> {
        // The text may hold a password, so only what is known to be harmless is repeated.
        let scheme = text.split("://").next().unwrap_or_default();
        let shown = format!("git+{scheme}://…");
        let mut url = url::Url::parse(text).map_err(|error| malformed(&shown, &error.to_string()))?;
        if scheme == "file" {
            let path =
                url.to_file_path().map_err(|()| malformed(&shown, "it is not a path of this machine"))?;
            return Ok(RemoteUrl { shown: text.to_owned(), place: Place::Local(path), ..Self::local("") });
        }
        if !matches!(scheme, "http" | "https" | "ssh") {
            return Err(malformed(&shown, "only http, https, ssh and file are supported"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| malformed(&shown, "it names no host"))?.to_owned();
        let username = Some(decoded(url.username())).filter(|name| !name.is_empty());
        let password = url.password().map(decoded);
        let cannot = |()| malformed(&shown, "it cannot hold credentials");
        url.set_password(None).map_err(cannot)?;
        if scheme != "ssh" {
            url.set_username("").map_err(cannot)?;
        }
        Ok(RemoteUrl { shown: url.to_string(), place: Place::Host(host), username, password })
    }

    /// Returns where the path begins in `URL@REV[:SUBDIR]`: behind the host, or 0 for a path of this machine.
    pub(super) fn path_start(text: &str) -> usize {
        if let Some(scheme) = text.find("://") {
            return text[scheme + 3..].find('/').map_or(text.len(), |slash| scheme + 3 + slash);
        }
        // In `repo@main:sub` the revision stands before the colon; behind a host's colon it is still to come.
        let host = text.split_once(':').filter(|(login, rest)| is_login(login) && rest.contains('@'));
        host.map_or(0, |(login, _)| login.len() + 1)
    }

    /// Returns whether it is a path of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// Returns how it is reached.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the user named by the address.
    pub(super) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Returns the password that stands in the address.
    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }
}

/// Returns whether what stands before a colon can be `[user@]host` rather than the begin of a path.
fn is_login(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && !text.starts_with('.')
}

/// Decodes percent escapes.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({})", self.shown)
    }
}
