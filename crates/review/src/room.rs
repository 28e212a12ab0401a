//! The room where people work: what there is to do, and who gets it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use postil_core::ledger::{Access, Ledger};
use postil_core::{Answer, Digest, Name, Result, TaskKind, TextPart};

use crate::desk::{Desks, LEASE_MILLIS, List, Who};
use crate::failure::{Failure, Outcome};
use crate::guidelines::Guidelines;
use crate::items::{Items, Key, Stored, key_of, make_folder};
use crate::live::{Common, LastRun};
use crate::people::People;
use crate::record::{Desk, Entry};
use crate::same::Same;
use crate::suggest::Suggestions;
use crate::train::{self, Progress};
use crate::wire::{LeaseRequest, Leased, Previous, Queue, Role, Said, Suggestion, Voice, Work};
use crate::{Serving, Workplace, machines, now_millis};

/// The most items in one lease.
const MOST_LEASED: usize = 50;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: Name,
    pub(crate) role: Role,
    pub(crate) local: bool,
}

/// Everything the server knows.
pub(crate) struct Room {
    pub(crate) place: Workplace,
    pub(crate) serving: Serving,
    pub(crate) ledger: Ledger,
    pub(crate) items: Arc<Items>,
    desks: Mutex<Desks>,
    /// One person's answers are stored one after the other.
    pub(crate) writing: Mutex<HashMap<Who, Arc<Mutex<()>>>>,
    pub(crate) people: Mutex<People>,
    suggestions: RwLock<Option<Arc<Suggestions>>>,
    /// Why the last run's files could not be read, if there are some.
    pub(crate) unreadable: RwLock<Option<String>>,
    pub(crate) suspects: RwLock<Vec<(Key, String)>>,
    pub(crate) guidelines: Mutex<Guidelines>,
    pub(crate) last_run: Mutex<LastRun>,
    pub(crate) training: Mutex<Progress>,
    pub(crate) common: Mutex<Option<Common>>,
    pub(crate) same: Same,
    /// What machines said about items that came up for a decision. Nobody asks them while this server has the ledger.
    machines: Mutex<HashMap<Key, Vec<Voice>>>,
}

