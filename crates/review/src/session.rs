//! What a page needs at its start, a person's history, and what only owners do.

use std::collections::{BTreeMap, HashMap};

use postil_core::ledger::Draw;
use postil_core::select::{Frame, draw};
use postil_core::{Error, Name};
use serde_json::Value;

use crate::desk::LEASE_MILLIS;
use crate::failure::{Failure, Outcome};
use crate::guidelines::{Example, Shown};
use crate::items::{Key, key_of};
use crate::people::{Invited, check_name};
use crate::room::{Caller, Room, lock, probabilities, turned};
use crate::train::can;
use crate::wire::{
    BudgetShown, History, HistoryEntry, HistoryRequest, LabelShown, Queue, QueueCount, QueueShown, Role, Session,
    Settings, TaskShown,
};
use crate::{Workplace, now_millis};

/// How many items a page holds ahead.
const PREFETCH: usize = 8;
/// Longer pauses do not count as work.
const IDLE_SECONDS: u64 = 120;
/// The most entries of a page of history.
const MOST_ENTRIES: usize = 500;
/// The keys that choose labels.
const KEYS: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"];

impl Queue {
    const fn title(self) -> &'static str {
        match self {
            Self::Gold => "Blind gold",
            Self::Assisted => "Assisted",
            Self::Doubtful => "Doubtful",
            Self::Suspects => "Suspected errors",
            Self::Disagreement => "Disagreement",
            Self::Same => "Same words",
            Self::All => "All items",
            Self::History => "My history",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Gold => "Items drawn at random, to measure with. No suggestions.",
            Self::Assisted => "Items with the last run's label as a suggestion.",
            Self::Doubtful => "Items on which the model is least sure, first.",
            Self::Suspects => "Labels that the last run disputes, with the reason.",
            Self::Disagreement => "Items on which people differ: all answers side by side.",
            Self::Same => "Words that are marked in different ways, or here and not there: all of them side by side.",
            Self::All => "Every item that is not blind gold, in the order of the file. No suggestions.",
            Self::History => "What you said, newest first.",
        }
    }
}

impl Room {
    pub(crate) fn session(&self, caller: &Caller) -> Session {
        let place = &self.place;
        let counts = self.counts(caller);
        let queues = counts.iter().map(|count| QueueShown {
            name: count.name,
            title: count.name.title(),
            about: count.name.about(),
            done: count.done,
            remaining: count.remaining,
            suggests: count.name.suggests(),
            empty: (count.remaining == 0 && count.name != Queue::History)
                .then(|| self.why_empty(count.name, count.remaining)),
        });
        let queues = queues.collect();
        let mut desks = self.desks();
        let who = desks.who(&caller.name);
        let schema = place.schema.clone();
        Session {
            person: caller.name.to_string(),
            role: caller.role,
            local: caller.local,
            project: place.name.clone(),
            project_id: id(place),
            version: env!("CARGO_PKG_VERSION"),
            items: self.items.index().len(),
            task: TaskShown {
                kind: place.task.kind.name(),
                labels: labels(place),
                layer: place.layer.clone(),
                overlapping: place.overlapping,
                links: place.links.clone(),
                schema,
                ties: place.ties,
            },
            guidelines: lock(&self.guidelines).version(),
            queues,
            budget: BudgetShown {
                person_minutes: place.person_minutes,
                spent_minutes: desks.spent_millis() as f64 / 60_000.0,
            },
            settings: Settings {
                prefetch: PREFETCH,
                lease_seconds: (LEASE_MILLIS / 1000) as u64,
                overlap: self.serving.overlap,
                undo: desks.hand(who).undoable(),
                idle_seconds: IDLE_SECONDS,
            },
        }
    }

    /// What there is to do for somebody.
    pub(crate) fn counts(&self, caller: &Caller) -> Vec<QueueCount> {
        let mut desks = self.desks();
        let who = desks.who(&caller.name);
        let queues = Queue::ALL
            .into_iter()
            .filter(|queue| caller.role >= queue.role() && (*queue != Queue::Same || self.has_same()));
        queues.map(|queue| self.count(&mut desks, who, queue)).collect()
    }

