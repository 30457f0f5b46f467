//! Standard output and standard error: colors where they are wanted, and silence when the reader has gone away.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::args::Color;
use crate::errors::CliError;

/// Where a command's output goes. Copies share whether the reader of standard output has gone away.
#[derive(Clone, Debug)]
pub struct Terminal {
    color: Color,
    closed: Arc<AtomicBool>,
}

impl Terminal {
    /// Returns the program's terminal.
    pub fn new(color: Color) -> Self {
        Terminal { color, closed: Arc::new(AtomicBool::new(false)) }
    }

    /// Returns whether standard output shows colors.
    pub fn stdout_color(&self) -> bool {
        self.wants_color(&io::stdout())
    }

    /// Returns whether standard error shows colors.
    pub fn stderr_color(&self) -> bool {
        self.wants_color(&io::stderr())
    }

    fn wants_color(&self, stream: &impl anstream::stream::RawStream) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(stream) != ColorChoice::Never,
        }
    }

    /// Writes to standard output. Once the reader has gone away, everything is swallowed and the command runs to its
    /// natural end, so that its exit code stays true.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(CliError::environment(format!("cannot write to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes to standard error. Nobody can be told when that fails.
    pub fn tell(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes()).ok();
    }

    /// Shows the failure that ends the command.
    pub fn error(&self, error: &CliError) {
        let (red, cyan) =
            (AnsiColor::BrightRed.on_default().bold(), AnsiColor::BrightCyan.on_default().bold());
        let (red, cyan) = if self.stderr_color() { (red, cyan) } else { (Style::new(), Style::new()) };
        let mut text = format!("{red}error{red:#}: {error}\n");
        if let Some(hint) = error.hint() {
            text.push_str(&format!("  {cyan}= help{cyan:#}: {hint}\n"));
        }
        self.tell(&text);
    }
}
