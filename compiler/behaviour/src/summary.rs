//! One-line texts of outcomes and their parts.

use std::fmt;

use gatewright_ir::ValueMatch;

use crate::outcome::{
    Answer, CorsOutcome, ForwardOutcome, Handshake, HeaderOutcome, Outcome, PathOutcome, RedirectOutcome,
};

impl fmt::Display for Outcome {
    /// Writes one line that says what a client notices first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::BadRequest(reason) => write!(f, "{}", reason.status()),
            Outcome::Handshake(handshake) => handshake.fmt(f),
            Outcome::NoRoute => f.write_str("404, no route"),
            Outcome::Route(route) => route.answer.fmt(f),
        }
    }
}

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handshake::NoCertificate => f.write_str("connection closed, no certificate for this name"),
            Handshake::MissingSecret(secret) => write!(f, "connection closed, Secret {secret} is missing"),
            Handshake::ExternalSecret { secret, why } => {
                write!(f, "certificate {secret} as the cluster has it ({why})")
            }
            Handshake::Served { certificate, .. } => write!(f, "certificate {certificate}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Forward(forward) => write!(f, "forward to {forward}"),
            Answer::Redirect(redirect) => write!(f, "redirect {} to {redirect}", redirect.code),
            Answer::Refuse(refuse) => write!(f, "503 {} {}", refuse.refusal.code, refuse.refusal.reason),
        }
    }
}

impl fmt::Display for ForwardOutcome {
    /// Writes the targets with their shares in percent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.targets.iter().map(|target| u64::from(target.weight)).sum();
        for (index, target) in self.targets.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", target.cluster.name)?;
            if self.targets.len() > 1 {
                write!(f, " {}", percent(u64::from(target.weight), total))?;
            }
        }
        Ok(())
    }
}

/// Writes `part` of `total` in percent, with a decimal where it is not whole.
fn percent(part: u64, total: u64) -> String {
    let tenths = (part * 1000 + total / 2) / total.max(1);
    if tenths.is_multiple_of(10) {
        format!("{}%", tenths / 10)
    } else {
        format!("{}.{}%", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for RedirectOutcome {
    /// Writes the `Location` with `{...}` for what comes from the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_deref().unwrap_or("{scheme}"))?;
        f.write_str(&gatewright_secrets::address(self.host.as_deref().unwrap_or("{host}")))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&gatewright_secrets::shapes(self.path.as_deref().unwrap_or("{path}")))
    }
}

impl fmt::Display for PathOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathOutcome::Keep => f.write_str("kept"),
            PathOutcome::Replace { cut, with, .. } => write!(f, "leading `{cut}` becomes `{with}`"),
            PathOutcome::Whole(path) => write!(f, "`{path}`"),
            PathOutcome::Regex { pattern, substitution } => write!(f, "`{pattern}` becomes `{substitution}`"),
        }
    }
}

impl fmt::Display for HeaderOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("unchanged");
        }
        for (index, (name, change)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            let lines = match change.add.is_empty() || !gatewright_secrets::is_secret_name(name) {
                true => change.add.join(" + "),
                false => gatewright_secrets::HIDDEN.to_owned(),
            };
            match (change.keep, change.add.is_empty()) {
                (false, true) => write!(f, "remove {name}")?,
                (false, false) => write!(f, "{name} = {lines}")?,
                (true, _) => write!(f, "{name} + {lines}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for CorsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<String> = self.origins.iter().map(value_text).collect();
        write!(
            f,
            "origins {}; methods {}; headers {}",
            origins.join(", "),
            self.allow_methods,
            self.allow_headers
        )?;
        if !self.expose_headers.is_empty() {
            write!(f, "; exposes {}", self.expose_headers)?;
        }
        let credentials = if self.allow_credentials { "with" } else { "without" };
        write!(f, "; {credentials} credentials; {} s", self.max_age_s)
    }
}

/// Writes a value test: `x`, `x...`, `/regex/`, `any value`.
pub(crate) fn value_text(test: &ValueMatch) -> String {
    match test {
        ValueMatch::Exact(value) => format!("`{value}`"),
        ValueMatch::Prefix(prefix) => format!("`{prefix}` and more"),
        ValueMatch::Regex(pattern) => format!("matching `{pattern}`"),
        ValueMatch::Present => "any value".to_owned(),
    }
}
