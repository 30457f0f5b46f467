//! What opens remote repositories. Values come from the environment or from files, and no message repeats them.

use std::fmt;
use std::path::PathBuf;

use super::error::SourceError;

const USERNAME: &str = "GATEWRIGHT_GIT_USERNAME";
const PASSWORD: &str = "GATEWRIGHT_GIT_PASSWORD";
const PASSWORD_FILE: &str = "GATEWRIGHT_GIT_PASSWORD_FILE";
const SSH_KEY_FILE: &str = "GATEWRIGHT_GIT_SSH_KEY_FILE";
const SSH_PASSPHRASE: &str = "GATEWRIGHT_GIT_SSH_PASSPHRASE";
const SSH_AGENT: &str = "SSH_AUTH_SOCK";

/// Credentials for remote repositories. `Debug` shows which there are, not what they are.
#[derive(Clone, Default)]
pub struct Credentials {
    /// User name for http(s), and for ssh where the address names none.
    pub username: Option<String>,
    /// Password or token for http(s).
    pub password: Option<String>,
    /// File with the private key for ssh.
    pub ssh_key: Option<PathBuf>,
    /// What opens the private key.
    pub ssh_passphrase: Option<String>,
    /// Whether an ssh agent runs.
    pub ssh_agent: bool,
}

impl Credentials {
    /// Reads the variables `GATEWRIGHT_GIT_*`; the caller says how, e.g. by `std::env::var`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SourceError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let password = match (variable(PASSWORD), variable(PASSWORD_FILE)) {
            (Some(password), _) => Some(password),
            (None, Some(file)) => {
                let text =
                    std::fs::read_to_string(&file).map_err(|error| SourceError::unreadable(file, &error))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            (None, None) => None,
        };
        let ssh_key = variable(SSH_KEY_FILE);
        if let Some(file) = &ssh_key {
            std::fs::File::open(file).map_err(|error| SourceError::unreadable(file, &error))?;
        }
        Ok(Credentials {
            username: variable(USERNAME),
            password,
            ssh_key: ssh_key.map(PathBuf::from),
            ssh_passphrase: variable(SSH_PASSPHRASE),
            ssh_agent: variable(SSH_AGENT).is_some(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username.is_some())
            .field("password", &self.password.is_some())
            .field("ssh_key", &self.ssh_key)
            .field("ssh_agent", &self.ssh_agent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(values: &[(&str, &str)]) -> Result<Credentials, SourceError> {
        Credentials::from_variables(|name| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_password_comes_from_its_variable_or_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from file\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(from(&[(PASSWORD_FILE, file)]).unwrap().password.as_deref(), Some("from file"));
        let both = from(&[(PASSWORD_FILE, file), (PASSWORD, "direct"), (USERNAME, "")]).unwrap();
        assert_eq!(both.password.as_deref(), Some("direct"));
        assert_eq!(both.username, None);
    }

    #[test]
    fn a_missing_file_is_named() {
        for variable in [PASSWORD_FILE, SSH_KEY_FILE] {
            let error = from(&[(variable, "/no/such/file")]).unwrap_err();
            assert_eq!(error, SourceError::NotFound("/no/such/file".into()));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", from(&[(PASSWORD, "hunter2"), (SSH_PASSPHRASE, "hunter3")]).unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
