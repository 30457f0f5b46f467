//! Counts the frames of HTTP/2 that cost their sender nothing and carry no request.

/// `SM` and two line ends: what follows the first head-like line of HTTP/2.
const REST_OF_PREFACE: u64 = 6;
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
/// Types from here on are extensions.
const EXTENSION: u8 = 10;
const END_STREAM: u8 = 1;

/// Frames that began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Those that ask for nothing, or for an acknowledgement alone.
    pub(super) control: u32,
    /// Those that let more be sent: who receives much sends many of them.
    pub(super) windows: u32,
}

/// The frames of a connection, as far as they came.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to pass over before the next header.
    skip: u64,
    header: [u8; HEADER_BYTES],
    filled: usize,
}

impl Frames {
    pub(super) fn after_preface() -> Self {
        Self { skip: REST_OF_PREFACE, header: [0; HEADER_BYTES], filled: 0 }
    }

    /// Reads on, and counts the frames that began.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Counted {
        let mut counted = Counted::default();
        loop {
            let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= skipped as u64;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEADER_BYTES - self.filled);
            if taken == 0 {
                return counted;
            }
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER_BYTES {
                self.filled = 0;
                self.skip = length(&self.header);
                counted.control += u32::from(is_control(&self.header));
                counted.windows += u32::from(self.header[3] == WINDOW_UPDATE);
            }
        }
    }
}

fn length(header: &[u8; HEADER_BYTES]) -> u64 {
    u64::from(u32::from_be_bytes([0, header[0], header[1], header[2]]))
}

fn is_control(header: &[u8; HEADER_BYTES]) -> bool {
    match header[3] {
        DATA => length(header) == 0 && header[4] & END_STREAM == 0,
        kind => matches!(kind, PRIORITY | SETTINGS | PING) || kind >= EXTENSION,
    }
}
