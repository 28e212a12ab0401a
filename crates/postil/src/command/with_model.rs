//! `postil aggregate --method crowdlab|crowdlab-strict|model-dawid-skene`: annotators together with a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use postil_core::audit::Tally;
use postil_core::crowdlab::{self, ModelSettings, Variant, fit_with_model};
use postil_core::items::AnswerTable;
use postil_core::label_errors::Probabilities;
use postil_core::table::TableWriter;
use postil_core::votes::{Gold, Votes};
use postil_core::{Class, Error};
use serde_json::json;

use super::output::{count, remark, say, say_json, table};
use super::probabilities::ProbabilityTable;
use crate::report::Figure;
use crate::score::Score;

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

/// What was asked of `postil aggregate`.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) probs: &'a [PathBuf],
    pub(super) answers: &'a AnswerTable,
    pub(super) votes: &'a Votes,
    pub(super) gold: &'a Gold,
    pub(super) truth: Option<&'a Gold>,
    pub(super) output: Option<&'a Path>,
    pub(super) annotators: Option<&'a Path>,
    pub(super) seed: u64,
    pub(super) json: bool,
}

/// What any of the methods gives.
struct Fused {
    labels: Vec<Class>,
    posterior: Vec<f32>,
    tied: Vec<u32>,
    overturned: Option<usize>,
    /// Per annotator the columns to show and write.
    annotators: Vec<(&'static str, Vec<Option<f64>>)>,
    notes: Vec<String>,
}

/// Fuses the answers with the models' probabilities, writes and shows the result.
pub(super) fn execute(method: ModelMethod, request: &Request<'_>) -> anyhow::Result<()> {
    if request.probs.is_empty() {
        anyhow::bail!(
            Error::task(format!("`{}` needs the probabilities of a model, and there are none", request.method))
                .hint("give them with `--probs FILE`, as `postil predict --probabilities` writes them")
        );
    }
    if request.json && request.output.is_some_and(|output| output.as_os_str() == "-") {
        anyhow::bail!(Error::task("expected one use of standard output, found `--json` and `-o -`"));
    }
    let labels: Vec<String> = request.answers.labels.iter().map(ToString::to_string).collect();
    let mut rows = Vec::new();
    for path in request.probs {
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
        let (values, missing) = table.of(request.answers.items.iter());
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
    let fused = fuse(method, request, &models)?;
    let figures = request.truth.map_or_else(Vec::new, |truth| score(request, truth, &fused));
    if let Some(output) = request.output {
        write_labels(output, request, &fused)?;
    }
    if let Some(output) = request.annotators {
        write_annotators(output, request, &fused)?;
    }
    show(request, &fused, &figures)
}

fn fuse(method: ModelMethod, request: &Request<'_>, models: &[Probabilities<'_>]) -> anyhow::Result<Fused> {
    let single = |values: &[f64]| values.iter().map(|&p| p as f32).collect();
    match method {
        ModelMethod::Crowdlab(variant) => {
            let found = crowdlab::fit(request.votes, models, variant)?;
            let mut notes = found.notes.clone();
            let weights: Vec<String> = found.model_weights.iter().map(|weight| format!("{weight:.3}")).collect();
            notes.push(format!("weight of the model: {}", weights.join(", ")));
            if !request.gold.is_empty() {
                notes.push("gold is not used by this method".to_owned());
            }
            Ok(Fused {
                posterior: single(&found.posterior),
                overturned: Some(found.overturned.len()),
                annotators: vec![
                    ("quality", found.annotator_quality),
                    ("agreement", found.agreement),
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
            let settings = ModelSettings { seed: request.seed, ..ModelSettings::default() };
            let found = fit_with_model(request.votes, request.gold, *model, &settings)?;
            let classes = found.classes;
            let accuracy = |annotator: usize| {
                let rows = &found.confusion[annotator * classes * classes..][..classes * classes];
                Some((0..classes).map(|class| found.prior[class] * rows[class * (classes + 1)]).sum())
            };
            let tried = found.tried.iter().map(|(weight, loss)| format!("{weight}: {loss:.4}")).collect::<Vec<_>>();
            let notes = vec![format!(
                "power of the model: {} (log-loss of hidden answers by power: {})",
                found.weight,
                if tried.is_empty() { "none could be hidden".to_owned() } else { tried.join(", ") }
            )];
            Ok(Fused {
                annotators: vec![("accuracy", (0..request.votes.annotators()).map(accuracy).collect())],
                posterior: single(&found.posterior),
                labels: found.labels,
                tied: Vec::new(),
                overturned: None,
                notes,
            })
        }
    }
}

fn score(request: &Request<'_>, truth: &Gold, fused: &Fused) -> Vec<Figure> {
    let classes = request.votes.classes();
    let mut tally = Tally::new(classes);
    for entry in truth.entries().iter().filter(|entry| request.gold.class(entry.decision).is_none()) {
        let decision = entry.decision as usize;
        let row = &fused.posterior[decision * classes..][..classes];
        tally.add(entry.class, fused.labels[decision], Some(row), entry.inclusion.map_or(1.0, |p| 1.0 / p));
    }
    let basis = format!("{} items whose truth is known", count(tally.count()));
    Score::Single(tally, false).figures(&basis)
}

fn write_labels(path: &Path, request: &Request<'_>, fused: &Fused) -> anyhow::Result<()> {
    let (labels, classes) = (&request.answers.labels, request.votes.classes());
    let mut fields = vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float32, false),
        Field::new("votes", DataType::UInt32, false),
        Field::new("tie", DataType::Boolean, false),
    ];
    fields.extend(labels.iter().map(|label| Field::new(format!("p_{label}"), DataType::Float32, false)));
    let schema = Arc::new(Schema::new(fields));
    let decisions = 0..fused.labels.len();
    let label = |decision: usize| usize::from(fused.labels[decision]);
    let sure = |decision: usize| fused.posterior[decision * classes + label(decision)];
    let tied = |decision: usize| fused.tied.binary_search(&(decision as u32)).is_ok();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(request.answers.items.iter())),
        Arc::new(StringArray::from_iter_values(decisions.clone().map(|decision| &labels[label(decision)]))),
        Arc::new(Float32Array::from_iter_values(decisions.clone().map(sure))),
        Arc::new(UInt32Array::from_iter_values(
            decisions.clone().map(|decision| request.votes.support(decision) as u32),
        )),
        Arc::new(decisions.clone().map(|decision| Some(tied(decision))).collect::<BooleanArray>()),
    ];
    for class in 0..classes {
        let values = decisions.clone().map(|decision| fused.posterior[decision * classes + class]);
        columns.push(Arc::new(Float32Array::from_iter_values(values)));
    }
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

fn write_annotators(path: &Path, request: &Request<'_>, fused: &Fused) -> anyhow::Result<()> {
    let mut fields = vec![Field::new("annotator", DataType::Utf8, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(request.answers.annotators.iter()))];
    for (name, values) in &fused.annotators {
        fields.push(Field::new(*name, DataType::Float32, true));
        columns.push(Arc::new(values.iter().map(|value| value.map(|value| value as f32)).collect::<Float32Array>()));
    }
    let schema = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::create(path, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.finish()?)
}

fn show(request: &Request<'_>, fused: &Fused, figures: &[Figure]) -> anyhow::Result<()> {
    let answers = request.answers;
    if request.json {
        let truth: serde_json::Map<String, serde_json::Value> = figures
            .iter()
            .map(|figure| Ok((figure.name.replace([' ', '-'], "_"), serde_json::to_value(&figure.value)?)))
            .collect::<anyhow::Result<_>>()?;
        let annotators: Vec<serde_json::Value> = answers
            .annotators
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let mut row = serde_json::Map::from_iter([("annotator".to_owned(), json!(name))]);
                row.extend(fused.annotators.iter().map(|(what, values)| ((*what).to_owned(), json!(values[number]))));
                serde_json::Value::Object(row)
            })
            .collect();
        return say_json(&json!({
            "answers": answers.label.len(),
            "items": answers.items.len(),
            "annotators": answers.annotators.len(),
            "labels": answers.labels,
            "method": request.method,
            "ties": fused.tied.len(),
            "unanimous_overturned": fused.overturned,
            "notes": fused.notes,
            "truth": truth,
            "annotator_reliability": annotators,
        }));
    }
    let taken = request.output.is_some_and(|output| output.as_os_str() == "-");
    let line = |text: &str| {
        if taken {
            remark(text);
            Ok(())
        } else {
            say(text)
        }
    };
    line(&format!(
        "{} answers of {} annotators about {} items, {} labels, with {} model{}",
        count(answers.label.len() as u64),
        count(answers.annotators.len() as u64),
        count(answers.items.len() as u64),
        answers.labels.len(),
        request.probs.len(),
        if request.probs.len() == 1 { "" } else { "s" }
    ))?;
    line(&format!("method: {}", request.method))?;
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
    let mut header = vec!["annotator"];
    header.extend(fused.annotators.iter().map(|column| column.0));
    let rows: Vec<Vec<String>> =
        answers
            .annotators
            .iter()
            .enumerate()
            .take(20)
            .map(|(number, name)| {
                let mut row = vec![name.to_owned()];
                row.extend(fused.annotators.iter().map(|(_, values)| {
                    values[number].map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
                }));
                row
            })
            .collect();
    line(&format!("\n{}", table(&header, &rows)))?;
    if answers.annotators.len() > rows.len() {
        line(&format!("and {} more; `--annotators FILE` writes all", answers.annotators.len() - rows.len()))?;
    }
    match request.output {
        Some(output) if !taken => line(&format!("written: {}", output.display())),
        Some(_) => Ok(()),
        None => line("`-o FILE` writes the labels with their probabilities"),
    }
}
