//! The SQLite file: how it is opened, checked and brought up to date.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};

/// `PSTL`, so that `file` and we can tell a ledger from any other SQLite file.
const APPLICATION: i64 = 0x5053_544c;

/// Each step brings a file from the version before it to its own; a step is never edited after a release, only
/// followed by another one. `@append_only T` stands for the triggers that refuse to change rows of `T`.
const MIGRATIONS: &[&str] = &[
    // 1: annotators and what they said one by one.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
     INSERT INTO meta VALUES ('format', 'postil ledger: rows are only ever appended; the latest one counts');
     CREATE TABLE annotators (
        id INTEGER PRIMARY KEY, version BLOB NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL,
        config TEXT NOT NULL, registered_at INTEGER NOT NULL) STRICT;
     CREATE TABLE annotations (
        seq INTEGER PRIMARY KEY, annotator INTEGER NOT NULL REFERENCES annotators, item TEXT NOT NULL,
        content BLOB NOT NULL, status INTEGER NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL,
        seed INTEGER NOT NULL, confidence REAL, money_micros INTEGER NOT NULL, person_millis INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, suggestion_shown INTEGER NOT NULL,
        inclusion_probability REAL, answer TEXT NOT NULL, distribution TEXT, evidence TEXT) STRICT;
     CREATE INDEX annotations_by_annotator ON annotations (annotator);
     @append_only meta key
     @append_only annotators id
     @append_only annotations seq",
    // 2: what deterministic annotators said by the million, in files of their own.
    "CREATE TABLE blocks (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, file TEXT NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, checksum BLOB NOT NULL) STRICT;
     CREATE TABLE segments (
        id INTEGER PRIMARY KEY, annotator INTEGER NOT NULL REFERENCES annotators, block INTEGER NOT NULL
        REFERENCES blocks, after_seq INTEGER NOT NULL, file TEXT NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, checksum BLOB NOT NULL, content_sum BLOB NOT NULL, registered_at INTEGER NOT NULL)
        STRICT;
     CREATE INDEX segments_by_annotator ON segments (annotator);
     @append_only blocks id
     @append_only segments id",
    // 3: items drawn with known probability, and what happened.
    "CREATE TABLE draws (
        id INTEGER PRIMARY KEY, item TEXT NOT NULL, content BLOB NOT NULL, inclusion_probability REAL NOT NULL,
        stratum TEXT, seed INTEGER NOT NULL, purpose TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
     CREATE INDEX draws_by_purpose ON draws (purpose);
     CREATE TABLE events (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, detail TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
     @append_only draws id
     @append_only events id",
];

/// The version this program writes.
const VERSION: i64 = MIGRATIONS.len() as i64;

fn expand(step: &str) -> String {
    let lines = step.lines().map(|line| match line.trim().strip_prefix("@append_only ") {
        Some(table) => append_only(table),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The triggers for a table, given with its key.
fn append_only(table: &str) -> String {
    let (table, key) = table.split_once(' ').expect("a table and its key");
    let refuse = |verb: &str, condition: &str, done: &str| {
        format!(
            "CREATE TRIGGER {table}_never_{verb} BEFORE {condition} BEGIN SELECT RAISE(ABORT, 'the ledger is \
             append-only: rows of `{table}` are never {done}; append a new row, the latest one counts'); END;"
        )
    };
    // INSERT OR REPLACE would delete the old row without asking the trigger on deletion.
    let occupied = format!("INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})");
    [
        refuse("UPDATE", &format!("UPDATE ON {table}"), "changed"),
        refuse("DELETE", &format!("DELETE ON {table}"), "deleted"),
        refuse("REPLACE", &occupied, "replaced"),
    ]
    .join("\n")
}

/// What a SQLite error means for the person in front of it.
pub(super) fn sqlite_error(file: &Path, doing: &str, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(file, "SQLite cannot read it"),
        Some(ErrorCode::DiskFull) => Error::ledger(format!("{doing}: the disk is full"))
            .in_file(file)
            .hint("free some space and run again; everything acknowledged so far is kept"),
        Some(ErrorCode::SystemIoFailure) => Error::ledger(format!("{doing}: the disk cannot be used: {error}"))
            .in_file(file)
            .hint("check its space, quotas and limits and run again; everything acknowledged so far is kept"),
        Some(ErrorCode::CannotOpen) => Error::ledger(format!("{doing}: the file cannot be opened"))
            .in_file(file)
            .hint("check that the file exists and that you may read and write its folder"),
        Some(ErrorCode::ReadOnly) => Error::ledger(format!("{doing}: the file may not be written"))
            .in_file(file)
            .hint("check the permissions of the file and its folder"),
        _ => Error::ledger(format!("{doing}: {error}")).in_file(file),
    }
    .because(error)
}

/// The error for a file that is not what was written.
pub(super) fn damaged(file: &Path, found: &str) -> Error {
    Error::ledger(format!("the ledger is damaged: {found}")).in_file(file).hint(
        "restore the whole ledger folder from a copy; if there is none, move the folder away and run again: \
         programs, lists and models are then asked anew, answers of people and paid models must be imported",
    )
}

/// Checks the first page without SQLite, whose own words about a damaged file say little.
fn inspect(path: &Path) -> Result<()> {
    let read = |error| Error::io("the ledger cannot be read", error).in_file(path);
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    if length == 0 {
        return Ok(());
    }
    let mut header = [0; 100];
    if length < header.len() as u64 {
        return Err(damaged(path, &format!("expected at least 100 bytes, found {length}")));
    }
    file.read_exact(&mut header).map_err(read)?;
    if &header[..16] != b"SQLite format 3\0" {
        return Err(damaged(path, "expected a SQLite file, found something else"));
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    // Pages that are still in the write-ahead log may be missing here.
    let log = path.with_extension("sqlite-wal").metadata().map_or(0, |log| log.len());
    if log == 0 && length < page * pages {
        return Err(damaged(path, &format!("expected {} bytes, found {length}: it was cut short", page * pages)));
    }
    Ok(())
}

fn version_of(connection: &Connection, path: &Path) -> Result<i64> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|error| sqlite_error(path, "the ledger cannot be opened", error))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if version > VERSION && application == APPLICATION {
        return Err(Error::newer_format(format!(
            "expected a ledger of format {VERSION} or older, found format {version}"
        ))
        .in_file(path)
        .hint("it was written by a newer version of postil; update postil to read it"));
    }
    if application != APPLICATION && (application, version, pragma("schema_version")?) != (0, 0, 0) {
        return Err(Error::ledger("expected a ledger, found a SQLite file of another program")
            .in_file(path)
            .hint("choose another folder for the ledger"));
    }
    Ok(version)
}

/// Opens the file for the one writer, creates it if need be, and brings it up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    if path.exists() {
        inspect(path)?;
    }
    let fail = |error| sqlite_error(path, "the ledger cannot be opened for writing", error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
    let version = version_of(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(fail)?;
    // The writer checkpoints at quiet moments, so that no answer waits for it.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -16_000).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, version, VERSION).map_err(fail)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, from: i64, to: i64) -> rusqlite::Result<()> {
    for version in from..to {
        let transaction = connection.transaction()?;
        transaction.execute_batch(&expand(MIGRATIONS[version as usize]))?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Opens the file for reading beside the writer.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let fail = |error| sqlite_error(path, "the ledger cannot be opened for reading", error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -8_000).map_err(fail)?;
    Ok(connection)
}

/// Checks a file that is opened for reading only.
pub(super) fn check_reader(path: &Path) -> Result<()> {
    if !path.exists() {
        return Err(Error::ledger("expected a ledger, found none")
            .in_file(path)
            .hint("check the folder's name, or run the project once to create it"));
    }
    inspect(path)?;
    let version = version_of(&open_reader(path)?, path)?;
    if version < VERSION {
        return Err(Error::ledger(format!("expected a ledger of format {VERSION}, found the older format {version}"))
            .in_file(path)
            .hint("open it once for writing: that brings it up to date"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(|name| name.unwrap()).collect()
    }

    #[test]
    fn a_file_of_the_first_version_is_brought_up_to_date_with_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let mut old = Connection::open(&path).unwrap();
        migrate(&mut old, 0, 1).unwrap();
        old.execute("INSERT INTO annotators VALUES (1, x'00', 'ann', 'person', '{}', 7)", []).unwrap();
        assert_eq!(tables(&old), ["annotations", "annotators", "meta"]);
        drop(old);

        assert!(check_reader(&path).unwrap_err().to_string().contains("older format 1"));
        let new = open_writer(&path).unwrap();
        assert_eq!(version_of(&new, &path).unwrap(), VERSION);
        assert_eq!(tables(&new).len(), 7);
        let name: String = new.query_row("SELECT name FROM annotators", [], |row| row.get(0)).unwrap();
        assert_eq!(name, "ann");
        check_reader(&path).unwrap();
    }

    #[test]
    fn every_table_refuses_update_delete_and_replace() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(&folder.path().join("ledger.sqlite")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO annotators VALUES (1, x'00', 'ann', 'person', '{}', 7);
                 INSERT INTO annotations VALUES (1,1,'i',x'00',0,x'00',0,0,NULL,0,0,0,0,0,NULL,'{}',NULL,NULL);
                 INSERT INTO blocks VALUES (1, x'00', 'f', 1, 1, x'00');
                 INSERT INTO segments VALUES (1, 1, 1, 0, 'f', 1, 1, x'00', x'00', 0);
                 INSERT INTO draws VALUES (1, 'i', x'00', 0.5, NULL, 0, 'gold', 0);
                 INSERT INTO events VALUES (1, 'k', '{}', 0);",
            )
            .unwrap();
        for table in tables(&connection) {
            let key = match table.as_str() {
                "meta" => "key",
                "annotations" => "seq",
                _ => "id",
            };
            for statement in [
                format!("UPDATE {table} SET {key} = {key}"),
                format!("DELETE FROM {table}"),
                format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"),
            ] {
                let error = connection.execute(&statement, []).unwrap_err().to_string();
                assert!(error.contains("append-only") && error.contains(&format!("`{table}`")), "{statement}: {error}");
            }
        }
    }
}
