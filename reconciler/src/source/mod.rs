//! Sources: from what the user names (a folder, a file, standard input, a revision in git) to a [`SourceTree`] for the
//! compiler, and on to the next one when something changes.
//!
//! Files are read where they are: revisions straight from the object database, never by a checkout. The same rules say
//! for folders and revisions which files belong to a source.
//!
//! [`SourceTree`]: gatewright_compiler::source::SourceTree

mod credentials;
mod edit;
mod error;
mod folder;
mod hold;
mod loader;
mod parts;
mod remote;
mod revision;
mod signature;
mod spec;
mod url;
mod walk;
mod watch;

pub use credentials::Credentials;
pub use edit::ReadingWork;
pub use error::SourceError;
pub use hold::Hold;
pub use loader::{Loader, Source};
pub use revision::Revision;
pub use signature::{Signers, SignersError};
pub use spec::SourceSpec;
pub use url::RemoteUrl;
pub use watch::Watch;

#[cfg(test)]
mod tests;
