//! What the user gives as SOURCE, as text and parsed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gatewright_secrets::HIDDEN;

use super::error::SourceError;
use super::url::RemoteUrl;

/// One SOURCE. Shown as it was given, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// A folder or a file.
    Path(PathBuf),
    /// `-`: standard input.
    Stdin,
    /// `git:REV[:SUBDIR]`: a revision of the repository around the working folder.
    Revision {
        /// Anything that `git rev-parse` understands as a commit.
        revision: String,
        /// Folder or file from the root of the repository; empty for all.
        subfolder: String,
    },
    /// `git+URL@REV[:SUBDIR]`: a revision of another repository.
    Remote {
        /// Where it is.
        url: RemoteUrl,
        /// Branch, tag, full name of a reference, or full commit id.
        revision: String,
        /// Folder or file from the root of the repository; empty for all.
        subfolder: String,
    },
}

impl SourceSpec {
    /// Returns a revision of another repository from its parts. A path of this machine begins at `folder`.
    ///
    /// # Errors
    /// The address or the folder in the repository makes no sense.
    pub fn of_repository(
        address: &str,
        folder: &Path,
        revision: &str,
        subfolder: &str,
    ) -> Result<Self, SourceError> {
        let url = RemoteUrl::parse(address)?.within(folder);
        let subfolder = normal_subfolder(&format!("git+{url}@{revision}:{subfolder}"), subfolder)?;
        Ok(SourceSpec::Remote { url, revision: revision.to_owned(), subfolder })
    }
}

impl SourceSpec {
    /// Returns whether both are in the same place of the same repository, and this one is a commit.
    pub(crate) fn is_commit_beside(&self, other: &SourceSpec) -> bool {
        match (self, other) {
            (
                SourceSpec::Remote { url, revision, subfolder },
                SourceSpec::Remote { url: other, subfolder: beside, .. },
            ) => url == other && subfolder == beside && git2::Oid::from_str(revision).is_ok(),
            _ => false,
        }
    }

    /// Returns a commit of a repository.
    pub(super) fn commit_of(url: RemoteUrl, id: git2::Oid, subfolder: &str) -> Self {
        SourceSpec::Remote { url, revision: id.to_string(), subfolder: subfolder.to_owned() }
    }
}

impl FromStr for SourceSpec {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.is_empty() {
            return Err(malformed(text, "it is empty"));
        }
        if text == "-" {
            return Ok(SourceSpec::Stdin);
        }
        if let Some(rest) = text.strip_prefix("git+") {
            if rest.contains(HIDDEN) {
                return Err(malformed(text, "it was shown or saved without the credential that it held"));
            }
            return remote(rest);
        }
        let Some(rest) = text.strip_prefix("git:") else {
            return Ok(SourceSpec::Path(PathBuf::from(text)));
        };
        let (revision, subfolder) = rest.split_once(':').unwrap_or((rest, ""));
        if revision.is_empty() {
            return Err(malformed(text, "it names no revision"));
        }
        let subfolder = normal_subfolder(text, subfolder)?;
        Ok(SourceSpec::Revision { revision: revision.to_owned(), subfolder })
    }
}

/// Splits `URL@REV[:SUBDIR]`: the user of the URL may be followed by `@`, and its host by `:`, so the search begins
/// behind the host.
fn remote(text: &str) -> Result<SourceSpec, SourceError> {
    if RemoteUrl::may_hold_password(text) {
        let reason = "`host:path@REV:SUBDIR` looks like `user:password@host:path`, which git does not know: write \
                      git+ssh://HOST/PATH@REV:SUBDIR";
        return Err(malformed("git+…", reason));
    }
    let path_start = RemoteUrl::path_start(text);
    let (path, rest) = text.split_at(path_start);
    let (place, subfolder) = rest.split_once(':').unwrap_or((rest, ""));
    let Some((end, revision)) = place.rsplit_once('@').filter(|(_, revision)| !revision.is_empty()) else {
        let shown = RemoteUrl::parse(text).map_or_else(|_| "git+…".to_owned(), |url| format!("git+{url}"));
        return Err(malformed(&shown, "it names no revision: write git+URL@REV"));
    };
    let address = format!("{path}{end}");
    let url = if path_start == 0 { RemoteUrl::local(&address) } else { RemoteUrl::parse(&address)? };
    let subfolder = normal_subfolder(&format!("git+{url}@{place}:{subfolder}"), subfolder)?;
    Ok(SourceSpec::Remote { url, revision: revision.to_owned(), subfolder })
}

