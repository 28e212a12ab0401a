//! The second pass over the items: language models are asked what they have not answered before, as long as the budget
//! lasts.

use postil_annotators::llm::{Batches, Engine, LlmAnnotator, Recording, Tally};
use postil_core::ledger::{Done, Ledger};
use postil_core::{AnnotatorIdentity, Digest, Document, Error, ItemBatch, Result};

use super::annotate::open_items;
use super::decisions::Decisions;
use super::gold::Gold;
use super::items::Items;
use super::rounds::Rounds;
use super::{Options, Watch, ballots, fuse, now_millis};
use crate::project::Project;

/// How certain everybody so far is about each item: the probability of its most probable label, 0 where nobody answered.
type Certainties<'a> = &'a dyn Fn(&[Digest]) -> Result<Vec<f64>>;

/// Asks all models of the project, in its order, and gives them back. What comes in is kept reply by reply; where the
/// budget ends the run goes on with what is there.
///
/// Models that are asked about everything go through the items side by side, so that a budget that ends early has bought
/// everybody's word on the first items. A model that is asked about uncertain items waits for those before it. Models
/// that a student finds demonstrations for are asked again once those beside them have answered.
pub(super) fn ask(
    project: &Project,
    ledger: &Ledger,
    (items, before): (&Items, &[AnnotatorIdentity]),
    certainties: Certainties<'_>,
    rounds: Option<&Rounds<'_>>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<AnnotatorIdentity>> {
    let models = project.models()?;
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let recording = options.replay.as_deref().map(Recording::read).transpose()?;
    for model in &models {
        ledger.register(model.identity(), &model.config(), now_millis())?;
    }
    let mut engine = Engine::new(ledger.journal()?, project.cap(), recording)?;
    let mut latest: Vec<AnnotatorIdentity> = Vec::with_capacity(models.len());
    let mut known: Vec<Digest> = before.iter().map(|identity| identity.version).collect();
    for group in models.chunk_by(|one, next| one.spec().only_below.is_none() && next.spec().only_below.is_none()) {
        let certain = match group[0].spec().only_below {
            Some(below) => Some(certainties(&known)?.into_iter().map(|certainty| certainty >= below).collect()),
            None => None,
        };
        let whole = together(project, ledger, &mut engine, group, (items, certain), options, watch)?;
        let first = known.len();
        known.extend(group.iter().map(|model| model.identity().version));
        for (place, model) in group.iter().enumerate() {
            let mut identity = model.identity().clone();
            if let Some(rounds) = rounds.filter(|_| whole) {
                let others: Vec<Digest> =
                    known.iter().copied().filter(|&version| version != identity.version).collect();
                identity = rounds.again(&mut engine, model, &others)?;
            }
            known[first + place] = identity.version;
            latest.push(identity);
        }
    }
    let spent = engine.spent();
    if spent.open.money_micros > 0 {
        watch.note(&format!(
            "{:.4} was set aside for requests whose end is not known; it counts as spent",
            spent.open.money_micros as f64 / 1e6
        ));
    }
    if let Some(path) = &options.record {
        let count = Recording::write(&engine.into_journal(), path)?;
        watch.note(&format!("{count} replies recorded in {}", path.display()));
    }
    Ok(latest)
}

/// What the annotators so far make of each item, by the run's own consensus.
pub(super) fn certainties(
    project: &Project,
    ledger: &Ledger,
    versions: &[Digest],
    items: &Items,
    (decisions, documents): (&Decisions, &[Document]),
    gold: &Gold,
) -> Result<Vec<f64>> {
    if versions.is_empty() {
        return Ok(vec![0.0; items.len()]);
    }
    let snapshot = ledger.snapshot(versions)?;
    let ballots = ballots::read(&snapshot, versions, &project.task, items, (decisions, documents), project.seed)?;
    let fused = fuse::fuse(project, &ballots.votes, decisions, gold)?;
    let of_decision = |decision: usize| {
        if fused.support[decision] == 0 {
            return 0.0;
        }
        let row = decisions.row(&fused.consensus.posterior, decision);
        row.iter().fold(0.0, |most: f64, &share| most.max(f64::from(share)))
    };
    Ok((0..items.len()).map(|item| decisions.of(item).map(of_decision).fold(1.0, f64::min)).collect())
}