/// What a lock guards is changed in one step or not at all, so a panic elsewhere leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Room {
    /// Opens the ledger, begins to read the items, and takes in what people said before.
    pub(crate) fn open(place: Workplace, serving: Serving) -> Result<Arc<Self>> {
        make_folder(&place.ledger)?;
        let ledger = Ledger::open(&place.ledger, Access::Write)?;
        let people = People::read(&ledger)?;
        let guidelines = Guidelines::open(&place, &ledger)?;
        let mut desks = Desks::new(serving.overlap);
        desks.add_gold(place.known_gold.iter().map(|(item, _)| (key_of(item), None)));
        desks.add_gold(probabilities(&ledger, place.gold_purpose)?);
        let parts = sentences(&ledger, &place)?;
        desks.add_parts(
            parts.iter().map(|(part, probability)| (key_of(&part.to_string()), key_of(&part.item), *probability)),
        );
        read_answers(&ledger, place.task.kind, &mut desks)?;
        let (ready, waiting) = std::sync::mpsc::channel::<std::sync::Weak<Self>>();
        let items = Items::read(&place, parts.into_iter().map(|(part, _)| part).collect(), move || {
            if let Some(room) = waiting.recv().ok().and_then(|room| room.upgrade()) {
                room.read_run();
            }
        })?;
        let last_run = LastRun::read(&place);
        let trains = serving.train && train::can(place.task.kind);
        let progress = Progress::new(place.task.kind, trains);
        let room = Arc::new(Self {
            place,
            serving,
            ledger,
            items,
            desks: Mutex::new(desks),
            writing: Mutex::default(),
            people: Mutex::new(people),
            suggestions: RwLock::new(None),
            unreadable: RwLock::new(None),
            suspects: RwLock::default(),
            guidelines: Mutex::new(guidelines),
            last_run: Mutex::new(last_run),
            training: Mutex::new(progress),
            common: Mutex::default(),
            same: Same::default(),
            machines: Mutex::default(),
        });
        if trains {
            train::start(&room);
        }
        // The thread that reads items waits for this before it goes on to the last run.
        let _ = ready.send(Arc::downgrade(&room));
        Ok(room)
    }

    fn read_run(&self) {
        match Suggestions::read(&self.place, &self.items) {
            Ok(suggestions) => self.suggest(suggestions),
            Err(error) => {
                let reason = format!("the last run's labels cannot be read: {error}");
                *self.unreadable.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reason);
            }
        }
        let suspects = crate::session::suspects(&self.place);
        *self.suspects.write().unwrap_or_else(std::sync::PoisonError::into_inner) = suspects;
        let mut desks = self.desks();
        [Queue::Assisted, Queue::Doubtful].into_iter().for_each(|queue| desks.reorder(queue));
        drop(desks);
        self.prepare_same();
    }

    pub(crate) fn desks(&self) -> MutexGuard<'_, Desks> {
        lock(&self.desks)
    }

    pub(crate) fn suggest(&self, suggestions: Suggestions) {
        let new = Some(Arc::new(suggestions));
        *self.suggestions.write().unwrap_or_else(std::sync::PoisonError::into_inner) = new;
    }

    pub(crate) fn suggestions(&self) -> Option<Arc<Suggestions>> {
        self.suggestions.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Shows a queue's list of items.
    pub(crate) fn with_list<T>(
        &self,
        desks: &mut Desks,
        queue: Queue,
        then: impl FnOnce(&mut Desks, &List<'_>) -> T,
    ) -> T {
        let suggestions = self.suggestions();
        let index = self.items.index();
        let keys = match queue {
            Queue::Gold => std::mem::take(&mut desks.gold_order),
            Queue::Disagreement => desks.disputes(),
            Queue::Suspects => {
                let suspects = self.suspects.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                suspects.iter().map(|(key, _)| *key).filter(|&key| index.position(key).is_some()).collect()
            }
            _ => Vec::new(),
        };
        let order = match (queue, &suggestions) {
            (Queue::Assisted, Some(suggestions)) => Some(suggestions.given.as_slice()),
            (Queue::Doubtful, Some(suggestions)) => Some(suggestions.doubtful.as_slice()),
            _ => None,
        };
        let list = match queue {
            Queue::Assisted | Queue::Doubtful if order.is_none() => List::Keys(&[]),
            Queue::All | Queue::Assisted | Queue::Doubtful => List::Pool { index: &index, order },
            _ => List::Keys(&keys),
        };
        let result = then(desks, &list);
        if queue == Queue::Gold {
            desks.gold_order = keys;
        }
        result
    }

    /// Gives out work.
    pub(crate) fn lease(&self, caller: &Caller, request: &LeaseRequest) -> Outcome<Leased> {
        let queue = request.queue;
        if caller.role < queue.role() {
            return Err(Failure::forbidden("expected the role `review` or `own` for this queue, found `annotate`"));
        }
        let now = now_millis();
        if let Some(item) = &request.item {
            return self.lease_one(caller, item, queue, now);
        }
        self.items.wait(Duration::from_secs(5), |index| index.len() > 0);
        if let Some(reason) = self.items.index().failure() {
            return Err(Failure::unavailable(format!("the items cannot be read: {reason}")));
        }
        let have: Vec<Key> = request.have.iter().take(MOST_LEASED).map(|item| key_of(item)).collect();
        let minutes_spent = self.over_budget();
        let (given, lost, remaining) = {
            let mut desks = self.desks();
            let who = desks.who(&caller.name);
            let lost = desks.renew(who, queue, &have, now, |key| self.exists(key));
            let mut given = if request.resume { desks.resume(who, queue, &have, now) } else { Vec::new() };
            let wanted = request.count.min(MOST_LEASED).saturating_sub(given.len());
            let wanted = if minutes_spent.is_some() { 0 } else { wanted };
            let further = self.with_list(&mut desks, queue, |desks, list| desks.give(who, queue, list, wanted, now));
            given.extend(further);
            let remaining =
                self.with_list(&mut desks, queue, |desks, list| desks.count(who, queue, list, now).remaining);
            (given, lost, remaining)
        };
        if queue.judges() {
            self.ask_machines(&given)?;
        }
        let mut work = Vec::with_capacity(given.len());
        for key in given {
            // Drawn items that have left the file, or are still being read.
            let Some(stored) = self.items.of(key)? else { continue };
            work.push(self.work(caller, key, &stored, queue, now));
        }
        let empty = if work.is_empty() && have.is_empty() {
            Some(minutes_spent.unwrap_or_else(|| self.why_empty(queue, remaining)))
        } else {
            None
        };
        let lost = lost.into_iter().map(|place| request.have[place].clone()).collect();
        Ok(Leased { work, lost, remaining, empty })
    }

    /// Whether there is such an item, or there may be one.
    fn exists(&self, key: Key) -> bool {
        let index = self.items.index();
        !index.is_complete() || index.position(key).is_some()
    }

    fn lease_one(&self, caller: &Caller, item: &str, queue: Queue, now: i64) -> Outcome<Leased> {
        let (key, _, stored) = self.expect(item)?;
        {
            let mut desks = self.desks();
            let who = desks.who(&caller.name);
            let own = desks.hand(who).current(key, false).is_some() || desks.hand(who).current(key, true).is_some();
            if caller.role < Role::Review && !own && !desks.holds(key, who, now) {
                return Err(Failure::forbidden("expected an item that you have answered or hold, found another"));
            }
            desks.reopen(key, who, queue, now);
        }
        if queue.judges() {
            self.ask_machines(&[key])?;
        }
        let work = vec![self.work(caller, key, &stored, queue, now)];
        Ok(Leased { work, lost: Vec::new(), remaining: 0, empty: None })
    }

    pub(crate) fn expect(&self, item: &str) -> Outcome<(Key, Digest, Stored)> {
        self.items.find(item)?.ok_or_else(|| {
            Failure::not_found(format!("expected an item of this project, found `{item}`"))
                .hint("the items' file has changed, or this is another project's page: reload it")
        })
    }

    fn over_budget(&self) -> Option<String> {
        let most = self.place.person_minutes?;
        let spent = self.desks().spent_millis() as f64 / 60_000.0;
        (spent >= most).then(|| {
            format!("the budget of {most} minutes of people's time is spent: raise `budget.person_minutes` to go on")
        })
    }

    /// Everything that is shown of an item.
    pub(crate) fn work(&self, caller: &Caller, key: Key, stored: &Stored, queue: Queue, now: i64) -> Work {
        let place = &self.place;
        let swapped = place.swaps(&caller.name, &stored.id);
        let position = self.items.index().position(key);
        let mut desks = self.desks();
        let who = desks.who(&caller.name);
        let gold = desks.is_gold(key);
        let judges = queue.judges();
        // Gold is blind whatever queue it comes by.
        let suggestions = self.suggestions().filter(|_| !gold && queue.suggests());
        let suggestion = suggestions.as_ref().zip(position).and_then(|(all, position)| all.get(position));
        let answers = judges.then(|| {
            let spoken = desks.about(key).into_iter();
            let mut voices: Vec<Voice> =
                spoken.map(|(who, entry)| voice(&desks.hand(who).name, entry, swapped)).collect();
            if !gold {
                let said = lock(&self.machines).get(&key).cloned().unwrap_or_default();
                voices.extend(
                    said.into_iter()
                        .map(|voice| Voice { answer: voice.answer.map(|answer| turned(answer, swapped)), ..voice }),
                );
            }
            if !gold && let Some(run) = self.suggestions().zip(position).and_then(|(all, position)| all.get(position)) {
                voices.push(machine(run, swapped));
            }
            voices
        });
        let hand = desks.hand(who);
        let own = hand.current(key, judges).or_else(|| hand.current(key, !judges).filter(|_| queue == Queue::History));
        let previous = own.map(|entry| Previous {
            id: entry.id,
            status: entry.status,
            answer: entry.answer.clone().map(|answer| turned(answer, swapped)),
            note: entry.remark.note.clone(),
            at: entry.at,
            evidence: entry.remark.evidence.clone(),
        });
        Work {
            item: stored.id.clone(),
            queue,
            expires: now + LEASE_MILLIS,
            content: stored.content(place.task.kind, place.columns.tokenizer, swapped),
            around: stored.around.clone(),
            context: stored.context.clone(),
            reason: self.reason(&desks, key, position, queue),
            suggestion: suggestion.map(|one| Suggestion { answer: turned(one.answer, swapped), ..one }),
            answers,
            previous,
        }
    }

    /// Looks up what machines said about items, as far as it is not known yet.
    fn ask_machines(&self, keys: &[Key]) -> Result<()> {
        let new: Vec<Key> = {
            let known = lock(&self.machines);
            keys.iter().copied().filter(|key| !known.contains_key(key)).collect()
        };
        if !new.is_empty() {
            let found = machines::voices(&self.ledger, &new)?;
            lock(&self.machines).extend(found);
        }
        Ok(())
    }

    /// Why an item is in a queue.
    fn reason(&self, desks: &Desks, key: Key, position: Option<u32>, queue: Queue) -> Option<String> {
        match queue {
            Queue::Gold => desks.probability(key).map(|probability| {
                let what = if self.items.is_part(key) { "a sentence drawn" } else { "drawn" };
                format!("{what} at random with probability {probability:.4}")
            }),
            Queue::Doubtful => {
                let suggestions = self.suggestions()?;
                let sure = suggestions.confidence(position?)?;
                let who = suggestions.reason.as_deref().unwrap_or("the last run is not sure");
                Some(format!("{who}: {sure:.2}"))
            }
            Queue::Suspects => {
                let suspects = self.suspects.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                suspects.iter().find(|(one, _)| *one == key).map(|(_, reason)| reason.clone())
            }
            Queue::Disagreement => {
                let about = desks.about(key);
                let people = about.iter().filter(|(_, entry)| !entry.desk.judges()).count();
                Some(format!("{people} people do not say the same"))
            }
            _ => None,
        }
    }

    pub(crate) fn count(&self, desks: &mut Desks, who: Who, queue: Queue) -> crate::wire::QueueCount {
        let mut count = self.with_list(desks, queue, |desks, list| desks.count(who, queue, list, now_millis()));
        if queue == Queue::Same {
            count.remaining = self.same_remaining();
        }
        count
    }
}

/// Sides as they are shown, or back.
pub(crate) fn turned(answer: Answer, swapped: bool) -> Answer {
    match answer {
        Answer::Preference { choice, orders } if swapped => {
            // Which place was shown first is turned, too.
            let orders = orders.map(|(first, second)| (second.swapped(), first.swapped()));
            Answer::Preference { choice: choice.swapped(), orders }
        }
        other => other,
    }
}

fn voice(name: &str, entry: &Entry, swapped: bool) -> Voice {
    Voice {
        by: name.to_owned(),
        kind: "person",
        status: entry.status,
        answer: entry.answer.clone().map(|answer| turned(answer, swapped)),
        note: entry.remark.note.clone(),
        confidence: None,
        at: Some(entry.at),
        shown: entry.shown,
        evidence: entry.remark.evidence.clone(),
    }
}

fn machine(run: Suggestion, swapped: bool) -> Voice {
    Voice {
        by: format!("{} (last run)", run.source),
        kind: "consensus",
        status: Said::Answered,
        answer: Some(turned(run.answer, swapped)),
        note: None,
        confidence: run.confidence,
        at: None,
        shown: false,
        evidence: run.evidence,
    }
}

/// The drawn items with their probabilities: of each stratum that of its latest draw.
pub(crate) fn probabilities(ledger: &Ledger, purpose: &str) -> Result<Vec<(Key, Option<f64>)>> {
    let draws = ledger.draws(purpose)?;
    let latest: HashMap<Option<&str>, f64> =
        draws.iter().map(|draw| (draw.stratum.as_deref(), draw.inclusion_probability)).collect();
    Ok(draws.iter().map(|draw| (key_of(&draw.item), latest.get(&draw.stratum.as_deref()).copied())).collect())
}

/// The drawn sentences with their probability, which is that of the latest draw; none of a text whose gold stands in a file.
fn sentences(ledger: &Ledger, place: &Workplace) -> Result<Vec<(TextPart, f64)>> {
    let draws = ledger.draws(place.sentence_purpose)?;
    let Some(probability) = draws.last().map(|draw| draw.inclusion_probability) else { return Ok(Vec::new()) };
    let known: HashSet<&str> = place.known_gold.iter().map(|(item, _)| item.as_str()).collect();
    let parts = draws.iter().filter_map(|draw| TextPart::parse(&draw.item));
    Ok(parts.filter(|part| !known.contains(part.item.as_str())).map(|part| (part, probability)).collect())
}

/// Takes in everything that people said, in the order in which they said it.
fn read_answers(ledger: &Ledger, kind: TaskKind, desks: &mut Desks) -> Result<()> {
    let mut entries: Vec<(Name, Entry)> = Vec::new();
    for annotator in ledger.annotators()? {
        let Some((desk, person)) = Desk::read(&annotator.config) else { continue };
        if desk.identity(&person, kind).0.version != annotator.identity.version {
            // Answers to another kind of question.
            continue;
        }
        for (seq, annotation) in ledger.history(annotator.identity.version)? {
            entries.extend(Entry::read(seq, desk, annotation).map(|entry| (person.clone(), entry)));
        }
    }
    entries.sort_by_key(|(_, entry)| entry.seq);
    for (person, entry) in entries {
        let who = desks.who(&person);
        desks.take(who, entry);
    }
    Ok(())
}
