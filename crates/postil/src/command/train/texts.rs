//! Training a classifier of texts.

use std::collections::BTreeSet;

use postil_core::table::{TableOptions, TableReader};
use postil_core::{Error, Name};
use postil_student::text::{Head, Target, TextModel, TextOptions, Trainer};
use serde_json::json;

use super::super::input::{listed, several, text_column};
use super::super::output::{count, remark, say, say_json};
use super::{Arguments, Kind};
use crate::score::{Score, decide};

/// Texts with what is known about their labels.
struct Examples {
    texts: Vec<String>,
    cells: Vec<Cell>,
    weights: Option<Vec<f32>>,
    labels: Vec<String>,
    left_out: u64,
}

enum Cell {
    Labels(Vec<String>),
    Shares(Vec<f32>),
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let examples = read(arguments)?;
    let head = match arguments.task {
        Kind::Multilabel => Head::Multilabel,
        Kind::Ordinal => Head::Ordinal,
        _ => Head::Softmax,
    };
    if head == Head::Ordinal && arguments.labels.is_none() && arguments.soft.is_none() {
        anyhow::bail!(
            Error::task("expected the order of the scale").hint("give it with `--labels low,mid,high`, lowest first")
        );
    }
    let class = |label: &String| {
        examples.labels.iter().position(|known| known == label).map(|class| class as u16).ok_or_else(|| {
            Error::task(format!("expected one of the labels given, found `{label}`"))
                .hint("add it to `--labels`, or leave that option out")
        })
    };
    let targets = examples
        .cells
        .iter()
        .map(|cell| {
            Ok(match cell {
                Cell::Shares(shares) => Target::Soft(shares.clone()),
                Cell::Labels(labels) => {
                    let classes = labels.iter().map(class).collect::<Result<Vec<u16>, Error>>()?;
                    match (head, classes.as_slice()) {
                        (Head::Multilabel, _) => Target::Set(classes),
                        (_, [class]) => Target::Hard(*class),
                        _ => Target::Candidates(classes),
                    }
                }
            })
        })
        .collect::<anyhow::Result<Vec<Target>>>()?;
    let mut options = TextOptions::new().seed(arguments.seed).file_budget(arguments.max_bytes);
    if arguments.balance {
        options = options.class_weights(balanced(&targets, examples.labels.len())?);
    }
    let texts: Vec<&str> = examples.texts.iter().map(String::as_str).collect();
    let fitted = Trainer::new(examples.labels.clone(), head)?.with_options(options).fit(
        &texts,
        &targets,
        examples.weights.as_deref(),
    )?;

    let basis = format!("{} training texts, each scored by models that have not seen it", count(texts.len() as u64));
    let scores = out_of_fold(&targets, &fitted.out_of_fold, &fitted.model);
    let figures = scores.as_ref().map_or_else(Vec::new, |score| score.figures(&basis));
    let notes = json!({ "measured": figures, "source": "postil train" });
    let model = fitted.model.with_notes(notes)?;
    model.save(&arguments.output)?;

    let report = &fitted.report;
    if arguments.json {
        return say_json(&json!({
            "model": arguments.output,
            "bytes": model.as_bytes().len(),
            "texts": texts.len(),
            "left_out": examples.left_out,
            "labels": examples.labels,
            "out_of_fold": figures.iter().map(|figure| (figure.name.replace(' ', "_"), &figure.value)).collect::<std::collections::BTreeMap<_, _>>(),
            "training": report,
        }));
    }
    if examples.left_out > 0 {
        remark(&format!(
            "note: {} rows without a label or that could not be read were left out",
            count(examples.left_out)
        ));
    }
    say(&format!(
        "trained on {} texts, {} labels: {}",
        count(texts.len() as u64),
        examples.labels.len(),
        report.parts.iter().map(|part| part.model.as_str()).collect::<Vec<_>>().join(" + ")
    ))?;
    for figure in figures {
        say(&format!("  {:<18} {}", figure.name, figure.value.brief()))?;
    }
    say(&format!("  (95 % intervals; {basis})"))?;
    say(&format!("written: {} ({} kB)", arguments.output.display(), model.as_bytes().len().div_ceil(1000)))
}

