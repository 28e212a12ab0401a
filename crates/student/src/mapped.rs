//! The bytes of a model, in memory or mapped from a file.
#![expect(unsafe_code, reason = "a file mapping is a promise about other processes that no type can check")]

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes that do not change.
pub(crate) enum Bytes {
    Owned(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl Bytes {
    /// Maps a file for reading. Model files are replaced by renaming, never rewritten in place, so a mapping keeps what
    /// it saw at first.
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        if about.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the mapping is private and only read. If another process writes into the file in place, the bytes
        // may change under us; every use of them is bounds-checked, so that gives wrong scores, not broken memory. The
        // writer of this crate never does that.
        Ok(Self::Mapped(unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? }))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Owned(_)) { "owned" } else { "mapped" };
        write!(out, "{} bytes, {kind}", self.as_slice().len())
    }
}
