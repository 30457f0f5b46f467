//! What a command works on: SOURCEs, settings, and what the compiler makes of both.

use std::path::{Path, PathBuf};

use clap::Args;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::{Checked, Compiled, Engine, check, compile};
use gatewright_diagnostics::{Diagnostic, Severity};
use gatewright_reconciler::source::{Credentials, Loader, Source, SourceSpec};

use crate::Context;
use crate::errors::CliError;
use crate::report::{Findings, Settled};
use crate::settings::{self, Settings, SettingsArgs, SyncSettings};
use crate::terminal::Terminal;

/// SOURCEs and settings, for commands that compile.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// What to read: a directory, a file, `-`, `git:REV[:SUBDIR]` or `git+URL@REV[:SUBDIR]`; several merge
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<SourceSpec>,
    /// Go on with SOURCEs that hold no manifest
    #[arg(long)]
    pub allow_empty: bool,
    /// Where and what is compiled.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What a command works on.
pub struct Inputs {
    /// The SOURCEs.
    pub source: Source,
    /// Settings of the compilation.
    pub options: CompileOptions,
    /// Whether SOURCEs without a manifest are meant.
    allow_empty: bool,
    /// What is wrong with the settings file.
    settings: Option<Settled>,
}

impl Context {
    /// Returns what reads SOURCEs.
    pub fn loader(&self) -> Result<Loader, CliError> {
        Ok(Loader {
            working_folder: self.working_folder.clone(),
            cache_folder: cache_folder().join("git"),
            credentials: Credentials::from_variables(|name| std::env::var(name).ok())?,
        })
    }

    /// Reads SOURCEs and settings.
    pub fn inputs(&self, arguments: &InputArgs) -> Result<Inputs, CliError> {
        let source = self.loader()?.load(&arguments.sources)?;
        let settings = self.settings(&arguments.settings, Some(&source))?;
        let allow_empty = arguments.allow_empty;
        Ok(Inputs { source, options: settings.options, allow_empty, settings: settings.problem })
    }

    /// Reads what is to be served, and its settings; without SOURCEs, which a kube cluster can stand in for, the settings
    /// alone.
    ///
    /// # Errors
    /// An error stands in the settings file, or something cannot be read.
    pub fn served(
        &self,
        sources: &[SourceSpec],
        settings: &SettingsArgs,
    ) -> Result<(Source, CompileOptions), CliError> {
        const WHAT: &str = "nothing is served";
        if sources.is_empty() {
            let configured = self.settings(settings, None)?;
            configured.refuse_problem(&self.terminal, WHAT)?;
            return Ok((Source::nothing(), configured.options));
        }
        let settings = settings.clone();
        // Whoever serves refuses also what holds manifests and serves nothing.
        let inputs = self.inputs(&InputArgs { sources: sources.to_vec(), allow_empty: true, settings })?;
        inputs.refuse_settings_errors(&self.terminal, WHAT)?;
        Ok((inputs.source, inputs.options))
    }

    /// Reads the settings: the file that a flag names, else that of the SOURCE, else that of the working folder.
    pub fn settings(&self, flags: &SettingsArgs, source: Option<&Source>) -> Result<Configured, CliError> {
        let Some(SettingsFile { path, relative, text }) = self.settings_file(flags, source)? else {
            return Ok(Configured::new(Settings::default().with(flags), PathBuf::new(), None));
        };
        let folder = Path::new(&path).parent().map(Path::to_owned).unwrap_or_default();
        let (settings, findings) = Settings::read(&path, &text);
        let problem = (!findings.is_empty()).then(|| Settled { findings, path, relative, text: text.into() });
        Ok(Configured::new(settings.with(flags), folder, problem))
    }

    fn settings_file(
        &self,
        flags: &SettingsArgs,
        source: Option<&Source>,
    ) -> Result<Option<SettingsFile>, CliError> {
        let read = |path: &Path| {
            let text = std::fs::read(self.working_folder.join(path)).map_err(|error| {
                CliError::environment(format!("cannot read `{}`: {error}", path.display()))
            })?;
            let relative = path.strip_prefix(&self.working_folder).unwrap_or(path).display().to_string();
            Ok(Some(SettingsFile { path: path.display().to_string(), relative, text }))
        };
        if let Some(path) = &flags.config {
            return read(path);
        }
        if let Some(source) = source
            && let (Some(path), Some(text)) = (&source.settings, source.read_settings()?)
        {
            let (path, relative) = (source.shown(path), source.relative(path));
            return Ok(Some(SettingsFile { path, relative, text: text.to_vec() }));
        }
        let own = Path::new(settings::FILE);
        if self.working_folder.join(own).is_file() { read(own) } else { Ok(None) }
    }
}

