//! `postil plan`

use std::path::PathBuf;

use postil_core::{Error, ItemBatch};
use serde_json::json;

use super::output::{count, remark, say, say_json, table};
use crate::project::Project;
use crate::run::{Forecast, gold_items, open_annotators, open_items, preview};

/// Items that annotators are tried on.
const SAMPLE: usize = 200;

/// What can be typed after `postil plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project: a folder with a postil.toml, or the file itself
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Print what language models would be sent about the first item, byte by byte, and nothing else
    #[arg(long, conflicts_with = "json")]
    show_prompt: bool,
}

pub(super) fn execute(arguments: &Arguments, threads: usize) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    let gold = gold_items(&project)?.len();
    let mut annotators = open_annotators(&project, threads)?;
    let mut source = open_items(&project, false, None)?;
    let mut forecasts = Forecast::all(&project)?;
    let mut sample = None;
    for batch in &mut source {
        let batch = batch?;
        if sample.is_none() {
            let rows: Vec<usize> = (0..batch.len().min(SAMPLE)).collect();
            sample = Some(batch.select(&rows)?);
            if arguments.show_prompt {
                break;
            }
        }
        forecasts.iter_mut().try_for_each(|forecast| forecast.add(&batch))?;
    }
    forecasts.iter_mut().for_each(Forecast::add_rounds);
    let report = source.report().clone();
    let Some(sample) = sample else {
        anyhow::bail!(Error::input("expected at least one item, found none").in_file(&project.items));
    };
    if arguments.show_prompt {
        return show_prompts(&forecasts, &sample);
    }
    let previews = preview(&mut annotators, &sample, report.items)?;
    let seconds = previews.iter().fold(0.0, |sum, one| sum + one.seconds_per_item * report.items as f64);
    let sum = |of: fn(&Forecast) -> u64| forecasts.iter().map(of).sum::<u64>();
    let money: u64 =
        previews.iter().map(|one| one.cost.money_micros).sum::<u64>() + sum(|one| one.expected.money_micros);
    let worst = sum(|one| one.worst.money_micros);
    if let Some(limit) = project.budget.and_then(|budget| budget.money)
        && money as f64 / 1e6 > limit
    {
        remark(&format!(
            "note: the expected cost {:.2} is above the budget of {limit:.2}: a run stops there",
            money as f64 / 1e6
        ));
    }
    if arguments.json {
        let annotators: Vec<_> = previews
            .iter()
            .map(|one| {
                json!({
                    "name": one.identity.name,
                    "kind": one.identity.kind,
                    "version": one.identity.version,
                    "sample": sample.len(),
                    "answered": one.answered,
                    "seconds": one.seconds_per_item * report.items as f64,
                    "money": one.cost.money_micros as f64 / 1e6,
                    "example": one.example,
                })
            })
            .collect();
        return say_json(&json!({
            "project": project.name,
            "kind": project.task.kind,
            "labels": project.task.labels.names().collect::<Vec<_>>(),
            "items": report.items,
            "bad_rows": report.bad_rows,
            "duplicates": report.repeated_rows,
            "gold": gold,
            "annotators": annotators,
            "models": forecasts.iter().map(model_as_json).collect::<Vec<_>>(),
            "worst_money": worst as f64 / 1e6,
            "expected_seconds": seconds,
            "expected_money": money as f64 / 1e6,
            "example": { "id": sample.id(0), "text": sample.text(0) },
        }));
    }
    for fault in report.first_bad.iter().take(3) {
        remark(&format!("note: line {} cannot be read: {}", fault.line, fault.reason));
    }
    say(&format!(
        "{} items; {}, {} labels: {}",
        count(report.items),
        project.task.kind,
        project.task.labels.len(),
        project.task.labels.names().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
    ))?;
    if report.bad_rows + report.repeated_rows > 0 {
        say(&format!(
            "{} rows cannot be read, {} repeat an earlier one",
            count(report.bad_rows),
            count(report.repeated_rows)
        ))?;
    }
    say(&format!("{} gold labels\n\n", count(gold as u64)))?;
    let rows: Vec<Vec<String>> = previews
        .iter()
        .map(|one| {
            vec![
                one.identity.name.to_string(),
                one.identity.kind.name().to_owned(),
                format!("{:.0} %", 100.0 * one.answered as f64 / sample.len() as f64),
                format!("{:.2} s", one.seconds_per_item * report.items as f64),
                format!("{:.2}", one.cost.money_micros as f64 / 1e6),
                one.example.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        say(&table(&["annotator", "kind", "answers", "time", "cost", "example"], &rows))?;
    }
    for forecast in &forecasts {
        say(&format!("\n{}", model_in_words(forecast)))?;
    }
    if project.routing.is_some() {
        say(
            "\n`[routing]` asks every model about the gold that fits, and then only where its plan wants an answer: these costs are the most",
        )?;
    }
    let text: String = sample.text(0).chars().take(160).collect();
    say(&format!("\nexample item `{}`: {text}", sample.id(0)))?;
    say(&format!(
        "expected: {seconds:.1} s for the annotators on one core, {:.2} spent (answers and time from the first {} items)",
        money as f64 / 1e6,
        sample.len()
    ))
}

/// The exact bytes of the requests about the first item.
fn show_prompts(forecasts: &[Forecast], sample: &ItemBatch) -> anyhow::Result<()> {
    if forecasts.is_empty() {
        anyhow::bail!(Error::task("expected a language model among the annotators, found none"));
    }
    for forecast in forecasts {
        let (url, requests) = forecast.requests_about(sample, 0)?;
        for (number, request) in requests.iter().enumerate() {
            let name = &forecast.model.identity().name;
            say(&format!("# {name}, request {} of {}: POST {url}", number + 1, requests.len()))?;
            say(&String::from_utf8_lossy(&request.body))?;
        }
    }
    Ok(())
}

fn model_as_json(forecast: &Forecast) -> serde_json::Value {
    let money = |micros: u64| forecast.priced().then_some(micros as f64 / 1e6);
    json!({
        "name": forecast.model.identity().name,
        "version": forecast.model.identity().version,
        "ask": forecast.model.ask(),
        "items": forecast.items,
        "requests": forecast.requests,
        "expected": { "money": money(forecast.expected.money_micros), "input_tokens": forecast.expected.input_tokens,
            "output_tokens": forecast.expected.output_tokens },
        "worst": { "money": money(forecast.worst.money_micros), "input_tokens": forecast.worst.input_tokens,
            "output_tokens": forecast.worst.output_tokens },
        "least_seconds": forecast.seconds(),
    })
}

fn model_in_words(forecast: &Forecast) -> String {
    let (expected, worst) = (forecast.expected, forecast.worst);
    let tokens = |cost: postil_core::Cost| count(cost.input_tokens + cost.output_tokens);
    let money = if forecast.priced() {
        format!(
            "{:.2} expected, {:.2} at most ({} and {} tokens)",
            expected.money_micros as f64 / 1e6,
            worst.money_micros as f64 / 1e6,
            tokens(expected),
            tokens(worst)
        )
    } else {
        format!("unpriced: {} tokens expected, {} at most", tokens(expected), tokens(worst))
    };
    let time = match forecast.seconds() {
        Some(seconds) => format!("at least {} by its limits", minutes(seconds)),
        None => "time unknown before it is asked".to_owned(),
    };
    format!(
        "{}: {} requests about {} items; {money}; {time}; {}",
        forecast.model.identity().name,
        count(forecast.requests),
        count(forecast.items),
        forecast.model.ask().basis()
    )
}

fn minutes(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
