//! `postil audit`

mod consistency;
mod judges;
mod known;
mod labels;
mod redundancy;
mod sets;

use std::path::PathBuf;

use postil_core::formats::Format;

use super::documents::formats;
use super::output::Voice;

/// What can be typed after `postil audit`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub(super) struct Arguments {
    /// The labels, one row per item, with the columns item and label; with --redundancy the answers, one row each, with
    /// item, annotator and label; with --consistency texts with marks in any format of annotated text; `-` for standard
    /// input
    labels: PathBuf,
    /// Probabilities by a model that has not seen the items: item and a column p_LABEL per label
    #[arg(long, value_name = "FILE")]
    probs: Option<PathBuf>,
    /// The column of the text: without --probs a model is trained on the table itself, each item scored by models that
    /// have not seen it
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// The column of the item [default: item, item_id or id]
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// The column of the label [default: label, answer, gold or truth]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// A cell holds any number of labels (`a|b`); missing ones are looked for too
    #[arg(long)]
    multilabel: bool,
    /// Which labels make the list: low-self-confidence, low-normalised-margin, confident-learning, prune-by-noise-rate,
    /// prune-by-class, both or predicted-not-given
    #[arg(long, value_name = "NAME", default_value = "low-self-confidence")]
    filter: String,
    /// The order of the list: self-confidence, normalised-margin or confidence-weighted-entropy; with a hierarchy
    /// far-first, near-first or distance-times-confidence too
    #[arg(long, value_name = "NAME", default_value = "self-confidence")]
    rank: String,
    /// Take each class's mean confidence off before scoring
    #[arg(long)]
    adjust: bool,
    /// So many labels to look at again, in place of as many as are probably wrong
    #[arg(long, value_name = "N")]
    budget: Option<usize>,
    /// The tree of the labels: a table with label and parent, or lines indented below their parent
    #[arg(long, value_name = "FILE")]
    hierarchy: Option<PathBuf>,
    /// What people found: item and is_error
    #[arg(long, value_name = "FILE")]
    checked: Option<PathBuf>,
    /// Known labels: item and label; compares what each order finds within the budget
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Answers of judges, such as several models: item, annotator, label and, if known, confidence
    #[arg(long, value_name = "FILE")]
    judges: Option<PathBuf>,
    /// Accept probabilities that sum to one but for rounding (1e-3), and scale them
    #[arg(long)]
    renormalise: bool,
    /// Replay the answers and say which further ones are not worth buying
    #[arg(long, conflicts_with_all = ["probs", "text", "judges", "hierarchy", "checked", "budget", "multilabel"])]
    redundancy: bool,
    /// With --redundancy: the share of labels that may differ from those of all answers
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, requires = "redundancy")]
    target_loss: f64,
    /// Find words that are marked in different ways, or here and not there, in texts with marks; the most telling first
    #[arg(long, conflicts_with_all = ["probs", "text", "judges", "hierarchy", "checked", "multilabel", "redundancy"])]
    consistency: bool,
    /// With --consistency: look at the tags of this layer, such as pos, in place of spans; at how letters between blanks
    /// are cut into tokens with `tokens`
    #[arg(long, value_name = "LAYER", requires = "consistency")]
    layer: Option<String>,
    /// With --consistency: words that differ in capital letters only are the same
    #[arg(long, requires = "consistency")]
    ignore_case: bool,
    /// With --consistency: the format of the texts [default: recognised by name and content]
    #[arg(long, value_name = "FORMAT", value_parser = formats(), requires = "consistency")]
    from: Option<Format>,
    /// With --consistency: so many on the terminal
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    /// The seed of folds and draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where to write the list; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Standard output is for the list when it goes there.
    fn voice(&self) -> anyhow::Result<Voice> {
        Voice::new(self.output.as_deref(), self.json)
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    // What cannot be written is refused before the work, not after it.
    arguments.voice()?;
    if arguments.consistency {
        return consistency::execute(arguments);
    }
    if arguments.redundancy {
        return redundancy::execute(arguments);
    }
    if arguments.judges.is_some() {
        return judges::execute(arguments);
    }
    if arguments.multilabel {
        return sets::execute(arguments);
    }
    labels::execute(arguments)
}
