//! A sliding window over a byte stream: what has been read and not yet used.

use std::io::{self, ErrorKind, Read};

/// How much is asked of the stream at a time.
const STEP: usize = 1 << 20;

/// The unread part of a stream, in one piece of memory that only grows when a single row needs it.
pub(super) struct Window {
    stream: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    finished: bool,
}

impl Window {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> Self {
        Self { stream, bytes: vec![0; STEP], start: 0, end: 0, finished: false }
    }

    /// Everything read so far, including what was used; positions count from here and stay valid until [`more`].
    ///
    /// [`more`]: Window::more
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// The position of the first unused byte.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// How many bytes are unused.
    pub(super) const fn pending(&self) -> usize {
        self.end - self.start
    }

    /// Whether the stream has ended, so that no call of [`more`](Window::more) can bring anything.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Marks everything before a position as used.
    pub(super) fn consume_to(&mut self, position: usize) {
        debug_assert!(position >= self.start && position <= self.end);
        self.start = position;
    }

    /// Reads on, moving the unused bytes to the front. Positions taken before are void afterwards.
    pub(super) fn more(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        while self.end < self.bytes.len() {
            match self.stream.read(&mut self.bytes[self.end..]) {
                Ok(0) => {
                    self.finished = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // A pipe delivers little at a time; what is there is worth parsing before waiting for more.
            if self.end >= STEP / 2 {
                break;
            }
        }
        Ok(())
    }
}
