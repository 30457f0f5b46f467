//! Writing files so that a reader sees either the old content or the new one.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::errors::CliError;

/// One file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Name inside the folder.
    pub name: String,
    /// Content.
    pub content: String,
    /// Whether only the user may read it.
    pub private: bool,
}

/// Writes files into a folder, which is made where it is missing. Every file is written under another name first, and
/// none gets its name before all are written.
pub fn write_all(folder: &Path, outputs: &[Output]) -> Result<(), CliError> {
    let failed = |error: &std::io::Error| {
        CliError::environment(format!("cannot write to `{}`: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let staged: Vec<(NamedTempFile, &Output)> = outputs
        .iter()
        .map(|output| Ok((stage(folder, output).map_err(|error| failed(&error))?, output)))
        .collect::<Result<_, CliError>>()?;
    for (file, output) in staged {
        file.persist(folder.join(&output.name)).map_err(|error| failed(&error.error))?;
    }
    Ok(())
}

fn stage(folder: &Path, output: &Output) -> std::io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if output.private { 0o600 } else { 0o644 };
    let mut file = tempfile::Builder::new()
        .prefix(".gatewright-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(output.content.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn output(name: &str, private: bool) -> Output {
        Output { name: name.to_owned(), content: format!("{name}\n"), private }
    }

    #[test]
    fn files_are_replaced_and_private_ones_stay_private() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/out");
        write_all(&folder, &[output("a", false), output("b", true)]).unwrap();
        write_all(&folder, &[output("a", false)]).unwrap();
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "a\n");
        assert_eq!(fs::metadata(folder.join("b")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_replaced_when_one_file_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path(), &[output("a", false)]).unwrap();
        let mut changed = output("a", false);
        changed.content = "changed\n".into();
        // A name with a folder that does not exist cannot be staged: the name is only taken at the end.
        fs::create_dir(folder.path().join("taken")).unwrap();
        let error = write_all(folder.path(), &[output("taken", false), changed]).unwrap_err();
        assert!(error.to_string().starts_with("cannot write to `"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "a\n");
    }
}
