//! `postil estimate promise`

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use postil_core::guarantee::{GoldCheck, Promise, PromiseSettings, promise};
use postil_core::table::TableWriter;

use super::super::output::{Voice, count, say_json, table};
use super::labels::Labels;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The labels: item, label and confidence, as `postil aggregate -o` writes them
    labels: PathBuf,
    /// Gold on a sample of these items: item, label and inclusion_probability
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// The gold is a simple random sample of these items
    #[arg(long)]
    random_sample: bool,
    /// The largest share of wrong labels among those accepted
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    risk: f64,
    /// The confidence of the promise
    #[arg(long, value_name = "LEVEL", default_value_t = 0.95)]
    confidence: f64,
    /// Where to write the labels with a column `accepted`; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Thresholds shown on a terminal.
const SHOWN: usize = 10;

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    let labels = Labels::read(&arguments.labels, false)?;
    let gold: Vec<GoldCheck> = labels
        .judge(&arguments.gold, arguments.random_sample)?
        .into_iter()
        .map(|judged| GoldCheck {
            item: judged.item,
            wrong: judged.label != labels.given[judged.item as usize],
            probability: judged.probability,
        })
        .collect();
    let settings = PromiseSettings { risk: arguments.risk, confidence: arguments.confidence };
    let found = promise(&labels.confidence, &gold, &settings)?;
    if let Some(output) = &arguments.output {
        write(output, &labels, &found)?;
    }
    if arguments.json {
        return say_json(&found);
    }
    let line = |text: &str| voice.say(text);
    line(&found.sentence)?;
    line(&format!("share accepted        {}", found.share))?;
    line(&format!("wrong among accepted  {}", found.error))?;
    line(&format!("basis: {}", found.basis))?;
    let step = found.curve.len().div_ceil(SHOWN).max(1);
    let rows: Vec<Vec<String>> = found
        .curve
        .iter()
        .enumerate()
        .filter(|(place, _)| (place + 1) % step == 0 || place + 1 == found.curve.len())
        .map(|(_, point)| {
            vec![
                format!("{:.4}", point.threshold),
                format!("{:.1} %", 100.0 * point.share),
                count(point.gold as u64),
                count(point.wrong as u64),
                point.risk.map_or("unknown".to_owned(), |risk| format!("{:.1} %", 100.0 * risk)),
                format!("{:.1} %", 100.0 * point.upper),
                if point.promised { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    line(&format!(
        "\n{}",
        table(&["confidence", "accepted", "gold", "wrong", "error", "at most, by itself", "promised"], &rows)
    ))
}

fn write(path: &std::path::Path, labels: &Labels, found: &Promise) -> anyhow::Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float64, false),
        Field::new("accepted", DataType::Boolean, false),
    ]));
    let accepted = |confidence: &f64| found.threshold.is_some_and(|threshold| *confidence >= threshold);
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from_iter_values(&labels.items)),
            Arc::new(StringArray::from_iter_values(&labels.given)),
            Arc::new(Float64Array::from_iter_values(labels.confidence.iter().copied())),
            Arc::new(labels.confidence.iter().map(|confidence| Some(accepted(confidence))).collect::<BooleanArray>()),
        ],
    )?;
    let mut writer = TableWriter::create(path, schema, None)?;
    writer.write(&batch)?;
    Ok(writer.finish()?)
}