    /// Why a queue gives nothing, and what would fill it.
    pub(crate) fn why_empty(&self, queue: Queue, remaining: usize) -> String {
        if remaining > 0 {
            return "everything that is left is in other people's hands: try again later".to_owned();
        }
        let reading = !self.items.index().is_complete();
        let suggestions = self.suggestions();
        // The run is read after the items, on a thread of its own.
        let opening = suggestions.is_none();
        let run = suggestions.is_some_and(|suggestions| !suggestions.is_empty());
        let unreadable = self.unreadable.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let (Some(reason), true) = (unreadable, queue.suggests() && !run) {
            return reason;
        }
        let words = match queue {
            Queue::Gold if self.desks().gold_order.is_empty() => {
                "no items have been drawn for gold yet: draw some here, or with `postil draw 100`"
            }
            Queue::Assisted | Queue::Doubtful | Queue::Suspects | Queue::All if reading => {
                "the items are still being read"
            }
            Queue::Assisted | Queue::Doubtful | Queue::Suspects if opening => {
                "the last run is still being read: try again in a moment"
            }
            Queue::Assisted | Queue::Doubtful if !run && self.serving.train && can(self.place.task.kind) => {
                "there is nothing to suggest yet: answer twenty items for a model to learn from, or `postil run`"
            }
            Queue::Assisted | Queue::Doubtful | Queue::Suspects if !run => {
                "no run has been made yet: `postil run` fills it"
            }
            Queue::Suspects => "the last run disputes no further label",
            Queue::Disagreement => "people agree wherever two have answered, or somebody has decided",
            Queue::Same => "nothing was found yet that is not marked alike: open it to look again",
            Queue::History => "you have not answered anything yet",
            _ => "everything here is done",
        };
        words.to_owned()
    }

    pub(crate) fn history(&self, caller: &Caller, request: &HistoryRequest) -> Outcome<History> {
        let limit = request.limit.unwrap_or(50).clamp(1, MOST_ENTRIES);
        let mut found = {
            let mut desks = self.desks();
            let who = desks.who(&caller.name);
            let hand = desks.hand(who);
            let entries = desks.history(who, request.before, request.only).take(limit + 1);
            entries.map(|entry| (entry.clone(), hand.counts(entry))).collect::<Vec<_>>()
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(entry, _)| entry.seq).filter(|_| more);
        let mut entries = Vec::with_capacity(found.len());
        for (entry, counts) in found {
            let excerpt = self.items.of(key_of(&entry.item))?.map(|stored| stored.excerpt()).unwrap_or_default();
            let swapped = self.place.swaps(&caller.name, &entry.item);
            entries.push(HistoryEntry {
                seq: entry.seq,
                id: entry.id,
                item: entry.item.to_string(),
                excerpt,
                queue: entry.queue,
                status: entry.status,
                answer: entry.answer.map(|answer| turned(answer, swapped)),
                note: entry.remark.note,
                at: entry.at,
                millis: entry.millis,
                shown: entry.shown,
                counts,
            });
        }
        Ok(History { entries, next })
    }

    pub(crate) fn show_guidelines(&self) -> Outcome<Shown> {
        Ok(lock(&self.guidelines).show(&self.ledger, now_millis())?)
    }

    pub(crate) fn add_example(&self, caller: &Caller, item: &str, mut example: Example) -> Outcome<Shown> {
        self.place.task.labels.expect(&example.label)?;
        let found = self.items.find(item)?;
        let (key, _, stored) =
            found.ok_or_else(|| Failure::not_found(format!("expected an item of this project, found `{item}`")))?;
        if self.desks().is_gold(key) {
            return Err(Failure::conflict("expected an item that is no gold, found one of blind gold")
                .hint("models read the guidelines, and what they have read cannot measure them: take another item"));
        }
        if example.text.trim().is_empty() {
            stored.text().clone_into(&mut example.text);
        } else if !stored.text().contains(&example.text) {
            return Err(Failure::invalid("expected a piece of the item's text, found something else"));
        }
        lock(&self.guidelines).add(&self.ledger, example, &caller.name, now_millis())?;
        self.show_guidelines()
    }

    pub(crate) fn people(&self) -> Vec<Invited> {
        lock(&self.people).all().to_vec()
    }

    pub(crate) fn invite(&self, name: &str, role: Role) -> Outcome<(String, String)> {
        let name = check_name(name)?;
        if *name == *self.serving.owner {
            return Err(Failure::conflict(format!("expected another name, found the local owner's, `{name}`"))
                .hint("answers of both could not be told apart"));
        }
        let token = lock(&self.people).invite(&self.ledger, name, role, now_millis())?;
        Ok((name.to_owned(), token))
    }

    pub(crate) fn revoke(&self, name: &str) -> Outcome<()> {
        if lock(&self.people).revoke(&self.ledger, name, now_millis())? {
            return Ok(());
        }
        Err(Failure::not_found(format!("expected a person with a link, found none named `{name}`")))
    }

