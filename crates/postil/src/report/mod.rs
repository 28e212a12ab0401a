//! What a run found, as data: `report.json` is this structure, `report.html` shows it.
//!
//! Nothing in here depends on the clock, the machine or the number of threads, so the same snapshot, settings and seed
//! give the same bytes.

use postil_core::Measured;
use postil_core::audit::Variation;
use serde::{Deserialize, Serialize};

mod confidence;
mod fields;
mod html;
mod marked;
mod pairs;
mod routing;
mod trust;

pub use confidence::{ConfidenceSummary, ThresholdRow};
pub use fields::{CanaryRow, FieldRow, RefusedRow};
pub use html::{render, routes_page};
pub use marked::{MarkedSpan, MarkedText};
pub use pairs::{PairsSummary, PlaceRow, RankRow};
pub use routing::{RoutedRow, RoutingSummary};
pub use trust::{
    AgreementSummary, ConfusedRow, DepthRow, ErrorSummary, PairRow, Part, PromiseSummary, RiskRow, ShareRow,
    ShareSummary, SuspectRow, Trust,
};

/// Everything a run can show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this structure.
    pub format: u32,
    /// The program's version.
    pub postil: String,
    /// The project's name: the name of its folder.
    pub project: String,
    /// What was asked.
    pub task: TaskSummary,
    /// The ledger snapshot that every figure rests on.
    pub snapshot: String,
    /// The seed of everything random.
    pub seed: u64,
    /// What was read.
    pub items: ItemsSummary,
    /// The result in one sentence and one figure.
    pub headline: Headline,
    /// Whether the project's target is met, if it has one.
    pub target: Option<Target>,
    /// The gold sample.
    pub gold: GoldSummary,
    /// How the answers were fused.
    pub consensus: ConsensusSummary,
    /// The measured quality of each stage: the consensus, the student, the labels that were written.
    pub stages: Vec<Stage>,
    /// The labels that were written, class by class, in class order.
    pub classes: Vec<ClassRow>,
    /// Truth against label on the measuring gold; absent in multi-label tasks and without gold.
    pub confusion: Option<Confusion>,
    /// Stated confidence against measured accuracy on the measuring gold; absent without gold.
    pub reliability: Option<Vec<ReliabilityBin>>,
    /// What the labels can be trusted with.
    pub trust: Trust,
    /// The annotators, in the project's order.
    pub annotators: Vec<AnnotatorRow>,
    /// The model that was trained; absent if none could be.
    pub student: Option<StudentSummary>,
    /// What has been spent.
    pub cost: CostSummary,
    /// How items were shared out among models and people, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<RoutingSummary>,
    /// The most doubtful items, or spans, most doubtful first.
    pub doubtful: Vec<DoubtfulItem>,
    /// In tasks that mark text: some texts as they were marked, those on which gold disagrees first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marked: Vec<MarkedText>,
    /// In tasks of tags: words that were tagged now one way, now another, the most suspect first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Variation>,
    /// In tasks of pairs: places and ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsSummary>,
    /// In tasks of records: the fields, in the order of the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRow>,
    /// How far language models obey instructions that stand in a text, where such were planted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<CanaryRow>,
    /// What went wrong or needs a look, one sentence each.
    pub warnings: Vec<String>,
    /// What to do next, most useful first, one sentence each.
    pub next: Vec<String>,
}

impl Report {
    /// Whether the task was to give every token a tag.
    pub fn is_of_tags(&self) -> bool {
        self.task.kind == "tag"
    }

    /// Whether the task was to fill in records.
    pub fn is_of_records(&self) -> bool {
        self.task.kind == "extract"
    }

    /// Whether the task was to mark stretches of text.
    pub fn is_of_spans(&self) -> bool {
        self.task.kind == "spans"
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSummary {
    /// The kind of task.
    pub kind: String,
    /// The labels in class order.
    pub labels: Vec<String>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemsSummary {
    /// Items annotated.
    pub count: u64,
    /// Rows put aside because they could not be read.
    pub rejected: u64,
    /// Where they were put.
    pub rejected_file: Option<String>,
    /// Rows skipped because the same item came before.
    pub duplicates: u64,
    /// Items whose content equals another item's.
    pub equal_content: u64,
    /// Items with an empty text.
    pub empty: u64,
    /// Items that no annotator answered; only the student labels them.
    pub unanswered: u64,
}

/// The result in one sentence and one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// The metric's name in words, such as `accuracy`.
    pub metric: String,
    /// The figure of the labels that were written.
    pub value: Measured,
    /// One plain sentence for a person who reads nothing else.
    pub sentence: String,
}

/// The project's target against what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The metric.
    pub metric: String,
    /// The value asked for.
    pub at_least: f64,
    /// The confidence asked for.
    pub confidence: f64,
    /// `met`, `missed`, `not shown` (the interval holds the target) or `unknown`.
    pub verdict: String,
    /// The verdict in a sentence.
    pub sentence: String,
}

/// The gold sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoldSummary {
    /// All gold labels of items that were read.
    pub total: u64,
    /// Those used to fit and to choose; no figure of quality comes from them.
    pub fitting: u64,
    /// Those that only measure.
    pub measuring: u64,
    /// How the sample was drawn, in a sentence.
    pub design: String,
    /// Gold rows that name no item that was read.
    pub unmatched: u64,
}

