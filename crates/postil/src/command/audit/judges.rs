//! Labels against judges.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::read_answers;
use postil_core::label_errors::{JudgeSettings, judge};
use postil_core::table::TableWriter;
use postil_core::{Class, Error};
use serde_json::json;

use super::super::input::answer_options;
use super::super::output::{count, remark, say_json, table};
use super::{Arguments, known};

/// The half-width at 95 % that the check is planned for.
const HALF_WIDTH: f64 = 0.03;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(path) = &arguments.judges else { return Ok(()) };
    if arguments.probs.is_some() || arguments.text.is_some() {
        anyhow::bail!(Error::task("expected either judges or probabilities, found both").hint("audit by each in turn"));
    }
    let given = known::given(arguments)?;
    let answers = read_answers(path, &answer_options(arguments.item.as_deref(), None, None, None))?;
    if answers.report.bad_rows > 0 {
        remark(&format!("note: {} rows of the judges could not be read", count(answers.report.bad_rows)));
    }
    // Judges may say what nobody was given.
    let mut labels: Vec<String> = given.labels.iter().map(ToString::to_string).collect();
    let said: Vec<Class> = answers
        .labels
        .iter()
        .map(|label| {
            let place = labels.iter().position(|known| **known == **label).unwrap_or_else(|| {
                labels.push(label.to_string());
                labels.len() - 1
            });
            place as Class
        })
        .collect();
    let (mut item, mut class, mut confidence) = (Vec::new(), Vec::new(), Vec::new());
    let mut foreign = 0;
    for (place, &about) in answers.item.iter().enumerate() {
        match given.items.find(answers.items.get(about)) {
            Some(number) => {
                item.push(number);
                class.push(said[usize::from(answers.label[place])]);
                confidence.push(answers.confidence.as_ref().map_or(f32::NAN, |all| all[place]));
            }
            None => foreign += 1,
        }
    }
    if foreign > 0 {
        remark(&format!("note: {} answers of the judges are about items without a label here", count(foreign)));
    }
    let checked = match &arguments.checked {
        Some(path) => known::checked(path, &given)?,
        None => Vec::new(),
    };
    let settings = JudgeSettings { half_width: HALF_WIDTH, seed: arguments.seed };
    let mut found = judge(&given.label, (&item, &class, Some(&confidence)), &checked, &settings)
        .map_err(|error| error.in_file(path))?;
    if let Some(budget) = arguments.budget {
        found.flagged.truncate(budget);
    }
    let name = |class: Class| labels[usize::from(class)].as_str();
    if let Some(output) = &arguments.output {
        // Items that no judge disagrees with are listed where the check needs them.
        let mut rows: Vec<(u32, Class, Class, f64, f64, f64, u32)> = found
            .flagged
            .iter()
            .map(|one| (one.item, one.given, one.suggested, one.score, one.disagreement, one.confidence, one.judges))
            .collect();
        let listed: std::collections::HashSet<u32> = rows.iter().map(|row| row.0).collect();
        for &item in found.plan.draw.iter().filter(|item| !listed.contains(item)) {
            let label = given.label[item as usize];
            rows.push((item, label, label, 0.0, 0.0, 0.0, 0));
        }
        let schema = Arc::new(Schema::new(vec![
            Field::new("item", DataType::Utf8, false),
            Field::new("given", DataType::Utf8, false),
            Field::new("suggested", DataType::Utf8, false),
            Field::new("score", DataType::Float64, false),
            Field::new("disagreement", DataType::Float64, false),
            Field::new("confidence", DataType::Float64, false),
            Field::new("judges", DataType::UInt32, false),
            Field::new("check", DataType::Boolean, false),
        ]));
        let drawn = |item: u32| found.plan.draw.binary_search(&item).is_ok();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| given.items.get(row.0)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| name(row.1)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| name(row.2)))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.4))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.5))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.6))),
            Arc::new(rows.iter().map(|row| Some(drawn(row.0))).collect::<BooleanArray>()),
        ];
        let mut writer = TableWriter::create(output, schema.clone(), None)?;
        writer.write(&RecordBatch::try_new(schema, columns)?)?;
        writer.finish()?;
    }
    if arguments.json {
        return say_json(&json!({
            "items": found.items,
            "unjudged": found.unjudged,
            "labels": labels,
            "flagged": found.flagged.iter().map(|one| json!({
                "item": given.items.get(one.item),
                "given": name(one.given),
                "suggested": name(one.suggested),
                "judges": one.judges,
                "disagreement": one.disagreement,
                "confidence": one.confidence,
                "score": one.score,
            })).collect::<Vec<_>>(),
            "strata": found.plan.strata,
            "to_check": found.plan.draw.iter().map(|&item| given.items.get(item)).collect::<Vec<_>>(),
            "error_rate": found.error_rate,
            "output": arguments.output,
        }));
    }
    arguments.voice()?.say(&format!(
        "{} labels judged by {} judges; at least one disagrees on {}",
        count(found.items as u64),
        answers.annotators.len(),
        count(found.flagged.len() as u64)
    ))?;
    if found.unjudged > 0 {
        arguments.voice()?.say(&format!("{} labels were not judged", count(found.unjudged as u64)))?;
    }
    arguments.voice()?.say(&format!("share of wrong labels: {}", found.error_rate))?;
    let rows: Vec<Vec<String>> = found
        .plan
        .strata
        .iter()
        .map(|one| {
            vec![
                one.name.to_owned(),
                count(one.items as u64),
                count(one.to_check as u64),
                count(one.checked as u64),
                one.error_rate.brief(),
            ]
        })
        .collect();
    arguments.voice()?.say(&format!("\n{}", table(&["judges", "items", "to check", "checked", "wrong"], &rows)))?;
    if found.plan.strata.iter().any(|one| one.checked > 0) {
        arguments.voice()?.say("(95 % intervals, by the checked items of each row)")?;
    }
    let rows: Vec<Vec<String>> = found
        .flagged
        .iter()
        .take(10)
        .map(|one| {
            vec![
                given.items.get(one.item).to_owned(),
                name(one.given).to_owned(),
                name(one.suggested).to_owned(),
                format!("{:.0} % of {}", 100.0 * one.disagreement, one.judges),
                format!("{:.3}", one.score),
            ]
        })
        .collect();
    if !rows.is_empty() {
        arguments.voice()?.say(&format!("\n{}", table(&["item", "given", "suggested", "disagree", "score"], &rows)))?;
    }
    arguments.voice()?.written(arguments.output.as_deref(), "`-o FILE` writes the list, with the items to check marked")
}
