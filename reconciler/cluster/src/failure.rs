//! Failures of the library in words. Credentials come from files and programs, and what those have said stays out.

use std::error::Error;

use kube::client::AuthError;

/// Returns an error with its causes.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut reason = error.to_string();
    let mut cause = Some(error);
    while let Some(found) = cause {
        if let Some(failure) = found.downcast_ref::<AuthError>() {
            return of_credentials(failure);
        }
        let text = found.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = found.source();
    }
    reason
}

fn of_credentials(failure: &AuthError) -> String {
    match failure {
        AuthError::AuthExecRun { out, .. } => format!("the program for credentials failed: {}", out.status),
        AuthError::AuthExec(_) => "the program for credentials failed".to_owned(),
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => {
            "what the program for credentials said cannot be read".to_owned()
        }
        other => format!("the credentials cannot be used: {other}"),
    }
}

/// Returns what is wrong with a kubeconfig without what a reader of YAML shows of it: lines, and values in quotes.
pub(crate) fn without_values(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    let parts = first.split('"').enumerate();
    let shown: String = parts.map(|(index, part)| if index % 2 == 0 { part } else { "\"…\"" }).collect();
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Output};

    use super::*;

    #[test]
    fn what_a_program_for_credentials_has_said_stays_out() {
        let said = |text: &str| text.as_bytes().to_vec();
        let out =
            Output { status: ExitStatus::from_raw(256), stdout: said("SESAME"), stderr: said("SESAME") };
        let failure = AuthError::AuthExecRun { cmd: "fetch SESAME".to_owned(), out: Box::new(out) };
        let error = kube::Error::Auth(failure);
        assert!(error.to_string().contains("SESAME"));
        assert_eq!(told(&error), "the program for credentials failed: exit status: 1");
    }

    #[test]
    fn values_of_a_kubeconfig_stay_out() {
        let error = "line 3: invalid type: string \"SESAME\", expected a list\n  |\n3 | users: SESAME";
        assert_eq!(without_values(error), "line 3: invalid type: string \"…\", expected a list");
    }
}
