//! Which further answers are not worth buying.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::items::{AnswerTable, read_answers, read_truth};
use postil_core::label_errors::NO_LABEL;
use postil_core::redundancy::{Advice, Answers, Replay, Settings, advise, replay};
use postil_core::table::TableWriter;
use postil_core::{Class, Error};
use serde_json::json;

use super::super::input::{REFUSALS, answer_options, tell};
use super::super::output::{count, remark, say_json, table};
use super::Arguments;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let options = answer_options(arguments.item.as_deref(), None, arguments.label.as_deref(), None);
    let answers = read_answers(&arguments.labels, &options)?;
    tell(&answers.report, REFUSALS);
    if answers.label.is_empty() {
        anyhow::bail!(Error::input("expected at least one answer with a label, found none").in_file(&arguments.labels));
    }
    let view = Answers {
        item: &answers.item,
        annotator: &answers.annotator,
        label: &answers.label,
        items: answers.items.len(),
        annotators: answers.annotators.len(),
        classes: answers.labels.len(),
    };
    let truth = arguments.truth.as_ref().map(|path| truth(path, &answers)).transpose()?;
    let settings = Settings { target_loss: arguments.target_loss, seed: arguments.seed };
    let found = replay(&view, truth.as_deref(), &settings)?;
    let advice = advise(&view, found.best, found.threshold)?;
    if let Some(output) = &arguments.output {
        write(output, &answers, &advice)?;
    }
    let stop = advice.iter().filter(|one| !one.buy).count();
    if arguments.json {
        return say_json(&json!({
            "answers": found.answers,
            "items": found.items,
            "target_loss": arguments.target_loss,
            "full_accuracy": found.full_accuracy,
            "rules": found.rules,
            "curve": found.curve,
            "best": found.best,
            "threshold": found.threshold,
            "items_not_worth_another_answer": stop,
            "output": arguments.output,
        }));
    }
    show(arguments, &found, advice.len(), stop)
}

fn truth(path: &std::path::Path, answers: &AnswerTable) -> anyhow::Result<Vec<Class>> {
    let truth = read_truth(path, &answer_options(None, None, None, None))?;
    let mut classes = vec![NO_LABEL; answers.items.len()];
    let (mut absent, mut foreign) = (0, 0);
    for (number, item) in truth.items.iter().enumerate() {
        let label = &truth.labels[usize::from(truth.label[number])];
        match (answers.items.find(item), answers.labels.iter().position(|known| known == label)) {
            (Some(item), Some(class)) => classes[item as usize] = class as Class,
            (None, _) => absent += 1,
            _ => foreign += 1,
        }
    }
    if absent + foreign > 0 {
        remark(&format!(
            "note: {} items of the truth have no answers, {} have a label that nobody gives; they do not count",
            count(absent),
            count(foreign)
        ));
    }
    Ok(classes)
}

fn write(path: &std::path::Path, answers: &AnswerTable, advice: &[Advice]) -> anyhow::Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("answers", DataType::UInt32, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float64, false),
        Field::new("risk", DataType::Float64, false),
        Field::new("buy", DataType::Boolean, false),
    ]));
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(advice.iter().map(|one| answers.items.get(one.item)))),
        Arc::new(UInt32Array::from_iter_values(advice.iter().map(|one| one.answers))),
        Arc::new(StringArray::from_iter_values(advice.iter().map(|one| &answers.labels[usize::from(one.label)]))),
        Arc::new(Float64Array::from_iter_values(advice.iter().map(|one| rounded(one.confidence)))),
        Arc::new(Float64Array::from_iter_values(advice.iter().map(|one| rounded(one.risk)))),
        Arc::new(advice.iter().map(|one| Some(one.buy)).collect::<BooleanArray>()),
    ];
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

fn show(arguments: &Arguments, found: &Replay, items: usize, stop: usize) -> anyhow::Result<()> {
    let voice = arguments.voice()?;
    let line = |text: &str| voice.say(text);
    line(&format!(
        "{} answers about {} items, replayed in their order",
        count(found.answers as u64),
        count(found.items as u64)
    ))?;
    if let Some(full) = &found.full_accuracy {
        line(&format!("all answers: accuracy {full}"))?;
    }
    let rows: Vec<Vec<String>> = found
        .rules
        .iter()
        .map(|one| {
            let mut row = vec![
                format!("{}{}", one.rule.name(), if one.rule == found.best { " *" } else { "" }),
                format!("{:.4}", one.threshold),
                format!("{:.1} %", 100.0 * one.saved),
                one.agreement.brief(),
            ];
            row.extend(one.accuracy.as_ref().map(postil_core::Measured::brief));
            row
        })
        .collect();
    let mut header = vec!["rule", "threshold", "answers saved", "same label as all answers"];
    if found.full_accuracy.is_some() {
        header.push("accuracy");
    }
    line(&format!("\n{}", table(&header, &rows)))?;
    line(&format!(
        "(* saves most while at most {} % of the labels may change; learnt on one half of the items, measured on the other; \
         95 % intervals)",
        100.0 * arguments.target_loss
    ))?;
    line(&format!(
        "by `{}`, another answer is not worth buying for {} of {} items",
        found.best.name(),
        count(stop as u64),
        count(items as u64)
    ))?;
    arguments.voice()?.written(arguments.output.as_deref(), "`-o FILE` writes the advice for every item")
}