struct SettingsFile {
    path: String,
    relative: String,
    text: Vec<u8>,
}

/// Settings, and what is wrong with their file.
pub struct Configured {
    /// Settings of the compilation.
    pub options: CompileOptions,
    /// What `gatewright sync` follows and keeps there.
    pub sync: SyncSettings,
    /// The folder of the settings file, where its relative paths begin; empty for the working folder.
    pub folder: PathBuf,
    /// Findings about the settings file; the settings are then the defaults and the flags.
    pub problem: Option<Settled>,
}

impl Configured {
    fn new(settings: Settings, folder: PathBuf, problem: Option<Settled>) -> Self {
        Configured { options: settings.options(), sync: settings.sync, folder, problem }
    }

    /// Refuses to go on with a settings file that has findings, and shows them.
    pub fn refuse_problem(&self, terminal: &Terminal, what: &str) -> Result<(), CliError> {
        self.problem.as_ref().map_or(Ok(()), |problem| problem.refuse(terminal, what))
    }
}

impl Inputs {
    /// Compiles the SOURCEs from nothing. That they hold no manifest is a finding.
    pub fn compile(&self) -> Result<Compiled, CliError> {
        let mut compiled = compile(&self.source.tree, &self.options)?;
        compiled.diagnostics.extend(self.nothing(&compiled.engine));
        Ok(compiled)
    }

    /// Looks for everything that is to say about the SOURCEs. That they hold no manifest is a finding.
    pub fn check(&self) -> Result<Checked, CliError> {
        let mut checked = check(&self.source.tree, &self.options)?;
        checked.diagnostics.extend(checked.nothing.take().filter(|_| !self.allow_empty));
        Ok(checked)
    }

    fn nothing(&self, engine: &Engine) -> Option<Diagnostic> {
        engine.without_manifest().filter(|_| !self.allow_empty)
    }

    /// Refuses SOURCEs that hold no manifest, and shows what stands in the way of one.
    pub fn refuse_nothing(&self, engine: &Engine, terminal: &Terminal, what: &str) -> Result<(), CliError> {
        let Some(nothing) = self.nothing(engine) else { return Ok(()) };
        let mut diagnostics = engine.diagnostics()?;
        diagnostics.push(nothing);
        self.findings(diagnostics).at_least(Severity::Warning).tell(terminal);
        Err(CliError::findings(format!("{what} of SOURCEs without a manifest")))
    }

    /// Returns findings for showing, those about the settings file included.
    pub fn findings(&self, diagnostics: Vec<Diagnostic>) -> Findings<'_> {
        Findings::new(&self.source, diagnostics, self.settings.as_ref())
    }

    /// Refuses to go on with a settings file that has findings, and shows them.
    pub fn refuse_settings_errors(&self, terminal: &Terminal, what: &str) -> Result<(), CliError> {
        self.settings.as_ref().map_or(Ok(()), |problem| problem.refuse(terminal, what))
    }

    /// Returns whether an error stands in the settings file.
    pub fn has_settings_errors(&self) -> bool {
        let findings = self.settings.iter().flat_map(|settings| &settings.findings);
        findings.into_iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Returns where data that can be made again is kept.
fn cache_folder() -> PathBuf {
    folder_for("GATEWRIGHT_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
}

/// Returns where data is kept that must outlive the program.
pub fn state_folder() -> PathBuf {
    folder_for("GATEWRIGHT_STATE_DIR", "XDG_STATE_HOME", ".local/state")
}

fn folder_for(own: &str, of_desktop: &str, below_home: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(own)
        .or_else(|| Some(variable(of_desktop)?.join("gatewright")))
        .or_else(|| Some(variable("HOME")?.join(below_home).join("gatewright")))
        .unwrap_or_else(|| std::env::temp_dir().join("gatewright").join(below_home.trim_start_matches('.')))
}
