//! What the HTTP library keeps to itself of what a client sends, read from the bytes as they come: it drops a length beside
//! chunks, cuts a fragment off a target, waits for the rest of a body that is broken already, and answers every control
//! frame of HTTP/2 however many there are.
//!
//! The library alone decides where a message ends. This follows it over well-formed messages and stops looking where it
//! cannot: the library refuses those itself.

mod chunks;
mod frames;
mod head;

use std::io;
use std::sync::atomic::Ordering;

use super::moves::Moves;
use chunks::{Chunks, Step};
use frames::Frames;
use head::Head;

/// A head that is not complete after so many bytes is none of ours: the library refuses it before.
const HEAD_BYTES: usize = 1024 * 1024;

/// Looks at what a client sends on one connection.
#[derive(Debug)]
pub(crate) struct Inspector {
    state: State,
    /// Heads of HTTP/1 so far.
    heads: u64,
    /// What the next read fails with. What came before it was handed on.
    fault: Option<&'static str>,
}

#[derive(Debug)]
enum State {
    /// The head of a request, as far as it came in earlier reads.
    Head(Vec<u8>),
    /// A body of which so many bytes are to come.
    Body(u64),
    Chunks(Chunks),
    Frames(Frames),
    /// Nothing that is understood.
    Blind,
}

impl Default for Inspector {
    fn default() -> Self {
        Self { state: State::Head(Vec::new()), heads: 0, fault: None }
    }
}

