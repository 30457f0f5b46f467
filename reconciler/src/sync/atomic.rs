//! Files that are whole whenever they are read, also after a crash.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

/// Replaces a file by a value as JSON. The folder is made where it is missing.
///
/// # Errors
/// The file cannot be written; it then is what it was.
pub(super) fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    // The name must not change hands before the content is on the disk, nor be lost after.
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}
