//! How many calls per second does a labelling program get through the sandboxed workers?
//!
//! `cargo run --release -p postil-annotators --example program_bench -- [ROWS] [THREADS] [FILE.star]`
//!
//! Prints one JSON line. `calls_per_cpu_second` counts the processor time of everything: this process, which cuts
//! frames and builds annotations, and the workers. `calls_per_worker_cpu_second` counts the workers alone.

use std::process::ExitCode;
use std::time::Instant;

use postil_annotators::{AnnotatorSpec, Settings, WorkerCommand, open, program_worker};
use postil_core::{ItemBatch, LabelSet, Random, Status, Task, TaskKind};

const PROGRAM: &str = r#"
money = regex(r"(?i)\b(invoice|refund|charge)")

def label(item):
    text = item.text
    if money.search(text):
        return "billing"
    if "crash" in text or "error" in text:
        return "bug"
    if text.endswith("!"):
        return "praise"
    return None
"#;

const WORDS: [&str; 16] = [
    "the", "app", "crash", "my", "invoice", "is", "great", "wrong", "since", "update", "please", "help", "error",
    "login", "page", "thanks!",
];

/// Processor seconds of this process and of its children that have ended.
fn processor_seconds() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<f64> = stat.rsplit(')').next()?.split_whitespace().skip(11).take(4).flat_map(str::parse).collect();
    // In hundredths on every Linux that matters.
    match fields[..] {
        [user, system, child_user, child_system] => {
            Some(((user + system) / 100.0, (child_user + child_system) / 100.0))
        }
        _ => None,
    }
}

fn run() -> Result<String, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments.next().map_or(Ok(1_000_000), |rows| rows.parse())?;
    let threads: usize = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let source = arguments.next().map_or(Ok(PROGRAM.to_owned()), std::fs::read_to_string)?;

    let folder = std::env::temp_dir().join(format!("postil-program-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("bench.star"), source)?;
    let spec: AnnotatorSpec = serde_json::from_str(r#"{"kind": "program", "name": "bench", "path": "bench.star"}"#)?;
    let labels = LabelSet::flat(["bug", "billing", "praise"])?;
    let task = Task { kind: TaskKind::Classify, labels, guidelines: None };
    let settings = Settings::new(WorkerCommand::this_program()?, threads);
    let mut annotators = open(&spec, &task, &folder, &settings)?;

    let mut random = Random::new(1);
    let texts: Vec<String> = (0..50_000)
        .map(|_| {
            let count = 4 + random.below(12);
            (0..count).map(|_| WORDS[random.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let ids: Vec<String> = (0..texts.len()).map(|number| format!("item-{number}")).collect();
    let batch = ItemBatch::from_texts(ids.iter().map(String::as_str).zip(texts.iter().map(String::as_str)));

    let before = processor_seconds();
    let begun = Instant::now();
    let (mut calls, mut answers) = (0, 0);
    while calls < rows * annotators.len() {
        // A fresh batch, as a stream of items would bring it.
        let batch = batch.select(&(0..batch.len()).collect::<Vec<_>>())?;
        for annotator in &mut annotators {
            let annotations = annotator.annotate(&batch)?;
            calls += annotations.len();
            answers += annotations.iter().filter(|annotation| annotation.status == Status::Ok).count();
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    // The workers' time can be read when they have ended.
    drop((annotators, settings));
    let cpu = before.zip(processor_seconds()).map(|(before, after)| (after.0 - before.0, after.1 - before.1));
    std::fs::remove_dir_all(&folder)?;
    let (own, workers) = cpu.unwrap_or((f64::NAN, f64::NAN));
    Ok(serde_json::json!({
        "rows": calls,
        "answers": answers,
        "threads": threads,
        "wall_seconds": seconds,
        "cpu_seconds": own + workers,
        "worker_cpu_seconds": workers,
        "calls_per_second": calls as f64 / seconds,
        "calls_per_cpu_second": calls as f64 / (own + workers),
        "calls_per_worker_cpu_second": calls as f64 / workers,
    })
    .to_string())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the output")]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("program-worker") {
        return program_worker();
    }
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