/// How the answers were fused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsensusSummary {
    /// The method that was used.
    pub method: String,
    /// Why this one, in a sentence.
    pub reason: String,
    /// The criterion the candidates were compared by, in words.
    pub criterion: String,
    /// All candidates, best first.
    pub candidates: Vec<Candidate>,
    /// The temperature the posteriors were scaled with; 1 leaves them as they are.
    pub temperature: f64,
    /// Decisions with at least one vote.
    pub decisions: u64,
    /// Votes.
    pub votes: u64,
    /// Decisions whose votes tied.
    pub ties: u64,
    /// Decisions on which all of two or more annotators agreed.
    pub unanimous: u64,
    /// Unanimous decisions on which the method or the student leaned to another label.
    pub unanimous_doubted: u64,
    /// The items of those decisions, in the items' order; their labels are the annotators'.
    pub unanimous_doubted_items: Vec<String>,
    /// How consensus and student were combined into the labels, in a sentence.
    pub combination: String,
}

/// One candidate method of the automatic choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The method.
    pub method: String,
    /// Its score under the criterion; lower is better.
    pub score: f64,
    /// The standard error of the score's difference to the best; zero for the best.
    pub difference_error: f64,
    /// Its share in the mixture that was used.
    pub share: f64,
}

/// The measured quality of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `consensus`, `student` or `labels`.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// The figures: name in words and value. The first is the headline's metric.
    pub figures: Vec<Figure>,
}

/// A named figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The name in words.
    pub name: String,
    /// The value.
    pub value: Measured,
}

/// One label of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The label.
    pub label: String,
    /// How many items were given it.
    pub items: u64,
    /// How many measuring gold items truly have it.
    pub gold: u64,
    /// Precision on the measuring gold.
    pub precision: Measured,
    /// Recall on the measuring gold.
    pub recall: Measured,
    /// F1 on the measuring gold.
    pub f1: Measured,
}

/// Truth against label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The labels, for rows (truth) and columns (label given).
    pub labels: Vec<String>,
    /// Counts of measuring gold items, `counts[truth][given]`.
    pub counts: Vec<Vec<u64>>,
}

/// One bin of stated confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lower border of the stated confidence.
    pub from: f64,
    /// The upper border.
    pub to: f64,
    /// Measuring gold items in the bin.
    pub count: u64,
    /// Their mean stated confidence.
    pub confidence: f64,
    /// Their measured accuracy.
    pub accuracy: Measured,
}

/// One annotator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnotatorRow {
    /// The name.
    pub name: String,
    /// What it is: program, list, replay, model, llm or person.
    pub kind: String,
    /// The first digits of its version.
    pub version: String,
    /// Items it answered.
    pub answered: u64,
    /// The share of all items it answered.
    pub coverage: f64,
    /// Items it abstained on.
    pub abstained: u64,
    /// Answers that were no answer to the question.
    pub malformed: u64,
    /// Items it refused.
    pub refused: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Accuracy of its answers on the measuring gold.
    pub accuracy: Measured,
    /// What its stated confidence is worth, if it stated one on gold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<ConfidenceSummary>,
    /// The share of its answers that the consensus follows.
    pub agreement: f64,
    /// The share of its answers on items that another annotator answered too.
    pub overlap: f64,
    /// The share of its answers that some other annotator contradicts.
    pub conflict: f64,
    /// The labels it used, most frequent first, with their counts.
    pub labels: Vec<(String, u64)>,
    /// What it cost, in the project's currency.
    pub money: f64,
    /// What is odd about it, such as `nearly always says \`bug\``.
    pub flags: Vec<String>,
}

/// The model that was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudentSummary {
    /// The file.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The settings that cross-validation chose, in words.
    pub settings: String,
    /// How many items it learned from.
    pub trained_on: u64,
}

/// What has been spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostSummary {
    /// Money, in the project's currency.
    pub money: f64,
    /// People's time in minutes, as recorded in the ledger.
    pub person_minutes: f64,
    /// Annotations in the snapshot.
    pub annotations: u64,
    /// In a sentence.
    pub sentence: String,
}

/// An item on which the labels are least certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoubtfulItem {
    /// The item.
    pub id: String,
    /// In tasks of records, the field whose value is doubtful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its text, shortened to a few hundred characters.
    pub text: String,
    /// In tasks that mark text, the spans in it; the first is the doubtful one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<MarkedSpan>,
    /// The label that was written.
    pub label: String,
    /// The likeliest labels with their probability, likeliest first.
    pub posterior: Vec<(String, f64)>,
    /// Every annotator's answer, in the project's order; the student last.
    pub answers: Vec<(String, String)>,
    /// Why it is doubtful, in a few words.
    pub reason: String,
}
