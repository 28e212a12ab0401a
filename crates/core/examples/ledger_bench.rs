//! How fast the ledger takes bulk annotations, how long a person waits meanwhile, and how fast a snapshot is read.
//!
//! `cargo run --release -p postil-core --example ledger_bench -- [ROWS] [ANNOTATORS] [FOLDER]` prints one JSON line.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postil_core::ledger::{Access, Detail, Ledger};
use postil_core::{
    Annotation, AnnotatorIdentity, AnnotatorKind, Answer, Cost, Digest, ItemId, Name, Random, Result, Status,
};

const BATCH: usize = 8_192;
const PEOPLE: usize = 4;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, annotators) = (number(5_000_000), number(10));
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = std::env::args().nth(3).map_or_else(|| scratch.path().to_path_buf(), PathBuf::from);

    let ledger = Ledger::open(&folder, Access::Write)?;
    let programs = (0..annotators)
        .map(|number| register(&ledger, &format!("program-{number}"), AnnotatorKind::Program))
        .collect::<Result<Vec<_>>>()?;
    let people = (0..PEOPLE)
        .map(|number| register(&ledger, &format!("person-{number}"), AnnotatorKind::Person))
        .collect::<Result<Vec<_>>>()?;
    let labels: Vec<Name> = (0..10).map(|label| format!("label-{label}").into()).collect();
    let items = rows / annotators;

    // What people wait on this machine and disk when nothing else happens: the floor for the figures below.
    let alone = beside(&ledger, &people, &labels, || {
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    })?;
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let waits = beside(&ledger, &people, &labels, || import(&ledger, &programs, &labels, items))?;
    let (bulk_seconds, bulk_cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    ledger.close()?;

    let (cpu, began) = (cpu_seconds(), Instant::now());
    let ledger = Ledger::open(&folder, Access::Read)?;
    let snapshot = ledger.snapshot(&programs)?;
    let snapshot_seconds = began.elapsed().as_secs_f64();
    let snapshot_cpu = cpu_seconds() - cpu;
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let mut votes = vec![0_u64; labels.len() + 1];
    snapshot.scan(Detail::Votes, |batch| {
        let class = |answer: &Answer| match answer {
            Answer::Class { label } => labels.iter().position(|known| known == label).unwrap_or(labels.len()),
            _ => labels.len(),
        };
        let classes: Vec<usize> = batch.answers().iter().map(class).collect();
        for (&code, &status) in batch.answer_codes().iter().zip(batch.status_codes()) {
            if status == Status::Ok.code() {
                votes[classes[code as usize]] += 1;
            }
        }
        Ok(())
    })?;
    let (scan_seconds, scan_cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(snapshot.len(), (items * annotators) as u64, "every row is there");
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let done = ledger.done(programs[0])?;
    let (done_seconds, done_cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(done.len(), items, "every item is done");

    let scanned = snapshot.len() as f64;
    let bytes = folder_bytes(&folder);
    let report = serde_json::json!({
        "rows": snapshot.len(),
        "annotators": annotators,
        "cpu_seconds": round(bulk_cpu),
        "wall_seconds": round(bulk_seconds),
        "rows_per_second": (scanned / bulk_seconds) as u64,
        "rows_per_cpu_second": (scanned / bulk_cpu) as u64,
        "peak_mb": peak_megabytes(),
        "bytes_per_row": round(bytes as f64 / scanned),
        "dear_appends": waits.len(),
        "dear_append_p50_ms": quantile(&waits, 0.5),
        "dear_append_p99_ms": quantile(&waits, 0.99),
        "dear_append_max_ms": quantile(&waits, 1.0),
        "dear_append_alone_p50_ms": quantile(&alone, 0.5),
        "dear_append_alone_p99_ms": quantile(&alone, 0.99),
        "snapshot_seconds": round(snapshot_seconds),
        "snapshot_cpu_seconds": round(snapshot_cpu),
        "scan_rows_per_second": (scanned / scan_seconds) as u64,
        "scan_rows_per_cpu_second": (scanned / scan_cpu) as u64,
        "done_items_per_second": (items as f64 / done_seconds) as u64,
        "done_items_per_cpu_second": (items as f64 / done_cpu) as u64,
        "votes": votes[..labels.len()].iter().sum::<u64>(),
    });
    writeln!(std::io::stdout(), "{report}")
        .map_err(|error| postil_core::Error::io("the figures cannot be printed", error))
}

fn register(ledger: &Ledger, name: &str, kind: AnnotatorKind) -> Result<Digest> {
    let version = Digest::of(name.as_bytes());
    let identity = AnnotatorIdentity { name: name.into(), kind, version };
    ledger.register(&identity, &serde_json::Value::Null, 0).map(|()| version)
}

/// What a run does: batch after batch of items, each through every annotator. A fifth of the answers are abstentions.
fn import(ledger: &Ledger, programs: &[Digest], labels: &[Name], items: usize) -> Result<()> {
    let mut random = Random::new(1);
    for start in (0..items).step_by(BATCH) {
        let batch: Vec<(ItemId, Digest)> = (start..items.min(start + BATCH))
            .map(|item| (format!("ticket-{item:08}").into(), Digest::of(&item.to_le_bytes())))
            .collect();
        for &program in programs {
            let annotate = |(item, content): &(ItemId, Digest)| {
                let draw = random.below(labels.len() * 5 / 4);
                let answer = labels.get(draw).map_or(Answer::Abstain, |label| Answer::Class { label: label.clone() });
                Annotation {
                    at_millis: 1_700_000_000_000,
                    seed: 7,
                    ..Annotation::new(item.clone(), *content, program, answer)
                }
            };
            ledger.append_bulk(batch.iter().map(annotate).collect())?;
        }
    }
    ledger.flush()
}

/// How long each answer of people took to store while something else was done, in milliseconds, shortest first.
fn beside(ledger: &Ledger, people: &[Digest], labels: &[Name], other: impl FnOnce() -> Result<()>) -> Result<Vec<f64>> {
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let busy = &busy;
        let waiting: Vec<_> =
            people.iter().map(|&person| scope.spawn(move || answer_slowly(ledger, person, labels, busy))).collect();
        let done = other();
        busy.store(false, Ordering::Relaxed);
        let waits = waiting.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>>>();
        let mut waits = done.and(waits)?.concat();
        waits.sort_unstable_by(f64::total_cmp);
        Ok(waits)
    })
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    round(sorted.get(place).copied().unwrap_or(f64::NAN))
}

/// A person who answers about a hundred times a second, and how long each answer took to store, in milliseconds.
fn answer_slowly(ledger: &Ledger, person: Digest, labels: &[Name], busy: &AtomicBool) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    while busy.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
        let id = format!("ticket-{:08}", waits.len());
        let annotation = Annotation {
            cost: Cost { person_millis: 2_000, ..Cost::default() },
            ..Annotation::new(
                id.as_str().into(),
                Digest::of(id.as_bytes()),
                person,
                Answer::Class { label: labels[waits.len() % labels.len()].clone() },
            )
        };
        let began = Instant::now();
        ledger.append(vec![annotation])?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(waits)
}

fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// User and system time of this process; ticks of a hundredth of a second, as Linux counts them.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or_default() / 1024
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
