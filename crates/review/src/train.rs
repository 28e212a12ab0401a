//! A model that learns from people while they work: it orders what is doubtful, and shows what more answers bring.
//!
//! It runs in a thread of the lowest priority and touches nothing that somebody holds. Blind gold teaches it nothing, so
//! that its accuracy there means something.

use std::sync::{Arc, Weak};
use std::time::Duration;

use postil_core::audit::wilson;
use postil_core::{Answer, Class, Measured, TaskKind};
use postil_student::text::{Fitted, Head, Target, TextOptions, Trainer};

use crate::items::Key;
use crate::now_millis;
use crate::record::Desk;
use crate::room::{Room, lock};
use crate::suggest::{Suggestions, labelled};
use crate::wire::{CurvePoint, Queue, Suggestion, Training};

/// Fewer answers give no model worth having.
const LEAST: usize = 20;
/// The answers that are learnt from, at most: the latest.
const MOST: usize = 20_000;
/// The items that are put in order, at most; of more, every so many.
const MOST_ORDERED: usize = 50_000;
/// How often it is looked whether there is something new.
const PAUSE: Duration = Duration::from_secs(2);
/// The lowest priority of all.
const NICE: i32 = 19;

/// What is known of the training.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) state: Training,
    pub(crate) curve: Vec<CurvePoint>,
}

impl Progress {
    pub(crate) fn new(on: bool) -> Self {
        let state = if on { "waiting" } else { "off" };
        Self { state: Training { state, labels: 0, at: None }, curve: Vec::new() }
    }
}

/// Whether answers to such a task can be learnt here.
pub(crate) const fn can(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Classify | TaskKind::Ordinal | TaskKind::Multilabel)
}

/// Starts the thread; it ends when the room is gone.
pub(crate) fn start(room: &Arc<Room>) {
    let room = Arc::downgrade(room);
    // Without the thread people work all the same, in the order of the last run.
    let _ = std::thread::Builder::new().name("postil-train".to_owned()).spawn(move || watch(&room));
}

fn watch(room: &Weak<Room>) {
    // Where the system refuses, training merely runs as fast as everything else.
    let nice = |_| {
        let _ = rustix::process::nice(NICE);
    };
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).start_handler(nice).build() else { return };
    let mut before = 0;
    loop {
        std::thread::sleep(PAUSE);
        let Some(room) = room.upgrade() else { return };
        let labels = room.teaching();
        // A tenth more, so that the time for training stays in proportion to the work.
        if labels.len() < LEAST.max(before + before / 10 + 1) || !room.items.index().is_complete() {
            continue;
        }
        before = labels.len();
        lock(&room.training).state.state = "training";
        let outcome = pool.install(|| room.learn(&labels));
        let mut progress = lock(&room.training);
        progress.state.state = "waiting";
        if let Some(point) = outcome {
            progress.state.labels = before;
            progress.state.at = Some(now_millis());
            progress.curve.push(point);
        }
        drop(progress);
        room.desks().changes += 1;
    }
}

type Labelled = (Key, Vec<Class>);

impl Room {
    fn classes(&self, answer: &Answer) -> Vec<Class> {
        answer.labels().filter_map(|label| self.place.task.labels.class(label)).collect()
    }

    /// What people said that may teach, the latest at the end.
    fn teaching(&self) -> Vec<Labelled> {
        let desks = self.desks();
        let mut found: Vec<(i64, Labelled)> = Vec::new();
        for (key, said) in desks.answers() {
            let latest = said.iter().filter(|(_, entry)| entry.desk == Desk::Label).max_by_key(|(_, entry)| entry.seq);
            if let Some((_, entry)) = latest
                && let Some(answer) = &entry.answer
            {
                found.push((entry.seq, (key, self.classes(answer))));
            }
        }
        found.sort_unstable_by_key(|(seq, _)| *seq);
        let skip = found.len().saturating_sub(MOST);
        found.into_iter().skip(skip).map(|(_, labelled)| labelled).collect()
    }

    fn texts(&self, keys: impl Iterator<Item = Key>) -> Vec<Option<String>> {
        let text = |key| {
            let position = self.items.index().position(key)?;
            Some(self.items.get(position).ok()?.text().to_owned())
        };
        keys.map(text).collect()
    }

