//! What `postil aggregate` prints.

use postil_core::consensus::{Consensus, Warning};
use postil_core::items::AnswerTable;
use postil_core::votes::{Gold, Votes};
use serde_json::json;

use super::super::output::{count, remark, say, say_json, table};
use super::super::soft;
use super::Arguments;
use crate::report::Figure;

/// Annotators listed on a terminal.
const SHOWN: usize = 20;
/// Nearly constant annotators named one by one.
const NAMED: usize = 3;

/// Prints the result, for people or as JSON.
pub(super) fn show(
    arguments: &Arguments,
    answers: &AnswerTable,
    votes: &Votes,
    gold: &Gold,
    consensus: &Consensus,
    figures: &[Figure],
    distances: Option<&soft::SoftScores>,
) -> anyhow::Result<()> {
    let warnings: Vec<String> = consensus.warnings.iter().map(|warning| in_words(warning, answers)).collect();
    if arguments.json {
        let name = |figure: &Figure| figure.name.replace([' ', '-'], "_");
        let truth: serde_json::Map<String, serde_json::Value> = figures
            .iter()
            .map(|figure| Ok((name(figure), serde_json::to_value(&figure.value)?)))
            .collect::<anyhow::Result<_>>()?;
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
    // Standard output is for the labels when they go there.
    let taken = arguments.output.as_ref().is_some_and(|output| output.as_os_str() == "-");
    let line = |text: &str| {
        if taken {
            remark(text);
            Ok(())
        } else {
            say(text)
        }
    };
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
    if order.len() > SHOWN {
        line(&format!("and {} more; `--annotators FILE` writes all", order.len() - SHOWN))?;
    }
    match &arguments.output {
        Some(output) if !taken => line(&format!("written: {}", output.display())),
        Some(_) => Ok(()),
        None => line("`-o FILE` writes the labels with their probabilities"),
    }
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
