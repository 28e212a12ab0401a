//! What people said so far and what they hold: a view of the ledger in memory, and the leases.
//!
//! Everything but the leases is a function of the rows of the ledger in their order, so a server that was killed comes back
//! to the same view.

use std::collections::{BTreeMap, HashMap};

use postil_core::Name;

use crate::items::{Index, Key, key_of};
use crate::record::{Entry, meaning};
use crate::wire::{ClientId, Queue, QueueCount, Said};

/// How long an item is kept for a person who says nothing.
pub(crate) const LEASE_MILLIS: i64 = 600_000;

/// A person's number.
pub(crate) type Who = u16;

/// What is known of an answer or an undo that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    /// What it took back, if it is an undo.
    pub(crate) undone: Option<ClientId>,
}

/// One person's work.
pub(crate) struct Hand {
    pub(crate) name: Name,
    pub(crate) entries: Vec<Entry>,
    receipts: HashMap<ClientId, Receipt>,
    by_id: HashMap<ClientId, u32>,
    /// The answers about an item that were not taken back, the one that counts last; decisions apart.
    stacks: HashMap<(Key, bool), Vec<u32>>,
    /// What can be taken back, the latest last.
    live: Vec<u32>,
    counts: [usize; Queue::ALL.len()],
    /// Items of the pool and of gold on which this person's answer counts and that are not yet done.
    pending: [usize; 2],
    pub(crate) millis: u64,
}

impl Hand {
    /// The answer that counts about an item.
    pub(crate) fn current(&self, key: Key, judges: bool) -> Option<&Entry> {
        self.stacks.get(&(key, judges))?.last().map(|&place| &self.entries[place as usize])
    }

    /// Whether an entry is the one that counts about its item.
    pub(crate) fn counts(&self, entry: &Entry) -> bool {
        self.current(key_of(&entry.item), entry.desk.judges()).is_some_and(|current| current.id == entry.id)
    }

    pub(crate) fn receipt(&self, id: ClientId) -> Option<Receipt> {
        self.receipts.get(&id).copied()
    }

    /// How many answers can be taken back.
    pub(crate) fn undoable(&self) -> usize {
        self.live.len()
    }

    /// The answer to be taken back: the one named or the latest.
    pub(crate) fn to_undo(&self, id: Option<ClientId>) -> Option<&Entry> {
        let place = match id {
            Some(id) => *self.by_id.get(&id)?,
            None => *self.live.last()?,
        };
        Some(&self.entries[place as usize]).filter(|entry| !entry.gone)
    }

    /// What counts about an item once an answer is taken back.
    pub(crate) fn beneath(&self, entry: &Entry) -> Option<&Entry> {
        let stack = self.stacks.get(&(key_of(&entry.item), entry.desk.judges()))?;
        stack.iter().rev().map(|&place| &self.entries[place as usize]).find(|other| other.id != entry.id)
    }
}

struct Lease {
    who: Who,
    queue: Queue,
    until: i64,
    number: u64,
}

/// Whether an item can be given to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Somebody holds it.
    Taken,
    /// There is nothing to do here for this person, until something is taken back.
    Closed,
}

/// A list of items to give out, in order.
pub(crate) enum List<'l> {
    Keys(&'l [Key]),
    /// All items, or those at these positions.
    Pool {
        index: &'l Index,
        order: Option<&'l [u32]>,
    },
}

impl List<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Keys(keys) => keys.len(),
            List::Pool { index, order } => order.map_or_else(|| index.len(), <[u32]>::len),
        }
    }

    fn key(&self, place: usize) -> Key {
        match self {
            List::Keys(keys) => keys[place],
            List::Pool { index, order } => index.keys()[order.map_or(place, |order| order[place] as usize)],
        }
    }
}

