//! The second pass over the items: language models are asked what they have not answered before, as long as the budget
//! lasts.

use postil_annotators::llm::{Batches, Engine, LlmAnnotator, Recording, Tally};
use postil_core::ledger::{Done, Ledger};
use postil_core::{AnnotatorIdentity, AnnotatorKind, Class, Document, Error, ItemBatch, Result};

use super::annotate::open_items;
use super::confidence::Confidences;
use super::decisions::Decisions;
use super::gold::Gold;
use super::items::Items;
use super::rounds::Rounds;
use super::route::{Routed, Router};
use super::{Options, Watch, ballots, fuse, now_millis};
use crate::project::Project;
use crate::score::decide;

/// What everybody so far makes of each item.
type Standings<'a> = &'a dyn Fn(&[AnnotatorIdentity]) -> Result<Vec<Standing>>;

/// What the annotators so far make of an item by the run's own consensus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The most probable label, in tasks of one label per item; none where nobody answered.
    pub label: Option<Class>,
    /// Its probability, with several decisions in an item that of the least certain one; 0 where nobody answered.
    pub sure: f64,
}

/// Which items a model is asked about, by position; `None` for all.
pub(super) type Open = Option<Vec<bool>>;

/// What a pass may go by besides the items, in tasks that ask by it.
pub(super) struct Known<'a> {
    pub gold: &'a Gold,
    pub standings: Standings<'a>,
    /// How models are asked again beside what a student found.
    pub rounds: &'a Rounds<'a>,
}

/// What took part in the second pass.
pub(super) struct Asked {
    pub models: Vec<AskedModel>,
    /// How items were shared out, if they were.
    pub routed: Option<Routed>,
}

/// A language model that took part.
pub(super) struct AskedModel {
    pub identity: AnnotatorIdentity,
    /// How it came to its probabilities, in words.
    pub route: &'static str,
}

/// Asks all models of the project, in its order, and gives them back. What comes in is kept reply by reply; where the
/// budget ends the run goes on with what is there.
///
/// Models that are asked about everything go through the items side by side, so that a budget that ends early has bought
/// everybody's word on the first items. A model that is asked about uncertain items waits for those before it. With
/// `[routing]` a plan decides instead. Models that a student finds demonstrations for are asked again once those beside
/// them have answered.
pub(super) fn ask(
    project: &Project,
    ledger: &Ledger,
    (items, before): (&Items, &[AnnotatorIdentity]),
    known: Option<&Known<'_>>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Asked> {
    let models = project.models()?;
    if models.is_empty() {
        return Ok(Asked { models: Vec::new(), routed: None });
    }
    let recording = options.replay.as_deref().map(Recording::read).transpose()?;
    for model in &models {
        ledger.register(model.identity(), &model.config(), now_millis())?;
    }
    let engine = Engine::new(ledger.journal()?, project.cap(), recording)?;
    let mut asking = Asking { project, ledger, items, engine, offline: options.replay.is_some() };
    let mut tallies = vec![Tally::default(); models.len()];
    let mut routed = None;
    let mut latest: Vec<AnnotatorIdentity> = models.iter().map(|model| model.identity().clone()).collect();
    if let (Some(routing), Some(known)) = (&project.routing, known) {
        let standings = if before.is_empty() { Vec::new() } else { (known.standings)(before)? };
        let people = before.iter().filter(|one| one.kind == AnnotatorKind::Person).map(|one| one.version).collect();
        let (gold, before) = (known.gold, standings);
        let router = Router { project, routing, ledger, items, gold, models: &models, before, people };
        routed = Some(router.route(&mut asking, &mut tallies, watch)?);
    } else {
        let mut so_far = before.to_vec();
        let (mut tallies, mut asked) = (tallies.as_mut_slice(), 0);
        for group in models.chunk_by(|one, next| one.spec().only_below.is_none() && next.spec().only_below.is_none()) {
            let open: Open = match (group[0].spec().only_below, known) {
                (Some(below), Some(known)) => {
                    Some((known.standings)(&so_far)?.into_iter().map(|standing| standing.sure < below).collect())
                }
                _ => None,
            };
            let (of_group, rest) = tallies.split_at_mut(group.len());
            let ended = asking.together(group, &vec![open; group.len()], of_group, watch)?;
            tallies = rest;
            let first = so_far.len();
            so_far.extend(group.iter().map(|model| model.identity().clone()));
            for (place, model) in group.iter().enumerate() {
                if let Some(known) = known.filter(|_| !ended) {
                    let mut others = so_far.clone();
                    others.remove(first + place);
                    so_far[first + place] = known.rounds.again(&mut asking, model, &others)?;
                }
            }
            latest[asked..asked + group.len()].clone_from_slice(&so_far[first..]);
            asked += group.len();
        }
    }
    models.iter().zip(&tallies).filter_map(|(model, tally)| note(model, tally)).for_each(|note| watch.note(&note));
    let spent = asking.engine.spent();
    if spent.open.money_micros > 0 {
        watch.note(&format!(
            "{:.4} was set aside for requests whose end is not known; it counts as spent",
            spent.open.money_micros as f64 / 1e6
        ));
    }
    if let Some(path) = &options.record {
        let count = Recording::write(&asking.engine.into_journal(), path)?;
        watch.note(&format!("{count} replies recorded in {}", path.display()));
    }
    let models = models
        .iter()
        .zip(latest)
        .map(|(model, identity)| AskedModel { identity, route: model.ask().basis() })
        .collect();
    Ok(Asked { models, routed })
}

