//! The quality of every stage on the gold that only measures.

use postil_core::audit::spans::{SpanTally, TokenAgreement};
use postil_core::audit::{GoldPart, SetTally, Tally};
use postil_core::text::Named;
use postil_core::{Answer, Class, Name, TaskKind};

use super::combine::{Labels, student_row};
use super::decisions::Decisions;
use super::fuse::Fused;
use super::gold::Gold;
use super::learn::Learned;
use crate::project::Project;
use crate::score::{Score, TokenScore, decide};

/// Fewer measuring items than this say nothing: every interval would be wider than half the scale.
pub(super) const LEAST: u64 = 20;

/// The scores of the stages.
pub(super) struct Measurements {
    /// What every figure rests on.
    pub basis: String,
    /// The labels that were written.
    pub labels: Score,
    /// The consensus before the student is heard.
    pub consensus: Score,
    /// The student alone.
    pub student: Option<Score>,
}

impl Measurements {
    /// Whether there is enough gold to show figures.
    pub(super) fn enough(&self) -> bool {
        self.labels.count() >= LEAST
    }
}

/// Scores the stages on the measuring gold.
pub(super) fn measure(
    project: &Project,
    decisions: &Decisions,
    labels: &Labels,
    fused: &Fused,
    learned: Option<&Learned>,
    gold: &Gold,
) -> Measurements {
    let classes = decisions.classes();
    let score = |row: &dyn Fn(usize) -> (Vec<f32>, Class)| score(project, decisions, gold, row);
    Measurements {
        basis: gold.basis(),
        labels: score(&|decision| (labels.of(decision).to_vec(), labels.given[decision])),
        consensus: score(&|decision| {
            let row = fused.consensus.of(decision);
            (row.to_vec(), decide(row))
        }),
        student: learned.map(|learned| {
            score(&|decision| {
                let row = student_row(learned, decision, classes);
                let given = decide(&row);
                (row, given)
            })
        }),
    }
}

fn score(project: &Project, decisions: &Decisions, gold: &Gold, row: &dyn Fn(usize) -> (Vec<f32>, Class)) -> Score {
    let task = &project.task;
    if task.kind == TaskKind::Multilabel {
        let mut tally = SetTally::new(task.labels.len());
        for gold in gold.part(GoldPart::Measure) {
            let truth: Vec<bool> = gold.truths(decisions).map(|(_, truth)| truth == 1).collect();
            let given: Vec<bool> = gold.truths(decisions).map(|(decision, _)| row(decision).1 == 1).collect();
            tally.add(&truth, &given, gold.weight);
        }
        return Score::Sets(tally);
    }
    let mut tally = Tally::new(decisions.classes());
    let mut by_item = SpanTally::new(project.seed);
    let mut items = 0;
    for gold in gold.part(GoldPart::Measure) {
        let (mut truths, mut given) = (Vec::new(), Vec::new());
        for (decision, truth) in gold.truths(decisions) {
            let (posterior, label) = row(decision);
            tally.add(truth, label, Some(&posterior), gold.weight);
            truths.push(truth);
            given.push(label);
        }
        items += 1;
        if task.kind == TaskKind::Tag {
            let each = |tags: &[Class]| -> Vec<Named<Name>> {
                let one = |(token, &tag)| Named { start: token, end: token + 1, label: task.labels.name(tag).clone() };
                (0..).zip(tags).map(one).collect()
            };
            let right = truths.iter().zip(&given).filter(|(truth, given)| truth == given).count() as u64;
            let agreement = TokenAgreement { right, total: truths.len() as u64 };
            by_item.add(u64::from(gold.position), gold.weight, &each(&truths), &each(&given), Some(agreement));
        }
    }
    if task.kind == TaskKind::Tag {
        let scores = by_item.scores("gold items", "tokens");
        return Score::Tokens(Box::new(TokenScore { scores, tally, items }));
    }
    Score::Single(tally, task.kind == TaskKind::Ordinal)
}

/// An answer in a few words.
pub(super) fn answer_in_words(answer: &Answer) -> String {
    let list = |labels: &[postil_core::Name]| {
        if labels.is_empty() { "none".to_owned() } else { labels.join(" | ") }
    };
    match answer {
        Answer::Ordinal { label, score: Some(score) } => format!("{label} ({score:.2})"),
        Answer::Class { label } | Answer::Ordinal { label, score: None } => label.to_string(),
        Answer::Set { labels } => list(labels),
        Answer::Candidates { labels } => labels.join(" or "),
        Answer::Distribution { weights } => {
            weights.iter().map(|(label, weight)| format!("{label} {weight:.2}")).collect::<Vec<_>>().join(", ")
        }
        Answer::Spans { spans, .. } if spans.is_empty() => "no span".to_owned(),
        Answer::Spans { spans, .. } => {
            spans.iter().take(3).map(|span| format!("{} {}", span.label, span.quote)).collect::<Vec<_>>().join(", ")
        }
        Answer::Tags { tags } => tags.iter().take(6).map(|tag| &**tag).collect::<Vec<_>>().join(" "),
        Answer::Preference { choice, orders } => match orders {
            Some((first, second)) if first != second => format!("{} (by place)", choice.name()),
            _ => choice.name().to_owned(),
        },
        Answer::Record { fields, .. } => serde_json::Value::Object(fields.clone()).to_string(),
        Answer::Abstain => "nothing".to_owned(),
    }
}