impl Inspector {
    /// Fails if what came before breaks the rules.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.fault {
            Some(reason) => Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
            None => Ok(()),
        }
    }

    /// Looks at the next bytes.
    pub(crate) fn read(&mut self, mut bytes: &[u8], moves: &Moves) {
        while !bytes.is_empty() && self.fault.is_none() {
            let used = match &mut self.state {
                State::Head(_) => self.head(bytes, moves),
                State::Body(left) => {
                    let used = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= used as u64;
                    if *left == 0 {
                        self.state = State::Head(Vec::new());
                    }
                    used
                }
                State::Chunks(chunks) => {
                    let (used, step) = chunks.read(bytes);
                    match step {
                        Step::More => {}
                        Step::End => self.state = State::Head(Vec::new()),
                        Step::Broken => {
                            self.fault = Some("a line of a chunked body ends without a carriage return")
                        }
                        Step::Lost => self.state = State::Blind,
                    }
                    used
                }
                State::Frames(frames) => {
                    let counted = frames.read(bytes);
                    if counted.control > 0 && moves.count_control(counted.control)
                        || counted.windows > 0 && moves.count_windows(counted.windows)
                    {
                        self.fault = Some("too many control frames");
                    }
                    bytes.len()
                }
                State::Blind => return,
            };
            bytes = &bytes[used..];
        }
    }

    /// Looks at a head or a part of one, and returns how many of the bytes belong to it.
    fn head(&mut self, bytes: &[u8], moves: &Moves) -> usize {
        let State::Head(begun) = &mut self.state else { return 0 };
        let before = begun.len();
        if before == 0 {
            // Empty lines may stand before a request.
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                return blank;
            }
            if let Some(end) = head::end(bytes, 0) {
                let head = Head::read(&bytes[..end]);
                self.end_head(&head, moves);
                return end;
            }
        }
        begun.extend_from_slice(bytes);
        match head::end(begun, before.saturating_sub(2)) {
            Some(end) => {
                let head = Head::read(&begun[..end]);
                self.end_head(&head, moves);
                end - before
            }
            None => {
                if begun.len() > HEAD_BYTES {
                    self.state = State::Blind;
                }
                bytes.len()
            }
        }
    }

    fn end_head(&mut self, head: &Head, moves: &Moves) {
        self.heads += 1;
        if head.is_faulty() {
            moves.faulty_head.fetch_min(self.heads, Ordering::Relaxed);
        }
        self.state = match head {
            Head { http2: true, .. } => State::Frames(Frames::after_preface()),
            Head { chunked: true, .. } => State::Chunks(Chunks::default()),
            Head { length: 1.., .. } => State::Body(head.length),
            _ => State::Head(Vec::new()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets an inspector read requests in pieces of every size, and returns the number of the first head that is faulty,
    /// how many there were, and whether a body or a flood was broken off.
    fn inspect(text: &[u8]) -> (Option<u64>, u64, bool) {
        let mut results = Vec::new();
        for size in 1..=text.len() {
            let (mut inspector, moves) = (Inspector::default(), Moves::default());
            text.chunks(size).for_each(|piece| inspector.read(piece, &moves));
            let faulty = moves.faulty_head.load(Ordering::Relaxed);
            let faulty = (faulty != u64::MAX).then_some(faulty);
            results.push((faulty, inspector.heads, inspector.check().is_err()));
        }
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0]
    }

    #[test]
    fn requests_are_followed_from_head_to_head() {
        let text = b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\
            POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n#\r\n\r\n\
            POST /c HTTP/1.1\nTransfer-Encoding:chunked\n\n3;x=y\r\n#\r\n\r\n0\r\nX: y\r\n\r\n\
            GET /d#e HTTP/1.1\r\n\r\nGET /f HTTP/1.1\r\n\r\n";
        assert_eq!(inspect(text), (Some(4), 5, false));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_faulty() {
        for (head, faulty) in [
            ("Content-Length: 2\r\nTransfer-Encoding: chunked", true),
            ("transfer-encoding: chunked\r\nCONTENT-LENGTH: 0", true),
            ("Transfer-Encoding: identity\r\nContent-Length: x", true),
            ("Content-Length: 0\r\nContent-Length: 0", true),
            ("Content-Length: 0", false),
            ("X-Content-Length: 1\r\nContent-Lengths: 1\r\nTransfer-Encodings: chunked", false),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n");
            assert_eq!(inspect(text.as_bytes()).0, faulty.then_some(1), "{head}");
        }
        assert_eq!(inspect(b"GET /?a#b HTTP/1.1\r\nX: y\r\n\r\n").0, Some(1));
        assert_eq!(inspect(b"GET /?a HTTP/1.1\r\nX: #\r\n\r\n").0, None);
    }

    #[test]
    fn a_line_of_trailers_without_carriage_return_is_broken() {
        for (body, broken) in [
            ("0\r\n\n", true),
            ("1\r\nx\r\n0\r\n\n", true),
            ("0\r\nX: y\n\n", true),
            ("0\r\nX: y\r\n\n", true),
            ("0\r\n\r\n", false),
            ("00\r\nX: y\r\n\r\n", false),
        ] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert_eq!(inspect(text.as_bytes()).2, broken, "{body:?}");
        }
    }

    #[test]
    fn a_flood_of_control_frames_is_cut_off() {
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let ping = b"\0\0\x08\x06\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08";
        let priority = b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\x10";
        let data = b"\0\0\x01\0\0\0\0\0\x01x";
        for (frame, cut) in [(&settings[..], true), (ping, true), (priority, true), (data, false)] {
            let (mut inspector, moves) = (Inspector::default(), Moves::default());
            let mut text = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            text.extend(frame.repeat(super::super::moves::CONTROL_FRAMES as usize));
            text.chunks(1000).for_each(|piece| inspector.read(piece, &moves));
            assert!(inspector.check().is_ok());
            moves.next_tick();
            inspector.read(frame, &moves);
            assert!(inspector.check().is_ok());
            text.drain(..24);
            inspector.read(&text, &moves);
            assert_eq!(inspector.check().is_err(), cut);
        }
    }

    #[test]
    fn windows_may_be_opened_for_what_is_received() {
        let frame = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01";
        let count = super::super::moves::CONTROL_FRAMES as usize * 2;
        for (written, ticks, cut) in
            [(0, 0, true), (1000, 0, true), (100_000, 0, false), (100_000, 1, false), (100_000, 9, true)]
        {
            let (mut inspector, moves) = (Inspector::default(), Moves::default());
            inspector.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &moves);
            moves.count_written(written);
            (0..ticks).for_each(|_| moves.next_tick());
            inspector.read(&frame.repeat(count), &moves);
            assert_eq!(inspector.check().is_err(), cut, "{written} {ticks}");
        }
    }
}
