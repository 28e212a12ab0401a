//! `postil agree --simulate`: what fewer answers would have done, how well people are predicted, and who should answer.

use std::path::Path;

use postil_core::items::{AnswerTable, read_truth};
use postil_core::perspective::{self, Budget, BudgetRow, HeldOut, Predictor, Replay, Simulation, Strategy};
use postil_core::votes::{Gold, GoldEntry, Votes};
use postil_core::{Error, Measured, Random};
use serde_json::json;

use super::input::answer_options;
use super::output::{count, remark, say, say_json, table};

/// What can be typed after `--simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Simulated {
    /// Show what fewer answers per item would have done, instead of the agreement
    #[arg(long)]
    pub(super) simulate: bool,
    /// Known labels to compare the simulated ones with: item and label
    #[arg(long, value_name = "FILE", requires = "simulate")]
    truth: Option<std::path::PathBuf>,
    /// The answers to spend in the comparison of more items with more answers each [default: the number of items]
    #[arg(long, value_name = "N", requires = "simulate")]
    budget: Option<usize>,
    /// How often answers are drawn
    #[arg(long, value_name = "N", default_value_t = 20, requires = "simulate")]
    draws: usize,
    /// Also replay who should answer next, against annotators drawn at random
    #[arg(long, requires = "simulate")]
    annotator_choice: bool,
}

pub(super) fn execute(
    arguments: &Simulated,
    answers: &AnswerTable,
    votes: &Votes,
    (ordered, seed, as_json): (bool, u64, bool),
) -> anyhow::Result<()> {
    let truth = arguments.truth.as_deref().map_or_else(|| Ok(Gold::none()), |path| known(path, answers))?;
    let budget = Budget { draws: arguments.draws, total: arguments.budget, seed, ..Budget::default() };
    let simulation = perspective::simulate(votes, &truth, &budget)?;
    let part = (votes.len() > MOST_ANSWERS).then(|| part(votes, seed));
    let votes = part.as_ref().unwrap_or(votes);
    let held_out = perspective::held_out(votes, ordered, seed)?;
    let replay = arguments.annotator_choice.then(|| perspective::replay(votes, arguments.draws, seed)).transpose()?;
    if as_json {
        return say_json(&json!({ "simulation": simulation, "held_out": held_out, "annotator_choice": replay }));
    }
    show_budgets(&simulation)?;
    show_people(&held_out, answers)?;
    replay.as_ref().map_or(Ok(()), show_replay)
}

/// Answers beyond which people are predicted and replayed on a part of the items.
const MOST_ANSWERS: usize = 500_000;

/// Items drawn at random, with about as many answers as are wanted.
fn part(votes: &Votes, seed: u64) -> Votes {
    let wanted = (votes.decisions() as f64 * MOST_ANSWERS as f64 / votes.len() as f64) as usize;
    let mut random = Random::for_purpose(seed, "items for the prediction of people");
    let items: Vec<u32> = random.sample(votes.decisions(), wanted).into_iter().map(|item| item as u32).collect();
    remark(&format!(
        "note: people are predicted on {} of {} items, drawn at random",
        count(items.len() as u64),
        count(votes.decisions() as u64)
    ));
    votes.select(&items)
}

fn known(path: &Path, answers: &AnswerTable) -> anyhow::Result<Gold> {
    let truth = read_truth(path, &answer_options(None, None, None, None))?;
    let mut entries = Vec::new();
    let (mut absent, mut foreign) = (0, 0);
    for (item, &label) in truth.items.iter().zip(&truth.label) {
        let Some(decision) = answers.items.find(item) else {
            absent += 1;
            continue;
        };
        match answers.labels.iter().position(|known| *known == truth.labels[usize::from(label)]) {
            Some(class) => entries.push(GoldEntry { decision, class: class as u16, inclusion: None }),
            None => foreign += 1,
        }
    }
    for (number, what) in
        [(absent, "items of the truth have no answers"), (foreign, "labels of the truth are given by nobody")]
    {
        if number > 0 {
            remark(&format!("note: {} {what}", count(number)));
        }
    }
    if entries.is_empty() {
        anyhow::bail!(
            Error::input("expected known labels of items that have answers, found none")
                .in_file(path)
                .hint("its columns are `item` and `label`, named as in the answers")
        );
    }
    Ok(Gold::new(entries)?)
}

fn percent(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } => {
            format!("{:.1} % [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0)
        }
        Measured::Unknown { .. } => "unknown".to_owned(),
    }
}

