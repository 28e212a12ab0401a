//! Benches. Each prints one JSON line, the last of its output, with at least `rows`, `cpu_seconds`, `rows_per_second`
//! (rows per CPU second) and `peak_mb`. They measure; nothing fails on a clock.

mod consensus;
mod convert;
mod errors;
mod estimate;
mod files;
mod inside;
mod llm;
mod review;
mod select;
mod sequences;
mod tagger;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// A bench by name.
enum Bench {
    /// Work inside this program.
    Inside(fn() -> Result<()>),
    /// An example of the engine.
    Example(&'static str),
    /// An example of the annotators, and its argument.
    Annotators(&'static str, &'static str),
    /// The binary on files.
    Files(fn() -> Result<()>),
    /// The binary against a server, with what was typed after the name.
    Served(fn(&[&str]) -> Result<()>),
}

/// All benches.
const BENCHES: &[(&str, Bench)] = &[
    ("majority", Bench::Inside(consensus::majority)),
    ("dawid-skene", Bench::Inside(consensus::dawid_skene)),
    ("glad", Bench::Inside(consensus::glad)),
    ("mace", Bench::Inside(consensus::mace)),
    ("crowdlab", Bench::Inside(errors::crowdlab)),
    ("label-issues", Bench::Inside(errors::label_issues)),
    ("dsl", Bench::Inside(estimate::dsl)),
    ("agreement", Bench::Example("agreement_speed")),
    ("ingest", Bench::Example("ingest_bench")),
    ("ledger", Bench::Example("ledger_bench")),
    ("vote-k", Bench::Inside(select::vote_k_bench)),
    ("sequence-consensus", Bench::Inside(sequences::consensus)),
    ("tagger-train", Bench::Files(tagger::tagger_train)),
    ("tagger-predict", Bench::Files(tagger::tagger_predict)),
    ("convert", Bench::Files(convert::convert)),
    ("text-train", Bench::Files(files::text_train)),
    ("text-predict", Bench::Files(files::text_predict)),
    ("match-100k", Bench::Annotators("match_bench", "100k")),
    ("match-1m", Bench::Annotators("match_bench", "1m")),
    ("ten-thousand", Bench::Files(files::ten_thousand)),
    ("llm-throughput", Bench::Served(llm::throughput)),
    ("llm-kill", Bench::Served(llm::kill)),
    ("review-load", Bench::Served(review::load)),
];

/// Their names, side by side.
pub(crate) fn names() -> String {
    BENCHES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn find(name: &str) -> Result<&'static Bench> {
    let found = BENCHES.iter().find(|(known, _)| *known == name);
    found.map(|(_, bench)| bench).with_context(|| format!("expected one of {}, found {name}", names()))
}

/// Runs one bench.
pub(crate) fn run(name: &str, rest: &[&str]) -> Result<()> {
    match find(name)? {
        Bench::Inside(_) => {
            // This program was built without optimisation: the work is done by its fast twin.
            build(&["--package", "xtask"])?;
            exec(&release("xtask"), &["measure-inside", name])
        }
        Bench::Example(example) => self::example("postil-core", example, rest),
        Bench::Annotators(example, argument) => self::example("postil-annotators", example, &[argument]),
        Bench::Files(work) => work(),
        Bench::Served(work) => work(rest),
    }
}

/// The part of a bench that runs inside this process.
pub(crate) fn inside(name: &str) -> Result<()> {
    match find(name)? {
        Bench::Inside(work) => work(),
        Bench::Example(_) | Bench::Annotators(..) | Bench::Files(_) | Bench::Served(_) => {
            bail!("nothing to measure inside for {name}")
        }
    }
}

fn example(package: &str, name: &str, rest: &[&str]) -> Result<()> {
    let mut arguments = vec!["run", "--quiet", "--release", "--package", package, "--example", name, "--"];
    arguments.extend(rest);
    exec(Path::new(env!("CARGO")), &arguments)
}

fn exec(program: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).status().with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(())
}

/// Builds with optimisation.
fn build(what: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO")).args(["build", "--release"]).args(what).status()?;
    ensure!(status.success(), "the build failed");
    Ok(())
}

/// A program of the release build.
fn release(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("release").join(name)
}

/// What a command cost.
pub(super) struct Usage {
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_mb: f64,
    output: String,
}

/// Runs a command in a process that has no other child, so that the peak memory is its own.
fn usage_of(program: &Path, arguments: &[&str]) -> Result<Usage> {
    let this = std::env::current_exe()?;
    let output = Command::new(this)
        .arg("measure")
        .arg(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("the measuring process cannot be started")?;
    ensure!(output.status.success(), "{} failed", program.display());
    let text = String::from_utf8(output.stdout)?;
    let (before, line) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    let usage: Value = serde_json::from_str(line)?;
    let number = |name: &str| usage[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Usage {
        cpu_seconds: number("cpu_seconds")?,
        wall_seconds: number("wall_seconds")?,
        peak_mb: number("peak_mb")?,
        output: before.to_owned(),
    })
}

/// `cargo xtask measure COMMAND...`: runs it and adds a JSON line with what it cost.
pub(crate) fn measure(command: &[&str]) -> Result<()> {
    let start = std::time::Instant::now();
    let status = Command::new(command[0]).args(&command[1..]).status().with_context(|| command[0].to_owned())?;
    let wall_seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{} failed", command[0]);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    println!();
    println!(
        "{}",
        json!({
            "cpu_seconds": seconds(usage.user_time()) + seconds(usage.system_time()),
            "wall_seconds": wall_seconds,
            "peak_mb": usage.max_rss() as f64 / 1024.0,
        })
    );
    Ok(())
}

/// The closing line of a bench.
fn report(rows: u64, usage: &Usage, mut more: Value) {
    let mut line = json!({
        "rows": rows,
        "cpu_seconds": round(usage.cpu_seconds),
        "rows_per_second": (rows as f64 / usage.cpu_seconds).round(),
        "wall_seconds": round(usage.wall_seconds),
        "peak_mb": round(usage.peak_mb),
    });
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object_mut()) {
        line.append(more);
    }
    println!("{line}");
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
