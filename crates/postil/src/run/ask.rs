//! The second pass over the items: language models are asked what they have not answered before, as long as the budget
//! lasts.

use postil_annotators::Silence;
use postil_annotators::llm::{Engine, LlmAnnotator, Tally};
use postil_core::ledger::{Done, Ledger};
use postil_core::{Error, Result};

use super::annotate::{Annotated, open_items};
use super::{Watch, now_millis};
use crate::project::Project;

/// Asks and adds the models to the annotators of the run. What comes in is kept reply by reply; where the budget ends the
/// run goes on with what is there.
pub(super) fn ask(project: &Project, ledger: &Ledger, annotated: &mut Annotated, watch: &dyn Watch) -> Result<()> {
    let models = project.models()?;
    if models.is_empty() {
        return Ok(());
    }
    let done = models
        .iter()
        .map(|model| {
            ledger.register(model.identity(), &model.config(), now_millis())?;
            ledger.done(model.identity().version)
        })
        .collect::<Result<Vec<Done>>>()?;
    let mut engine = Engine::new(ledger.journal()?, project.cap())?;
    let mut tallies = vec![Tally::default(); models.len()];
    watch.stage("asking models", Some(annotated.items.len() as u64 * models.len() as u64));
    for batch in open_items(project, false, None)? {
        let batch = batch?;
        for ((model, done), tally) in models.iter().zip(&done).zip(&mut tallies) {
            let rows: Vec<usize> =
                (0..batch.len()).filter(|&row| !done.contains(batch.id(row), batch.digest(row))).collect();
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
    let spent = engine.spent();
    if spent.open.money_micros > 0 {
        watch.note(&format!(
            "{:.2} was set aside for requests whose end is not known; it counts as spent",
            spent.open.money_micros as f64 / 1e6
        ));
    }
    annotated.identities.extend(models.iter().map(|model| model.identity().clone()));
    annotated.silences.extend(models.iter().map(|_| Silence::Outside));
    Ok(())
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
        note.push_str(&format!("; answered by {}", tally.models.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if let Some(first) = &tally.first_failure {
        note.push_str(&format!("; the first without an answer: {first}"));
    }
    if tally.cap_reached {
        note.push_str("; the budget is used up: raise it in `[budget]` and run again to go on");
    }
    Some(note)
}