/// People, their answers, what they hold, and what is gold.
pub(crate) struct Desks {
    pub(crate) hands: Vec<Hand>,
    names: HashMap<Name, Who>,
    /// By item, whose answers count: ordinary ones and decisions.
    said: HashMap<Key, Vec<(Who, bool)>>,
    leases: HashMap<Key, Vec<Lease>>,
    number: u64,
    cursors: HashMap<(Queue, Who), usize>,
    /// Gold items with their inclusion probabilities; none for those whose label stands in a file.
    gold: HashMap<Key, Option<f64>>,
    /// How many of them are parts of texts, which stand in no list of items.
    parts: usize,
    pub(crate) gold_order: Vec<Key>,
    /// Items on which people differ and nobody has decided, by the number of the answer that made it so.
    disputes: BTreeMap<i64, Key>,
    disputed: HashMap<Key, i64>,
    done: [usize; 2],
    answered: usize,
    pub(crate) overlap: usize,
    /// Rises with every change.
    pub(crate) changes: u64,
}

impl Desks {
    pub(crate) fn new(overlap: usize) -> Self {
        Self {
            hands: Vec::new(),
            names: HashMap::new(),
            said: HashMap::new(),
            leases: HashMap::new(),
            number: 0,
            cursors: HashMap::new(),
            gold: HashMap::new(),
            parts: 0,
            gold_order: Vec::new(),
            disputes: BTreeMap::new(),
            disputed: HashMap::new(),
            done: [0; 2],
            answered: 0,
            overlap: overlap.max(1),
            changes: 0,
        }
    }

    /// The number of a person, who is new if need be.
    pub(crate) fn who(&mut self, name: &str) -> Who {
        if let Some(&who) = self.names.get(name) {
            return who;
        }
        let (who, name) = (self.hands.len() as Who, Name::from(name));
        self.names.insert(name.clone(), who);
        self.hands.push(Hand {
            name,
            entries: Vec::new(),
            receipts: HashMap::new(),
            by_id: HashMap::new(),
            stacks: HashMap::new(),
            live: Vec::new(),
            counts: [0; Queue::ALL.len()],
            pending: [0; 2],
            millis: 0,
        });
        who
    }

    pub(crate) fn hand(&self, who: Who) -> &Hand {
        &self.hands[usize::from(who)]
    }

    /// Makes items gold: with the probability of their draw, or without if their label stands in a file already, which
    /// then stays so.
    pub(crate) fn add_gold(&mut self, items: impl IntoIterator<Item = (Key, Option<f64>)>) {
        for (key, probability) in items {
            match self.gold.get_mut(&key) {
                Some(None) => {}
                Some(known) => *known = probability.or(*known),
                None => {
                    self.gold.insert(key, probability);
                    if probability.is_some() {
                        self.gold_order.push(key);
                    }
                }
            }
        }
        self.cursors.clear();
        self.recount();
        self.changes += 1;
    }

    /// Makes parts of texts gold, each given as its key, that of its text, and its probability. The text is then given to
    /// nobody as a whole: whoever has seen it with a suggestion is no longer blind to the part.
    pub(crate) fn add_parts(&mut self, parts: impl IntoIterator<Item = (Key, Key, f64)>) {
        let (before, mut texts) = (self.gold.len(), Vec::new());
        self.add_gold(
            parts
                .into_iter()
                .map(|(part, text, probability)| {
                    texts.push((text, None));
                    (part, Some(probability))
                })
                .collect::<Vec<_>>(),
        );
        self.parts += self.gold.len() - before;
        self.add_gold(texts);
    }

    /// Whether an item is gold.
    pub(crate) fn is_gold(&self, key: Key) -> bool {
        self.gold.contains_key(&key)
    }

    /// The probability with which an item was drawn for gold.
    pub(crate) fn probability(&self, key: Key) -> Option<f64> {
        self.gold.get(&key).copied().flatten()
    }

    fn recount(&mut self) {
        (self.done, self.answered) = ([0; 2], 0);
        self.hands.iter_mut().for_each(|hand| hand.pending = [0; 2]);
        let keys: Vec<Key> = self.said.keys().copied().collect();
        keys.into_iter().for_each(|key| self.tally(key, true));
    }

