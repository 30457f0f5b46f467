//! Files that are whole whenever they are read, also after a crash.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde::Serialize;

/// Who may read a file that nobody else asks for.
const PRIVATE: u32 = 0o600;

/// Replaces a file by a text. The folder is made where it is missing.
///
/// # Errors
/// The file cannot be written; it then is what it was.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    write(path, text, OpenOptions::new().write(true).create(true).truncate(true), None)
}

/// Replaces a file that only its owner may read by a value as JSON.
///
/// # Errors
/// The file cannot be written; it then is what it was.
pub(crate) fn replace_private(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let text = serde_json::to_string_pretty(value)? + "\n";
    write(path, &text, options.write(true).create(true).truncate(true).mode(PRIVATE), Some(PRIVATE))
}

fn write(path: &Path, text: &str, options: &OpenOptions, mode: Option<u32>) -> io::Result<()> {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = options.open(&beside)?;
    // One that was left behind may have been readable for others.
    mode.map_or(Ok(()), |mode| file.set_permissions(Permissions::from_mode(mode)))?;
    file.write_all(text.as_bytes())?;
    // The name must not change hands before the content is on the disk, nor be lost after.
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}
