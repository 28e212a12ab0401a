//! What people said so far and what they hold: a view of the ledger in memory, and the leases.
//!
//! Everything but the leases is a function of the rows of the ledger in their order, so a server that was killed comes back
//! to the same view.

mod hand;
mod leases;

use std::collections::{BTreeMap, HashMap};

use postil_core::Name;

use crate::items::{Key, key_of};
use crate::record::{Entry, meaning};
use crate::wire::{ClientId, Queue, Said};
pub(crate) use hand::{Hand, Receipt};
use leases::Lease;
pub(crate) use leases::List;

/// How long an item is kept for a person who says nothing.
pub(crate) const LEASE_MILLIS: i64 = 600_000;

/// A person's number.
pub(crate) type Who = u16;

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
