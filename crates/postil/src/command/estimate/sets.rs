//! `postil estimate sets`

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::guarantee::{ConformalScore, LabelSets, SetRule, calibration, label_sets, temperature};
use postil_core::table::TableWriter;
use serde_json::json;

use super::super::output::{Voice, count, say_json, table};
use super::labels::Labels;

/// How unlikely a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ScoreArgument {
    /// Least ambiguous: one minus the probability
    Lac,
    /// Adaptive: larger sets where the item is harder
    Aps,
    /// Adaptive with a penalty on long sets
    Raps,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The labels with a probability per label, as `postil aggregate -o` writes them
    labels: PathBuf,
    /// Gold on a sample of these items: item, label and inclusion_probability
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// The gold is a simple random sample of these items
    #[arg(long)]
    random_sample: bool,
    /// The share of sets that shall contain the true label
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    coverage: f64,
    /// How unlikely a label is
    #[arg(long, value_enum, default_value = "lac")]
    score: ScoreArgument,
    /// For raps: added for every label above the free ones
    #[arg(long, value_name = "NUMBER", default_value_t = 0.1)]
    penalty: f64,
    /// For raps: labels that cost nothing
    #[arg(long, value_name = "N", default_value_t = 2)]
    free: usize,
    /// The share shall hold for every class by itself
    #[arg(long)]
    per_class: bool,
    /// Where to write the sets, labels apart by `|`; `-` is CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let voice = Voice::new(arguments.output.as_deref(), arguments.json)?;
    let labels = Labels::read(&arguments.labels, true)?;
    let gold = labels.judge(&arguments.gold, arguments.random_sample)?;
    let classes = labels.classes.len();
    let mut probabilities = Vec::with_capacity(gold.len() * classes);
    let mut truth = Vec::with_capacity(gold.len());
    for judged in &gold {
        probabilities.extend_from_slice(&labels.probabilities[judged.item as usize * classes..][..classes]);
        let class = labels.classes.iter().position(|class| *class == judged.label).unwrap_or_default();
        truth.push(class as u16);
    }
    let weights: Vec<f64> = gold.iter().map(|judged| 1.0 / judged.probability.unwrap_or(1.0)).collect();
    let score = match arguments.score {
        ScoreArgument::Lac => ConformalScore::LeastAmbiguous,
        ScoreArgument::Aps => ConformalScore::Adaptive,
        ScoreArgument::Raps => ConformalScore::Regularised { penalty: arguments.penalty, free: arguments.free },
    };
    let rule = SetRule::learn(
        &probabilities,
        classes,
        &truth,
        Some(&weights),
        score,
        arguments.coverage,
        arguments.per_class,
    )?;
    let sets = label_sets(rule, &labels.probabilities, classes)?;
    let figures = calibration(&probabilities, classes, &truth, 0)?;
    let heat = temperature(&probabilities, classes, &truth)?;
    if let Some(output) = &arguments.output {
        write(output, &labels, &sets)?;
    }
    if arguments.json {
        return say_json(&json!({
            "labels": labels.classes,
            "sets": sets,
            "calibration": figures,
            "temperature": heat,
        }));
    }
    let line = |text: &str| voice.say(text);
    line(&format!(
        "sets that contain the true label at least {:.0} times in 100{}: {:.2} labels on average",
        100.0 * arguments.coverage,
        if arguments.per_class { ", in every class" } else { "" },
        sets.mean_size
    ))?;
    line(&format!("basis: {}", sets.basis))?;
    line(&format!("single labels, which can be accepted  {}", sets.single))?;
    let rows: Vec<Vec<String>> = sets
        .sizes
        .iter()
        .enumerate()
        .filter(|(_, items)| **items > 0)
        .map(|(size, items)| {
            let what = match size {
                0 => "none: unlike any gold item",
                1 => "one",
                _ => "several: for a person",
            };
            vec![what.to_owned(), size.to_string(), count(*items as u64)]
        })
        .collect();
    line(&format!("\n{}", table(&["labels in the set", "size", "items"], &rows)))?;
    line(&format!(
        "\ncalibration error  {} (about {:.3} is chance)\nlog-loss           {}\nBrier score        {}\ntemperature that would suit the gold: {heat:.3}",
        figures.error, figures.noise, figures.log_loss, figures.brier
    ))
}

fn write(path: &std::path::Path, labels: &Labels, sets: &LabelSets) -> anyhow::Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("set", DataType::Utf8, false),
        Field::new("size", DataType::UInt32, false),
    ]));
    let words = sets
        .sets
        .iter()
        .map(|set| set.iter().map(|&class| labels.classes[usize::from(class)].as_str()).collect::<Vec<_>>().join("|"));
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from_iter_values(&labels.items)),
            Arc::new(StringArray::from_iter_values(words)),
            Arc::new(UInt32Array::from_iter_values(sets.sets.iter().map(|set| set.len() as u32))),
        ],
    )?;
    let mut writer = TableWriter::create(path, schema, None)?;
    writer.write(&batch)?;
    Ok(writer.finish()?)
}
