//! Rounds of teacher and student, after FreeAL (Xiao et al. 2023, <https://arxiv.org/abs/2311.15614>).
//!
//! ```text
//! model labels ─▶ student ─▶ surest agreed texts ─▶ demonstrations ─▶ model labels the doubtful again ─▶ student ...
//! ```
//!
//! The model has answered everything without demonstrations. A student of everybody's answers says of each item what
//! it thinks, by models that have not learnt from it. Texts on which student and model agree most surely, spread over
//! each label, become the pool; items on which they differ are asked about again, each with the pool's texts most like
//! it. A round is a version of the annotator: it gives the new answers and repeats the old ones of all other items, so
//! that one version speaks of every item. What makes a round is a function of what the ledger holds, so a run that was
//! stopped goes on with the same round, and a round whose answers are not all there is not used.

use std::collections::HashSet;

use postil_annotators::demonstrations::{representatives_of, surest_agreed};
use postil_annotators::llm::{LlmAnnotator, LlmSpec, Origin, Pool, Right, Tally};
use postil_core::audit::GoldPart;
use postil_core::ledger::{Detail, Ledger};
use postil_core::{Annotation, AnnotatorIdentity, Class, Digest, Document, Result, Status};

use super::ask::{self, Asking};
use super::ballots::{self, Ballot};
use super::confidence::Confidences;
use super::decisions::Decisions;
use super::gold::Gold;
use super::items::Items;
use super::learn::{self, Believed};
use super::{Watch, fuse, now_millis};
use crate::project::Project;
use crate::score::decide;

/// Texts in the pool of a round, over all labels.
const POOL: usize = 100;
/// The most agreed texts of a label that representatives are chosen from.
const MOST_AGREED: usize = 2000;
/// Annotations that are repeated at a time.
const SLICE: usize = 10_000;

/// What rounds know of the run.
#[derive(Clone, Copy)]
pub(super) struct Rounds<'a> {
    pub project: &'a Project,
    pub ledger: &'a Ledger,
    pub items: &'a Items,
    pub decisions: &'a Decisions,
    pub documents: &'a [Document],
    pub gold: &'a Gold,
    pub watch: &'a dyn Watch,
}

/// What a version of the model said of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It was not asked.
    Nothing,
    /// No label: a refusal, or a reply that could not be used.
    NoLabel,
    /// A label.
    Label(Class),
}

/// One round before it is asked.
struct Plan {
    pool: Pool,
    /// Per item, whether it is asked about again.
    doubtful: Vec<bool>,
}

