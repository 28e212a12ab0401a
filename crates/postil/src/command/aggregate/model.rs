//! `postil aggregate --method crowdlab|crowdlab-strict|model-dawid-skene`: annotators together with a model.

use postil_core::consensus::accuracy_by;
use postil_core::crowdlab::{self, ModelSettings, Variant, fit_with_model};
use postil_core::items::AnswerTable;
use postil_core::label_errors::Probabilities;
use postil_core::{Class, Error, Measured};
use serde_json::json;

use super::super::output::{Voice, count, say_json, table};
use super::super::probabilities::ProbabilityTable;
use super::show::{BASIS, SHOWN, by_name};
use super::{Arguments, Material, write};
use crate::report::Figure;

/// The methods that need a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelMethod {
    Crowdlab(Variant),
    DawidSkene,
}

impl ModelMethod {
    /// All of them.
    pub(super) const ALL: [Self; 3] =
        [Self::Crowdlab(Variant::Repaired), Self::Crowdlab(Variant::Strict), Self::DawidSkene];

    /// The name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crowdlab(Variant::Repaired) => "crowdlab",
            Self::Crowdlab(Variant::Strict) => "crowdlab-strict",
            Self::DawidSkene => "model-dawid-skene",
        }
    }

    /// The method of a name, if it is one of these.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// What any of the methods gives.
