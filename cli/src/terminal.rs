//! Standard output and standard error: colors where they are wanted, and silence when the reader has gone away.
//!
//! Everything that the program writes goes through here and names its form, so that nothing of what others wrote can
//! steer a terminal or a CI run (see [`outlet`](gatewright_diagnostics::outlet)).

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use gatewright_diagnostics::outlet::{Form, record, sealed, visible};

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

    /// Writes a document to standard output, without what is secret by its shape, whoever let it through. Once the reader
    /// has gone away, everything is swallowed and the command runs to its natural end, so that its exit code stays true.
    pub fn print(&self, form: Form, text: &str) -> Result<(), CliError> {
        match form {
            // The examples in our pages are no secrets.
            Form::Own => self.hand_over(form, text),
            _ => self.hand_over(form, &gatewright_secrets::shapes(text)),
        }
    }

    /// Writes a document that is made piece by piece, as [`Self::print`] would the whole.
    pub fn print_pieces(
        &self,
        form: Form,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let mut pieces = Pieces { terminal: self, form, waiting: Vec::new(), enough: PIECE, failure: None };
        let written = write(&mut pieces).and_then(|()| pieces.end());
        match (pieces.failure, written) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) => Err(CliError::environment(format!("cannot write: {error}"))),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Writes a document as it is: what a data plane runs on, with its secrets.
    pub fn hand_over(&self, form: Form, text: &str) -> Result<(), CliError> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = sealed(form, text)
            .try_for_each(|piece| stdout.write_all(piece.as_bytes()))
            .and_then(|()| stdout.flush());
        // What could not be written is not tried again.
        let (_, _) = stdout.into_parts();
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(CliError::environment(format!("cannot write to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes lines for people to standard output.
    pub fn show(&self, text: &str) -> Result<(), CliError> {
        self.print(Form::Text { color: self.stdout_color() }, text)
    }

    /// Writes lines for people to standard error. Nobody can be told when that fails.
    pub fn tell(&self, text: &str) {
        let form = Form::Text { color: self.stderr_color() };
        let text: String = sealed(form, &gatewright_secrets::shapes(text)).collect();
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// Writes one line to standard error, whatever is in it.
    pub fn remark(&self, line: &str) {
        self.tell(&format!("{}\n", visible(line)));
    }

    /// Shows the failure that ends the command.
    pub fn error(&self, error: &CliError) {
        let (red, cyan) =
            (AnsiColor::BrightRed.on_default().bold(), AnsiColor::BrightCyan.on_default().bold());
        let (red, cyan) = if self.stderr_color() { (red, cyan) } else { (Style::new(), Style::new()) };
        let shown = |text: &str| visible(&gatewright_secrets::text(text)).into_owned();
        let mut text = format!("{red}error{red:#}: {}\n", shown(&error.to_string()));
        text.extend(error.details().iter().map(|detail| format!("  {}\n", shown(detail))));
        if let Some(hint) = error.hint() {
            text.push_str(&format!("  {cyan}= help{cyan:#}: {}\n", visible(hint)));
        }
        self.tell(&text);
    }

    /// Returns what writes events of the log to standard error: each is one line.
    pub fn log(&self) -> Log {
        Log { form: Form::Text { color: self.stderr_color() } }
    }
}

/// How much of a document waits for more of it.
const PIECE: usize = 256 * 1024;

/// A document on its way to standard output. What has no secret in it, whatever follows, goes on.
struct Pieces<'a> {
    terminal: &'a Terminal,
    form: Form,
    waiting: Vec<u8>,
    /// Length of what waits at which it is looked at again.
    enough: usize,
    failure: Option<CliError>,
}

impl Pieces<'_> {
    fn go_on(&mut self) -> io::Result<()> {
        let sound = match std::str::from_utf8(&self.waiting) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.waiting[..error.valid_up_to()]).unwrap_or_default(),
        };
        let (length, text) = gatewright_secrets::beginning(sound);
        let written = self.terminal.hand_over(self.form, &text);
        self.waiting.drain(..length);
        // One long line is not looked at again and again.
        self.enough = PIECE.max(2 * self.waiting.len());
        self.note(written)
    }

    fn end(&mut self) -> io::Result<()> {
        let written = self.terminal.print(self.form, &String::from_utf8_lossy(&self.waiting));
        self.note(written)
    }

    fn note(&mut self, written: Result<(), CliError>) -> io::Result<()> {
        written.map_err(|failure| {
            self.failure = Some(failure);
            ErrorKind::Other.into()
        })
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(piece);
        if self.waiting.len() >= self.enough {
            self.go_on()?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes each piece that it is given as one line to standard error, without what is secret by its shape or behind a name.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    form: Form,
}

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = record(self.form, &gatewright_secrets::text(&String::from_utf8_lossy(event)));
        io::stderr().lock().write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
