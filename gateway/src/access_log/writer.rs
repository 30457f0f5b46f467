//! The way of log lines from the workers to the writer.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::known::Known;
use crate::shared::Shared;

/// A batch is handed over when it has this size, or at the worker's next tick.
const BATCH_BYTES: usize = 64 * 1024;
/// Batches that may wait for the writer: up to 8 MiB while it is slow.
const WAITING_BATCHES: usize = 128;
/// Written batches whose memory is kept for the next ones.
const SPARE_BATCHES: usize = 4;

/// Memory of written batches: to have it from the system again and again costs more than the lines in it.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BATCH_BYTES + 1024))
    }

    fn give(&self, mut batch: Vec<u8>) {
        batch.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BATCHES && batch.capacity() <= 2 * BATCH_BYTES {
            spare.push(batch);
        }
    }
}

/// The thread that writes.
pub(crate) struct LogWriter {
    sender: Option<SyncSender<Vec<u8>>>,
    spare: Spare,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread; without a writer nothing is logged.
    pub(crate) fn start(out: Option<Box<dyn Write + Send>>) -> io::Result<Self> {
        let spare = Spare::default();
        let Some(out) = out else { return Ok(Self { sender: None, spare, thread: None }) };
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        let written = spare.clone();
        let thread = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&receiver, out, &written))?;
        Ok(Self { sender: Some(sender), spare, thread: Some(thread) })
    }

    /// Returns a worker's end.
    pub(crate) fn worker(&self, shared: Arc<Shared>) -> WorkerLog {
        let (sender, spare) = (self.sender.clone(), self.spare.clone());
        WorkerLog { buffer: RefCell::default(), sender, spare, shared }
    }

    /// Waits until everything is written. Workers must be gone by now.
    pub(crate) fn finish(mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer is no reason to fail a shutdown.
            let _ = thread.join();
        }
    }
}

fn write_all(receiver: &Receiver<Vec<u8>>, mut out: Box<dyn Write + Send>, spare: &Spare) {
    let mut failed = false;
    while let Ok(batch) = receiver.recv() {
        match out.write_all(&batch).and_then(|()| out.flush()) {
            Ok(()) => failed = false,
            // Said once: a full disk must not fill the other log as well.
            Err(error) if !std::mem::replace(&mut failed, true) => {
                tracing::warn!(%error, "the access log cannot be written");
            }
            Err(_) => {}
        }
        spare.give(batch);
    }
}

/// The lines of one worker.
pub(crate) struct WorkerLog {
    buffer: RefCell<Lines>,
    sender: Option<SyncSender<Vec<u8>>>,
    spare: Spare,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
    known: Known,
}

impl WorkerLog {
    pub(crate) fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Adds one line, written by `write`.
    pub(crate) fn line(&self, write: impl FnOnce(&mut Vec<u8>, &mut Known)) {
        let lines = &mut *self.buffer.borrow_mut();
        write(&mut lines.bytes, &mut lines.known);
        lines.count += 1;
        if lines.bytes.len() >= BATCH_BYTES {
            self.hand_over(lines);
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        let mut lines = self.buffer.borrow_mut();
        if !lines.bytes.is_empty() {
            self.hand_over(&mut lines);
        }
    }

    fn hand_over(&self, lines: &mut Lines) {
        let (bytes, count) =
            (std::mem::replace(&mut lines.bytes, self.spare.take()), std::mem::take(&mut lines.count));
        let Some(sender) = &self.sender else { return };
        if sender.try_send(bytes).is_err() {
            self.shared.stats.log_lines_dropped.add(count);
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}
