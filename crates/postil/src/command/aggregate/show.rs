//! What `postil aggregate` prints.

use postil_core::consensus::{Consensus, Warning};
use postil_core::items::AnswerTable;
use serde_json::json;

use super::super::output::{Voice, count, remark, say_json, table};
use super::soft;
use super::{Arguments, Material};
use crate::report::Figure;

/// Annotators listed on a terminal.
pub(super) const SHOWN: usize = 20;
/// What the accuracies of annotators rest on.
pub(super) const BASIS: &str =
    "(95 % intervals; each annotator's answers against posteriors that they helped to make, so they lean upwards)";
/// Nearly constant annotators named one by one.
const NAMED: usize = 3;

/// Figures as a JSON object.
pub(super) fn by_name(figures: &[Figure]) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let entry = |figure: &Figure| Ok((figure.name.replace([' ', '-'], "_"), serde_json::to_value(&figure.value)?));
    figures.iter().map(entry).collect()
}

/// Prints the result, for people or as JSON.
pub(super) fn show(
    arguments: &Arguments,
    material: &Material,
    consensus: &Consensus,
    figures: &[Figure],
    distances: Option<&soft::SoftScores>,
    voice: Voice,
) -> anyhow::Result<()> {
    let Material { answers, votes, gold } = material;
    let warnings: Vec<String> = consensus.warnings.iter().map(|warning| in_words(warning, answers)).collect();
    if arguments.json {
        let truth = by_name(figures)?;
        let annotators: Vec<_> = answers
            .annotators
            .iter()
            .zip(&consensus.annotators)
            .zip(&answers.refusals)
            .map(|((name, one), refusals)| {
                json!({
                    "annotator": name,
                    "answers": one.answers,
                    "refusals": refusals,
                    "accuracy": one.accuracy,
                    "near_constant": one.near_constant,
                })
            })
            .collect();
        return say_json(&json!({
            "answers": answers.label.len(),
            "items": answers.items.len(),
            "annotators": answers.annotators.len(),
            "labels": answers.labels,
            "bad_rows": answers.report.bad_rows,
            "blank_answers": answers.report.blank_labels,
            "repeated_answers": votes.repeated(),
            "method": consensus.method.name(),
            "reason": consensus.choice.as_ref().map(|choice| &choice.reason),
            "candidates": consensus.choice.iter().flat_map(|choice| &choice.candidates).map(|one| json!({
                "method": one.method.name(), "loss": one.loss, "behind": one.behind, "error": one.error, "share": one.weight,
            })).collect::<Vec<_>>(),
            "gold_used": gold.len(),
            "temperature": consensus.temperature,
            "ties": consensus.tied.len(),
            "unanimous": consensus.unanimous,
            "unanimous_overturned": consensus.overturned.len(),
            "unanimous_overturned_items": consensus.overturned.iter().take(100).map(|&item| answers.items.get(item)).collect::<Vec<_>>(),
            "truth": truth,
            "soft_truth": distances,
            "warnings": warnings,
            "annotator_reliability": annotators,
        }));
    }
    let line = |text: &str| voice.say(text);
    let mut constant = 0;
    for (warning, text) in consensus.warnings.iter().zip(&warnings) {
        constant += usize::from(matches!(warning, Warning::NearConstant { .. }));
        if !matches!(warning, Warning::NearConstant { .. }) || constant <= NAMED {
            remark(&format!("note: {text}"));
        }
    }
    if constant > NAMED {
        remark(&format!("note: so do {} further annotators; `--annotators FILE` names them", constant - NAMED));
    }
    line(&format!(
        "{} answers of {} annotators about {} items, {} labels",
        count(answers.label.len() as u64),
        count(answers.annotators.len() as u64),
        count(answers.items.len() as u64),
        answers.labels.len()
    ))?;
    let reason = consensus.choice.as_ref().map_or(String::new(), |choice| format!(": {}", choice.reason));
    line(&format!("method: {}{reason}", consensus.method.name()))?;
    line(&format!(
        "{} ties; {} unanimous items, {} of them overturned",
        count(consensus.tied.len() as u64),
        count(consensus.unanimous as u64),
        count(consensus.overturned.len() as u64)
    ))?;
    for figure in figures {
        line(&format!("  {:<18} {}", figure.name, figure.value))?;
    }
    if let Some(distances) = distances {
        line(&format!("\n{}", distances.shown()))?;
    }
    if let Some(choice) = &consensus.choice {
        let rows: Vec<Vec<String>> = choice
            .candidates
            .iter()
            .map(|one| {
                vec![
                    one.method.name().to_owned(),
                    format!("{:.4}", one.loss),
                    format!("{:.4} ± {:.4}", one.behind, one.error),
                    format!("{:.0} %", 100.0 * one.weight),
                ]
            })
            .collect();
        line(&format!("\n{}", table(&["candidate", "loss", "behind the best", "share"], &rows)))?;
    }
    let mut order: Vec<usize> = (0..consensus.annotators.len()).collect();
    order.sort_by(|&left, &right| consensus.annotators[right].answers.total_cmp(&consensus.annotators[left].answers));
    let rows: Vec<Vec<String>> = order
        .iter()
        .take(SHOWN)
        .map(|&number| {
            let one = &consensus.annotators[number];
            let flag = if one.near_constant { " (nearly constant)" } else { "" };
            vec![
                format!("{}{flag}", answers.annotators.get(number as u32)),
                count(one.answers.round() as u64),
                one.accuracy.brief(),
            ]
        })
        .collect();
    line(&format!("\n{}", table(&["annotator", "answers", "accuracy by the consensus"], &rows)))?;
    line(BASIS)?;
    if order.len() > SHOWN {
        line(&format!("and {} more; `--annotators FILE` writes all", order.len() - SHOWN))?;
    }
    voice.written(arguments.output.as_deref(), "`-o FILE` writes the labels with their probabilities")
}

/// A warning with the names of annotators and labels in place of their numbers.
fn in_words(warning: &Warning, answers: &AnswerTable) -> String {
    let label = |class: &u16| &answers.labels[usize::from(*class)];
    match warning {
        Warning::NearConstant { annotator, class, share } => format!(
            "annotator `{}` says `{}` in {:.1} % of its answers, whatever the truth",
            answers.annotators.get(*annotator),
            label(class),
            share * 100.0
        ),
        Warning::Collapsed { class, votes, posterior } => format!(
            "`{}` has {:.1} % of the votes and only {:.1} % of the posteriors",
            label(class),
            votes * 100.0,
            posterior * 100.0
        ),
        Warning::NearDuplicates { pairs } => {
            let named: Vec<String> = pairs
                .iter()
                .take(3)
                .map(|pair| {
                    let (left, right) = pair.annotators;
                    format!(
                        "`{}` and `{}` (the same in {:.1} % of {})",
                        answers.annotators.get(left),
                        answers.annotators.get(right),
                        pair.agreement * 100.0,
                        count(u64::from(pair.shared))
                    )
                })
                .collect();
            let more = if pairs.len() > 3 { format!(" and {} more pairs", pairs.len() - 3) } else { String::new() };
            format!("annotators that repeat each other: {}{more}; they share a vote", named.join(", "))
        }
        other => other.to_string(),
    }
}