    /// Draws items for blind gold, as `postil draw` does without strata.
    pub(crate) fn draw(&self, count: usize) -> Outcome<usize> {
        let place = &self.place;
        self.items.wait(std::time::Duration::from_mins(1), |_| false);
        if !self.items.index().is_complete() {
            return Err(Failure::unavailable("the items are still being read: draw when they are"));
        }
        if !self.ledger.draws(place.sentence_purpose)?.is_empty() {
            return Err(Failure::conflict("expected earlier draws of whole texts, found some of sentences")
                .hint("draw further sentences with `postil draw --sentences`"));
        }
        let before = self.ledger.draws(place.gold_purpose)?;
        if before.iter().any(|draw| draw.stratum.is_some()) {
            return Err(Failure::conflict("expected earlier draws without strata, found some with")
                .hint("draw further items with `postil draw --stratify`, as before"));
        }
        if before.is_empty() && place.known_gold.iter().any(|(_, probability)| probability.is_none()) {
            return Err(Failure::conflict("expected gold labels with an inclusion probability, found some without").hint(
                "a draw can only add to a sample whose probabilities are known; label a new sample and use it alone",
            ));
        }
        // Held to the end: two draws at once would both take the same items.
        let mut desks = self.desks();
        let (frame, keys) = {
            let index = self.items.index();
            let drawn = index.keys().iter().map(|&key| desks.is_gold(key)).collect();
            (Frame { strata: vec![0; index.len()], drawn }, index.keys().to_vec())
        };
        let drawn = draw(&frame, count, 0, place.seed)?;
        let now = now_millis();
        let mut draws = Vec::with_capacity(drawn.len());
        for one in &drawn {
            let stored = self.items.get(one.index as u32)?;
            let content = self.items.index().content(keys[one.index]);
            draws.push(Draw {
                item: stored.id.into(),
                content: content.ok_or_else(|| Error::input("an item has gone while it was drawn"))?,
                inclusion_probability: one.probability,
                stratum: None,
                seed: place.seed,
                purpose: place.gold_purpose.to_owned(),
                at_millis: now,
            });
        }
        self.ledger.record_draws(draws)?;
        let gold: Vec<(Key, Option<f64>)> = probabilities(&self.ledger, place.gold_purpose)?;
        desks.add_gold(gold);
        Ok(drawn.len())
    }
}

/// What tells this project from others that are served at the same address on other days.
pub(crate) fn id(place: &Workplace) -> String {
    let folder = place.ledger.canonicalize().unwrap_or_else(|_| place.ledger.clone());
    postil_core::Digest::of(folder.as_os_str().as_encoded_bytes()).short()
}

/// The labels as they are shown: children have the colour of their first ancestor.
fn labels(place: &Workplace) -> Vec<LabelShown> {
    let all = place.task.labels.labels();
    let parent: HashMap<&Name, &Name> =
        all.iter().filter_map(|label| Some((&label.name, label.parent.as_ref()?))).collect();
    let root = |name: &Name| {
        let mut name = name;
        while let Some(&above) = parent.get(name) {
            name = above;
        }
        name.clone()
    };
    let mut hues: BTreeMap<Name, usize> = BTreeMap::new();
    let shown = all.iter().enumerate().map(|(place, label)| {
        let next = hues.len();
        LabelShown {
            name: label.name.clone(),
            parent: label.parent.clone(),
            definition: label.definition.clone(),
            hue: *hues.entry(root(&label.name)).or_insert(next),
            key: KEYS.get(place).map(|&key| key.to_owned()),
        }
    });
    shown.collect()
}

/// The labels that the last run disputes, with its reasons, the most suspect first.
pub(crate) fn suspects(place: &Workplace) -> Vec<(Key, String)> {
    let read = || -> Option<Value> {
        let file = std::fs::File::open(place.output.join("report.json")).ok()?;
        serde_json::from_reader(std::io::BufReader::new(file)).ok()
    };
    let Some(report) = read() else { return Vec::new() };
    let mut found: Vec<(Key, String)> = Vec::new();
    for row in report.pointer("/trust/errors/known/suspects").and_then(Value::as_array).into_iter().flatten() {
        let (Some(id), Some(given)) = (row["id"].as_str(), row["given"].as_str()) else { continue };
        let suggested = row["suggested"].as_str().unwrap_or("another label");
        let probability = row["probability"].as_f64().unwrap_or(0.0);
        found.push((
            key_of(id),
            format!("labelled {given}, probably {suggested}: wrong with probability {probability:.2}"),
        ));
    }
    for row in report["doubtful"].as_array().into_iter().flatten() {
        let (Some(id), Some(reason)) = (row["id"].as_str(), row["reason"].as_str()) else { continue };
        let key = key_of(id);
        if !found.iter().any(|(known, _)| *known == key) {
            found.push((key, reason.to_owned()));
        }
    }
    found
}
