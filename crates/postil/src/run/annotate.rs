//! The first pass over the items: every annotator answers what it has not answered before, into the ledger.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use postil_annotators::{Annotator, Silence};
use postil_core::items::{IngestReport, ItemOptions, ItemSource};
use postil_core::ledger::{Done, Ledger};
use postil_core::{AnnotatorIdentity, Digest, Error, ItemBatch, Result};
use rayon::prelude::*;

use super::Watch;
use super::items::Items;
use crate::project::Project;

/// Rows that cannot be read are put here, in the output folder.
pub const REJECTED: &str = "rejected.jsonl";

/// What the pass found.
pub(super) struct Annotated {
    /// The items.
    pub items: Items,
    /// How reading went.
    pub report: IngestReport,
    /// The annotators, in order.
    pub identities: Vec<AnnotatorIdentity>,
    /// What each annotator's silence on a text means, in tasks that mark text.
    pub silences: Vec<Silence>,
    /// How each language model came to its probabilities, by version.
    pub routes: HashMap<Digest, &'static str>,
    /// What annotators want their user to know.
    pub warnings: Vec<String>,
}

/// Opens the project's items anew; every pass reads them from the start.
pub fn open_items(project: &Project, strict: bool, side_file: Option<PathBuf>) -> Result<ItemSource> {
    if project.items == Path::new("-") {
        return Err(Error::task("expected a file in `data.items`, found `-`")
            .hint("a run reads its items more than once: save them to a file first"));
    }
    let mut options = ItemOptions::new(project.text.as_str());
    options.id.clone_from(&project.id);
    options.join.clone_from(&project.join);
    options.pair = project.pairs.as_ref().map(|pairs| pairs.texts.clone());
    options.tokens.clone_from(&project.tokens);
    options.strict = strict;
    options.side_file = side_file;
    ItemSource::open(&project.items, options)
}

/// Runs the pass. Work that the ledger holds already is not done again; on [`Watch::stopped`] what was done is kept.
pub(super) fn annotate(
    project: &Project,
    ledger: &Ledger,
    annotators: &mut [Box<dyn Annotator>],
    strict: bool,
    now_millis: i64,
    watch: &dyn Watch,
) -> Result<Annotated> {
    let done = annotators
        .iter()
        .map(|annotator| {
            ledger.register(annotator.identity(), &serde_json::Value::Null, now_millis)?;
            ledger.done(annotator.identity().version)
        })
        .collect::<Result<Vec<Done>>>()?;
    let mut source = open_items(project, strict, Some(project.output.join(REJECTED)))?;
    let mut items = Items::default();
    watch.stage("annotating", None);
    for batch in &mut source {
        let batch = batch?;
        items.add(&batch);
        let answers: Vec<Result<Vec<postil_core::Annotation>>> = annotators
            .par_iter_mut()
            .zip(&done)
            .map(|(annotator, done)| answer(annotator.as_mut(), done, &batch, now_millis))
            .collect();
        for annotations in answers {
            let annotations = annotations?;
            if !annotations.is_empty() {
                ledger.append_bulk(annotations)?;
            }
        }
        watch.advance(batch.len() as u64);
        if watch.stopped() {
            ledger.flush()?;
            return Err(Error::cancelled());
        }
    }
    ledger.flush()?;
    Ok(Annotated {
        report: source.report().clone(),
        items,
        identities: annotators.iter().map(|annotator| annotator.identity().clone()).collect(),
        silences: annotators.iter().map(|annotator| annotator.silence()).collect(),
        routes: HashMap::new(),
        warnings: annotators.iter().flat_map(|annotator| annotator.warnings()).collect(),
    })
}

fn answer(
    annotator: &mut dyn Annotator,
    done: &Done,
    batch: &ItemBatch,
    now_millis: i64,
) -> Result<Vec<postil_core::Annotation>> {
    let (known, missing): (Vec<usize>, Vec<usize>) =
        (0..batch.len()).partition(|&row| done.contains(batch.id(row), batch.digest(row)));
    annotator.pass_over(batch, &known);
    let mut annotations = if missing.is_empty() {
        return Ok(Vec::new());
    } else if missing.len() == batch.len() {
        annotator.annotate(batch)?
    } else {
        annotator.annotate(&batch.select(&missing)?)?
    };
    for annotation in &mut annotations {
        annotation.at_millis = now_millis;
    }
    Ok(annotations)
}