struct Fused {
    labels: Vec<Class>,
    posterior: Vec<f32>,
    tied: Vec<u32>,
    overturned: Option<usize>,
    /// How the method itself rates the annotators: numbers it works with, not estimates of anything.
    ratings: Vec<(&'static str, Vec<Option<f64>>)>,
    notes: Vec<String>,
}

/// Fuses the answers with the models' probabilities, writes and shows the result.
pub(super) fn execute(
    method: ModelMethod,
    arguments: &Arguments,
    material: &Material,
    voice: Voice,
) -> anyhow::Result<()> {
    let answers = &material.answers;
    if arguments.probs.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` needs the probabilities of a model, and there are none", method.name()))
                .hint("give them with `--probs FILE`, as `postil predict --probabilities` writes them")
        );
    }
    let labels: Vec<String> = answers.labels.iter().map(ToString::to_string).collect();
    let mut rows = Vec::new();
    for path in &arguments.probs {
        let table = ProbabilityTable::read(path, None, &labels)?;
        if table.labels.len() > labels.len() {
            anyhow::bail!(
                Error::input(format!(
                    "expected the labels of the answers, found `{}` too",
                    table.labels[labels.len()..].join("`, `")
                ))
                .in_file(path)
                .hint("name all labels with `--labels A,B,C`")
            );
        }
        let (values, missing) = table.of(answers.items.iter());
        if let Some(first) = missing.first() {
            anyhow::bail!(
                Error::input(format!("expected probabilities of every item, found none of {} items", missing.len()))
                    .in_file(path)
                    .for_item(first)
                    .hint("predict the missing items, or leave their answers out")
            );
        }
        rows.push(values);
    }
    let models: Vec<Probabilities<'_>> =
        rows.iter().map(|rows| Probabilities::double(rows, labels.len())).collect::<Result<_, Error>>()?;
    let fused = fuse(method, arguments, material, &models)?;
    let figures = material.score(arguments, &fused.labels, &fused.posterior)?;
    let accuracy = accuracy_by(&material.votes, &fused.posterior);
    if let Some(output) = &arguments.output {
        write::labels(output, answers, &material.votes, (&fused.labels, &fused.posterior, &fused.tied))?;
    }
    if let Some(output) = &arguments.annotators {
        write::rated(output, answers, &accuracy, &fused.ratings)?;
    }
    show(method, arguments, answers, (&fused, &accuracy), &figures, voice)
}

fn fuse(
    method: ModelMethod,
    arguments: &Arguments,
    material: &Material,
    models: &[Probabilities<'_>],
) -> anyhow::Result<Fused> {
    let Material { votes, gold, .. } = material;
    let single = |values: &[f64]| values.iter().map(|&p| p as f32).collect();
    match method {
        ModelMethod::Crowdlab(variant) => {
            let found = crowdlab::fit(votes, models, variant)?;
            let mut notes = found.notes.clone();
            let weights: Vec<String> = found.model_weights.iter().map(|weight| format!("{weight:.3}")).collect();
            notes.push(format!("weight of the model: {}", weights.join(", ")));
            if !gold.is_empty() {
                notes.push("gold is not used by this method".to_owned());
            }
            Ok(Fused {
                posterior: single(&found.posterior),
                overturned: Some(found.overturned.len()),
                ratings: vec![
                    ("quality", found.annotator_quality),
                    ("weight", found.annotator_weights.into_iter().map(Some).collect()),
                ],
                labels: found.labels,
                tied: found.tied,
                notes,
            })
        }
        ModelMethod::DawidSkene => {
            let [model] = models else {
                anyhow::bail!(
                    Error::task(format!("`model-dawid-skene` takes one model, found {}", models.len()))
                        .hint("use `crowdlab` for several")
                );
            };
            let settings = ModelSettings { seed: arguments.seed, ..ModelSettings::default() };
            let found = fit_with_model(votes, gold, *model, &settings)?;
            let tried = found.tried.iter().map(|(weight, loss)| format!("{weight}: {loss:.4}")).collect::<Vec<_>>();
            let notes = vec![format!(
                "power of the model: {} (log-loss of hidden answers by power: {})",
                found.weight,
                if tried.is_empty() { "none could be hidden".to_owned() } else { tried.join(", ") }
            )];
            Ok(Fused {
                ratings: Vec::new(),
                posterior: single(&found.posterior),
                labels: found.labels,
                tied: Vec::new(),
                overturned: None,
                notes,
            })
        }
    }
}

fn show(
    method: ModelMethod,
    arguments: &Arguments,
    answers: &AnswerTable,
    (fused, accuracy): (&Fused, &[Measured]),
    figures: &[Figure],
    voice: Voice,
) -> anyhow::Result<()> {
    if arguments.json {
        let truth = by_name(figures)?;
        let annotators: Vec<serde_json::Value> = answers
            .annotators
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let known = [("annotator", json!(name)), ("accuracy", json!(accuracy[number]))];
                let mut row: serde_json::Map<_, _> =
                    known.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
                row.extend(fused.ratings.iter().map(|(what, values)| ((*what).to_owned(), json!(values[number]))));
                serde_json::Value::Object(row)
            })
            .collect();
        return say_json(&json!({
            "answers": answers.label.len(),
            "items": answers.items.len(),
            "annotators": answers.annotators.len(),
            "labels": answers.labels,
            "method": method.name(),
            "ties": fused.tied.len(),
            "unanimous_overturned": fused.overturned,
            "notes": fused.notes,
            "truth": truth,
            "annotator_reliability": annotators,
        }));
    }
    let line = |text: &str| voice.say(text);
    line(&format!(
        "{} answers of {} annotators about {} items, {} labels, with {} model{}",
        count(answers.label.len() as u64),
        count(answers.annotators.len() as u64),
        count(answers.items.len() as u64),
        answers.labels.len(),
        arguments.probs.len(),
        if arguments.probs.len() == 1 { "" } else { "s" }
    ))?;
    line(&format!("method: {}", method.name()))?;
    for note in &fused.notes {
        line(&format!("  {note}"))?;
    }
    if let Some(overturned) = fused.overturned {
        line(&format!(
            "{} ties; {} unanimous items with three answers or more where the pool says otherwise",
            count(fused.tied.len() as u64),
            count(overturned as u64)
        ))?;
    }
    for figure in figures {
        line(&format!("  {:<18} {}", figure.name, figure.value))?;
    }
    let mut header = vec!["annotator", "accuracy by the consensus"];
    header.extend(fused.ratings.iter().map(|column| column.0));
    let rows: Vec<Vec<String>> = answers
        .annotators
        .iter()
        .enumerate()
        .take(SHOWN)
        .map(|(number, name)| {
            let mut row = vec![name.to_owned(), accuracy[number].brief()];
            row.extend(
                fused
                    .ratings
                    .iter()
                    .map(|(_, values)| values[number].map_or_else(String::new, |value| format!("{value:.3}"))),
            );
            row
        })
        .collect();
    line(&format!("\n{}", table(&header, &rows)))?;
    line(BASIS)?;
    if answers.annotators.len() > rows.len() {
        line(&format!("and {} more; `--annotators FILE` writes all", answers.annotators.len() - rows.len()))?;
    }
    voice.written(arguments.output.as_deref(), "`-o FILE` writes the labels with their probabilities")
}
