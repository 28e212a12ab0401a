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
        known: &fitting,
    };
    let x = |name: &str, default: usize| {
        std::env::var(format!("POSTIL_X_{name}")).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let Fused { consensus: first, overlaps } = fuser.fuse(&[])?;
    let types = project.task.labels.len();
    let repeats = x("REPEAT", 3);
    let again = |consensus: &postil_core::sequences::SequenceConsensus| -> Vec<fuse::Voice> {
        if !one_sided {
            return Vec::new();
        }
        repeat::repeat(&documents, consensus, types)
            .into_iter()
            .enumerate()
            .filter(|(number, _)| repeats >> number & 1 == 1)
            .map(|(_, voice)| voice)
            .collect()
    };
    let mut voices = again(&first);
    let consensus = if voices.is_empty() { first } else { fuser.fuse(&voices)?.consensus };
    let mut learned = Err("no model was trained: `student.train` is false".to_owned());
    let mut together = None;
    if project.student {
        let digests: Vec<Digest> = (0..items.len()).map(|position| items.digest(position)).collect();
        for round in 0..x("ROUNDS", 1) {
            let teaching = learn::Teaching {
                consensus: together.as_ref().unwrap_or(&consensus),
                gold: &gold,
                known: &known,
                said: &claims.said,
                one_sided,
            };
            learned = learn::learn(project, &documents, &digests, &teaching, watch)?;
            let Ok(found) = &learned else { break };
            if round > 0 || x("AGAIN", 0) == 1 {
                voices = again(together.as_ref().unwrap_or(&consensus));
            }
            voices.push(label::voice(found));
            together = Some(fuser.fuse(&voices)?.consensus);
            voices.pop();
        }
    }
    if std::env::var("POSTIL_X_DUMP").is_ok() {
        let mut file = String::new();
        let mut line = |stage: &str, consensus: &[(u32, TokenSpan, f32)]| {
            for (item, span, probability) in consensus {
                let document = &documents[*item as usize];
                let offsets = postil_core::text::Offsets::new(&document.text);
                let label = Name::clone(project.task.labels.name(span.class));
                let named = postil_core::text::Named { start: span.start, end: span.end, label };
                let span = postil_core::text::quote(&offsets, &document.tokens, &named);
                file.push_str(&format!(
                    "{}\n",
                    serde_json::json!([stage, document.id, span.start, span.end, span.label, probability])
                ));
            }
        };
        let of = |consensus: &postil_core::sequences::SequenceConsensus| -> Vec<(u32, TokenSpan, f32)> {
            consensus.spans.iter().map(|one| (one.item, one.span, one.probability)).collect()
        };
        line("consensus", &of(&consensus));
        if let Some(together) = &together {
            line("both", &of(together));
        }
        if let Ok(learned) = &learned {
            let mut all = Vec::new();
            for (item, spans) in learned.spans.iter().enumerate() {
                for one in spans {
                    let span = TokenSpan { start: one.span.start, end: one.span.end, class: one.span.class };
                    all.push((item as u32, span, one.confidence.unwrap_or(0.5)));
                }
            }
            line("student", &all);
        }
        for (item, said) in claims.said.iter().enumerate() {
            let document = &documents[item];
            let offsets = postil_core::text::Offsets::new(&document.text);
            for (annotator, claims) in said {
                for claim in claims {
                    use postil_core::sequences::What;
                    let label: Name = match &claim.what {
                        What::Type(class) => Name::clone(project.task.labels.name(*class)),
                        What::OneOf(classes) => {
                            let names: Vec<&str> = classes.iter().map(|class| &**project.task.labels.name(*class)).collect();
                            names.join("|").into()
                        }
                        What::Nothing => "O".into(),
                    };
                    let named = postil_core::text::Named { start: claim.start, end: claim.end, label };
                    let span = postil_core::text::quote(&offsets, &document.tokens, &named);
                    let stage = format!("src/{}", annotated.identities[*annotator as usize].name);
                    file.push_str(&format!(
                        "{}\n",
                        serde_json::json!([stage, document.id, span.start, span.end, span.label, 0.0])
                    ));
                }
            }
        }
        std::fs::write(project.output.join("dump.jsonl"), file).ok();
    }
    let heard = learned.as_ref().ok().zip(together.as_ref());
    let labels = label::label(items.len(), &consensus, heard, (&gold, &fitting));
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