fn budget_table(rows: &[BudgetRow], truth: bool, fixed: bool) -> String {
    let mut header = vec!["answers per item", "answers"];
    header.extend(fixed.then_some("items"));
    header.extend(["same vote as all", "same Dawid-Skene"]);
    header.extend(truth.then_some(["vote right", "Dawid-Skene right"]).into_iter().flatten());
    header.extend(if fixed { ["worth in clean items"] } else { ["distance of shares"] });
    let body: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.answers_per_item.to_string(), count(row.answers.round() as u64)];
            cells.extend(fixed.then(|| count(row.items as u64)));
            cells.extend([percent(&row.kept_by_majority), percent(&row.kept_by_dawid_skene)]);
            if truth {
                cells.extend([percent(&row.right_by_majority), percent(&row.right_by_dawid_skene)]);
            }
            cells.push(match (&row.worth, fixed) {
                (Measured::Known { value, low, high, .. }, true) => format!("{value:.0} [{low:.0}, {high:.0}]"),
                (Measured::Unknown { .. }, true) => "unknown".to_owned(),
                (_, false) => row.distance.brief(),
            });
            cells
        })
        .collect();
    table(&header, &body)
}

fn show_budgets(found: &Simulation) -> anyhow::Result<()> {
    let part = if found.items < found.all_items {
        format!(" drawn from {}", count(found.all_items as u64))
    } else {
        String::new()
    };
    say(&format!(
        "what fewer answers per item would have done: {} items{part}, answers drawn {} times, 95 % intervals\n",
        count(found.items as u64),
        found.draws
    ))?;
    let truth = found.truths > 0;
    say(&budget_table(&found.rows, truth, false))?;
    if truth {
        say(&format!("truth is known for {} of the items", count(found.truths as u64)))?;
    }
    let keeps = |row: &BudgetRow| matches!(&row.kept_by_majority, Measured::Known { low, .. } if *low >= 0.95);
    let short = found.rows.iter().rposition(|row| !keeps(row)).map_or(0, |place| place + 1);
    if let Some(enough) = found.rows.get(short) {
        say(&format!(
            "{} answers per item or more keep the vote of all answers for at least 95 % of the items.",
            enough.answers_per_item
        ))?;
    }
    if found.fixed.len() < 2 {
        return Ok(());
    }
    say(&format!(
        "\nthe same {} answers spent on more items or on more answers for each\n",
        count(found.total as u64)
    ))?;
    say(&budget_table(&found.fixed, truth, true))?;
    let against = if truth { "the truth" } else { "the labels of all answers" };
    say(&match found.best_fixed {
        Some(each) => format!(
            "With {each} per item the labels teach a model most, if wrong ones fall at random (measured against {against})."
        ),
        None => format!("No division is surely worth more than the next best ({against})."),
    })
}

fn show_people(found: &HeldOut, answers: &AnswerTable) -> anyhow::Result<()> {
    say(&format!(
        "\npredicting each annotator's own answers, {} of them hidden in turn\n",
        count(found.answers as u64)
    ))?;
    let rows: Vec<Vec<String>> = found
        .predictors
        .iter()
        .map(|row| {
            vec![
                row.predictor.name().to_owned(),
                percent(&row.errors.overall),
                percent(&row.errors.over_people),
                percent(&row.errors.worst_tenth),
                row.log_loss.brief(),
            ]
        })
        .collect();
    say(&table(&["from", "wrong", "mean of annotators", "worst tenth of them", "log-loss"], &rows))?;
    if let Some(worst) = found.predictors.last().and_then(|row| row.errors.worst) {
        say(&format!("hardest to predict: `{}`", answers.annotators.get(worst)))?;
    }
    say(&match found.best {
        Predictor::Person => {
            format!("Knowing the annotator lowers the share of wrong predictions by {}.", percent(&found.gain))
        }
        other => format!(
            "Knowing the annotator does not surely help (gain {}); {} predict as well.",
            percent(&found.gain),
            other.name()
        ),
    })
}

fn show_replay(found: &Replay) -> anyhow::Result<()> {
    say(&format!(
        "\nwho should answer next: {} items, {:.1} annotators to choose from, replayed {} times\n",
        count(found.items as u64),
        found.pool,
        found.draws
    ))?;
    let rows: Vec<Vec<String>> = found
        .rows
        .iter()
        .map(|row| {
            vec![
                row.strategy.name().to_owned(),
                row.answers_per_item.to_string(),
                row.divergence.brief(),
                row.worst_people.brief(),
                if row.strategy == Strategy::Random { String::new() } else { signed(&row.gain) },
                if row.strategy == Strategy::Random { String::new() } else { signed(&row.gain_for_worst) },
            ]
        })
        .collect();
    let header = ["strategy", "answers", "divergence (bits)", "for the worst tenth", "gain on random", "gain for them"];
    say(&table(&header, &rows))?;
    say(&if found.recommended == Strategy::Random {
        "No strategy surely beats drawing annotators at random without leaving someone worse off; draw them at random."
            .to_owned()
    } else {
        format!("`{}` beats drawing annotators at random on these answers.", found.recommended)
    })
}

fn signed(figure: &Measured) -> String {
    match figure {
        Measured::Known { value, low, high, .. } => format!("{value:+.4} [{low:+.4}, {high:+.4}]"),
        Measured::Unknown { .. } => "unknown".to_owned(),
    }
}