    /// Adds what an item contributes to the counts, or takes it away.
    fn tally(&mut self, key: Key, add: bool) {
        let Some(said) = self.said.get(&key) else { return };
        let part = usize::from(self.gold.contains_key(&key));
        let change = |count: &mut usize| *count = if add { *count + 1 } else { count.saturating_sub(1) };
        let covered = self.covered(key);
        if covered > 0 {
            change(&mut self.answered);
        }
        if covered >= self.overlap {
            change(&mut self.done[part]);
            return;
        }
        for &(who, judges) in said {
            if !judges {
                change(&mut self.hands[usize::from(who)].pending[part]);
            }
        }
    }

    /// How many people's answers there are about an item; skipping it is none.
    fn covered(&self, key: Key) -> usize {
        let said = self.said.get(&key).into_iter().flatten();
        said.filter(|(who, judges)| {
            !judges && self.hand(*who).current(key, false).is_some_and(|entry| entry.answer.is_some())
        })
        .count()
    }

    /// How many items have an answer of a person.
    pub(crate) const fn answered(&self) -> usize {
        self.answered
    }

    /// The items with ordinary answers, with whose they are.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Key, Vec<(Who, &Entry)>)> {
        self.said.iter().map(|(&key, said)| {
            let entries = said.iter().filter(|(_, judges)| !judges);
            let entries = entries.filter_map(|&(who, _)| Some((who, self.hand(who).current(key, false)?)));
            (key, entries.collect())
        })
    }

    /// All answers that count about an item, decisions last.
    pub(crate) fn about(&self, key: Key) -> Vec<(Who, &Entry)> {
        let mut entries: Vec<(Who, &Entry)> = self
            .said
            .get(&key)
            .into_iter()
            .flatten()
            .filter_map(|&(who, judges)| Some((who, self.hand(who).current(key, judges)?)))
            .collect();
        entries.sort_by_key(|(_, entry)| (entry.desk.judges(), entry.seq));
        entries
    }

    /// Takes in a row of the ledger. Rows of one person must come in their order.
    pub(crate) fn take(&mut self, who: Who, entry: Entry) {
        self.changes += 1;
        let hand = &mut self.hands[usize::from(who)];
        let receipt = Receipt { seq: entry.seq, at: entry.at, undone: entry.remark.undo };
        hand.receipts.insert(entry.id, receipt);
        hand.millis += entry.millis;
        if let Some(undone) = entry.remark.undo {
            self.take_back(who, undone);
            return;
        }
        let key = key_of(&entry.item);
        self.tally(key, false);
        let hand = &mut self.hands[usize::from(who)];
        let place = hand.entries.len() as u32;
        let judges = entry.desk.judges();
        hand.by_id.insert(entry.id, place);
        // What was taken over, or changed with many others, is not undone one by one.
        if entry.remark.source.is_none() && entry.remark.bulk.is_none() {
            hand.live.push(place);
        }
        hand.counts[entry.queue as usize] += 1;
        let stack = hand.stacks.entry((key, judges)).or_default();
        if let Some(&before) = stack.last() {
            let queue = hand.entries[before as usize].queue;
            hand.counts[queue as usize] = hand.counts[queue as usize].saturating_sub(1);
        }
        stack.push(place);
        let seq = entry.seq;
        hand.entries.push(entry);
        let said = self.said.entry(key).or_default();
        if !said.contains(&(who, judges)) {
            said.push((who, judges));
        }
        self.tally(key, true);
        self.dispute(key, seq);
        self.release(key, who);
    }

    fn take_back(&mut self, who: Who, id: ClientId) {
        let hand = &mut self.hands[usize::from(who)];
        let Some(&place) = hand.by_id.get(&id) else { return };
        let entry = &hand.entries[place as usize];
        if entry.gone {
            return;
        }
        let (key, judges, seq) = (key_of(&entry.item), entry.desk.judges(), entry.seq);
        self.tally(key, false);
        let hand = &mut self.hands[usize::from(who)];
        hand.entries[place as usize].gone = true;
        hand.live.retain(|&live| live != place);
        let stack = hand.stacks.entry((key, judges)).or_default();
        if stack.last() == Some(&place) {
            let queue = hand.entries[place as usize].queue;
            hand.counts[queue as usize] = hand.counts[queue as usize].saturating_sub(1);
            if let Some(&next) = stack.iter().rev().nth(1) {
                hand.counts[hand.entries[next as usize].queue as usize] += 1;
            }
        }
        stack.retain(|&one| one != place);
        if stack.is_empty() {
            hand.stacks.remove(&(key, judges));
            if let Some(said) = self.said.get_mut(&key) {
                said.retain(|one| *one != (who, judges));
            }
        }
        self.tally(key, true);
        self.dispute(key, seq);
        self.cursors.clear();
    }

    /// Finds out whether people differ about an item and nobody has decided.
    fn dispute(&mut self, key: Key, seq: i64) {
        let entries = self.about(key);
        let decided = entries.iter().any(|(_, entry)| entry.desk.judges() && entry.answer.is_some());
        let mut meanings = entries
            .iter()
            .filter(|(_, entry)| !entry.desk.judges())
            .filter_map(|(_, entry)| entry.answer.as_ref().map(meaning));
        let first = meanings.next();
        let differ = !decided && meanings.any(|other| Some(other) != first);
        match (differ, self.disputed.get(&key).copied()) {
            (true, None) => {
                self.disputed.insert(key, seq);
                self.disputes.insert(seq, key);
            }
            (false, Some(since)) => {
                self.disputed.remove(&key);
                self.disputes.remove(&since);
            }
            _ => {}
        }
    }

    /// The items on which people differ, the oldest difference first.
    pub(crate) fn disputes(&self) -> Vec<Key> {
        self.disputes.values().copied().collect()
    }

    fn release(&mut self, key: Key, who: Who) {
        if let Some(leases) = self.leases.get_mut(&key) {
            leases.retain(|lease| lease.who != who);
            if leases.is_empty() {
                self.leases.remove(&key);
            }
        }
    }

    fn state(&self, key: Key, who: Who, queue: Queue, now: i64) -> State {
        let hand = self.hand(who);
        let held = || self.leases.get(&key).into_iter().flatten().filter(|lease| lease.until > now);
        if queue.judges() {
            let judged = self.said.get(&key).into_iter().flatten().any(|(_, judges)| *judges);
            return match (judged, held().any(|lease| lease.queue.judges())) {
                (true, _) => State::Closed,
                (false, true) => State::Taken,
                (false, false) => State::Open,
            };
        }
        let closed = match self.gold.get(&key) {
            Some(Some(_)) => queue != Queue::Gold,
            Some(None) => true,
            None => queue == Queue::Gold,
        };
        if closed || hand.stacks.contains_key(&(key, false)) {
            return State::Closed;
        }
        let covered = self.covered(key);
        if covered >= self.overlap {
            return State::Closed;
        }
        let mut others = 0;
        for lease in held().filter(|lease| !lease.queue.judges()) {
            if lease.who == who {
                return State::Taken;
            }
            others += 1;
        }
        if covered + others >= self.overlap { State::Taken } else { State::Open }
    }

    fn hold(&mut self, key: Key, who: Who, queue: Queue, now: i64) {
        self.number += 1;
        let number = self.number;
        let leases = self.leases.entry(key).or_default();
        leases.retain(|lease| lease.until > now && lease.who != who);
        leases.push(Lease { who, queue, until: now + LEASE_MILLIS, number });
    }

    /// Gives a person one item, whoever else holds it: one's own answer, or what was just taken back.
    pub(crate) fn reopen(&mut self, key: Key, who: Who, queue: Queue, now: i64) {
        self.hold(key, who, queue, now);
    }

    /// Whether a person holds an item.
    pub(crate) fn holds(&self, key: Key, who: Who, now: i64) -> bool {
        self.leases.get(&key).into_iter().flatten().any(|lease| lease.who == who && lease.until > now)
    }

    /// Renews what a person still holds; what is lost comes back by its place in `have`.
    pub(crate) fn renew(
        &mut self,
        who: Who,
        queue: Queue,
        have: &[Key],
        now: i64,
        exists: impl Fn(Key) -> bool,
    ) -> Vec<usize> {
        let mut lost = Vec::new();
        for (place, &key) in have.iter().enumerate() {
            if exists(key) && (self.holds(key, who, now) || self.state(key, who, queue, now) == State::Open) {
                self.hold(key, who, queue, now);
            } else {
                lost.push(place);
            }
        }
        lost
    }

    /// What is held by a person in a queue beside `have`, in the order in which it was given.
    pub(crate) fn resume(&mut self, who: Who, queue: Queue, have: &[Key], now: i64) -> Vec<Key> {
        let mut held: Vec<(u64, Key)> = self
            .leases
            .iter()
            .filter(|(key, _)| !have.contains(key))
            .flat_map(|(&key, leases)| leases.iter().map(move |lease| (key, lease)))
            .filter(|(_, lease)| lease.who == who && lease.queue == queue && lease.until > now)
            .map(|(key, lease)| (lease.number, key))
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, key)| key).collect()
    }

    /// Gives a person further items of a list.
    pub(crate) fn give(&mut self, who: Who, queue: Queue, list: &List<'_>, count: usize, now: i64) -> Vec<Key> {
        let dynamic = queue.judges();
        let mut cursor = if dynamic { 0 } else { self.cursors.get(&(queue, who)).copied().unwrap_or(0) };
        let (mut place, mut closing, mut given) = (cursor, true, Vec::new());
        while place < list.len() && given.len() < count {
            let key = list.key(place);
            match self.state(key, who, queue, now) {
                State::Closed if closing => cursor = place + 1,
                State::Closed => {}
                State::Taken => closing = false,
                State::Open => {
                    closing = false;
                    self.hold(key, who, queue, now);
                    given.push(key);
                }
            }
            place += 1;
        }
        if !dynamic {
            self.cursors.insert((queue, who), cursor);
        }
        given
    }

    /// Forgets how far people got in a queue whose order has changed.
    pub(crate) fn reorder(&mut self, queue: Queue) {
        self.cursors.retain(|(one, _), _| *one != queue);
        self.changes += 1;
    }

    /// What a person did and can still do in a queue, of which so many items are in the list.
    pub(crate) fn count(&self, who: Who, queue: Queue, list: &List<'_>, now: i64) -> QueueCount {
        let hand = self.hand(who);
        let part = usize::from(queue == Queue::Gold);
        let remaining = match queue {
            Queue::History => 0,
            Queue::Suspects | Queue::Disagreement => {
                (0..list.len()).filter(|&place| self.state(list.key(place), who, queue, now) != State::Closed).count()
            }
            Queue::Gold => list.len().saturating_sub(self.done[1] + hand.pending[1]),
            _ => {
                let gold = if list.len() == 0 { 0 } else { self.gold.len() - self.parts };
                list.len().saturating_sub(gold + self.done[part] + hand.pending[part])
            }
        };
        let done = if queue == Queue::History { hand.stacks.len() } else { hand.counts[queue as usize] };
        QueueCount { name: queue, done, remaining }
    }

    /// The time that people spent, in milliseconds.
    pub(crate) fn spent_millis(&self) -> u64 {
        self.hands.iter().map(|hand| hand.millis).sum()
    }

    /// A person's answers, newest first.
    pub(crate) fn history(&self, who: Who, before: Option<i64>, only: Option<Said>) -> impl Iterator<Item = &Entry> {
        let entries = self.hand(who).entries.iter().rev();
        entries
            .filter(move |entry| before.is_none_or(|before| entry.seq < before))
            .filter(move |entry| only.is_none_or(|only| entry.status == only))
    }
}
