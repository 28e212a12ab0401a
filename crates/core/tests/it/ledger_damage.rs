//! A damaged, foreign, newer or occupied ledger is named with what to do about it.

use std::path::{Path, PathBuf};

use postil_core::ledger::{Access, AnnotationBatch, Detail, Ledger};
use postil_core::{AnnotatorKind, Error};

use crate::ledger_content::{class, register};

fn filled(folder: &Path) -> PathBuf {
    let ledger = Ledger::open(folder, Access::Write).unwrap();
    let ann = register(&ledger, "ann", AnnotatorKind::Person);
    let program = register(&ledger, "program", AnnotatorKind::Program);
    ledger.append((0..500).map(|item| class(ann, item, "a")).collect()).unwrap();
    ledger.append((0..3_000).map(|item| class(program, item, "a")).collect()).unwrap();
    ledger.close().unwrap();
    folder.join("ledger.sqlite")
}

fn segment(folder: &Path, items: bool) -> PathBuf {
    let names = std::fs::read_dir(folder.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.to_string_lossy().contains("items-") == items).unwrap()
}

fn flip_middle(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(path, bytes).unwrap();
}

/// Opens, reads everything, and returns what went wrong.
fn complaint(folder: &Path, access: Access) -> Error {
    match Ledger::open(folder, access) {
        Err(error) => error,
        Ok(ledger) => ledger.verify().unwrap_err(),
    }
}

#[test]
fn damage_is_named_with_its_file_and_a_way_out() {
    type Harm = fn(&Path, &Path);
    let cases: [(&str, &str, Harm); 9] = [
        ("ledger.sqlite", "something else", |_, file| std::fs::write(file, [b'x'; 5_000]).unwrap()),
        ("ledger.sqlite", "at least 100 bytes", |_, file| std::fs::write(file, b"SQLite format 3\0").unwrap()),
        ("ledger.sqlite", "cut short", |_, file| {
            let length = file.metadata().unwrap().len();
            std::fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
        }),
        ("ledger.sqlite", "damaged", |_, file| {
            let mut bytes = std::fs::read(file).unwrap();
            let length = bytes.len();
            bytes[4_096..length].fill(0xff);
            std::fs::write(file, bytes).unwrap();
        }),
        (".parquet", "found none", |folder, _| std::fs::remove_file(segment(folder, false)).unwrap()),
        (".parquet", "found none", |folder, _| std::fs::remove_file(segment(folder, true)).unwrap()),
        (".parquet", "bytes, found 3", |folder, _| std::fs::write(segment(folder, false), b"abc").unwrap()),
        (".parquet", "checksum", |folder, _| flip_middle(&segment(folder, false))),
        (".parquet", "checksum", |folder, _| flip_middle(&segment(folder, true))),
    ];
    for (case, (file, words, harm)) in cases.into_iter().enumerate() {
        for access in [Access::Read, Access::Write] {
            let folder = tempfile::tempdir().unwrap();
            let path = filled(folder.path());
            harm(folder.path(), &path);
            let error = complaint(folder.path(), access);
            let text = error.to_string();
            assert!(
                error.is_ledger() && text.contains(file) && text.contains(words),
                "case {case} {access:?}: {error:?}"
            );
            assert!(error.advice().unwrap().contains("restore"), "case {case}: {error:?}");
        }
    }
}

#[test]
fn a_row_changed_behind_the_triggers_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let connection = rusqlite::Connection::open(path).unwrap();
    let refused = connection.execute("UPDATE annotations SET answer = '{}'", []).unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    connection
        .execute_batch(
            "DROP TRIGGER annotations_never_UPDATE;
             UPDATE annotations SET answer = '{\"kind\":\"class\",\"label\":\"b\"}' WHERE seq = 17;",
        )
        .unwrap();
    drop(connection);
    let error = complaint(folder.path(), Access::Read);
    assert!(error.to_string().contains("row 17 of `annotations` was changed"), "{error}");
}

#[test]
fn newer_and_foreign_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for access in [Access::Read, Access::Write] {
        let error = Ledger::open(folder.path(), access).unwrap_err();
        assert!(error.is_newer_format() && error.to_string().contains("format 99"), "{error:?}");
        assert!(error.advice().unwrap().contains("update postil"));
    }

    let folder = tempfile::tempdir().unwrap();
    let foreign = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    foreign.execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Ledger::open(folder.path(), access).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error:?}");
    }
}

#[test]
fn one_writes_and_many_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Ledger::open(folder.path(), Access::Read).unwrap_err().to_string().contains("found none"));
    filled(folder.path());
    let writer = Ledger::open(folder.path(), Access::Write).unwrap();
    let error = Ledger::open(folder.path(), Access::Write).unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    let readers = [(); 3].map(|()| Ledger::open(folder.path(), Access::Read).unwrap());
    let ann = register(&writer, "ann", AnnotatorKind::Person);
    writer.append(vec![class(ann, 9_999, "new")]).unwrap();
    for reader in &readers {
        assert_eq!(reader.snapshot(&[ann]).unwrap().len(), 501);
        assert!(reader.append(vec![class(ann, 1, "x")]).unwrap_err().to_string().contains("for reading"));
        assert!(reader.flush().is_err() && reader.record_draws(vec![]).is_err());
    }
    drop(writer);
    let again = Ledger::open(folder.path(), Access::Write).unwrap();
    assert_eq!(again.snapshot(&[ann]).unwrap().len(), 501);
}

#[test]
fn leftovers_of_a_crash_are_removed_and_other_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let segments = folder.path().join("segments");
    let name = segment(folder.path(), false).file_name().unwrap().to_string_lossy().into_owned();
    let orphan = format!("0badc0de-{}.parquet", postil_core::Digest::of(b"orphan"));
    let unfinished = format!("{name}.unfinished");
    for file in [&orphan, &unfinished, "notes.txt", "mine.parquet"] {
        std::fs::write(segments.join(file), b"half").unwrap();
    }
    drop(Ledger::open(folder.path(), Access::Read).unwrap());
    assert!(segments.join(&orphan).exists(), "a reader changes nothing");
    let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
    assert!(!segments.join(&orphan).exists() && !segments.join(&unfinished).exists());
    assert!(segments.join("notes.txt").exists() && segments.join("mine.parquet").exists());
    let program = register(&ledger, "program", AnnotatorKind::Program);
    let mut rows = 0;
    let snapshot = ledger.snapshot(&[program]).unwrap();
    let count = |batch: &AnnotationBatch| {
        rows += batch.len();
        Ok(())
    };
    snapshot.scan(Detail::Full, count).unwrap();
    assert_eq!(rows, 3_000);
}