/// What the annotators so far make of each item, by the run's own consensus.
pub(super) fn standings(
    project: &Project,
    ledger: &Ledger,
    so_far: &[AnnotatorIdentity],
    items: &Items,
    (decisions, documents): (&Decisions, &[Document]),
    gold: &Gold,
) -> Result<Vec<Standing>> {
    if so_far.is_empty() {
        return Ok(vec![Standing { label: None, sure: 0.0 }; items.len()]);
    }
    let snapshot = ledger.snapshot(&so_far.iter().map(|identity| identity.version).collect::<Vec<_>>())?;
    let confidences = Confidences::learn(&snapshot, so_far, &project.task, items, decisions, gold)?;
    let lies = (decisions, documents);
    let ballots = ballots::read(&snapshot, so_far, &project.task, items, lies, &confidences, project.seed)?;
    let fused = fuse::fuse(project, ballots.believed(), decisions, gold)?;
    let of_decision = |decision: usize| {
        if fused.support[decision] == 0 {
            return Standing { label: None, sure: 0.0 };
        }
        let row = decisions.row(&fused.consensus.posterior, decision);
        let label = decide(row);
        Standing { label: Some(label), sure: f64::from(row[usize::from(label)]) }
    };
    let of_item = |item: usize| {
        let all = decisions.of(item).map(of_decision);
        all.reduce(|least, one| if one.sure < least.sure { one } else { least })
            .unwrap_or(Standing { label: None, sure: 1.0 })
    };
    Ok((0..items.len()).map(of_item).collect())
}

/// What stays the same from one pass over the items to the next.
pub(super) struct Asking<'a> {
    project: &'a Project,
    ledger: &'a Ledger,
    items: &'a Items,
    pub engine: Engine,
    offline: bool,
}

impl Asking<'_> {
    /// One pass over the items with models side by side; whether the budget ended it.
    pub(super) fn together(
        &mut self,
        models: &[LlmAnnotator],
        open: &[Open],
        tallies: &mut [Tally],
        watch: &dyn Watch,
    ) -> Result<bool> {
        let Self { project, ledger, items, engine, offline } = self;
        let done = models.iter().map(|model| ledger.done(model.identity().version)).collect::<Result<Vec<Done>>>()?;
        for ((model, done), open) in models.iter().zip(&done).zip(open) {
            if model.spec().batch && !*offline {
                exchange_batches(project, engine, model, done, (items, open), watch)?;
            }
        }
        watch.stage("asking models", Some(items.len() as u64 * models.len() as u64));
        let mut ended = false;
        for batch in open_items(project, false, None)? {
            let batch = batch?;
            for (place, (model, done)) in models.iter().zip(&done).enumerate() {
                let rows: Vec<usize> =
                    (0..batch.len()).filter(|&row| is_open(&batch, row, done, items, &open[place])).collect();
                watch.advance((batch.len() - rows.len()) as u64);
                if rows.is_empty() || tallies[place].cap_reached {
                    continue;
                }
                let progress = |items| {
                    watch.advance(items);
                    watch.stopped()
                };
                let (annotations, happened) = engine.ask(model, &batch, &rows, &now_millis, &progress)?;
                ledger.append(annotations)?;
                ended |= happened.cap_reached;
                tallies[place].add(happened);
                if watch.stopped() {
                    return Err(Error::cancelled());
                }
            }
        }
        Ok(ended)
    }
}

/// Collects what a model's batches brought, and hands the next one over when none is on its way.
fn exchange_batches(
    project: &Project,
    engine: &mut Engine,
    model: &LlmAnnotator,
    done: &Done,
    (items, open): (&Items, &Open),
    watch: &dyn Watch,
) -> Result<()> {
    watch.stage("exchanging batches", None);
    let mut happened = engine.collect(model, &now_millis)?;
    if happened.waiting.is_empty() {
        let mut rows = open_items(project, false, None)?.map(|batch| {
            let batch = batch?;
            let rows = (0..batch.len()).filter(|&row| is_open(&batch, row, done, items, open)).collect();
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
fn is_open(batch: &ItemBatch, row: usize, done: &Done, items: &Items, open: &Open) -> bool {
    let (id, digest) = (batch.id(row), batch.digest(row));
    let wanted = |open: &Vec<bool>| items.position(id, digest).is_some_and(|position| open[position as usize]);
    !done.contains(id, digest) && open.as_ref().is_none_or(wanted)
}

/// What happened while one model was asked, if anything did.
pub(super) fn note(model: &LlmAnnotator, tally: &Tally) -> Option<String> {
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
    count(tally.displaced, "stretches left out where a longer one, or one of an earlier label, stands");
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
