//! What a serving process may lose from one state to the next, and where it remembers what it served.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use gatewright_reconciler::extent::Consent;
use gatewright_reconciler::memory::Memory;
use gatewright_reconciler::source::{Loader, Source, SourceSpec};

use crate::Context;
use crate::cluster::budget;
use crate::inputs::state_folder;
use crate::settings::SettingsArgs;

/// What is agreed to, and what is remembered.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Losses")]
pub struct ConsentArgs {
    /// Hosts, paths of hosts that stay, and objects that a new state may lose [default: 10, and at most half of all]
    #[arg(long, value_name = "NUMBER")]
    prune_budget: Option<usize>,
    /// Go on with SOURCEs that hold no manifest, or serve no host
    #[arg(long)]
    pub allow_empty: bool,
    /// Where the last good state is remembered: how much it served, and its revision [default: below
    /// ~/.local/state/gatewright]
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
}

impl ConsentArgs {
    /// Returns what is agreed to.
    pub fn consent(&self) -> Consent {
        Consent { budget: budget(self.prune_budget), empty: self.allow_empty }
    }

    /// Opens what remembers the last good state of a source, and tells where that is of no use. Standard input is another
    /// source each time.
    pub fn memory(
        &self,
        context: &Context,
        loader: &Loader,
        source: &Source,
        settings: &SettingsArgs,
    ) -> Option<Memory> {
        let specs: Vec<&SourceSpec> = source.specs().collect();
        if specs.contains(&&SourceSpec::Stdin) {
            return None;
        }
        let working_folder = &context.working_folder;
        let path = match &self.state_file {
            Some(path) => working_folder.join(path),
            None => state_folder().join(state_name(working_folder, &specs, settings)),
        };
        let (memory, problem) = Memory::open(path, loader, source);
        if let Some(problem) = problem {
            context.terminal.remark(&format!("warning: {problem}"));
        }
        Some(memory)
    }
}

/// Returns a name that two different sources do not share, nor the same source under other settings. A folder that was
/// removed and made again is another one.
fn state_name(working_folder: &Path, specs: &[&SourceSpec], settings: &SettingsArgs) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut put = |part: &[u8]| _ = hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    for spec in specs {
        match spec {
            SourceSpec::Path(path) => {
                let path = working_folder.join(path);
                let path = std::fs::canonicalize(&path).unwrap_or(path);
                put(path.as_os_str().as_encoded_bytes());
                let folder = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_dir);
                let made = folder.as_ref().and_then(|folder| folder.created().ok());
                put(format!("{:?} {made:?}", folder.map(|folder| (folder.dev(), folder.ino()))).as_bytes());
            }
            other => {
                put(working_folder.as_os_str().as_encoded_bytes());
                put(other.to_string().as_bytes());
            }
        }
    }
    put(format!("{settings:?}").as_bytes());
    format!("serve-{}.json", &hasher.finalize().to_hex()[..24])
}
