//! Follows a chunked body to its end.

/// A chunked body, as far as it came.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Of the chunk whose size is being read.
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    /// Between the size of a chunk and the end of that line.
    Extension,
    /// Data and the end of its line, of which so many bytes are to come.
    Data(u64),
    /// A line of trailers, with whether the last byte was a carriage return.
    Trailer {
        begun: bool,
        ending: bool,
    },
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    End,
    /// The library would wait for a carriage return that does not come.
    Broken,
    /// No chunks: the library refuses them.
    Lost,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, size: 0 }
    }
}

impl Chunks {
    /// Reads on, up to the end of the body, and returns how many bytes were used.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if let At::Data(left) = &mut self.at {
                let skipped = (bytes.len() - used).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= skipped as u64;
                used += skipped;
                if *left == 0 {
                    *self = Self::default();
                }
                continue;
            }
            used += 1;
            match self.byte(byte) {
                Step::More => {}
                step => return (used, step),
            }
        }
        (used, Step::More)
    }

    fn byte(&mut self, byte: u8) -> Step {
        match (self.at, byte) {
            (At::Size | At::Extension, b'\n') => self.end_size(),
            (At::Size, _) => return self.digit(byte),
            (At::Extension | At::Data(_), _) => {}
            (At::Trailer { ending: false, .. }, b'\n') => return Step::Broken,
            (At::Trailer { begun: false, ending: true }, b'\n') => return Step::End,
            (At::Trailer { begun: true, ending: true }, b'\n') => {
                self.at = At::Trailer { begun: false, ending: false };
            }
            (At::Trailer { begun, .. }, b'\r') => self.at = At::Trailer { begun, ending: true },
            (At::Trailer { .. }, _) => self.at = At::Trailer { begun: true, ending: false },
        }
        Step::More
    }

    fn digit(&mut self, byte: u8) -> Step {
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.at = At::Extension;
            return Step::More;
        };
        match self.size.checked_mul(16) {
            Some(size) if size < u64::MAX - 32 => self.size = size + u64::from(digit),
            _ => return Step::Lost,
        }
        Step::More
    }

    fn end_size(&mut self) {
        self.at = match self.size {
            0 => At::Trailer { begun: false, ending: false },
            size => At::Data(size + 2),
        };
    }
}
