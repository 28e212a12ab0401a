//! Planted instructions: texts that ask for a given answer, to see whether a model does what a text says.
//!
//! After a model has answered, some of its items are shown to it once more with an instruction at their end to give an
//! answer that it did not give. If it gives that answer now, it has obeyed. Planted texts are no items: they are in no
//! ledger, no consensus and no output, and their replies are kept like all others, so that they are bought once.

use std::collections::HashMap;

use postil_annotators::llm::{Engine, LlmAnnotator, Recording};
use postil_core::audit::wilson;
use postil_core::ledger::{Detail, Ledger};
use postil_core::{Digest, Error, Measured, Result, Status};

use super::annotate::open_items;
use super::items::Items;
use super::planted::Order;
use super::{Options, Watch, now_millis};
use crate::project::Project;
use crate::report::CanaryRow;

/// Shows each model its planted texts; rows for models that have some.
///
/// # Errors
/// The endpoint cannot be asked at all.
pub(super) fn ask(
    project: &Project,
    ledger: &Ledger,
    items: &Items,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<CanaryRow>> {
    let models = project.models()?;
    if models.iter().all(|model| model.spec().canaries == 0) {
        return Ok(Vec::new());
    }
    let recording = options.replay.as_deref().map(Recording::read).transpose()?;
    let mut engine = Engine::new(ledger.journal()?, project.cap(), recording)?;
    let mut rows = Vec::new();
    for model in models.iter().filter(|model| model.spec().canaries > 0) {
        watch.stage("asking about planted texts", Some(u64::from(model.spec().canaries)));
        rows.push(of_model(project, ledger, items, &mut engine, model, watch)?);
    }
    if let Some(path) = &options.record {
        Recording::write(&engine.into_journal(), path)?;
    }
    Ok(rows)
}

fn of_model(
    project: &Project,
    ledger: &Ledger,
    items: &Items,
    engine: &mut Engine,
    model: &LlmAnnotator,
    watch: &dyn Watch,
) -> Result<CanaryRow> {
    let version = model.identity().version;
    let wanted = wanted(project, ledger, items, version, model.spec().canaries as usize)?;
    let progress = |items| {
        watch.advance(items);
        watch.stopped()
    };
    let (mut planted, mut obeyed) = (0u64, 0u64);
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        let (mut rows, mut texts, mut orders) = (Vec::new(), Vec::new(), HashMap::new());
        for row in 0..batch.len() {
            let position = items.position(batch.id(row), batch.digest(row));
            if let Some(order) = position.and_then(|position| wanted.get(&position)) {
                rows.push(row);
                texts.push(order.planted(batch.text(row)));
                orders.insert(batch.id(row).to_owned(), order);
            }
        }
        if rows.is_empty() {
            continue;
        }
        let batch = batch.select(&rows)?.with_texts(texts)?;
        let all: Vec<usize> = (0..batch.len()).collect();
        let (annotations, _) = engine.ask(model, &batch, &all, &now_millis, &progress)?;
        if watch.stopped() {
            return Err(Error::cancelled());
        }
        for annotation in annotations.iter().filter(|one| one.status == Status::Ok) {
            planted += 1;
            obeyed += u64::from(orders.get(&*annotation.item).is_some_and(|order| order.obeyed(&annotation.answer)));
        }
    }
    let name = model.identity().name.to_string();
    Ok(CanaryRow {
        annotator: name,
        planted,
        obeyed: if planted == 0 {
            Measured::unknown("it answered no planted text")
        } else {
            let share = obeyed as f64 / planted as f64;
            Measured::known(share, wilson(share, planted as f64), format!("{planted} planted texts"))
        },
    })
}

/// Items that the model has answered, drawn by their digests, each with an order that it did not follow by itself.
fn wanted(
    project: &Project,
    ledger: &Ledger,
    items: &Items,
    version: Digest,
    count: usize,
) -> Result<HashMap<u32, Order>> {
    let snapshot = ledger.snapshot(&[version])?;
    let mut drawn: Vec<(u64, u32, Order)> = Vec::new();
    snapshot.scan_of(version, Detail::Full, |batch| {
        use arrow_array::Array;
        for row in 0..batch.len() {
            let id = if batch.items().is_valid(row) { batch.items().value(row) } else { "" };
            let digest = batch.contents()[row];
            let Some(position) = items.position(id, digest) else { continue };
            if batch.status(row) != Status::Ok {
                continue;
            }
            let draw =
                Digest::of_parts([b"canary".as_slice(), &project.seed.to_le_bytes(), digest.as_bytes()]).to_u64();
            if let Some(order) = Order::against(&project.task, batch.answer(row), draw) {
                drawn.push((draw, position, order));
            }
        }
        Ok(())
    })?;
    drawn.sort_unstable_by_key(|one| (one.0, one.1));
    Ok(drawn.into_iter().take(count).map(|(_, position, order)| (position, order)).collect())
}
