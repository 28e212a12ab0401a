//! Items with any number of labels.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::label_errors::{Filter, Rank, Settings, find_sets};
use postil_core::table::TableWriter;
use postil_core::{Error, Measured};
use serde_json::json;

use super::super::input::several;
use super::super::output::{count, remark, say_json, table};
use super::super::probabilities::ProbabilityTable;
use super::{Arguments, known};

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(path) = &arguments.probs else {
        anyhow::bail!(Error::task("expected `--probs` with `--multilabel`, found none"));
    };
    let given = known::given(arguments)?;
    let cells: Vec<Vec<String>> = given.labels.iter().map(|cell| several(cell)).collect::<Result<_, Error>>()?;
    let mut labels: Vec<String> = cells.iter().flatten().cloned().collect();
    labels.sort_unstable();
    labels.dedup();
    let table_of = ProbabilityTable::read(path, arguments.item.as_deref(), &labels)?;
    let labels = &table_of.labels;
    let kept: Vec<u32> = {
        let (_, missing) = table_of.of(given.items.iter());
        if !missing.is_empty() {
            remark(&format!(
                "note: {} labelled items have no probabilities and were left out",
                count(missing.len() as u64)
            ));
        }
        let missing: std::collections::HashSet<String> = missing.into_iter().collect();
        (0..given.items.len() as u32).filter(|&item| !missing.contains(given.items.get(item))).collect()
    };
    if kept.is_empty() {
        anyhow::bail!(Error::input("expected probabilities of the labelled items, found none").in_file(path));
    }
    let (rows, _) = table_of.of(kept.iter().map(|&item| given.items.get(item)));
    let rows: Vec<f32> = rows.into_iter().map(|p| p as f32).collect();
    let has: Vec<bool> = kept
        .iter()
        .flat_map(|&item| {
            let cell = &cells[usize::from(given.label[item as usize])];
            labels.iter().map(move |label| cell.contains(label))
        })
        .collect();
    let settings = Settings {
        filter: Filter::parse(&arguments.filter)?,
        rank: Rank::parse(&arguments.rank)?,
        adjusted: arguments.adjust,
        budget: arguments.budget,
        ..Settings::default()
    };
    let found = find_sets(&has, &rows, labels.len(), &settings).map_err(|error| error.in_file(path))?;
    let item = |place: u32| given.items.get(kept[place as usize]);
    let change = |is_given: bool| if is_given { "remove" } else { "add" };
    if let Some(output) = &arguments.output {
        let schema = Arc::new(Schema::new(vec![
            Field::new("item", DataType::Utf8, false),
            Field::new("label", DataType::Utf8, false),
            Field::new("change", DataType::Utf8, false),
            Field::new("score", DataType::Float64, false),
            Field::new("error_probability", DataType::Float64, false),
        ]));
        let issues = &found.issues;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| item(issue.item)))),
            Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| &labels[usize::from(issue.label)]))),
            Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| change(issue.given)))),
            Arc::new(Float64Array::from_iter_values(issues.iter().map(|issue| issue.score))),
            Arc::new(Float64Array::from_iter_values(issues.iter().map(|issue| issue.error_probability))),
        ];
        let mut writer = TableWriter::create(output, schema.clone(), None)?;
        writer.write(&RecordBatch::try_new(schema, columns)?)?;
        writer.finish()?;
    }
    if arguments.json {
        return say_json(&json!({
            "items": kept.len(),
            "labels": labels,
            "estimated_errors": labels.iter().zip(&found.estimated).collect::<std::collections::BTreeMap<_, _>>(),
            "issues": found.issues.iter().map(|issue| json!({
                "item": item(issue.item),
                "label": labels[usize::from(issue.label)],
                "change": change(issue.given),
                "score": issue.score,
                "error_probability": issue.error_probability,
            })).collect::<Vec<_>>(),
            "output": arguments.output,
        }));
    }
    arguments.voice()?.say(&format!(
        "{} items, {} labels each a question of its own",
        count(kept.len() as u64),
        labels.len()
    ))?;
    let rows: Vec<Vec<String>> = labels
        .iter()
        .zip(&found.estimated)
        .map(|(label, estimated)| {
            let shown = match estimated {
                Measured::Known { value, low, high, .. } => format!("{value:.0} [{low:.0}, {high:.0}]"),
                Measured::Unknown { .. } => "unknown".to_owned(),
            };
            vec![label.clone(), shown]
        })
        .collect();
    arguments.voice()?.say(&format!("\n{}", table(&["label", "wrong decisions"], &rows)))?;
    arguments.voice()?.say("(95 % intervals, by out-of-sample probabilities alone; no decision was checked)")?;
    let rows: Vec<Vec<String>> = found
        .issues
        .iter()
        .take(10)
        .map(|issue| {
            vec![
                item(issue.item).to_owned(),
                format!("{} {}", change(issue.given), labels[usize::from(issue.label)]),
                format!("{:.2}", issue.error_probability),
            ]
        })
        .collect();
    if !rows.is_empty() {
        arguments.voice()?.say(&format!("\n{}", table(&["item", "change", "P(wrong)"], &rows)))?;
    }
    arguments.voice()?.say(&format!(
        "{} decisions about {} items are listed",
        count(found.issues.len() as u64),
        count(found.items.len() as u64)
    ))
}
