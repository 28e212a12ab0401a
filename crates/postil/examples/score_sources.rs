//! What each list and program of a project is worth on texts with gold spans.
//!
//! `cargo run --release -p postil --example score_sources PROJECT.toml GOLD [FOLDER]`: FOLDER holds the lists, by default
//! that of the project file. A span of several possible labels counts as right if one of them is; spans that say `O` are
//! left aside.

#![allow(clippy::print_stdout, reason = "a measuring program talks")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use postil_annotators::{AnnotatorSpec, Settings, WorkerCommand, open};
use postil_core::audit::spans::SpanTally;
use postil_core::formats::{DocumentReader, ReadOptions};
use postil_core::text::{Named, Tokenizer, align};
use postil_core::{Annotation, Answer, Document, ItemBatch, LabelSet, Name, Task, TaskKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Project {
    task: Labels,
    #[serde(default)]
    annotator: Vec<AnnotatorSpec>,
}

#[derive(Deserialize)]
struct Labels {
    labels: Vec<String>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("program-worker") {
        postil_annotators::program_worker();
        return Ok(());
    }
    let (Some(project), Some(gold)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("expected a project file and a file with gold");
    };
    let project_path = PathBuf::from(project);
    let own = project_path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let folder = arguments.next().map_or(own, PathBuf::from);
    let project: Project = toml::from_str(&std::fs::read_to_string(&project_path)?)?;
    let task = Task { kind: TaskKind::Spans, labels: LabelSet::flat(&project.task.labels)?, guidelines: None };
    let mut reader = DocumentReader::open(&gold, &ReadOptions::default())?;
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document()? {
        documents.push(document);
    }
    let items = ItemBatch::from_texts(documents.iter().map(|document| (&*document.id, document.text.as_str())));
    let settings = Settings::new(WorkerCommand::this_program()?, 2).with_tokenizer(Tokenizer::Whitespace);
    println!("{:<28} {:>7} {:>22} {:>22} {:>22}", "source", "spans", "precision", "recall", "F1");
    for spec in &project.annotator {
        for mut annotator in open(spec, &task, &folder, &settings).with_context(|| spec.name().to_owned())? {
            let annotations = annotator.annotate(&items)?;
            score(&annotator.identity().name.clone(), &annotations, &documents);
        }
    }
    Ok(())
}

fn score(name: &str, annotations: &[Annotation], documents: &[Document]) {
    let mut tally = SpanTally::new(0);
    let mut failed = 0;
    for (cluster, (annotation, document)) in annotations.iter().zip(documents).enumerate() {
        let gold = align(&document.text, &document.tokens, &document.spans).flat;
        let spans = match &annotation.answer {
            Answer::Spans { spans, .. } => spans.clone(),
            _ => Vec::new(),
        };
        failed += usize::from(!matches!(annotation.status.name(), "ok" | "abstained"));
        let said: Vec<Named<Name>> = align(&document.text, &document.tokens, &spans)
            .flat
            .into_iter()
            .filter(|span| &*span.label != "O")
            .map(|span| resolved(&span, &gold))
            .collect();
        tally.add(cluster as u64, 1.0, &gold, &said, None);
    }
    let scores = tally.scores("documents", "tokens");
    println!(
        "{name:<28} {:>7} {:>22} {:>22} {:>22}{}",
        scores.predicted,
        scores.micro.precision.brief(),
        scores.micro.recall.brief(),
        scores.micro.f1.brief(),
        if failed > 0 { format!("  {failed} failed") } else { String::new() }
    );
}

/// A span with one label: of several the true one if it is among them, else the first.
fn resolved(span: &Named<Name>, gold: &[Named<Name>]) -> Named<Name> {
    let mut possible = span.label.split('|');
    let truth = gold.iter().find(|truth| (truth.start, truth.end) == (span.start, span.end));
    let label = truth.map(|truth| &*truth.label).filter(|label| possible.clone().any(|one| one == *label));
    let label: Name = label.or_else(|| possible.next()).unwrap_or_default().into();
    Named { label, start: span.start, end: span.end }
}
