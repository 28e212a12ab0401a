//! One person's work: answers, and what can be taken back.

use std::collections::HashMap;

use postil_core::Name;

use crate::items::{Key, key_of};
use crate::record::Entry;
use crate::wire::{ClientId, Queue};

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
    pub(super) receipts: HashMap<ClientId, Receipt>,
    pub(super) by_id: HashMap<ClientId, u32>,
    /// The answers about an item that were not taken back, the one that counts last; decisions apart.
    pub(super) stacks: HashMap<(Key, bool), Vec<u32>>,
    /// What can be taken back, the latest last.
    pub(super) live: Vec<u32>,
    pub(super) counts: [usize; Queue::ALL.len()],
    /// Items of the pool and of gold on which this person's answer counts and that are not yet done.
    pub(super) pending: [usize; 2],
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