impl Rounds<'_> {
    /// Asks a model again, as often as its entry says; the version that holds its latest whole round comes back, which
    /// is the model's own where there is none. `others` are the versions of everybody else so far.
    pub(super) fn again(
        &self,
        asking: &mut Asking<'_>,
        model: &LlmAnnotator,
        others: &[AnnotatorIdentity],
    ) -> Result<AnnotatorIdentity> {
        let mut latest = model.identity().clone();
        let Some(spec) = model.demonstrations().filter(|spec| spec.from == Origin::Student) else { return Ok(latest) };
        for number in 1..=spec.rounds {
            let known: Vec<AnnotatorIdentity> = others.iter().chain([&latest]).cloned().collect();
            let made_of = self.made_of(&known, number)?;
            if let Some(there) = self.finished(&latest, made_of)? {
                latest = there;
                continue;
            }
            let Some(plan) = self.plan(&known, latest.version, spec.share)? else { return Ok(latest) };
            let asked = plan.doubtful.iter().filter(|&&doubtful| doubtful).count();
            if asked == 0 {
                self.note(&latest, number, "student and model agree on everything");
                return Ok(latest);
            }
            let shown = plan.pool.texts.len();
            let next = self.asker(model.spec(), plan.pool, made_of)?;
            let identity = next.identity().clone();
            let mut config = next.config();
            config["made_of"] = serde_json::json!(made_of);
            self.ledger.register(&identity, &config, now_millis())?;
            self.note(
                &latest,
                number,
                &format!(
                    "{asked} of {} items are asked about again, beside the nearest of {shown} texts",
                    self.items.len()
                ),
            );
            let mut tally = [Tally::default()];
            let ended = asking.together(std::slice::from_ref(&next), &[Some(plan.doubtful)], &mut tally, self.watch)?;
            ask::note(&next, &tally[0]).iter().for_each(|note| self.watch.note(note));
            if ended {
                self.note(
                    &latest,
                    number,
                    "not all answers are there, so the round before it counts; run again to go on",
                );
                return Ok(latest);
            }
            self.repeat(latest.version, identity.version)?;
            latest = identity;
        }
        Ok(latest)
    }

    fn note(&self, model: &AnnotatorIdentity, number: u32, text: &str) {
        self.watch.note(&format!("{}: round {}: {text}", model.name, number + 1));
    }

    /// A digest of everything that decides what a round is.
    fn made_of(&self, known: &[AnnotatorIdentity], number: u32) -> Result<Digest> {
        let snapshot = self.ledger.snapshot(&versions(known))?;
        let gold: Vec<String> = self
            .gold
            .part(GoldPart::Fit)
            .map(|gold| format!("{} {:?}", self.items.id(gold.position as usize), gold.truth))
            .chain(self.gold.part(GoldPart::Measure).map(|gold| self.items.id(gold.position as usize).to_owned()))
            .collect();
        let gold = Digest::of_parts(gold.iter().map(String::as_bytes));
        Ok(Digest::of_parts([
            env!("CARGO_PKG_VERSION").as_bytes(),
            number.to_le_bytes().as_slice(),
            format!("{:?} {}", self.project.method, self.project.seed).as_bytes(),
            self.project.task.digest().as_bytes(),
            snapshot.digest().as_bytes(),
            self.items.fingerprint().as_bytes(),
            gold.as_bytes(),
        ]))
    }

    /// The version of a round that an earlier run has ended.
    fn finished(&self, before: &AnnotatorIdentity, made_of: Digest) -> Result<Option<AnnotatorIdentity>> {
        let made_of = serde_json::json!(made_of);
        for known in self.ledger.annotators()? {
            if known.identity.name == before.name && known.config["made_of"] == made_of {
                let version = known.identity.version;
                let snapshot = self.ledger.snapshot(&[before.version, version])?;
                if snapshot.len_of(version) >= snapshot.len_of(before.version) {
                    return Ok(Some(known.identity));
                }
            }
        }
        Ok(None)
    }

    /// The model of a round.
    fn asker(&self, spec: &LlmSpec, pool: Pool, made_of: Digest) -> Result<LlmAnnotator> {
        LlmAnnotator::open(spec, &self.project.task, &self.project.folder)?.with_demonstrations(pool, &[made_of])
    }

    /// The pool and the doubtful items; `None`, which is said, where no student can be had or it agrees with nothing.
    fn plan(&self, known: &[AnnotatorIdentity], version: Digest, share: f64) -> Result<Option<Plan>> {
        let Self { project, ledger, items, decisions, documents, gold, .. } = *self;
        let snapshot = ledger.snapshot(&versions(known))?;
        let confidences = Confidences::learn(&snapshot, known, &project.task, items, decisions, gold)?;
        let lies = (decisions, documents);
        let ballots = ballots::read(&snapshot, known, &project.task, items, lies, &confidences, project.seed)?;
        let fused = fuse::fuse(project, ballots.believed(), decisions, gold)?;
        let believed = Believed { posterior: &fused.consensus.posterior, support: &fused.support, decisions };
        let student = match learn::learn(project, items, &believed, gold, self.watch)? {
            Ok(learned) => learned.probabilities,
            Err(reason) => {
                self.watch.note(&format!("no demonstrations: {reason}"));
                return Ok(None);
            }
        };
        let classes = project.task.labels.len();
        let said = self.said(version)?;
        let doubtful = doubtful(&said, &student, classes, share);
        // Gold that fits is known; gold that measures is nobody's example.
        let mut labels: Vec<Option<Class>> =
            said.into_iter().map(|said| if let Said::Label(class) = said { Some(class) } else { None }).collect();
        for gold in &gold.labels {
            labels[gold.position as usize] = match gold.part {
                GoldPart::Fit => gold.truth.first().copied().flatten(),
                GoldPart::Measure => None,
            };
        }
        let per_label = POOL.div_ceil(classes);
        let mut agreed = surest_agreed(&labels, &student, classes, per_label)?;
        agreed.iter_mut().for_each(|own| own.truncate(MOST_AGREED));
        let mut places: Vec<u32> = agreed.concat().into_iter().map(|place| place as u32).collect();
        places.sort_unstable();
        if places.is_empty() {
            self.watch.note("no demonstrations: student and model agree on nothing");
            return Ok(None);
        }
        let texts = learn::texts_of(project, items, &places, self.watch)?;
        let of_place: Vec<Class> = places.iter().filter_map(|&place| labels[place as usize]).collect();
        let chosen = representatives_of(&texts, &of_place, per_label, project.seed)?;
        let pool = Pool {
            texts: chosen.iter().map(|&at| texts[at].clone()).collect(),
            answers: chosen.iter().map(|&at| Right::Class(of_place[at])).collect(),
        };
        Ok(Some(Plan { pool, doubtful }))
    }

    /// What a version said of every item.
    fn said(&self, version: Digest) -> Result<Vec<Said>> {
        let mut said = vec![Said::Nothing; self.items.len()];
        self.ledger.snapshot(&[version])?.scan_of(version, Detail::Full, |batch| {
            for row in 0..batch.len() {
                let Some(place) = self.items.position(batch.items().value(row), batch.contents()[row]) else {
                    continue;
                };
                let class = match ballots::ballot(batch.answer(row), &self.project.task)? {
                    Ballot::One(class) if batch.status(row) == Status::Ok => Some(class),
                    Ballot::Shares(shares) if batch.status(row) == Status::Ok => shares
                        .iter()
                        .max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))
                        .map(|share| share.0),
                    _ => None,
                };
                said[place as usize] = class.map_or(Said::NoLabel, Said::Label);
            }
            Ok(())
        })?;
        Ok(said)
    }

    /// Repeats the answers of one version as those of another, where that has none.
    fn repeat(&self, from: Digest, to: Digest) -> Result<()> {
        let snapshot = self.ledger.snapshot(&[from, to])?;
        let mut answered = HashSet::new();
        snapshot.scan_of(to, Detail::Full, |batch| {
            for row in (0..batch.len()).filter(|&row| batch.status(row) == Status::Ok) {
                answered.insert((batch.annotation(row)?.item, batch.contents()[row]));
            }
            Ok(())
        })?;
        let mut slice: Vec<Annotation> = Vec::new();
        snapshot.scan_of(from, Detail::Full, |batch| {
            for row in 0..batch.len() {
                let annotation = batch.annotation(row)?;
                if !answered.contains(&(annotation.item.clone(), annotation.content)) {
                    slice.push(Annotation { annotator: to, ..annotation });
                }
                if slice.len() == SLICE {
                    self.ledger.append(std::mem::take(&mut slice))?;
                }
            }
            Ok(())
        })?;
        self.ledger.append(slice)
    }
}

