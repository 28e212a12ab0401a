//! What all model files share: a header with magic, version and length, a checksum over everything, and a way of writing
//! that never leaves half a file.
//!
//! ```text
//! 0   magic, 8 bytes             8   format version, u32
//! 16  length of the file, u64    64  BLAKE3 of all other bytes, 32 bytes
//! ```

use std::path::Path;

use crate::error::{Error, Result};
use crate::mapped::Bytes;

const CHECKSUM: std::ops::Range<usize> = 64..96;
/// The bytes of the header; what lies between its common fields belongs to the kind of model.
pub(crate) const HEADER: usize = 96;

/// Writes the length and the checksum into a finished file.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&bytes);
    bytes[CHECKSUM].copy_from_slice(&checksum);
    bytes
}

fn checksum(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..CHECKSUM.start]).update(&bytes[CHECKSUM.end..]);
    *hasher.finalize().as_bytes()
}

/// Checks that these are all bytes of a sealed file of this kind and of a version up to `newest`.
pub(crate) fn check(bytes: &[u8], magic: [u8; 8], newest: u32) -> Result<()> {
    if bytes.len() < HEADER {
        return Err(
            if magic.starts_with(&bytes[..bytes.len().min(8)]) && !bytes.is_empty() || bytes.starts_with(&magic) {
                damaged(&format!("expected at least {HEADER} bytes, found {}", bytes.len()))
            } else {
                Error::damaged("expected a model file, found something else")
            },
        );
    }
    if !bytes.starts_with(&magic) {
        return Err(Error::damaged("expected a model file, found something else"));
    }
    let version = u32_at(bytes, 8);
    if version > newest {
        return Err(Error::newer_format(format!("expected a model of format {newest}, found format {version}"))
            .hint("a newer version of this program wrote it; upgrade to read it"));
    }
    if version == 0 {
        return Err(damaged("expected a format version of at least 1, found 0"));
    }
    if u64_at(bytes, 16) != bytes.len() as u64 {
        return Err(damaged(&format!("expected {} bytes, found {}", u64_at(bytes, 16), bytes.len())));
    }
    if checksum(bytes) != bytes[CHECKSUM] {
        return Err(damaged("the checksum does not fit the content"));
    }
    Ok(())
}

pub(crate) fn damaged(message: &str) -> Error {
    Error::damaged(format!("the model file is damaged: {message}"))
        .hint("train the model again or restore the file from a copy")
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// Maps a file; the content is not yet checked.
pub(crate) fn open(path: &Path) -> Result<Bytes> {
    Bytes::map(path).map_err(|error| Error::io(format!("cannot read the model: {error}"), error))
}

/// Writes beside the target and renames, so that a reader sees the old file or the new one.
pub(crate) fn write(bytes: &[u8], path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let beside = Path::new(&beside);
    let written = std::fs::File::create(beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let result = written.and_then(|()| std::fs::rename(beside, path));
    if result.is_err() {
        // The first error is the one to report; a leftover file is harmless.
        drop(std::fs::remove_file(beside));
    }
    result.map_err(|error| Error::io(format!("cannot write the model: {error}"), error).in_file(path))
}
