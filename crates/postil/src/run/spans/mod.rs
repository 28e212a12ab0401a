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
mod gold;
mod label;
mod learn;
mod measure;
mod output;
mod repeat;
mod summary;
mod texts;

use postil_annotators::Silence;
use postil_core::audit::GoldPart;
use postil_core::ledger::{Access, Ledger};
use postil_core::sequences::TokenSpan;
use postil_core::text::align;
use postil_core::{Annotation, AnnotatorIdentity, AnnotatorKind, Digest, Document, Name, Result, Task};

use super::{
    GOLD, Options, Outcome, Watch, annotate, drawn_probabilities, now_millis, open_annotators, output as files,
};
use crate::project::Project;
use fuse::{Fused, Fuser};
use gold::{Gold, GoldFile, Placed};

/// Runs a project whose task is spans.
pub(super) fn run(project: &Project, options: &Options, watch: &dyn Watch) -> Result<Outcome> {
    let gold_file = GoldFile::read(project)?;
    files::create_folder(&project.output)?;
    let now_millis = now_millis();
    let mut annotators = open_annotators(project, options.threads)?;
    let ledger = Ledger::open(project.ledger(), Access::Write)?;
    let annotated = annotate::annotate(project, &ledger, &mut annotators, options.strict, now_millis, watch)?;
    drop(annotators);
    let items = &annotated.items;
    let documents = texts::read(project, items, watch)?;
    let gold = Gold::place(&gold_file, items, &documents, &drawn_probabilities(&ledger.draws(GOLD)?), project.seed)
        .map_err(|error| error.in_file(project.gold.as_deref().unwrap_or(std::path::Path::new("gold"))))?;
    let gold_version = keep_gold(&ledger, &gold_file, &gold, items, now_millis)?;
    let versions: Vec<Digest> = annotated.identities.iter().map(|identity| identity.version).collect();
    let snapshot = ledger.snapshot(&versions.iter().copied().chain(gold_version).collect::<Vec<_>>())?;
    let key = Digest::of_parts([
        env!("CARGO_PKG_VERSION").as_bytes(),
        project.settings.as_bytes(),
        project.task.digest().as_bytes(),
        snapshot.digest().as_bytes(),
        items.fingerprint().as_bytes(),
    ]);
    if !options.fresh
        && let Some(outcome) = files::unchanged(project, key)
    {
        return Ok(outcome);
    }

    watch.stage("fusing answers", None);
    let claims = claims::read(&snapshot, &annotated.identities, &project.task, items, &documents)?;
    let known = known(&project.task, &documents, &gold)?;
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
    let labels = label::label(&candidates, &gold, &fitting);
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
        measured: &measured,
    };
    let model = output::model(&findings)?;
    let report = summary::report(&findings, model.as_deref());
    let files = output::write(&findings, model.as_deref(), &report, key)?;
    ledger.close()?;
    Ok(Outcome { report, files, unchanged: false })
}

/// The items that the gold file is about, each with its inclusion probability if the file says.
pub(super) fn gold_items(project: &Project) -> Result<Vec<(String, Option<f64>)>> {
    Ok(GoldFile::read(project)?.items().collect())
}

/// The gold spans of every gold item on its tokens, in the gold's order.
fn known(task: &Task, documents: &[Document], gold: &Gold) -> Result<Vec<Vec<TokenSpan>>> {
    gold.items
        .iter()
        .map(|item| {
            let document = &documents[item.position as usize];
            let aligned = align(&document.text, &document.tokens, &item.spans);
            let span = |span: &postil_core::text::Named<Name>| {
                Ok(TokenSpan { start: span.start, end: span.end, class: task.labels.expect(&span.label)? })
            };
            aligned.flat.iter().map(span).collect()
        })
        .collect()
}

/// Puts gold spans into the ledger as the answers of an annotator of their own.
fn keep_gold(
    ledger: &Ledger,
    file: &GoldFile,
    gold: &Gold,
    items: &super::items::Items,
    now_millis: i64,
) -> Result<Option<Digest>> {
    let Some(version) = file.version else { return Ok(None) };
    let identity = AnnotatorIdentity { name: Name::from(GOLD), kind: AnnotatorKind::Person, version };
    ledger.register(&identity, &serde_json::Value::Null, now_millis)?;
    let done = ledger.done(version)?;
    let annotations = gold
        .answers()
        .filter(|(position, ..)| !done.contains(items.id(*position as usize), items.digest(*position as usize)))
        .map(|(position, answer, weight)| {
            let position = position as usize;
            Annotation {
                at_millis: now_millis,
                inclusion_probability: Some(1.0 / weight).filter(|&probability| probability < 1.0),
                ..Annotation::new(items.id(position).into(), items.digest(position), version, answer)
            }
        })
        .collect();
    ledger.append(annotations)?;
    Ok(Some(version))
}
