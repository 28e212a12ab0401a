//! The quality of every stage on the gold that only measures.

use postil_core::audit::{GoldPart, SetTally, Tally};
use postil_core::{Answer, Class, Task, TaskKind};

use super::ballots::{classes_per_decision, decisions_per_item};
use super::combine::{Labels, student_row};
use super::fuse::Fused;
use super::gold::{Gold, Placed};
use super::learn::Learned;
use crate::score::{Score, decide};

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
    task: &Task,
    labels: &Labels,
    fused: &Fused,
    learned: Option<&Learned>,
    gold: &Gold,
) -> Measurements {
    let (classes, per_item) = (classes_per_decision(task), decisions_per_item(task));
    let ordered = task.kind == TaskKind::Ordinal;
    let score = |row: &dyn Fn(usize) -> (Vec<f32>, Class)| {
        let mut score = if task.kind == TaskKind::Multilabel {
            Score::Sets(SetTally::new(task.labels.len()))
        } else {
            Score::Single(Tally::new(classes), ordered)
        };
        for gold in gold.part(GoldPart::Measure) {
            add(&mut score, gold, per_item, row);
        }
        score
    };
    Measurements {
        basis: gold.basis(),
        labels: score(&|decision| (labels.of(decision).to_vec(), labels.given[decision])),
        consensus: score(&|decision| {
            let row = fused.consensus.of(decision);
            (row.to_vec(), decide(row))
        }),
        student: learned.map(|learned| {
            score(&|decision| {
                let row = student_row(learned, decision, classes, per_item);
                let given = decide(&row);
                (row, given)
            })
        }),
    }
}

fn add(score: &mut Score, gold: &Placed, per_item: usize, row: &dyn Fn(usize) -> (Vec<f32>, Class)) {
    let first = gold.position as usize * per_item;
    match score {
        Score::Single(tally, _) => {
            let (posterior, given) = row(first);
            tally.add(gold.classes[0], given, Some(&posterior), gold.weight);
        }
        Score::Sets(tally) => {
            let truth: Vec<bool> = (0..per_item).map(|label| gold.classes.contains(&(label as Class))).collect();
            let given: Vec<bool> = (0..per_item).map(|label| row(first + label).1 == 1).collect();
            tally.add(&truth, &given, gold.weight);
        }
    }
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
        Answer::Spans { spans } if spans.is_empty() => "no span".to_owned(),
        Answer::Spans { spans } => {
            spans.iter().take(3).map(|span| format!("{} {}", span.label, span.quote)).collect::<Vec<_>>().join(", ")
        }
        Answer::Abstain => "nothing".to_owned(),
        other => other.kind_name().to_owned(),
    }
}
