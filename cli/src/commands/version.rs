//! `gatewright version`: what this program is and what it works with.

use clap::{Args, ValueEnum};
use gatewright_diagnostics::outlet::Form;
use serde::Serialize;

use crate::Context;
use crate::errors::{CliError, Exit, VERSION};

/// Print the version and facts about the build
#[derive(Debug, Args)]
pub struct Version {
    /// How they are shown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Serialize)]
struct Facts {
    version: &'static str,
    /// Set by release builds.
    revision: Option<&'static str>,
    platform: String,
    build: &'static str,
    higress: [&'static str; 2],
    xds: &'static str,
}

impl Version {
    /// Carries the command out.
    pub fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let facts = Facts {
            version: VERSION,
            revision: option_env!("GATEWRIGHT_REVISION"),
            platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            higress: ["2.1", "2.2"],
            xds: "v3",
        };
        match self.format {
            Format::Text => context.terminal.show(&facts.text())?,
            Format::Json => {
                context.terminal.print(Form::Json, &format!("{:#}\n", serde_json::json!(facts)))?;
            }
        }
        Ok(Exit::Fine)
    }
}

impl Facts {
    fn text(&self) -> String {
        let revision = self.revision.map(|revision| format!("revision  {revision}\n")).unwrap_or_default();
        format!(
            "gatewright {}\n{revision}platform  {}\nbuild     {}\nHigress   {}\nxDS       {}\n",
            self.version,
            self.platform,
            self.build,
            self.higress.join(", "),
            self.xds
        )
    }
}
