//! `postil evaluate`

mod columns;
mod documents;
mod show;

use std::path::PathBuf;

use postil_core::Error;
use postil_core::formats::Format;

use super::documents::{Reading, formats};

/// How tags that break their scheme are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TagsArgument {
    /// As conlleval does: a span that begins with the wrong tag is a span
    Lenient,
    /// As seqeval's strict mode does: a span whose tags break the scheme is none
    Strict,
}

/// What is drawn as a whole for the intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ByArgument {
    /// Documents where there are at least twenty, else sentences
    Auto,
    /// Documents
    Documents,
    /// Sentences
    Sentences,
}

/// What can be typed after `postil evaluate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The gold file, in any format of annotated text
    gold: PathBuf,
    /// The predictions on the same texts, in the same order or with the same ids
    predicted: PathBuf,
    /// The format of the predictions, if it is another
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    predicted_format: Option<Format>,
    #[command(flatten)]
    reading: Reading,
    /// The column of the predicted tag, if it is another
    #[arg(long, value_name = "N", value_parser = super::documents::column)]
    predicted_column: Option<postil_core::formats::Column>,
    /// Score this column tag by tag, such as parts of speech or languages
    #[arg(long, value_name = "N", conflicts_with = "scores")]
    layer: Option<usize>,
    /// Score this column as numbers by rank (Match_m), such as emphasis
    #[arg(long, value_name = "N")]
    scores: Option<usize>,
    /// How tags that break their scheme are read
    #[arg(long, value_enum, default_value = "lenient")]
    tags: TagsArgument,
    /// What is drawn as a whole for the intervals
    #[arg(long, value_enum, default_value = "auto")]
    by: ByArgument,
    /// Confusions to list on the terminal
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// The seed of the intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Documents fewer than these are too few to draw from.
const FEW_DOCUMENTS: u64 = 20;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.gold == arguments.predicted && arguments.gold.as_os_str() == "-" {
        anyhow::bail!(Error::task("expected one file on standard input, found both"));
    }
    let format = |path: &PathBuf, asked: Option<Format>| -> postil_core::Result<Option<Format>> {
        if asked.is_some() || path.is_dir() {
            return Ok(asked);
        }
        // A stream can be looked at only once; what comes through a pipe is recognised when it is read.
        if path.as_os_str() == "-" { Ok(None) } else { postil_core::formats::format_of(path) }
    };
    let gold = format(&arguments.gold, arguments.reading.format)?;
    let predicted = format(&arguments.predicted, arguments.predicted_format.or(arguments.reading.format))?;
    let columns = |format: Option<Format>, other: Option<Format>| match format {
        None => other == Some(Format::Conll),
        Some(format) => format == Format::Conll,
    };
    let reduced = |format: Option<Format>| format == Some(Format::Conllu);
    if columns(gold, predicted) && columns(predicted, gold) {
        return columns::execute(arguments);
    }
    if arguments.layer.is_some() || arguments.scores.is_some() {
        if reduced(gold) && reduced(predicted) {
            return columns::execute(arguments);
        }
        anyhow::bail!(Error::task(
            "expected files with a token per line for `--layer` and `--scores`, found another format"
        ));
    }
    if arguments.tags == TagsArgument::Strict {
        anyhow::bail!(Error::task("expected tags in columns for `--tags strict`, found spans"));
    }
    documents::execute(arguments, gold, predicted)
}
