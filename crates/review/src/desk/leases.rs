//! Who holds what for how long, and what is given out next.

use super::{Desks, LEASE_MILLIS, Who};
use crate::items::{Index, Key};
use crate::wire::{Queue, QueueCount};

/// An item that is kept for a person.
pub(super) struct Lease {
    pub(super) who: Who,
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

impl Desks {
    pub(super) fn release(&mut self, key: Key, who: Who) {
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
}