fn read(arguments: &Arguments) -> anyhow::Result<Examples> {
    let mut table = TableReader::open(&arguments.data, &TableOptions::default())?;
    let file = table.name().to_path_buf();
    let mut examples =
        Examples { texts: Vec::new(), cells: Vec::new(), weights: None, labels: Vec::new(), left_out: 0 };
    let mut soft_labels: Vec<String> = Vec::new();
    while let Some(chunk) = table.next_chunk()? {
        examples.left_out += chunk.bad.len() as u64;
        let batch = &chunk.batch;
        let texts = text_column(batch, arguments.reading.text()).map_err(|error| error.in_file(&file))?;
        let weights = match &arguments.weight {
            Some(column) => Some(numbers(batch, column, &chunk.lines, &file)?),
            None => None,
        };
        let mut keep = |row: usize, text: &str, cell: Cell| {
            examples.texts.push(text.to_owned());
            examples.cells.push(cell);
            if let Some(weights) = &weights {
                examples.weights.get_or_insert_with(Vec::new).push(weights[row]);
            }
        };
        if let Some(prefix) = &arguments.soft {
            let names = batch.schema_ref().fields().iter().filter_map(|field| field.name().strip_prefix(prefix));
            soft_labels = names.map(str::to_owned).collect();
            if soft_labels.len() < 2 {
                anyhow::bail!(
                    Error::input(format!(
                        "expected at least two columns whose names begin with `{prefix}`, found {}",
                        soft_labels.len()
                    ))
                    .in_file(&file)
                );
            }
            let columns = soft_labels
                .iter()
                .map(|label| numbers(batch, &format!("{prefix}{label}"), &chunk.lines, &file))
                .collect::<anyhow::Result<Vec<_>>>()?;
            for (row, text) in texts.iter().enumerate() {
                let shares = columns.iter().map(|column| column[row]).collect();
                keep(row, text.unwrap_or(""), Cell::Shares(shares));
            }
            continue;
        }
        let labels = text_column(batch, arguments.label_column()).map_err(|error| error.in_file(&file))?;
        for (row, (text, label)) in texts.iter().zip(&labels).enumerate() {
            let (text, label) = (text.unwrap_or(""), label.unwrap_or(""));
            let cell = if arguments.task == Kind::Multilabel || arguments.candidates {
                several(label).map_err(|error| error.in_file(&file).at_line(chunk.lines[row]))?
            } else {
                vec![label.to_owned()]
            };
            if arguments.task != Kind::Multilabel && cell.iter().all(|label| label.trim().is_empty()) {
                examples.left_out += 1;
                continue;
            }
            keep(row, text, Cell::Labels(cell));
        }
    }
    examples.labels = match (&arguments.labels, &arguments.soft) {
        (Some(labels), None) => listed(labels)?,
        (Some(_), Some(_)) => anyhow::bail!(Error::task("expected either `--labels` or `--soft`, found both")),
        (None, Some(_)) => soft_labels,
        (None, None) => {
            let all: BTreeSet<&String> = examples
                .cells
                .iter()
                .flat_map(|cell| match cell {
                    Cell::Labels(labels) => labels.as_slice(),
                    Cell::Shares(_) => &[],
                })
                .collect();
            all.into_iter().cloned().collect()
        }
    };
    if examples.texts.is_empty() {
        anyhow::bail!(Error::input("expected rows with a text and a label, found none").in_file(&file));
    }
    // Checks the names once, with the engine's messages.
    postil_core::LabelSet::flat(examples.labels.iter().map(|label| Name::from(label.as_str())))
        .map_err(|error| error.in_file(&file))?;
    Ok(examples)
}

fn numbers(
    batch: &arrow_array::RecordBatch,
    column: &str,
    lines: &[u64],
    file: &std::path::Path,
) -> anyhow::Result<Vec<f32>> {
    let cells = text_column(batch, column).map_err(|error| error.in_file(file))?;
    cells
        .iter()
        .zip(lines)
        .map(|(cell, line)| {
            let cell = cell.unwrap_or("").trim();
            cell.parse::<f32>().ok().filter(|number| number.is_finite() && *number >= 0.0).ok_or_else(|| {
                anyhow::anyhow!(
                    Error::input(format!("expected a number of at least 0 in column `{column}`, found `{cell}`"))
                        .in_file(file)
                        .at_line(*line)
                )
            })
        })
        .collect()
}

fn balanced(targets: &[Target], classes: usize) -> anyhow::Result<Vec<f32>> {
    let mut counts = vec![0.0_f32; classes];
    for target in targets {
        match target {
            Target::Hard(class) => counts[usize::from(*class)] += 1.0,
            _ => anyhow::bail!(Error::task("expected one certain label per row for `--balance`")),
        }
    }
    let mean = targets.len() as f32 / classes as f32;
    Ok(counts.iter().map(|&count| if count > 0.0 { mean / count } else { 1.0 }).collect())
}

/// Scores out-of-fold probabilities where the truth is certain.
fn out_of_fold(targets: &[Target], probabilities: &[f32], model: &TextModel) -> Option<Score> {
    let (labels, head) = (model.labels().len(), model.head());
    let mut single = postil_core::audit::Tally::new(labels);
    let mut sets = postil_core::audit::SetTally::new(labels);
    for (target, row) in targets.iter().zip(probabilities.chunks_exact(labels)) {
        match target {
            Target::Hard(truth) => single.add(*truth, decide(row), Some(row), 1.0),
            Target::Set(truth) => {
                let truth: Vec<bool> = (0..labels).map(|label| truth.contains(&(label as u16))).collect();
                let mut given = vec![false; labels];
                model.applying(row).for_each(|label| given[usize::from(label)] = true);
                sets.add(&truth, &given, 1.0);
            }
            Target::Soft(_) | Target::Candidates(_) => {}
        }
    }
    if head == Head::Multilabel {
        (sets.count() > 0).then_some(Score::Sets(sets))
    } else {
        (single.count() > 0).then_some(Score::Single(single, head == Head::Ordinal))
    }
}