/// Returns the folder without needless parts. It must stay inside the repository.
fn normal_subfolder(spec: &str, subfolder: &str) -> Result<String, SourceError> {
    let parts: Vec<&str> = subfolder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if subfolder.starts_with('/') || parts.contains(&"..") {
        return Err(malformed(
            spec,
            "the folder must be a path from the root of the repository, without `..`",
        ));
    }
    Ok(parts.join("/"))
}

pub(super) fn malformed(given: &str, reason: &str) -> SourceError {
    SourceError::Malformed { given: gatewright_secrets::argument(given), reason: reason.to_owned() }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail =
            |subfolder: &str| if subfolder.is_empty() { String::new() } else { format!(":{subfolder}") };
        match self {
            SourceSpec::Path(path) => write!(f, "{}", path.display()),
            SourceSpec::Stdin => f.write_str("-"),
            SourceSpec::Revision { revision, subfolder } => write!(f, "git:{revision}{}", tail(subfolder)),
            SourceSpec::Remote { url, revision, subfolder } => {
                write!(f, "git+{url}@{revision}{}", tail(subfolder))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String) {
        match text.parse().unwrap() {
            SourceSpec::Revision { revision, subfolder } => (String::new(), revision, subfolder),
            SourceSpec::Remote { url, revision, subfolder } => (url.to_string(), revision, subfolder),
            other => panic!("{other:?}"),
        }
    }

    fn check(text: &str, url: &str, revision: &str, subfolder: &str) {
        assert_eq!(parts(text), (url.to_owned(), revision.to_owned(), subfolder.to_owned()), "{text}");
    }

    #[test]
    fn reads_every_form() {
        assert_eq!("deploy/prod".parse(), Ok(SourceSpec::Path("deploy/prod".into())));
        assert_eq!("-".parse(), Ok(SourceSpec::Stdin));
        check("git:HEAD~1", "", "HEAD~1", "");
        check("git:release/1.2:./deploy//prod/", "", "release/1.2", "deploy/prod");
        check("git+https://h.example/team/repo.git@main", "https://h.example/team/repo.git", "main", "");
        check("git+https://h.example:8443/r@v1:deploy", "https://h.example:8443/r", "v1", "deploy");
        check("git+file:///srv/a@b/repo@main:x@y", "file:///srv/a@b/repo", "main", "x@y");
        check("git+ssh://git@h.example/r.git@main", "ssh://git@h.example/r.git", "main", "");
        check("git+git@h.example:team/r.git@main:deploy", "git@h.example:team/r.git", "main", "deploy");
        check("git+h.example:team/r.git@main:deploy", "h.example:team/r.git", "main", "deploy");
        check("git+h.example:team/r@main", "h.example:team/r", "main", "");
        check("git+/srv/repo@feature/x", "/srv/repo", "feature/x", "");
        check("git+../repo@main:a", "../repo", "main", "a");
    }

    #[test]
    fn shows_what_was_given_without_credentials() {
        for text in ["git:HEAD~1:deploy", "git+ssh://git@h/r.git@main:a", "-", "deploy"] {
            assert_eq!(text.parse::<SourceSpec>().unwrap().to_string(), text);
        }
        let spec: SourceSpec = "git+https://me:hunter2@h/r@main".parse().unwrap();
        assert_eq!(spec.to_string(), "git+https://h/r@main");
        assert!(!format!("{spec:?}").contains("hunter2"));
        let spec: SourceSpec = "git+me:hunter2@h".parse().unwrap();
        assert_eq!(spec.to_string(), "git+me:[hidden]@h");
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for text in [
            "",
            "git:",
            "git::deploy",
            "git:HEAD:../up",
            "git:HEAD:/etc",
            "git+https://h/repo",
            "git+https://h/repo@",
            "git+ftp://h/repo@main",
            "git+https://me:hunter2@/@main",
            "git+https://me:hunter2@h/repo",
            "git+me:hunter2@h:repo",
            "git+git:hunter2@h:team/repo@main:deploy",
            "git+me:hunt/er2@h:1/repo@main",
        ] {
            let error = text.parse::<SourceSpec>().unwrap_err();
            assert!(error.is_usage(), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
