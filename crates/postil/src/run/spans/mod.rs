//! A run over spans: from texts to marked texts, their measured quality, a tagger and a report.
//!
//! The same flow as for labels of whole items, with the claims about tokens in place of votes:
//!
//! ```text
//! items ─▶ annotate ─▶ ledger ─▶ claims ─▶ fuse ─▶ repeat, fuse ─▶ learn ─▶ fuse ─▶ label ─▶ measure ─▶ write
//! ```

mod calibrate;
mod claims;
mod doubtful;
mod fuse;
pub(super) mod gold;
mod label;
mod learn;
mod links;
mod measure;
mod output;
mod repeat;
mod summary;

use postil_annotators::Silence;
use postil_core::audit::GoldPart;
use postil_core::ledger::{Access, Ledger};
use postil_core::sequences::TokenSpan;
use postil_core::text::align;
use postil_core::{Digest, Document, Name, Result};

use super::gold::keep;
use super::people::People;
use super::{
    GOLD, GOLD_SENTENCES, Options, Outcome, Watch, annotate, ask, basis, canaries, check_annotators, decided,
    drawn_probabilities, now_millis, open_annotators, output as files, texts,
};
use crate::project::Project;
use crate::report::Report;
use fuse::{Fused, Fuser};
use gold::{Gold, GoldFile, Placed};
pub(super) use label::Stretch;

/// Runs a project whose task is spans.
pub(super) fn run(project: &Project, options: &Options, watch: &dyn Watch) -> Result<Outcome> {
    let mut gold_file = GoldFile::read(project)?;
    files::create_folder(&project.output)?;
    let now_millis = now_millis();
    let mut annotators = open_annotators(project, options.threads)?;
    let ledger = Ledger::open(project.ledger(), Access::Write)?;
    let mut annotated = annotate::annotate(project, &ledger, &mut annotators, options.strict, now_millis, watch)?;
    drop(annotators);
    let items = &annotated.items;
    // Entries that ask by what is known so far are refused for spans when they are read.
    let asked = ask::ask(project, &ledger, (items, &annotated.identities), None, options, watch)?.models;
    annotated.silences.extend(asked.iter().map(|_| Silence::Outside));
    annotated.identities.extend(asked.into_iter().map(|one| one.identity));
    let canaries = canaries::ask(project, &ledger, items, options, watch)?;
    let people = People::find(&ledger, project.task.kind)?;
    gold_file.add_people(people.gold(&ledger, items)?);
    annotated.silences.extend(people.voters.iter().map(|_| Silence::Outside));
    annotated.identities.extend(people.voters.iter().cloned());
    check_annotators(&annotated.identities)?;
    let documents = texts::read(project, items, watch)?;
    let links = links::Links::read(project, &ledger, &people, items, &documents)?;
    let path = project.gold.as_deref().unwrap_or(std::path::Path::new("gold"));
    let mut drawn = drawn_probabilities(&ledger.draws(GOLD)?);
    drawn.extend(drawn_probabilities(&ledger.draws(GOLD_SENTENCES)?));
    let gold = Gold::place((&gold_file, path), items, &documents, &drawn, project)?;
    let answers = gold.answers().map(|(position, answer, weight)| (position, weight, answer));
    let gold_version = keep(&ledger, gold_file.version, items, answers, now_millis)?;
    let extra = format!("{}{canaries:?}", links.key());
    let (snapshot, key) = basis(project, &ledger, &annotated, gold_version, &extra)?;
    if !options.fresh
        && let Some(outcome) = files::unchanged(project, key)
    {
        return Ok(outcome);
    }

    watch.stage("fusing answers", None);
    let claims = claims::read(&snapshot, &annotated.identities, &project.task, items, &documents)?;
    let known = known(project, &documents, &gold)?;
    let fitting: Vec<(&Placed, &[TokenSpan])> = gold
        .items
        .iter()
        .zip(&known)
        .filter(|(item, _)| item.part == GoldPart::Fit)
        .map(|(item, spans)| (item, spans.as_slice()))
        .collect();
    let one_sided = annotated.silences.iter().all(|&silence| silence == Silence::Abstain);
    let fuser = Fuser {
        project,
        documents: &documents,
        said: &claims.said,
        silences: annotated.silences.iter().map(|&one| claims::silence(one)).collect(),
        by_sentence: one_sided,
        known: &fitting,
    };
    let Fused { consensus: first, overlaps } = fuser.fuse(&[])?;
    // People and models have looked at every place themselves.
    let mut voices = Vec::new();
    let mut consensus = first;
    if one_sided {
        voices.extend(repeat::repeat(&documents, &consensus, project.task.labels.len()));
        consensus = fuser.fuse(&voices)?.consensus;
    }
    let learned = if project.student {
        let digests: Vec<Digest> = (0..items.len()).map(|position| items.digest(position)).collect();
        let teaching =
            learn::Teaching { consensus: &consensus, gold: &gold, known: &known, said: &claims.said, one_sided };
        learn::learn(project, &documents, &digests, &teaching, watch)?
    } else {
        Err("no model was trained: `student.train` is false".to_owned())
    };
    let together = match &learned {
        Ok(found) => {
            voices.push(label::voice(found));
            Some(fuser.fuse(&voices)?.consensus)
        }
        Err(_) => None,
    };
    let student = learned.as_ref().ok().zip(together.as_ref());
    let candidates = label::Candidates { items: items.len(), consensus: &consensus, student, one_sided };
    let mut labels = label::label(&candidates, &gold, &fitting);
    let last_words = decided::last_words(&people, &ledger, items, &annotated.identities)?;
    decided::marks(&mut labels.stretches, &claims.said, &last_words);
    let measured =
        measure::measure(&project.task, project.seed, &labels, &consensus, learned.as_ref().ok(), (&gold, &known));
    watch.stage("writing", None);
    let findings = summary::Findings {
        project,
        annotated: &annotated,
        gold_file: &gold_file,
        gold: &gold,
        known: &known,
        documents: &documents,
        snapshot: snapshot.digest(),
        claims: &claims,
        consensus: &consensus,
        overlaps,
        learned: &learned,
        labels: &labels,
        links: &links,
        measured: &measured,
    };
    let model = output::model(&findings)?;
    let report = Report { canaries, ..summary::report(&findings, model.as_deref()) };
    let files = output::write(&findings, model.as_deref(), &report, key)?;
    ledger.close()?;
    Ok(Outcome { report, files, unchanged: false })
}

/// The items that the gold file is about, each with its inclusion probability if the file says.
pub(super) fn gold_items(project: &Project) -> Result<Vec<(String, Option<f64>)>> {
    Ok(GoldFile::read(project)?.items().collect())
}

/// The gold spans of every gold item on its tokens, in the gold's order: those that a flat sequence holds, or all where
/// spans may overlap.
fn known(project: &Project, documents: &[Document], gold: &Gold) -> Result<Vec<Vec<TokenSpan>>> {
    gold.items
        .iter()
        .map(|item| {
            let document = &documents[item.position as usize];
            let aligned = align(&document.text, &document.tokens, &item.spans);
            let span = |span: &postil_core::text::Named<Name>| {
                Ok(TokenSpan { start: span.start, end: span.end, class: project.task.labels.expect(&span.label)? })
            };
            let spans = if project.overlapping { &aligned.all } else { &aligned.flat };
            spans.iter().map(span).collect()
        })
        .collect()
}