/// One pass over the items with models side by side; whether everything was asked that was to be asked.
pub(super) fn together(
    project: &Project,
    ledger: &Ledger,
    engine: &mut Engine,
    models: &[LlmAnnotator],
    (items, certain): (&Items, Option<Vec<bool>>),
    options: &Options,
    watch: &dyn Watch,
) -> Result<bool> {
    let offline = &options.replay;
    let done = models.iter().map(|model| ledger.done(model.identity().version)).collect::<Result<Vec<Done>>>()?;
    for (model, done) in models.iter().zip(&done).filter(|(model, _)| model.spec().batch && offline.is_none()) {
        exchange_batches(project, engine, model, done, (items, certain.as_deref()), watch)?;
    }
    let mut tallies = vec![Tally::default(); models.len()];
    watch.stage("asking models", Some(items.len() as u64 * models.len() as u64));
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for ((model, done), tally) in models.iter().zip(&done).zip(&mut tallies) {
            let rows: Vec<usize> =
                (0..batch.len()).filter(|&row| is_open(&batch, row, done, items, certain.as_deref())).collect();
            watch.advance((batch.len() - rows.len()) as u64);
            if rows.is_empty() || tally.cap_reached {
                continue;
            }
            let progress = |items| {
                watch.advance(items);
                watch.stopped()
            };
            let (annotations, happened) = engine.ask(model, &batch, &rows, &now_millis, &progress)?;
            ledger.append(annotations)?;
            tally.add(happened);
            if watch.stopped() {
                return Err(Error::cancelled());
            }
        }
    }
    for (model, tally) in models.iter().zip(&tallies) {
        if let Some(note) = note(model, tally) {
            watch.note(&note);
        }
    }
    Ok(!tallies.iter().any(|tally| tally.cap_reached))
}

/// Collects what a model's batches brought, and hands the next one over when none is on its way.
fn exchange_batches(
    project: &Project,
    engine: &mut Engine,
    model: &LlmAnnotator,
    done: &Done,
    (items, certain): (&Items, Option<&[bool]>),
    watch: &dyn Watch,
) -> Result<()> {
    watch.stage("exchanging batches", None);
    let mut happened = engine.collect(model, &now_millis)?;
    if happened.waiting.is_empty() {
        let mut rows = open_items(project, false, None)?.map(|batch| {
            let batch = batch?;
            let rows = (0..batch.len()).filter(|&row| is_open(&batch, row, done, items, certain)).collect();
            Ok((batch, rows))
        });
        let handed = engine.submit(model, &mut rows, &now_millis)?;
        happened = Batches {
            waiting: handed.waiting,
            submitted: handed.submitted,
            cap_reached: handed.cap_reached,
            ..happened
        };
    }
    let name = &model.identity().name;
    if happened.collected + happened.failed > 0 {
        let reason = happened.first_failure.map_or_else(String::new, |reason| format!(" (the first: {reason})"));
        watch.note(&format!("{name}: {} replies collected, {} failed{reason}", happened.collected, happened.failed));
    }
    if happened.submitted > 0 {
        watch.note(&format!("{name}: {} requests handed over in a batch", happened.submitted));
    }
    for waiting in happened.waiting {
        watch.note(&format!("{name}: batch {waiting}; run again later to collect it"));
    }
    if happened.cap_reached {
        watch.note(&format!("{name}: the budget is used up: raise it in `[budget]` and run again to go on"));
    }
    Ok(())
}

/// Whether an item is still to be asked about.
fn is_open(batch: &ItemBatch, row: usize, done: &Done, items: &Items, certain: Option<&[bool]>) -> bool {
    let (id, digest) = (batch.id(row), batch.digest(row));
    let settled = |certain: &[bool]| items.position(id, digest).is_some_and(|position| certain[position as usize]);
    !done.contains(id, digest) && !certain.is_some_and(settled)
}

/// What happened while one model was asked, if anything did.
fn note(model: &LlmAnnotator, tally: &Tally) -> Option<String> {
    let mut parts = Vec::new();
    let mut count = |number: u64, what: &str| {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    };
    count(tally.replies, "replies bought");
    count(tally.kept, "replies found in the journal");
    count(tally.retries, "tries repeated");
    count(tally.repaired, "replies not of the form asked for, and read all the same");
    count(tally.not_in_text, "quotes that are not in their text, left out");
    count(tally.without_probability, "replies without a probability");
    count(tally.without_usage, "replies without a bill, counted at their worst cost");
    for (status, number) in &tally.ended {
        if *status != "ok" {
            count(*number, status);
        }
    }
    if tally.replies + tally.kept + tally.retries == 0 && !tally.cap_reached && tally.first_failure.is_none() {
        return None;
    }
    let name = &model.identity().name;
    let mut note = format!("{name}: {}; {}", parts.join(", "), model.ask().basis());
    if !tally.models.is_empty() {
        let models: Vec<&str> = tally.models.iter().map(String::as_str).collect();
        note = format!("{note}; answered by {}", models.join(", "));
    }
    if let Some(first) = &tally.first_failure {
        note = format!("{note}; the first without an answer: {first}");
    }
    if tally.cap_reached {
        note.push_str("; the budget is used up: raise it in `[budget]` and run again to go on");
    }
    Some(note)
}
