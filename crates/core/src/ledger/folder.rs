//! The folder of a ledger: its files, its lock, and what a crash left behind.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;

use super::fingerprint::{FoldMap, FoldSet};
use super::keys::KeySet;
use super::schema::{damaged, sqlite_error};
use super::segment::{UNFINISHED, sync_folder};
use crate::error::{Error, Result};
use crate::hash::Digest;

/// Where the parts of a ledger are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    folder: PathBuf,
    pub(super) file: PathBuf,
    pub(super) segments: PathBuf,
}

impl Paths {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), file: folder.join("ledger.sqlite"), segments: folder.join("segments") }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Key sets that are in use, by the blocks they were made from: fifty annotators over the same items need one.
#[derive(Default)]
pub(super) struct KeyCache(Mutex<FoldMap<Vec<i64>, Weak<KeySet>>>);

impl KeyCache {
    pub(super) fn get(&self, blocks: &[i64]) -> Option<Arc<KeySet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(blocks)?.upgrade()
    }

    pub(super) fn keep(&self, blocks: Vec<i64>, keys: &Arc<KeySet>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, keys| keys.strong_count() > 0);
        cache.insert(blocks, Arc::downgrade(keys));
    }
}

/// Creates the folder if need be and takes the lock that one writer holds. The system releases it when the process ends,
/// however it ends.
pub(super) fn create_and_lock(paths: &Paths) -> Result<File> {
    let fail = |path: &Path, error| {
        Error::io("the ledger's folder cannot be used", error)
            .in_file(path)
            .hint("check that the folder may be written")
    };
    let new = !paths.segments.exists();
    std::fs::create_dir_all(&paths.segments).map_err(|error| fail(&paths.segments, error))?;
    if new {
        sync_folder(&paths.folder)?;
    }
    let path = paths.folder.join("ledger.lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| fail(&path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(fail(&path, error)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            return Err(Error::ledger(format!("another postil{who} is writing to this ledger"))
                .in_file(&paths.file)
                .hint("wait until it has finished or stop it; reading is possible meanwhile"));
        }
    }
    // Only for the message above; the lock itself does not depend on it.
    let note = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
    note.map_err(|error| fail(&path, error))?;
    Ok(lock)
}

/// Every file that is registered, after checking that it is there with its length.
pub(super) fn registered_files(connection: &Connection, paths: &Paths) -> Result<BTreeMap<String, u64>> {
    let read = || -> rusqlite::Result<BTreeMap<String, u64>> {
        connection
            .prepare("SELECT file, bytes FROM blocks UNION SELECT file, bytes FROM segments")?
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
            .collect()
    };
    let files = read().map_err(|error| sqlite_error(&paths.file, "the list of segments cannot be read", error))?;
    for (file, bytes) in &files {
        let path = paths.segments.join(file);
        match path.metadata() {
            Ok(found) if found.len() == *bytes => {}
            Ok(found) => {
                return Err(damaged(&path, &format!("expected a segment of {bytes} bytes, found {}", found.len())));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(&path, "expected a segment file, found none"));
            }
            Err(error) => return Err(Error::io("a segment cannot be read", error).in_file(path)),
        }
    }
    Ok(files)
}

/// The digests of the blocks of items that are registered.
pub(super) fn registered_blocks(connection: &Connection, paths: &Paths) -> Result<FoldSet<Digest>> {
    let read = || -> rusqlite::Result<FoldSet<Digest>> {
        connection
            .prepare("SELECT digest FROM blocks")?
            .query_map([], |row| Ok(Digest::from_bytes(row.get(0)?)))?
            .collect()
    };
    read().map_err(|error| sqlite_error(&paths.file, "the list of segments cannot be read", error))
}

/// Removes files that a crash left before they were registered; what they held was never acknowledged and is computed
/// again. Files that this module did not name are left alone.
pub(super) fn remove_leftovers(paths: &Paths, registered: &BTreeMap<String, u64>) -> Result<()> {
    let fail = |error| Error::io("the folder of segments cannot be read", error).in_file(&paths.segments);
    for entry in std::fs::read_dir(&paths.segments).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let complete = name.strip_suffix(UNFINISHED).unwrap_or(name);
        let ours = complete
            .strip_suffix(".parquet")
            .and_then(|stem| stem.rsplit_once('-'))
            .is_some_and(|(_, checksum)| Digest::parse(checksum).is_some());
        if ours && !registered.contains_key(name) {
            std::fs::remove_file(entry.path())
                .map_err(|error| Error::io("a leftover cannot be removed", error).in_file(entry.path()))?;
        }
    }
    Ok(())
}
