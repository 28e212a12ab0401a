//! The command line: what can be typed, and how it ends.

mod aggregate;
mod agree;
mod audit;
mod convert;
mod demonstrations;
mod diff;
mod documents;
mod draw;
mod estimate;
mod evaluate;
mod export;
mod guidelines;
mod import;
mod init;
pub(crate) mod input;
mod lists;
mod match_lists;
mod output;
mod plan;
mod predict;
mod probabilities;
mod probe;
mod progress;
mod report;
mod review;
mod routes;
mod run;
mod simulate;
mod train;
mod write_programs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns raw data into labels one can trust, and into small fast models.
///
/// Project commands work on a folder with a `postil.toml`; file commands work on plain CSV, TSV, JSONL or Parquet files
/// (.gz and .zst too, `-` for standard input) without any project.
#[derive(Debug, Parser)]
#[command(
    name = "postil",
    version,
    arg_required_else_help = true,
    infer_subcommands = false,
    after_help = "Exit codes: 0 done; 1 failed; 2 the input or the command line is wrong; 3 not yet available; \
                  130 stopped by Ctrl-C (run again to go on)."
)]
struct Arguments {
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a data file and write a commented project file for it
    Init(init::Arguments),
    /// Show what a run would do: items, annotators, cost and time, one example
    Plan(plan::Arguments),
    /// Compare two versions of an annotator, or two annotators, on the same gold
    Diff(diff::Arguments),
    /// Find out what a language model's endpoint truly supports
    Probe(probe::Arguments),
    /// Label a project's items, measure the labels on blind gold, train a model, write a report
    Run(run::Arguments),
    /// Label, check and adjudicate in the browser: a project, or a data file and `--labels`
    Review(review::Arguments),
    /// Show the last run's summary, and write its page anew
    Report(report::Arguments),
    /// Write the last run's labels in another format
    Export(export::Arguments),
    /// Draw items at random for blind gold labels, and remember with what probability
    Draw(draw::Arguments),
    /// Fuse the answers of several annotators: a table with item, annotator and label
    Aggregate(aggregate::Arguments),
    /// Find labels that are probably wrong, and answers that are not worth buying
    Audit(audit::Arguments),
    /// Population figures, promises and tests that stay valid whatever the machine gets wrong
    Estimate(estimate::Arguments),
    /// Score predicted spans or tags against gold: F1 by label, confusions, intervals
    Evaluate(evaluate::Arguments),
    /// Convert annotated text from one format to another, and list what is lost
    Convert(convert::Arguments),
    /// Read annotated text of any format into Postil's own, or into a project
    Import(import::Arguments),
    /// Mark the names of lists in texts
    Match(match_lists::Arguments),
    /// Tune lists of names on gold, and carry marked names further
    Lists(lists::Arguments),
    /// Measure how far annotators agree: a table with item, annotator and label
    Agree(agree::Arguments),
    /// Replay stored answers: what each way of choosing whom to ask costs, and how good its labels are
    Simulate(routes::Arguments),
    /// Train a classifier of texts from a table, or a tagger of spans and tags from annotated text
    Train(train::Arguments),
    /// Choose labelled texts to show a language model beside each item
    Demonstrations(demonstrations::Arguments),
    /// Write guidelines with telling words and examples from labelled texts, to fill in
    Guidelines(guidelines::Arguments),
    /// Label a table, or mark texts, with a trained model
    Predict(predict::Arguments),
    /// Let a language model write labelling programs, and try them
    WritePrograms(write_programs::Arguments),
    /// Serve labelling programs to the process that started this one
    #[command(hide = true)]
    ProgramWorker,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Command::ProgramWorker) {
        return postil_annotators::program_worker();
    }
    if let Some(threads) = arguments.threads {
        // Only fails if a pool exists already, and nothing has run yet.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    }
    let threads = arguments.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        std::num::NonZeroUsize::get,
    );
    let result = match arguments.command {
        Command::Init(arguments) => init::execute(&arguments),
        Command::Plan(arguments) => plan::execute(&arguments, threads),
        Command::Diff(arguments) => diff::execute(&arguments),
        Command::Probe(arguments) => probe::execute(&arguments),
        Command::Run(arguments) => run::execute(&arguments, threads),
        Command::Review(arguments) => review::execute(&arguments),
        Command::Report(arguments) => report::execute(&arguments),
        Command::Export(arguments) => export::execute(&arguments),
        Command::Draw(arguments) => draw::execute(&arguments),
        Command::Aggregate(arguments) => aggregate::execute(&arguments),
        Command::Audit(arguments) => audit::execute(&arguments),
        Command::Estimate(arguments) => estimate::execute(&arguments),
        Command::Evaluate(arguments) => evaluate::execute(&arguments),
        Command::Convert(arguments) => convert::execute(&arguments),
        Command::Import(arguments) => import::execute(&arguments),
        Command::Match(arguments) => match_lists::execute(&arguments),
        Command::Lists(arguments) => lists::execute(&arguments),
        Command::Agree(arguments) => agree::execute(&arguments),
        Command::Simulate(arguments) => routes::execute(&arguments),
        Command::Train(arguments) => train::execute(&arguments),
        Command::Demonstrations(arguments) => demonstrations::execute(&arguments),
        Command::Guidelines(arguments) => guidelines::execute(&arguments),
        Command::Predict(arguments) => predict::execute(&arguments),
        Command::WritePrograms(arguments) => write_programs::execute(&arguments, threads),
        Command::ProgramWorker => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}
