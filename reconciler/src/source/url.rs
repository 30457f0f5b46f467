//! Addresses of git repositories, which hide the credentials that stand in them.

use std::fmt;
use std::path::{Path, PathBuf};

use gatewright_secrets::HIDDEN;

use super::error::SourceError;
use super::spec::malformed;

/// Where a repository is. Neither its `Display` nor its `Debug` form holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    /// The address without user and password, as it is asked.
    address: String,
    /// The same without what its query may grant access with.
    shown: String,
    place: Place,
    /// Unless it is the usual one.
    port: Option<u16>,
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
        // `user:password@host:path` has its password in the place of the path.
        let holds_password = user.is_none() && path.contains('@');
        if host.is_empty() || path.is_empty() || holds_password || user.is_some_and(|user| user.contains(':'))
        {
            return Err(malformed("git+…", "the address is not [user@]host:path"));
        }
        let place = Place::Host(host.to_owned());
        // Who leaves the path out has a password there.
        let is_path = user.is_some() || path.contains('/') || path.ends_with(".git");
        let shown = if is_path { text.to_owned() } else { format!("{login}:{HIDDEN}") };
        Ok(RemoteUrl { place, username: user.map(str::to_owned), shown, ..Self::local(text) })
    }

    /// Returns whether `host:path@REV:SUBDIR` may as well be `user:password@host:path`. A path that ends in `.git` is one.
    pub(super) fn may_hold_password(text: &str) -> bool {
        let Some((login, rest)) = text.split_once(':').filter(|_| !text.contains("://")) else {
            return false;
        };
        let (path, behind) = rest.split_once('@').unwrap_or((rest, ""));
        is_login(login) && !login.contains('@') && !path.ends_with(".git") && behind.contains(':')
    }

    /// Returns the address of a path of this machine.
    pub(super) fn local(path: &str) -> Self {
        let place = Place::Local(PathBuf::from(path));
        RemoteUrl {
            address: path.to_owned(),
            shown: path.to_owned(),
            place,
            port: None,
            username: None,
            password: None,
        }
    }

    fn of_url(text: &str) -> Result<Self, SourceError> {
        // The text may hold a password, so only what is known to be harmless is repeated.
        let scheme = text.split("://").next().unwrap_or_default();
        let shown = format!("git+{scheme}://…");
        let mut url = url::Url::parse(text).map_err(|error| malformed(&shown, &error.to_string()))?;
        if scheme == "file" {
            let path =
                url.to_file_path().map_err(|()| malformed(&shown, "it is not a path of this machine"))?;
            return Ok(RemoteUrl { place: Place::Local(path), ..Self::local(text) });
        }
        if !matches!(scheme, "http" | "https" | "ssh") {
            return Err(malformed(&shown, "only http, https, ssh and file are supported"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| malformed(&shown, "it names no host"))?.to_owned();
        let username = Some(decoded(url.username())).filter(|name| !name.is_empty());
        let password = url.password().map(decoded);
        let port = url.port();
        let cannot = |()| malformed(&shown, "it cannot hold credentials");
        url.set_password(None).map_err(cannot)?;
        if scheme != "ssh" {
            url.set_username("").map_err(cannot)?;
        }
        let address = url.to_string();
        if url.query().is_some() {
            url.set_query(Some(HIDDEN));
        }
        url.set_fragment(None);
        let shown = url.to_string().replace("?%5Bhidden%5D", &format!("?{HIDDEN}"));
        Ok(RemoteUrl { address, shown, place: Place::Host(host), port, username, password })
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

    /// Returns the address that is asked: it may hold a credential in its query and is never shown.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Returns whether it is a path of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// Returns whether a server that asks for credentials, known by its URL, is the one that they are for. The same host
    /// may ask over TLS instead of clear text, and not the other way round.
    pub(super) fn is_served_at(&self, url: &str) -> bool {
        let downgraded = self.shown.starts_with("https://") && url.starts_with("http://");
        let same = |other: RemoteUrl| (&other.place, other.port) == (&self.place, self.port);
        !downgraded && Self::parse(url).is_ok_and(same)
    }

    /// Returns whether a password stands in the address.
    pub fn holds_password(&self) -> bool {
        self.password.is_some()
    }

    /// Returns the address with a relative path of this machine below `folder`; other addresses as they are.
    pub(super) fn within(self, folder: &Path) -> Self {
        match &self.place {
            Place::Local(path) if path.is_relative() => Self::local(&folder.join(path).display().to_string()),
            _ => self,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_asked_and_not_shown() {
        let url = RemoteUrl::parse("https://me:SESAME@git.test/a.git?private_token=SESAME").unwrap();
        assert_eq!(url.to_string(), "https://git.test/a.git?[hidden]");
        assert_eq!(url.address(), "https://git.test/a.git?private_token=SESAME");
        assert!(!format!("{url:?}").contains("SESAME"));
    }

    #[test]
    fn a_password_in_the_place_of_a_path_is_not_repeated() {
        for text in ["me:SESAME@git.test:team/a.git", "git:SESAME@git.test", "me:SES/AME@git.test:a"] {
            let error = RemoteUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("SES") && !error.contains("AME"), "{error}");
        }
        assert_eq!(RemoteUrl::parse("me:SESAME").unwrap().to_string(), "me:[hidden]");
        assert_eq!(RemoteUrl::parse("git.test:team/a").unwrap().to_string(), "git.test:team/a");
    }

    #[test]
    fn credentials_are_for_one_server() {
        let check = |address: &str, asks: &str| RemoteUrl::parse(address).unwrap().is_served_at(asks);
        for (address, asks) in [
            ("https://me@git.test/a.git", "https://git.test/b/info/refs"),
            ("http://git.test/a", "https://git.test/a"),
            ("https://git.test:8443/a", "https://git.test:8443/a"),
            ("git@git.test:team/a.git", "git@git.test:team/a.git"),
            ("ssh://git@git.test:22/a", "ssh://git@git.test:22/a"),
        ] {
            assert!(check(address, asks), "{address} {asks}");
        }
        for (address, asks) in [
            ("https://git.test/a", "https://other.test/a?git.test"),
            ("https://git.test/a", "https://git.test.other.test/a"),
            ("https://git.test/a", "http://git.test/a"),
            ("https://git.test/a", "https://git.test:8443/a"),
            ("https://git.test/a", "what is this"),
        ] {
            assert!(!check(address, asks), "{address} {asks}");
        }
    }
}
