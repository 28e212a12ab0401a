//! A model that learns from people while they work: it orders what is doubtful, and shows what more answers bring.
//!
//! It runs in a thread of the lowest priority and touches nothing that somebody holds. Blind gold teaches it nothing, so
//! that its accuracy there means something.

mod marks;
mod whole;

use std::sync::{Arc, Weak};
use std::time::Duration;

use postil_core::{Answer, TaskKind};

use crate::items::{Key, Stored};
use crate::now_millis;
use crate::record::Desk;
use crate::room::{Room, lock};
use crate::suggest::Suggestions;
use crate::wire::{CurvePoint, Queue, Suggestion, Training};

/// Fewer answers give no model worth having.
const LEAST: usize = 20;
/// The answers that are learnt from, at most: the latest.
const MOST: usize = 20_000;
/// The items that are put in order, at most, and their bytes; of more, every so many.
const MOST_ORDERED: usize = 50_000;
const MOST_BYTES: u64 = 32 << 20;
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
    pub(crate) fn new(kind: TaskKind, on: bool) -> Self {
        let state = if on { "waiting" } else { "off" };
        let measure = match kind {
            TaskKind::Spans => "f1 of spans",
            TaskKind::Tag => "accuracy of tokens",
            _ => "accuracy",
        };
        Self { state: Training { state, measure, labels: 0, at: None }, curve: Vec::new() }
    }
}

/// Whether answers to such a task can be learnt here.
pub(crate) const fn can(kind: TaskKind) -> bool {
    !matches!(kind, TaskKind::Pairs | TaskKind::Extract)
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

/// An item and what people said about it.
type Labelled = (Key, Answer);

/// What was learnt from, with its texts.
struct Lesson<'l> {
    items: Vec<(Stored, &'l Labelled)>,
}

impl Lesson<'_> {
    /// What stands beside a figure about answers that were learnt from, each predicted by a model that had not seen it.
    fn basis(&self) -> String {
        let count = self.items.len();
        format!("{count} answers of people, each predicted by a model that had not seen it; no random sample")
    }
}

impl Room {
    /// What people said that may teach, the latest at the end.
    fn teaching(&self) -> Vec<Labelled> {
        let desks = self.desks();
        let mut found: Vec<(i64, Labelled)> = Vec::new();
        for (key, said) in desks.answers() {
            let latest = said.iter().filter(|(_, entry)| entry.desk == Desk::Label).max_by_key(|(_, entry)| entry.seq);
            if let Some((_, entry)) = latest
                && let Some(answer) = &entry.answer
            {
                found.push((entry.seq, (key, answer.clone())));
            }
        }
        found.sort_unstable_by_key(|(seq, _)| *seq);
        let skip = found.len().saturating_sub(MOST);
        found.into_iter().skip(skip).map(|(_, labelled)| labelled).collect()
    }

    /// Blind answers about gold, where there are enough of them to measure with.
    fn blind(&self) -> Option<Vec<Labelled>> {
        let desks = self.desks();
        let said = desks.answers().filter_map(|(key, said)| {
            let blind = said.iter().find(|(_, entry)| entry.desk == Desk::Gold && !entry.shown)?;
            Some((key, blind.1.answer.clone()?))
        });
        let mut gold: Vec<Labelled> = said.collect();
        gold.sort_unstable_by_key(|(key, _)| *key);
        (gold.len() >= LEAST).then_some(gold)
    }

    fn lesson<'l>(&self, labels: &'l [Labelled]) -> Lesson<'l> {
        let with_text = labels.iter().filter_map(|labelled| Some((self.items.of(labelled.0).ok()??, labelled)));
        Lesson { items: with_text.collect() }
    }

    /// Trains, puts the doubtful items in order, and measures; `None` if nothing could be learnt.
    fn learn(&self, labels: &[Labelled]) -> Option<CurvePoint> {
        let accuracy = match self.place.task.kind {
            TaskKind::Tag | TaskKind::Spans => self.learn_marks(labels),
            _ => self.learn_whole(labels),
        }?;
        Some(CurvePoint { labels: labels.len(), accuracy })
    }

    /// Puts the items in the order of a model's doubt, in one step.
    fn order(&self, learned_from: usize, mut suggest: impl FnMut(&[Stored]) -> Vec<Option<Suggestion>>) {
        let (items, bytes) = (self.items.index().len(), self.items.index().bytes());
        let step = items.div_ceil(MOST_ORDERED).max(bytes.div_ceil(MOST_BYTES) as usize).max(1);
        let old = self.suggestions();
        let reason = format!("a model of {learned_from} answers is not sure");
        let positions: Vec<u32> = (0..items as u32).step_by(step).collect();
        let mut made = Vec::with_capacity(positions.len());
        for slice in positions.chunks(1000) {
            let (mut known, mut stored) = (Vec::with_capacity(slice.len()), Vec::with_capacity(slice.len()));
            for &position in slice {
                // An item that cannot be read now is without a suggestion.
                if let Ok(item) = self.items.get(position) {
                    known.push(position);
                    stored.push(item);
                }
            }
            let found = known.into_iter().zip(suggest(&stored));
            made.extend(found.filter_map(|(position, suggestion)| Some((position, suggestion?))));
        }
        let Ok(new) = Suggestions::renewed(&self.place, old.as_deref(), made, reason) else { return };
        self.suggest(new);
        let mut desks = self.desks();
        [Queue::Assisted, Queue::Doubtful].into_iter().for_each(|queue| desks.reorder(queue));
    }
}
