//! A run: from items to labels, their measured quality, a model and a report.
//!
//! ```text
//! items ─▶ annotate ─▶ ledger ─▶ ballots ─▶ fuse ─▶ learn ─▶ combine ─▶ measure ─▶ write
//! ```
//!
//! Only `annotate` writes to the ledger. Everything behind it is a function of the snapshot, the project file and the
//! items, so a second run finds nothing to do and a run that was killed ends in the same bytes.

mod annotate;
mod annotators;
mod ask;
mod ballots;
mod canaries;
mod checklist;
mod combine;
mod confidence;
mod decided;
mod decisions;
mod doubtful;
mod facts;
mod forecast;
mod fuse;
mod gold;
mod gold_documents;
mod items;
mod learn;
mod measure;
mod output;
mod pairs;
mod people;
mod planted;
mod records;
mod rounds;
mod route;
mod shown;
mod spans;
mod stored;
mod summary;
mod taggers;
mod tags;
mod texts;
mod trust;
mod write_programs;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use postil_annotators::{Annotator, Settings, Silence, WorkerCommand};
use postil_core::ledger::{Access, Draw, Ledger, Snapshot};
use postil_core::{AnnotatorIdentity, Digest, ItemBatch, Result, TaskKind};

use crate::project::Project;
use crate::report::Report;
use people::People;

pub use annotate::{REJECTED, open_items};
use decisions::Decisions;
pub use forecast::Forecast;
pub use gold::{GoldFile, Truth};
pub use output::{CONFIDENCE, FOR_PEOPLE, LABELS, MODEL, REPORT_HTML, REPORT_JSON, read_report, write_whole};
pub(crate) use shown::with_pool;
pub use stored::{StoredAnswer, StoredAnswers, stored_answers};
pub use write_programs::{Request, WRITTEN, Written, write_programs};

/// The name under which gold labels stand in the ledger, and the purpose of their draws.
pub const GOLD: &str = "gold";
/// What sentences are drawn for, each under the name of its part.
pub const GOLD_SENTENCES: &str = "gold sentences";

/// How a run is made; none of it changes what comes out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the first row that cannot be read is an error.
    pub strict: bool,
    /// Whether to compute everything again although nothing has changed.
    pub fresh: bool,
    /// Worker processes for labelling programs.
    pub threads: usize,
    /// A file for the replies of all language models.
    pub record: Option<PathBuf>,
    /// A file of such replies that stand in for the models.
    pub replay: Option<PathBuf>,
}

/// Who watches a run.
pub trait Watch: Sync {
    /// A stage begins; `total` is the number of items it will go through, if that is known.
    fn stage(&self, name: &str, total: Option<u64>);
    /// So many further items are done.
    fn advance(&self, count: u64);
    /// Whether the run should stop at the next clean point.
    fn stopped(&self) -> bool;
    /// Something about this run that is no part of its result.
    fn note(&self, _text: &str) {}
}

/// Watches nothing.
pub struct Unwatched;

