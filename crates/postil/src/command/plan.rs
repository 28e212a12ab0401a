//! `postil plan`

use std::path::PathBuf;

use postil_core::Error;
use serde_json::json;

use super::output::{count, remark, say, say_json, table};
use crate::project::Project;
use crate::run::{gold_items, open_annotators, open_items, preview};

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
}

pub(super) fn execute(arguments: &Arguments, threads: usize) -> anyhow::Result<()> {
    let project = Project::open(&arguments.project)?;
    project.check_available()?;
    let gold = gold_items(&project)?.len();
    let mut annotators = open_annotators(&project, threads)?;
    let mut source = open_items(&project, false, None)?;
    let mut sample = None;
    for batch in &mut source {
        let batch = batch?;
        if sample.is_none() {
            let rows: Vec<usize> = (0..batch.len().min(SAMPLE)).collect();
            sample = Some(batch.select(&rows)?);
        }
    }
    let report = source.report().clone();
    let Some(sample) = sample else {
        anyhow::bail!(Error::input("expected at least one item, found none").in_file(&project.items));
    };
    let previews = preview(&mut annotators, &sample, report.items)?;
    let seconds: f64 = previews.iter().map(|one| one.seconds_per_item * report.items as f64).sum();
    let money: u64 = previews.iter().map(|one| one.cost.money_micros).sum();
    if let Some(limit) = project.budget.and_then(|budget| budget.money)
        && money as f64 / 1e6 > limit
    {
        remark(&format!("note: the expected cost {:.2} is above the budget of {limit:.2}", money as f64 / 1e6));
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
    say(&table(&["annotator", "kind", "answers", "time", "cost", "example"], &rows))?;
    let text: String = sample.text(0).chars().take(160).collect();
    say(&format!("\nexample item `{}`: {text}", sample.id(0)))?;
    say(&format!(
        "expected: {seconds:.1} s for the annotators on one core, {:.2} spent (answers and time from the first {} items)",
        money as f64 / 1e6,
        sample.len()
    ))
}