fn versions(known: &[AnnotatorIdentity]) -> Vec<Digest> {
    known.iter().map(|identity| identity.version).collect()
}

/// The items on which the student differs from what was said, or of which no label was said, the likeliest errors
/// first, up to this share of the items that were asked about.
fn doubtful(said: &[Said], student: &[f32], classes: usize, share: f64) -> Vec<bool> {
    let mut order: Vec<(f32, usize)> = Vec::new();
    let mut asked = 0usize;
    for (at, (said, row)) in said.iter().zip(student.chunks_exact(classes)).enumerate() {
        asked += usize::from(*said != Said::Nothing);
        match said {
            Said::Label(class) if decide(row) != *class => order.push((row[usize::from(*class)], at)),
            Said::NoLabel => order.push((0.0, at)),
            Said::Nothing | Said::Label(_) => {}
        }
    }
    order.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    order.truncate((asked as f64 * share).ceil() as usize);
    let mut doubtful = vec![false; said.len()];
    order.iter().for_each(|&(_, at)| doubtful[at] = true);
    doubtful
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_doubtful_come_first_and_no_more_than_a_share() {
        let said = [Said::Label(0), Said::Label(1), Said::NoLabel, Said::Nothing, Said::Label(0), Said::Label(1)];
        let student = [0.9, 0.1, 0.6, 0.4, 0.5, 0.5, 0.5, 0.5, 0.2, 0.8, 0.7, 0.3];
        let of = |share| {
            let doubtful = doubtful(&said, &student, 2, share);
            (0..said.len()).filter(|&at| doubtful[at]).collect::<Vec<_>>()
        };
        assert_eq!(of(1.0), [1, 2, 4, 5]);
        assert_eq!(of(0.4), [2, 4]);
        assert_eq!(of(0.01), [2]);
    }
}
