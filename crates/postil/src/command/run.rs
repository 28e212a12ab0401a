//! `postil run`

use std::fmt::Write;
use std::path::PathBuf;

use super::output::{count, remark, say, say_json};
use super::progress::Progress;
use crate::project::Project;
use crate::report::{Candidate, Report, RoutingSummary};
use crate::run::{Options, run};

/// What can be typed after `postil run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Stop at the first row that cannot be read instead of putting it aside
    #[arg(long)]
    strict: bool,
    /// Compute everything again even if nothing has changed (annotations are still not made twice)
    #[arg(long)]
    fresh: bool,
    /// Write every reply of language models to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Take the replies of language models from this file, and send nothing
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    replay: Option<PathBuf>,
    /// Print the report as one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments, threads: usize) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    let progress = Progress::new();
    let options = Options {
        strict: arguments.strict,
        fresh: arguments.fresh,
        threads,
        record: arguments.record.clone(),
        replay: arguments.replay.clone(),
    };
    let outcome = run(&project, &options, &progress);
    progress.finish();
    let outcome = outcome?;
    if arguments.json {
        return say_json(&outcome.report);
    }
    for warning in &outcome.report.warnings {
        remark(&format!("note: {warning}"));
    }
    say(&summary(&outcome.report))?;
    let state = if outcome.unchanged { "unchanged since the last run" } else { "written" };
    let files = outcome.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    say(&format!("{state}: {files}"))
}

/// A dozen lines for a terminal.
pub(super) fn summary(report: &Report) -> String {
    let mut lines = vec![report.headline.sentence.clone()];
    let row = |name: &str, text: String| format!("  {name:<11} {text}");
    let items = &report.items;
    let mut read = format!("{}; {}, {} labels", count(items.count), report.task.kind, report.task.labels.len());
    for (number, what) in [
        (items.rejected, "rejected"),
        (items.duplicates, "duplicates skipped"),
        (items.unanswered, "answered by no annotator"),
    ] {
        if number > 0 {
            let _ = write!(read, "; {} {what}", count(number));
        }
    }
    lines.push(row("items", read));
    lines.push(row("annotators", {
        let answers: u64 = report.annotators.iter().map(|annotator| annotator.answered).sum();
        format!("{}, {} answers, {}", report.annotators.len(), count(answers), report.cost.sentence)
    }));
    if let Some(routing) = &report.routing {
        lines.push(row("routing", routed(routing)));
    }
    lines.push(row(
        "consensus",
        format!(
            "{}{}; {} ties; {} of {} unanimous decisions doubted",
            report.consensus.method,
            mixture(&report.consensus.candidates),
            count(report.consensus.ties),
            count(report.consensus.unanimous_doubted),
            count(report.consensus.unanimous),
        ),
    ));
    lines.push(row("gold", report.gold.design.clone()));
    for stage in &report.stages {
        let figures = stage.figures.iter().take(3).map(|figure| format!("{} {}", figure.name, figure.value.brief()));
        lines.push(row(&stage.name, figures.collect::<Vec<_>>().join(", ")));
    }
    if let Some(student) = &report.student {
        lines.push(row(
            "model",
            format!("{} ({} kB), {}", student.file, student.bytes.div_ceil(1000), student.settings),
        ));
    }
    if let Some(target) = &report.target {
        lines.push(row("target", target.sentence.clone()));
    }
    if let Some(next) = report.next.first() {
        lines.push(row("next", next.clone()));
    }
    lines.join("\n")
}

/// Who was asked how much: `value: small 800, large 130, a person 40`.
fn routed(routing: &RoutingSummary) -> String {
    let shares: Vec<String> = routing
        .rows
        .iter()
        .filter(|row| row.items > 0)
        .map(|row| format!("{} {}", row.name, count(row.items)))
        .collect();
    let mut line = format!("{}: {}", routing.policy, routing.description);
    if !shares.is_empty() {
        let _ = write!(line, "; {}", shares.join(", "));
    }
    let _ = write!(line, "; {} gold items asked of all", count(routing.pilot));
    if let Some(ended) = &routing.ended {
        let _ = write!(line, "; {ended}");
    }
    line
}

/// What the automatic method made its mixture of: `: majority 70 %, one-coin 30 %`.
fn mixture(candidates: &[Candidate]) -> String {
    let mut parts: Vec<&Candidate> = candidates.iter().filter(|one| one.share >= 0.05).collect();
    parts.sort_by(|left, right| right.share.total_cmp(&left.share));
    let parts: Vec<String> = parts.iter().map(|one| format!("{} {:.0} %", one.method, 100.0 * one.share)).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}
