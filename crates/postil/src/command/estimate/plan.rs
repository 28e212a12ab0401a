//! `postil estimate plan`

use postil_core::guarantee::{Question, items_needed};
use serde_json::json;

use super::super::output::{count, say, say_json, table};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// About how large the share, accuracy, recall or F1 is
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    share: f64,
    /// Half the width of the interval
    #[arg(long, value_name = "WIDTH", default_value_t = 0.05)]
    half_width: f64,
    /// The share of the rarest class that matters
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    prevalence: f64,
    /// All items there are
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    population: usize,
    /// The difference between two systems that matters
    #[arg(long, value_name = "SHARE", default_value_t = 0.03)]
    difference: f64,
    /// The share of items on which exactly one of two systems is right
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    discordance: f64,
    /// How many humans there are to compare a machine with
    #[arg(long, value_name = "N", default_value_t = 3)]
    humans: usize,
    /// What a machine's lower cost is worth
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    epsilon: f64,
    /// By how much humans are better than the machine
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    gap: f64,
    /// The correlation between the machine's label and the truth
    #[arg(long, value_name = "NUMBER", default_value_t = 0.7)]
    correlation: f64,
    /// The largest share of wrong labels that a promise allows
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    risk: f64,
    /// The share of wrong labels among those that will be accepted, as expected
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    error: f64,
    /// The share of items that will be accepted, as expected
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    accepted: f64,
    /// The confidence
    #[arg(long, value_name = "LEVEL", default_value_t = 0.95)]
    confidence: f64,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let a = arguments;
    let percent = |value: f64| format!("{} %", (value * 1000.0).round() / 10.0);
    let near = format!("near {}, to plus or minus {}", percent(a.share), percent(a.half_width));
    let questions: Vec<(String, Question)> = vec![
        (
            format!("a share or an accuracy {near}"),
            Question::Share { share: a.share, half_width: a.half_width, population: Some(a.population) },
        ),
        (
            format!("the same, helped by a machine whose label correlates {} with the truth", a.correlation),
            Question::Surrogate {
                share: a.share,
                half_width: a.half_width,
                correlation: a.correlation,
                population: a.population,
            },
        ),
        (
            format!("that at least {} are right, if none is found wrong", percent(1.0 - a.risk)),
            Question::AtLeast { accuracy: 1.0 - a.risk, errors: 0 },
        ),
        (
            format!("the recall of a class of {} {near}", percent(a.prevalence)),
            Question::Recall { recall: a.share, prevalence: a.prevalence, half_width: a.half_width },
        ),
        (
            format!("the F1 of a class of {} {near}", percent(a.prevalence)),
            Question::F1 { f1: a.share, prevalence: a.prevalence, half_width: a.half_width },
        ),
        (
            format!(
                "which of two systems is better by {}, when they differ on {}",
                percent(a.difference),
                percent(a.discordance)
            ),
            Question::Compare { difference: a.difference, discordance: a.discordance },
        ),
        (
            format!(
                "whether a machine may replace {} humans (epsilon {}, gap {}), items each",
                a.humans, a.epsilon, a.gap
            ),
            Question::Replace { humans: a.humans, epsilon: a.epsilon, gap: a.gap, deviation: 0.6 },
        ),
        (
            format!(
                "a promise of at most {} wrong among {} accepted, when {} are",
                percent(a.risk),
                percent(a.accepted),
                percent(a.error)
            ),
            Question::Promise { risk: a.risk, error: a.error, accepted: a.accepted },
        ),
    ];
    let answers: Vec<(String, Question, Result<u64, postil_core::Error>)> = questions
        .into_iter()
        .map(|(what, question)| {
            let answer = items_needed(question, a.confidence);
            (what, question, answer)
        })
        .collect();
    // If every question fails, a setting that all of them share is wrong.
    if answers.iter().all(|(_, _, answer)| answer.is_err()) {
        for (_, _, answer) in answers {
            answer?;
        }
        return Ok(());
    }
    if a.json {
        let all: Vec<_> = answers
            .iter()
            .map(|(what, question, answer)| {
                json!({
                    "question": what,
                    "settings": question,
                    "items": answer.as_ref().ok(),
                    "reason": answer.as_ref().err().map(ToString::to_string),
                })
            })
            .collect();
        return say_json(&json!({ "confidence": a.confidence, "questions": all }));
    }
    say(&format!("gold labels needed, drawn at random, with {} confidence", percent(a.confidence)))?;
    let rows: Vec<Vec<String>> = answers
        .iter()
        .map(|(what, _, answer)| {
            let items = match answer {
                Ok(items) => count(*items),
                Err(error) => error.to_string(),
            };
            vec![what.clone(), items]
        })
        .collect();
    say(&table(&["to know", "gold labels"], &rows))
}
