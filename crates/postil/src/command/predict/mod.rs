//! `postil predict`

mod tagger;
mod texts;

use std::io::Read;
use std::path::{Path, PathBuf};

use postil_core::formats::Format;
use postil_student::tagger::TaggerModel;

use super::documents::{self, Reading};

/// What can be typed after `postil predict`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The model
    model: PathBuf,
    /// The data, plain, .gz or .zst, or `-`: CSV, TSV, JSONL or Parquet; for a tagger any format of `postil convert`
    data: PathBuf,
    /// A column of known labels to score the predictions against
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Write one probability per label too
    #[arg(long)]
    probabilities: bool,
    #[command(flatten)]
    reading: Reading,
    /// The format of the output [default: told by its name, else that of the input]
    #[arg(long, value_name = "FORMAT", value_parser = documents::formats(), help_heading = "Spans and tags")]
    to: Option<Format>,
    /// Write the probability of each span too; takes about twice the time
    #[arg(long, help_heading = "Spans and tags")]
    confidence: bool,
    /// Where to write the rows with their predictions; the name's ending tells the format, `-` is CSV on standard
    /// output [default: standard output, unless --label or --json is given]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    if is_tagger(&arguments.model) { tagger::execute(arguments) } else { texts::execute(arguments) }
}

/// Whether a file begins as a tagger does; what cannot be read is left to those who load it.
fn is_tagger(path: &Path) -> bool {
    let mut head = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    TaggerModel::recognises(&head[..read])
}