impl Watch for Unwatched {
    fn stage(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn stopped(&self) -> bool {
        false
    }
}

/// What a run leaves behind.
pub struct Outcome {
    /// Everything that can be shown.
    pub report: Report,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Whether everything was there already.
    pub unchanged: bool,
}

/// Runs a project from beginning to end.
///
/// # Errors
/// Anything that makes a result impossible; what the ledger acknowledged is kept, and running again goes on from there.
pub fn run(project: &Project, options: &Options, watch: &dyn Watch) -> Result<Outcome> {
    if project.task.kind == TaskKind::Spans {
        return spans::run(project, options, watch);
    }
    if project.task.kind == TaskKind::Extract {
        return records::run(project, options, watch);
    }
    let mut gold_file = GoldFile::read(project)?;
    let grades = checklist::Grades::read(project)?;
    output::create_folder(&project.output)?;
    let now_millis = now_millis();
    let mut annotators = open_annotators(project, options.threads)?;
    let ledger = Ledger::open(project.ledger(), Access::Write)?;
    let mut annotated = annotate::annotate(project, &ledger, &mut annotators, options.strict, now_millis, watch)?;
    drop(annotators);
    let items = &annotated.items;
    let of_tags = project.task.kind == TaskKind::Tag;
    let documents = if of_tags { texts::read(project, items, watch)? } else { Vec::new() };
    let people = People::find(&ledger, project.task.kind)?;
    gold_file.add_people(people.gold(&ledger, items)?, &project.task)?;
    annotated.silences.extend(people.voters.iter().map(|_| Silence::Outside));
    annotated.identities.extend(people.voters.iter().cloned());
    let drawn = drawn_probabilities(&ledger.draws(GOLD)?);
    let gold = gold::Gold::place(project, &gold_file, items, &documents, &drawn)?;
    let decisions = Decisions::new(&project.task, items.len(), &documents);
    let lies = (&decisions, &documents[..]);
    let standings = |so_far: &[AnnotatorIdentity]| ask::standings(project, &ledger, so_far, items, lies, &gold);
    let rounds = rounds::Rounds {
        project,
        ledger: &ledger,
        items,
        decisions: &decisions,
        documents: &documents,
        gold: &gold,
        watch,
    };
    let known = ask::Known { gold: &gold, standings: &standings, rounds: &rounds };
    let asked = ask::ask(project, &ledger, (items, &annotated.identities), Some(&known), options, watch)?;
    annotated.silences.extend(asked.models.iter().map(|_| Silence::Outside));
    annotated.routes = asked.models.iter().map(|one| (one.identity.version, one.route)).collect();
    annotated.identities.extend(asked.models.into_iter().map(|one| one.identity));
    check_annotators(&annotated.identities)?;
    let canaries = canaries::ask(project, &ledger, items, options, watch)?;
    let gold_version = gold.keep(project, &ledger, gold_file.version, items, &documents, now_millis)?;
    let (snapshot, key) =
        basis(project, &ledger, &annotated, gold_version, &format!("{canaries:?}{:?}", grades.version))?;
    if !options.fresh
        && let Some(outcome) = output::unchanged(project, key)
    {
        return Ok(outcome);
    }

    watch.stage("fusing answers", None);
    let (identities, task) = (&annotated.identities, &project.task);
    let confidences = confidence::Confidences::learn(&snapshot, identities, task, items, &decisions, &gold)?;
    let ballots = ballots::read(&snapshot, identities, task, items, lies, &confidences, project.seed)?;
    let last_words = decided::last_words(&people, &ledger, items, identities)?;
    let decided = decided::Decided::find(&ballots.votes, &decisions, &last_words);
    let mut fused = fuse::fuse(project, ballots.believed(), &decisions, &gold)?;
    let sequence = of_tags.then(|| tags::context::in_sequence(&mut fused, &decisions, items.len(), &gold));
    decided.teach(&mut fused, decisions.classes());
    let learned = if project.task.kind == TaskKind::Pairs {
        Err("no model was trained: a student reads one text, and a pair has two".to_owned())
    } else if project.student {
        let (posterior, support) = (fused.consensus.posterior.as_slice(), fused.support.as_slice());
        let believed = learn::Believed { posterior, support, decisions: &decisions };
        if of_tags {
            let digests: Vec<Digest> = (0..items.len()).map(|position| items.digest(position)).collect();
            tags::learn::learn(project, &documents, &digests, &believed, &gold, watch)?
        } else {
            learn::learn(project, items, &believed, &gold, watch)?
        }
    } else {
        Err("no model was trained: `student.train` is false".to_owned())
    };
    let mut labels = combine::label(&decisions, items.len(), &ballots.votes, &fused, learned.as_ref().ok(), &gold);
    decided.stand(&mut labels, &decisions);
    let measured = measure::measure(project, &decisions, &labels, &fused, learned.as_ref().ok(), &gold);
    watch.stage("writing", None);
    let findings = summary::Findings {
        project,
        annotated: &annotated,
        gold_file: &gold_file,
        gold: &gold,
        decisions: &decisions,
        documents: &documents,
        sequence: sequence.as_deref(),
        snapshot: snapshot.digest(),
        ballots: &ballots,
        confidences: &confidences,
        routed: asked.routed.as_ref(),
        fused: &fused,
        learned: &learned,
        labels: &labels,
        measured: &measured,
    };
    let scored = checklist::score(project, &snapshot, identities, items, &grades)?;
    let model = output::model(&findings)?;
    let ranking = pairs::ranking(&findings, watch)?;
    let report = summary::report(&findings, model.as_ref(), watch)?;
    let score = scored.as_ref().map(|scored| scored.summary.clone());
    let report = Report { pairs: pairs::summary(&findings, &snapshot, ranking.as_ref())?, canaries, score, ..report };
    let files = output::write(&findings, model.as_ref(), (ranking.as_ref(), scored.as_ref()), &report, key)?;
    ledger.close()?;
    Ok(Outcome { report, files, unchanged: false })
}

/// The snapshot that a result rests on, and the key of everything that it is made from; `more` is what stands in no ledger.
fn basis(
    project: &Project,
    ledger: &Ledger,
    annotated: &annotate::Annotated,
    gold: Option<Digest>,
    more: &str,
) -> Result<(Snapshot, Digest)> {
    let versions = annotated.identities.iter().map(|identity| identity.version);
    let snapshot = ledger.snapshot(&versions.chain(gold).collect::<Vec<_>>())?;
    let key = Digest::of_parts([
        env!("CARGO_PKG_VERSION").as_bytes(),
        project.settings.as_bytes(),
        project.task.digest().as_bytes(),
        snapshot.digest().as_bytes(),
        annotated.items.fingerprint().as_bytes(),
        more.as_bytes(),
    ]);
    Ok((snapshot, key))
}

/// An error if nobody has said anything that could be fused.
fn check_annotators(identities: &[AnnotatorIdentity]) -> Result<()> {
    if identities.is_empty() {
        return Err(postil_core::Error::task("expected answers of at least one annotator, found none")
            .hint("answer some items in `postil review`, or add a program, a list or a model"));
    }
    Ok(())
}

/// The items that a project's gold file is about, each with its inclusion probability if the file says.
pub fn gold_items(project: &Project) -> Result<Vec<(String, Option<f64>)>> {
    if project.task.kind == TaskKind::Spans {
        return spans::gold_items(project);
    }
    if project.task.kind == TaskKind::Extract {
        return records::gold_items(project);
    }
    Ok(GoldFile::read(project)?.labels.into_iter().map(|gold| (gold.item, gold.probability)).collect())
}

/// Opens every annotator of a project, in its order.
pub fn open_annotators(project: &Project, threads: usize) -> Result<Vec<Box<dyn Annotator>>> {
    let settings = Settings::new(WorkerCommand::this_program()?, threads)
        .with_tokenizer(project.tokenizer)
        .with_given_tokens(project.tokens.is_some());
    let mut annotators = Vec::new();
    for spec in &project.annotators {
        annotators.extend(postil_annotators::open(spec, &project.task, &project.folder, &settings)?);
    }
    Ok(annotators)
}

/// The inclusion probability of each drawn item: that of the latest draw from its stratum, because every further draw
/// raises the probability of the whole stratum.
pub fn drawn_probabilities(draws: &[Draw]) -> HashMap<String, f64> {
    let latest: HashMap<Option<&str>, f64> =
        draws.iter().map(|draw| (draw.stratum.as_deref(), draw.inclusion_probability)).collect();
    draws.iter().map(|draw| (draw.item.to_string(), latest[&draw.stratum.as_deref()])).collect()
}

/// Milliseconds since 1970; only ever stored beside an answer, never part of a result.
pub fn now_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What `plan` shows of one annotator.
pub struct Preview {
    /// The annotator.
    pub identity: AnnotatorIdentity,
    /// Its answer to the example, in words.
    pub example: String,
    /// Items of the sample that it answered.
    pub answered: usize,
    /// Seconds per item, measured on the sample.
    pub seconds_per_item: f64,
    /// The expected cost of all items.
    pub cost: postil_core::Cost,
}

/// Tries every annotator on a sample without storing anything. `items` is the number of items of the whole run.
pub fn preview(annotators: &mut [Box<dyn Annotator>], sample: &ItemBatch, items: u64) -> Result<Vec<Preview>> {
    annotators
        .iter_mut()
        .map(|annotator| {
            // The first call pays for starting processes and compiling; it is not the price of an item.
            let warm = sample.select(&[0])?;
            annotator.annotate(&warm)?;
            let start = std::time::Instant::now();
            let annotations = annotator.annotate(sample)?;
            let seconds = start.elapsed().as_secs_f64();
            let first = annotations.iter().find(|annotation| &*annotation.item == sample.id(0));
            let scale = items as f64 / sample.len() as f64;
            let price = annotator.price(sample);
            let grow = |part: u64| (part as f64 * scale).ceil() as u64;
            Ok(Preview {
                identity: annotator.identity().clone(),
                example: first
                    .map_or_else(|| "nothing".to_owned(), |annotation| measure::answer_in_words(&annotation.answer)),
                answered: annotations.iter().filter(|one| one.status == postil_core::Status::Ok).count(),
                seconds_per_item: seconds / sample.len() as f64,
                cost: postil_core::Cost {
                    money_micros: grow(price.money_micros),
                    person_millis: grow(price.person_millis),
                    input_tokens: grow(price.input_tokens),
                    output_tokens: grow(price.output_tokens),
                },
            })
        })
        .collect()
}

/// The path in words, relative to the project where it lies inside.
fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.folder).unwrap_or(path).display().to_string()
}
