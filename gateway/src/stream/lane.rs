//! One message on its way through the filters: what each of them holds of it, and what has come out at the end.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A part of a message that has passed every filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The head as it is in the stream. `end` says that it is all there is.
    Head {
        end: bool,
    },
    Data {
        data: Bytes,
        end: bool,
    },
    /// The trailers as they are in the stream.
    Trailers,
}

/// Why a filter lets nothing go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hold {
    #[default]
    Nothing,
    /// Data and trailers are shown to it, and the head waits.
    Head,
    /// Nothing more is shown to it.
    All,
    /// The head is gone or waits as well; data was shown and waits.
    Body,
}

/// What one filter holds back.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) hold: Hold,
    /// What waits.
    pub(super) data: Bytes,
    /// Whether the next event shows only what is new, and not `data`.
    pub(super) only_new: bool,
    /// Whether what waits ends the message.
    pub(super) end: bool,
    /// Whether the trailers wait here.
    pub(super) trailers: bool,
    /// The filter has ended the message itself: what else comes of it is dropped.
    pub(super) finished: bool,
}

impl Stage {
    /// Keeps data that waits here.
    pub(super) fn keep(&mut self, data: Bytes, end: bool) {
        self.data = joined(std::mem::take(&mut self.data), data);
        self.end |= end;
    }

    /// Returns whether more than the limit is refused here, and not left with its sender.
    pub(super) fn refuses(&self) -> bool {
        self.hold == Hold::Body && !self.only_new
    }
}

/// One message on its way. Positions count in its own direction.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stages: Vec<Stage>,
    /// Where the head is; as many as there are stages when it is out.
    pub(super) head_at: Option<usize>,
    /// Whether the head is all there is.
    pub(super) head_end: bool,
    /// Whether a filter has made data of its own.
    pub(super) made: bool,
    pub(super) out: VecDeque<Part>,
}

impl Lane {
    pub(super) fn new(stages: usize) -> Self {
        Self {
            stages: std::iter::repeat_with(Stage::default).take(stages).collect(),
            head_at: None,
            head_end: false,
            made: false,
            out: VecDeque::new(),
        }
    }

    /// Returns how long all data is, if all of it is out, and nothing follows.
    pub(super) fn whole(&self) -> Option<usize> {
        let ended = matches!(self.out.back(), Some(Part::Data { end: true, .. }));
        ended.then(|| self.out.iter().map(Part::len).sum())
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Data { data, .. } => data.len(),
            Self::Head { .. } | Self::Trailers => 0,
        }
    }
}

/// Joins what was collected with what follows it.
pub(super) fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    if second.is_empty() {
        return first;
    }
    let mut all = match first.try_into_mut() {
        Ok(buffer) => buffer,
        Err(shared) => BytesMut::from(&shared[..]),
    };
    all.extend_from_slice(&second);
    all.freeze()
}
