//! A process that writes is killed at random moments, many times; what it was told is stored must be there.
//!
//! The process is this test binary itself, started again to run only [`child`].

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use postil_core::ledger::{Access, Ledger};
use postil_core::{Annotation, AnnotatorKind, Digest, Random};

use crate::ledger_content::{class, register};

const FOLDER: &str = "POSTIL_TEST_KILL_FOLDER";
const KILLS: usize = 36;
/// Slices of bulk rows, each large enough for a segment.
const SLICES: usize = 3;
const SLICE: usize = 1_100;
/// Dear rows beside each slice, and rows of a program that flushes too few for a segment.
const DEAR: usize = 8;
const FEW: usize = 50;

struct Versions {
    person: Digest,
    programs: [Digest; 2],
    little: Digest,
}

fn versions(ledger: &Ledger) -> Versions {
    Versions {
        person: register(ledger, "person", AnnotatorKind::Person),
        programs: ["one", "two"].map(|name| register(ledger, name, AnnotatorKind::Program)),
        little: register(ledger, "little", AnnotatorKind::List),
    }
}

/// The whole work, or what is left of it; reports every row after it was acknowledged.
fn work(folder: &Path, at_millis: i64, mut report: impl FnMut(Digest, &[usize])) {
    let ledger = Ledger::open(folder, Access::Write).unwrap();
    let versions = versions(&ledger);
    let annotate = |version: Digest, items: &[usize]| -> Vec<Annotation> {
        let label = |item: usize| ["bug", "praise", "billing"][(item + usize::from(version.as_bytes()[0])) % 3];
        items.iter().map(|&item| Annotation { at_millis, ..class(version, item, label(item)) }).collect()
    };
    let left = |version: Digest, items: std::ops::Range<usize>| -> Vec<usize> {
        let done = ledger.done(version).unwrap();
        items
            .filter(|&item| {
                let one = class(version, item, "");
                !done.contains(&one.item, one.content)
            })
            .collect()
    };
    for slice in 0..SLICES {
        let mut promised = Vec::new();
        for version in versions.programs {
            let items = left(version, slice * SLICE..(slice + 1) * SLICE);
            ledger.append_bulk(annotate(version, &items)).unwrap();
            promised.push((version, items));
        }
        for item in left(versions.person, slice * DEAR..(slice + 1) * DEAR) {
            ledger.append(annotate(versions.person, &[item])).unwrap();
            report(versions.person, &[item]);
        }
        ledger.flush().unwrap();
        for (version, items) in promised {
            report(version, &items);
        }
        let items = left(versions.little, slice * FEW..(slice + 1) * FEW);
        ledger.append(annotate(versions.little, &items)).unwrap();
        report(versions.little, &items);
    }
    ledger.close().unwrap();
}

#[test]
#[ignore = "started by the test below, as a process of its own"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut out = std::io::stdout();
    work(Path::new(&folder), i64::from(std::process::id()), |version, items| {
        let items = items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        writeln!(out, "\nstored {version} {items}").unwrap();
        out.flush().unwrap();
    });
    writeln!(out, "\nfinished").unwrap();
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger_kill::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The lines of a process until it ends, each also reported at once. The last one may be cut off by the kill: only whole
/// lines are promises.
fn whole_lines(mut out: impl BufRead, heard: &Sender<()>) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    while out.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if line.starts_with("stored ") && line.ends_with('\n') {
            let _ = heard.send(());
        }
        if line.ends_with('\n') {
            lines.push(line.trim().to_owned());
        }
        line.clear();
    }
    lines
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let whole = tempfile::tempdir().unwrap();
    work(whole.path(), 0, |_, _| ());
    let reader = Ledger::open(whole.path(), Access::Read).unwrap();
    let all: Vec<Digest> = reader.annotators().unwrap().iter().map(|known| known.identity.version).collect();
    let expected = reader.snapshot(&all).unwrap();
    let (digest, rows) = (expected.digest(), expected.len());
    assert_eq!(rows as usize, SLICES * (2 * SLICE + DEAR + FEW));

    let mut random = Random::new(20);
    let (mut kills, mut promises, mut ledgers) = (0, 0, 0_u64);
    while kills < KILLS {
        ledgers += 1;
        let folder = tempfile::tempdir().unwrap();
        let mut promised: BTreeSet<(Digest, usize)> = BTreeSet::new();
        loop {
            let mut process = start(folder.path());
            let out = BufReader::new(process.stdout.take().unwrap());
            let (send, heard) = std::sync::mpsc::channel();
            let listener = std::thread::spawn(move || whole_lines(out, &send));
            if kills < KILLS {
                // Either while the ledger is being created or opened, or after some promises in the middle of what
                // comes next.
                let (promises, longest) =
                    if random.below(4) == 0 { (0, 60_000) } else { (1 + random.below(10), 8_000) };
                heard.iter().take(promises).for_each(drop);
                std::thread::sleep(Duration::from_micros(random.below(longest) as u64));
                let _ = process.kill();
            }
            process.wait().unwrap();
            let lines = listener.join().unwrap();
            for line in lines.iter().filter_map(|line| line.strip_prefix("stored ")) {
                let mut words = line.split(' ');
                let version = Digest::parse(words.next().unwrap()).unwrap();
                promised.extend(words.filter(|word| !word.is_empty()).map(|word| (version, word.parse().unwrap())));
            }
            if folder.path().join("ledger.sqlite").exists() && !promised.is_empty() {
                let ledger = Ledger::open(folder.path(), Access::Read).unwrap();
                for &version in &all {
                    let mine: Vec<usize> =
                        promised.iter().filter(|(of, _)| *of == version).map(|(_, item)| *item).collect();
                    if mine.is_empty() {
                        continue;
                    }
                    let done = ledger.done(version).unwrap();
                    for item in mine {
                        let one = class(version, item, "");
                        assert!(done.contains(&one.item, one.content), "{} of {version} was promised", one.item);
                    }
                }
            }
            if lines.iter().any(|line| line == "finished") {
                break;
            }
            kills += 1;
        }
        promises += promised.len();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        ledger.verify().unwrap();
        assert_eq!(ledger.snapshot(&all).unwrap().digest(), digest);
        drop(ledger);
        let connection = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        let stored = count("SELECT (SELECT count(*) FROM annotations) + (SELECT sum(rows) FROM segments)");
        assert_eq!(stored as u64, rows, "rows are stored once, superseded ones included");
        let registered = count("SELECT count(*) FROM (SELECT file FROM blocks UNION SELECT file FROM segments)");
        let files = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
        assert_eq!(files as i64, registered, "no file is left over");
    }
    // What was stored and not reported before a kill is nobody's promise; most rows are.
    assert!(promises as u64 > ledgers * rows / 2, "{kills} kills, {ledgers} ledgers, {promises} rows promised");
}
