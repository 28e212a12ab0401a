//! The project file as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use postil_annotators::AnnotatorSpec;
use postil_core::LinkKind;
use postil_core::text::Tokenizer;
use postil_core::{Error, Result, TaskKind};
use postil_student::text::Distillation;
use serde::Deserialize;

/// The tables of a `postil.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// What is asked.
    pub task: TaskTable,
    /// What is annotated.
    pub data: DataTable,
    /// Who annotates.
    #[serde(default, rename = "annotator")]
    pub annotators: Vec<AnnotatorSpec>,
    /// How answers are fused.
    #[serde(default)]
    pub consensus: ConsensusTable,
    /// The model.
    #[serde(default)]
    pub student: StudentTable,
    /// What is written.
    #[serde(default)]
    pub output: OutputTable,
    /// The most that may be spent.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// How items are shared out among language models and people.
    #[serde(default)]
    pub routing: Option<RoutingTable>,
    /// The quality asked for.
    #[serde(default)]
    pub target: Option<Target>,
    /// The seed of everything random.
    #[serde(default)]
    pub seed: u64,
}

/// `[task]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTable {
    /// The kind of task.
    pub kind: TaskKind,
    /// The labels; in an ordinal task the scale, lowest first.
    #[serde(default)]
    pub labels: Vec<String>,
    /// In a task of tags: the name of the layer that the tags make up, in gold files and in what is written
    /// [default: `tag`].
    #[serde(default)]
    pub layer: Option<String>,
    /// In a task of spans: whether spans of different labels may overlap. Each label is then a question of its own.
    #[serde(default)]
    pub overlapping: bool,
    /// In a task of spans: the kinds of links between spans, each a name or a table with `kind` and the labels that it may
    /// join, `from` and `to`.
    #[serde(default)]
    pub links: Vec<LinkKind>,
    /// In a task of records: a file with the JSON schema of a record.
    #[serde(default)]
    pub schema: Option<PathBuf>,
    /// A file that people and models read.
    #[serde(default)]
    pub guidelines: Option<PathBuf>,
    /// One sentence per label.
    #[serde(default)]
    pub definitions: BTreeMap<String, String>,
    /// The parent of each label in a tree.
    #[serde(default)]
    pub parents: BTreeMap<String, String>,
}

/// `[data]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataTable {
    /// The items: CSV, TSV, JSONL or Parquet, plain, .gz or .zst, or `-` for standard input.
    pub items: PathBuf,
    /// The column of the text; in a task of pairs what both are about, and it may be missing.
    #[serde(default)]
    pub text: Option<String>,
    /// Columns that together are the text, each under its name, instead of `text`.
    #[serde(default)]
    pub join: Vec<String>,
    /// In a task of pairs: the columns of the two texts.
    #[serde(default)]
    pub left: Option<String>,
    #[serde(default)]
    pub right: Option<String>,
    /// In a task of pairs: the columns of the names of those who wrote them, by which they are ranked.
    #[serde(default)]
    pub left_name: Option<String>,
    #[serde(default)]
    pub right_name: Option<String>,
    /// The column of the id; without one, items are known by a digest of their content.
    #[serde(default)]
    pub id: Option<String>,
    /// Gold labels: a table with item, label and, if known, the inclusion probability.
    #[serde(default)]
    pub gold: Option<PathBuf>,
    /// In tasks that mark text: how texts are cut into tokens.
    #[serde(default)]
    pub tokenizer: Tokenizer,
    /// The column of the texts' tokens, where they come with the texts: a JSON list of strings, or of pairs of places.
    /// Columns `sentences`, `layers` and `meta` beside it are carried into what is written.
    #[serde(default)]
    pub tokens: Option<String>,
    /// The gold file's column of the label, when it is not `label`, `answer`, `gold` or `truth`.
    #[serde(default)]
    pub gold_label: Option<String>,
}

/// `[consensus]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusTable {
    /// The method's name, or `auto`.
    pub method: String,
}

impl Default for ConsensusTable {
    fn default() -> Self {
        Self { method: "auto".to_owned() }
    }
}

/// `[student]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudentTable {
    /// Whether to train one.
    pub train: bool,
    /// What a student of whole texts is told of labels that are only probable; without it whatever does best on the gold
    /// that fits, or what did best on average where there is too little of it.
    pub targets: Option<Distillation>,
}

impl Default for StudentTable {
    fn default() -> Self {
        Self { train: true, targets: None }
    }
}

/// `[output]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputTable {
    /// The folder, relative to the project's.
    pub folder: PathBuf,
    /// Formats of the labels besides Parquet.
    pub formats: Vec<OutputFormat>,
}

impl Default for OutputTable {
    fn default() -> Self {
        Self { folder: PathBuf::from("out"), formats: Vec::new() }
    }
}

/// A format for labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Arrow's columnar file; always written.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl OutputFormat {
    /// The file name's ending.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// `[routing]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingTable {
    /// The policy's name, as in `postil simulate`.
    pub policy: String,
    /// What an answer of a person costs, in the currency of the models' prices; without it nothing is left to people.
    pub person: Option<f64>,
    /// The share of errors that each link of a cascade promises to keep below.
    pub risk: f64,
    /// The confidence of that promise.
    pub confidence: f64,
}

impl Default for RoutingTable {
    fn default() -> Self {
        Self { policy: "auto".to_owned(), person: None, risk: 0.1, confidence: 0.9 }
    }
}

/// `[budget]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Money, in the project's currency.
    #[serde(default)]
    pub money: Option<f64>,
    /// Tokens of language models, sent and received.
    #[serde(default)]
    pub tokens: Option<u64>,
    /// People's time in minutes.
    #[serde(default)]
    pub person_minutes: Option<f64>,
}

/// A figure that a target can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of items whose label is right; in a multi-label task, whose whole set is.
    Accuracy,
    /// The mean F1 of the labels.
    MacroF1,
    /// F1 over all labels together.
    MicroF1,
}

/// `[target]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The figure.
    pub metric: Metric,
    /// The value it must reach.
    pub at_least: f64,
    /// The confidence with which it must be shown.
    #[serde(default = "usual_confidence")]
    pub confidence: f64,
}

const fn usual_confidence() -> f64 {
    0.95
}

impl Target {
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.at_least) {
            return Err(Error::task(format!("expected `target.at_least` between 0 and 1, found {}", self.at_least)));
        }
        if self.confidence != usual_confidence() {
            return Err(Error::unavailable(format!("expected `target.confidence = 0.95`, found {}", self.confidence))
                .hint("other levels are not yet available"));
        }
        Ok(())
    }
}

impl ProjectFile {
    /// Reads the text of a project file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() as u64 + 1);
            let found = Error::task(error.message().trim().replace('\n', "; "));
            match line {
                Some(line) => found.at_line(line),
                None => found,
            }
        })
    }
}