    /// Trains, puts the doubtful items in order, and measures; `None` if nothing could be learnt.
    fn learn(&self, labels: &[Labelled]) -> Option<CurvePoint> {
        let kind = self.place.task.kind;
        let texts = self.texts(labels.iter().map(|(key, _)| *key));
        let usable: Vec<(&str, &Labelled)> =
            texts.iter().zip(labels).filter_map(|(text, labelled)| Some((text.as_deref()?, labelled))).collect();
        let head = match kind {
            TaskKind::Multilabel => Head::Multilabel,
            TaskKind::Ordinal => Head::Ordinal,
            _ => Head::Softmax,
        };
        let targets: Option<Vec<Target>> = usable
            .iter()
            .map(|(_, (_, classes))| match kind {
                TaskKind::Multilabel => Some(Target::Set(classes.clone())),
                _ => classes.first().map(|&class| Target::Hard(class)),
            })
            .collect();
        let texts: Vec<&str> = usable.iter().map(|(text, _)| *text).collect();
        let trainer = Trainer::new(self.place.task.labels.names().map(ToString::to_string), head).ok()?;
        let trainer = trainer.with_options(TextOptions::new().seed(self.place.seed).folds(3));
        let fitted = trainer.fit(&texts, &targets?, None).ok()?;
        self.order(&fitted, labels.len());
        let truth: Vec<&Vec<Class>> = usable.iter().map(|(_, (_, classes))| classes).collect();
        Some(CurvePoint { labels: labels.len(), accuracy: self.accuracy(&fitted, &truth) })
    }

    fn given(&self, fitted: &Fitted, row: &[f32]) -> Vec<Class> {
        match self.place.task.kind {
            TaskKind::Multilabel => fitted.model.applying(row).collect(),
            TaskKind::Ordinal => vec![fitted.model.median(row)],
            _ => vec![fitted.model.most_probable(row)],
        }
    }

    /// Accuracy on blind gold, or on the answers themselves by models that have not seen them.
    fn accuracy(&self, fitted: &Fitted, truth: &[&Vec<Class>]) -> Measured {
        let gold: Vec<Labelled> = {
            let desks = self.desks();
            let said = desks.answers().filter_map(|(key, said)| {
                let blind = said.iter().find(|(_, entry)| entry.desk == Desk::Gold && !entry.shown)?;
                Some((key, self.classes(blind.1.answer.as_ref()?)))
            });
            said.collect()
        };
        let width = self.place.task.labels.len();
        let share = |hits: usize, all: usize, basis: String| {
            let share = hits as f64 / all as f64;
            Measured::known(share, wilson(share, all as f64), basis)
        };
        if gold.len() >= LEAST {
            let texts = self.texts(gold.iter().map(|(key, _)| *key));
            let known: Vec<(&str, &Vec<Class>)> =
                texts.iter().zip(&gold).filter_map(|(text, (_, classes))| Some((text.as_deref()?, classes))).collect();
            let texts: Vec<&str> = known.iter().map(|(text, _)| *text).collect();
            let rows = fitted.model.predict_batch(&texts);
            let hits = rows.chunks(width).zip(&known).filter(|(row, (_, truth))| self.given(fitted, row) == **truth);
            let hits = hits.count();
            return share(hits, known.len(), format!("{} blind gold items of people", known.len()));
        }
        let rows = fitted.out_of_fold.chunks(width).zip(truth);
        let hits = rows.filter(|(row, truth)| self.given(fitted, row) == ***truth).count();
        let basis = format!(
            "{} answers of people, each predicted by a model that had not seen it; no random sample",
            truth.len()
        );
        share(hits, truth.len(), basis)
    }

    /// Puts the items in the order of the model's doubt, in one step.
    fn order(&self, fitted: &Fitted, learned_from: usize) {
        let items = self.items.index().len();
        let step = items.div_ceil(MOST_ORDERED).max(1);
        let old = self.suggestions();
        let task = &self.place.task;
        let width = task.labels.len();
        let reason = format!("a model of {learned_from} answers is not sure");
        let positions: Vec<u32> = (0..items as u32).step_by(step).collect();
        let mut made = Vec::with_capacity(positions.len());
        for slice in positions.chunks(1000) {
            let texts: Vec<String> = slice
                .iter()
                .map(|&position| self.items.get(position).map(|stored| stored.text().to_owned()).unwrap_or_default())
                .collect();
            let rows = fitted.model.predict_batch(&texts);
            for (&position, row) in slice.iter().zip(rows.chunks(width)) {
                // Of a multi-label item the least certain label counts.
                let sure = |row: &[f32]| match task.kind {
                    TaskKind::Multilabel => row.iter().map(|&p| p.max(1.0 - p)).fold(1.0, f32::min),
                    _ => row.iter().copied().fold(0.0, f32::max),
                };
                let names: Vec<&str> =
                    self.given(fitted, row).into_iter().map(|class| task.labels.name(class).as_ref()).collect();
                let Some(answer) = labelled(&names.join("|"), task) else { continue };
                let confidences = (task.kind == TaskKind::Multilabel).then(|| row.iter().map(|&p| Some(p)).collect());
                let confidence = Some(sure(row));
                let source = "model".to_owned();
                made.push((position, Suggestion { answer, source, confidence, confidences, evidence: None }));
            }
        }
        let Ok(new) = Suggestions::renewed(&self.place, old.as_deref(), made, reason) else { return };
        self.suggest(new);
        let mut desks = self.desks();
        [Queue::Assisted, Queue::Doubtful].into_iter().for_each(|queue| desks.reorder(queue));
    }
}
