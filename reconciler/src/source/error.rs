//! Why a source could not be read: one clear sentence each, never with credentials in it.

use std::path::PathBuf;

/// What messages call the repository around the working folder.
pub(super) const THIS_REPOSITORY: &str = "this repository";

/// A failure of the environment, or a SOURCE that makes no sense ([`SourceError::is_usage`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The text given as SOURCE cannot be understood.
    #[error("`{given}` is not a SOURCE: {reason}")]
    Malformed {
        /// What was given, without credentials.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No SOURCE was given, or two that exclude each other.
    #[error("{0}")]
    Combination(&'static str),
    /// There is no such file or folder.
    #[error("there is no file or folder `{0}`")]
    NotFound(String),
    /// A file or folder exists and cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// Path as the user knows it.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// A name is not Unicode text.
    #[error("the name of `{0}` is not valid UTF-8")]
    Name(String),
    /// A symbolic link leads out of what a source may read.
    #[error("the link `{path}` leads out of the source to `{target}`")]
    Link {
        /// The link.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A line of an ignore file is no pattern.
    #[error("`{path}`: `{line}` is not a pattern: {reason}")]
    IgnoreFile {
        /// The ignore file.
        path: String,
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder is in no git repository.
    #[error("`{}` is not in a git repository", .0.display())]
    NotARepository(PathBuf),
    /// A git repository is there and cannot be used.
    #[error("cannot use the git repository `{repository}`: {reason}")]
    Repository {
        /// Path or URL.
        repository: String,
        /// git's words.
        reason: String,
    },
    /// A revision is not signed as it must be.
    #[error("{revision} is not trusted: {reason}")]
    NotTrusted {
        /// The commit, or what has none.
        revision: String,
        /// Why.
        reason: &'static str,
    },
    /// The revision does not exist.
    #[error("there is no revision `{revision}` in {repository}")]
    MissingRevision {
        /// The revision.
        revision: String,
        /// Path or URL.
        repository: String,
    },
    /// Several objects fit a shortened commit id.
    #[error("the revision `{revision}` is ambiguous in {repository}")]
    AmbiguousRevision {
        /// The revision.
        revision: String,
        /// Path or URL.
        repository: String,
    },
    /// The revision exists without this folder.
    #[error("there is no `{path}` in revision `{revision}`")]
    NotInRevision {
        /// Path from the root of the repository.
        path: String,
        /// The revision.
        revision: String,
    },
    /// A remote does not answer, or not as git.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// URL without credentials.
        url: String,
        /// git's words.
        reason: String,
    },
    /// A remote wants credentials that were not given, or others.
    #[error("{url} refuses access: {reason}")]
    Denied {
        /// URL without credentials.
        url: String,
        /// What was tried.
        reason: String,
    },
    /// A remote could not prove its identity.
    #[error("{url} cannot prove its identity: {reason}")]
    Untrusted {
        /// URL without credentials.
        url: String,
        /// git's words.
        reason: String,
    },
    /// The folder for fetched repositories cannot be used.
    #[error("cannot use the cache folder `{}`: {reason}", .folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl SourceError {
    /// Returns whether the command line is at fault rather than the environment.
    pub fn is_usage(&self) -> bool {
        matches!(self, SourceError::Malformed { .. } | SourceError::Combination(_))
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            SourceError::Malformed { .. } => {
                "SOURCE is a directory, a file, `-`, `git:REV[:SUBDIR]` or `git+URL@REV[:SUBDIR]`"
            }
            SourceError::Link { .. } => "give the folder that it leads to as a SOURCE of its own",
            SourceError::IgnoreFile { .. } => "its lines are patterns as in .gitignore",
            SourceError::NotARepository(_) => "run it inside a repository, or give `git+URL@REV`",
            SourceError::Repository { .. } => {
                "if another user owns the folder, allow it: git config --global --add safe.directory FOLDER"
            }
            SourceError::MissingRevision { repository, .. } if repository != THIS_REPOSITORY => {
                "a remote revision is a branch, a tag, the full name of a reference, or a full commit id"
            }
            SourceError::MissingRevision { .. } => {
                "a shallow clone has few revisions: fetch it first, e.g. git fetch origin BRANCH"
            }
            SourceError::AmbiguousRevision { .. } => "give more digits of the commit id",
            SourceError::Denied { .. } => {
                "set GATEWRIGHT_GIT_USERNAME and GATEWRIGHT_GIT_PASSWORD (or _PASSWORD_FILE), or \
                 GATEWRIGHT_GIT_SSH_KEY_FILE"
            }
            SourceError::Untrusted { .. } => {
                "add the host to ~/.ssh/known_hosts, or its authority to the file in SSL_CERT_FILE"
            }
            _ => return None,
        })
    }

    pub(super) fn unreadable(path: impl Into<String>, error: &std::io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound(path),
            kind => SourceError::Unreadable { path, reason: reason(error, kind) },
        }
    }
}

/// Returns the system's words without the number that Rust adds to them.
fn reason(error: &std::io::Error, kind: std::io::ErrorKind) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    if words.is_empty() { kind.to_string() } else { words.to_lowercase() }
}
