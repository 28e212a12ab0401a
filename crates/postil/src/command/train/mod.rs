//! `postil train`

mod tagger;
mod texts;

use std::path::PathBuf;

use postil_core::text::Tokenizer;

use super::documents::{Reading, tokenizers};

/// The kinds of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// One label per text
    Classify,
    /// Any number of labels per text, separated by `|`
    Multilabel,
    /// One label from an ordered scale (give the order with --labels, lowest first)
    Ordinal,
    /// Labelled stretches of text: entities, slots
    Spans,
    /// One tag per token: parts of speech, languages
    Tag,
    /// A number from 0 to 1 per token: emphasis
    Scores,
}

/// What can be typed after `postil train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Texts and labels come in columns:   postil train tickets.csv --text body --label topic
Tokens and spans in any format:     postil train train.conll --task spans --lists names/
                                    postil train labelled.jsonl --task spans --max-bytes 1000000")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(super) struct Arguments {
    /// The training data, plain, .gz or .zst, or `-`: CSV, TSV, JSONL or Parquet; for spans and tags any format of
    /// `postil convert`
    data: PathBuf,
    /// What is to be learnt
    #[arg(long, alias = "kind", value_enum, default_value_t = Kind::Classify)]
    task: Kind,
    /// The column of the label [default: label]
    #[arg(long, value_name = "COLUMN", conflicts_with = "soft")]
    label: Option<String>,
    /// Learn from columns of probabilities instead: PREFIX followed by the label's name, one column per label
    #[arg(long, value_name = "PREFIX")]
    soft: Option<String>,
    /// A label cell names several candidates (`a|b`), one of which is the truth
    #[arg(long)]
    candidates: bool,
    /// The column of the weight of each row, or for spans and tags the field of the weight of each document
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// The labels in their order [default: those of the data, sorted]
    #[arg(long, value_name = "A,B,C")]
    labels: Option<String>,
    /// Balance the classes: every class counts alike in training
    #[arg(long)]
    balance: bool,
    #[command(flatten)]
    reading: Reading,
    /// How texts without tokens are cut into them
    #[arg(long, value_name = "NAME", value_parser = tokenizers(), default_value = "words", help_heading = "Spans and tags")]
    tokenizer: Tokenizer,
    /// Further layers to learn together, by name, such as `pos`; `label` stands for the label of each text. In a task of
    /// tags the first is the one that is meant
    #[arg(long = "layer", value_name = "NAME", help_heading = "Spans and tags")]
    layers: Vec<String>,
    /// Lists of names: a folder of .txt, .csv and .json files, or one of them
    #[arg(long, value_name = "DIR", help_heading = "Spans and tags")]
    lists: Option<PathBuf>,
    /// Texts without labels, in any of the formats, from which classes of words are learnt
    #[arg(long, value_name = "FILE", help_heading = "Spans and tags")]
    unlabelled: Vec<PathBuf>,
    /// How weights are learnt
    #[arg(long, value_enum, default_value_t = Algorithm::Auto, help_heading = "Spans and tags")]
    algorithm: Algorithm,
    /// How many perceptrons, trained in orders of their own, vote by the mean of their scores [default: 6]
    #[arg(long, value_name = "N", help_heading = "Spans and tags")]
    members: Option<usize>,
    /// Look for spans twice, the second time with what the first look took other occurrences of a word for: a little
    /// better on long documents, for twice the time
    #[arg(long, help_heading = "Spans and tags")]
    look_twice: bool,
    /// Take every span as certain; else a span of JSON lines teaches as much as its `confidence` says
    #[arg(long, help_heading = "Spans and tags")]
    certain: bool,
    /// How often training goes through the data [default: chosen]
    #[arg(long, value_name = "N", help_heading = "Spans and tags")]
    epochs: Option<usize>,
    /// The most bytes the model may take
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    max_bytes: usize,
    /// The seed of folds and of the order of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the model
    #[arg(short, long, value_name = "FILE", default_value = "model.postil")]
    output: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// How a tagger's weights are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Algorithm {
    /// The perceptron where all labels are known, the random field where some are not
    Auto,
    /// The averaged structured perceptron: fastest
    Perceptron,
    /// A conditional random field
    Crf,
}

impl Arguments {
    fn label_column(&self) -> &str {
        self.label.as_deref().unwrap_or("label")
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.task {
        Kind::Classify | Kind::Multilabel | Kind::Ordinal => texts::execute(arguments),
        Kind::Spans | Kind::Tag | Kind::Scores => tagger::execute(arguments),
    }
}
