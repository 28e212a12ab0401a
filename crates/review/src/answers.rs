//! What people say in the room: answers kept on disk, and taken back.

use std::sync::{Arc, Mutex};

use postil_core::{Digest, Result, TaskKind};

use crate::check::{LONGEST_NOTE, Question};
use crate::desk::Who;
use crate::failure::{Failure, Outcome};
use crate::items::{Key, Stored};
use crate::now_millis;
use crate::record::{Desk, Entry, Remark};
use crate::room::{Caller, Room, lock, turned};
use crate::wire::{AnswerRequest, ClientId, Previous, Queue, Said, Saved, UndoRequest, Undone};

/// Longer than this nobody looks at one item.
pub(crate) const LONGEST_MILLIS: u64 = 30 * 60 * 1000;

impl Room {
    /// Stores an answer and returns when it is on disk.
    pub(crate) fn answer(&self, caller: &Caller, request: AnswerRequest) -> Outcome<Saved> {
        if caller.role < request.queue.role() {
            return Err(Failure::forbidden("expected the role `review` or `own` for this queue, found `annotate`"));
        }
        if request.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
            return Err(Failure::too_large(format!("expected a note of at most {LONGEST_NOTE} characters")));
        }
        let (who, turn) = self.turn(caller);
        let _turn = lock(&turn);
        let id = request.id;
        let known = self.desks().hand(who).receipt(id);
        if let Some(known) = known {
            if known.undone.is_some() {
                return Err(Failure::conflict("expected a new id for an answer, found that of an undo"));
            }
            return Ok(self.saved(who, id, known.seq, known.at, (true, false)));
        }
        let (key, content, stored) = self.expect(&request.item)?;
        let now = now_millis();
        let entry = self.entry(caller, who, (key, content, &stored), request, now)?;
        let late = !self.desks().holds(key, who, now);
        let (at, seq) = (entry.at, self.store(caller, who, entry)?);
        Ok(self.saved(who, id, seq, at, (false, late)))
    }

    pub(crate) fn turn(&self, caller: &Caller) -> (Who, Arc<Mutex<()>>) {
        let who = self.desks().who(&caller.name);
        (who, lock(&self.writing).entry(who).or_default().clone())
    }

    fn entry(
        &self,
        caller: &Caller,
        who: Who,
        (key, content, stored): (Key, Digest, &Stored),
        request: AnswerRequest,
        now: i64,
    ) -> Outcome<Entry> {
        let place = &self.place;
        let swapped = place.swaps(&caller.name, &stored.id);
        match (request.status, &request.answer) {
            (Said::Answered, None) => return Err(Failure::invalid("expected an answer, found none")),
            (Said::Skipped, Some(_)) => {
                return Err(Failure::invalid("expected no answer for an item that is skipped, found one"));
            }
            _ => {}
        }
        let answer = Question::of(place, stored).accept_with(request.answer, request.evidence.as_ref())?;
        let answer = answer.map(|answer| turned(answer, swapped));
        let desks = self.desks();
        let gold = desks.is_gold(key);
        let hand = desks.hand(who);
        // Whoever changes an answer changes it where it was given; a decision is decided again.
        let changed = (request.queue == Queue::History)
            .then(|| hand.current(key, false).or_else(|| hand.current(key, true)))
            .flatten();
        let queue = changed.map_or(request.queue, |entry| entry.queue);
        let judges = changed.map_or(queue.judges(), |entry| entry.desk.judges());
        let suggested = || self.suggestions().zip(self.items.index().position(key)).and_then(|(all, at)| all.get(at));
        let seen = changed.is_some_and(|entry| entry.shown);
        let shown = request.shown || seen || (!gold && queue.suggests() && suggested().is_some());
        if gold && request.shown && !judges {
            return Err(Failure::conflict("expected blind gold without a suggestion on the screen, found one")
                .hint("reload the page: the item was drawn for gold in the meantime"));
        }
        let probability = desks.probability(key);
        Ok(Entry {
            seq: 0,
            id: request.id,
            desk: Desk::of(judges, gold),
            item: stored.id.as_str().into(),
            content,
            queue,
            status: request.status,
            answer,
            remark: Remark {
                id: Some(request.id),
                queue: Some(queue),
                flagged: request.status == Said::Flagged,
                note: request.note.filter(|note| !note.trim().is_empty()),
                evidence: request.evidence.filter(|evidence| !evidence.is_empty()),
                actions: request.actions,
                guidelines: request.guidelines.map(|version| version.chars().take(64).collect()),
                swapped: (place.task.kind == TaskKind::Pairs).then_some(swapped),
                ..Remark::default()
            },
            at: now,
            millis: request.millis.min(LONGEST_MILLIS),
            shown,
            probability,
            gone: false,
        })
    }

    /// Puts an entry on disk, then into memory.
    fn store(&self, caller: &Caller, who: Who, mut entry: Entry) -> Result<i64> {
        let (identity, config) = entry.desk.identity(&caller.name, self.place.task.kind);
        self.ledger.register(&identity, &config, entry.at)?;
        entry.seq = self.ledger.append_one(entry.annotation(identity.version))?;
        let seq = entry.seq;
        self.desks().take(who, entry);
        Ok(seq)
    }

    fn saved(&self, who: Who, id: ClientId, seq: i64, at: i64, (again, late): (bool, bool)) -> Saved {
        let mut desks = self.desks();
        let undo = desks.hand(who).undoable();
        let entry = desks.history(who, None, None).find(|entry| entry.id == id).map(|entry| entry.queue);
        let queues = match entry {
            Some(queue) if queue != Queue::History => vec![self.count(&mut desks, who, queue)],
            _ => Vec::new(),
        };
        Saved { id, seq, at, again, late, undo, queues }
    }

    /// Takes an answer back: what was said before on its item counts again, or nothing.
    pub(crate) fn undo(&self, caller: &Caller, request: &UndoRequest) -> Outcome<Undone> {
        let (who, turn) = self.turn(caller);
        let _turn = lock(&turn);
        let known = self.desks().hand(who).receipt(request.id);
        let undone = if let Some(receipt) = known {
            let conflict = || Failure::conflict("expected a new id for an undo, found that of an answer");
            receipt.undone.ok_or_else(conflict)?
        } else {
            let desks = self.desks();
            let entry = desks.hand(who).to_undo(request.answer).ok_or_else(|| match request.answer {
                None => Failure::not_found("there is nothing to take back"),
                Some(_) => Failure::not_found("expected an answer of yours that counts, found none"),
            })?;
            entry.id
        };
        let mut entry = {
            let desks = self.desks();
            let hand = desks.hand(who);
            let entry = hand.entries.iter().rev().find(|entry| entry.id == undone);
            entry.cloned().ok_or_else(|| Failure::not_found("expected an answer of yours, found none"))?
        };
        let now = now_millis();
        let seq = if let Some(receipt) = known {
            receipt.seq
        } else {
            let row = self.taking_back(who, &entry, request.id, now);
            self.store(caller, who, row)?
        };
        entry.gone = true;
        let (key, _, stored) = self.expect(&entry.item)?;
        let (undo, queues) = {
            let mut desks = self.desks();
            desks.reopen(key, who, entry.queue, now);
            let queues = vec![self.count(&mut desks, who, entry.queue)];
            (desks.hand(who).undoable(), queues)
        };
        let mut work = self.work(caller, key, &stored, entry.queue, now);
        let swapped = self.place.swaps(&caller.name, &stored.id);
        work.previous = Some(Previous {
            id: entry.id,
            status: entry.status,
            answer: entry.answer.map(|answer| turned(answer, swapped)),
            note: entry.remark.note,
            at: entry.at,
            evidence: entry.remark.evidence,
        });
        Ok(Undone { id: request.id, seq, undone, undo, work, queues })
    }

    /// The row that supersedes an answer: what then counts, or nothing.
    pub(crate) fn taking_back(&self, who: Who, entry: &Entry, id: ClientId, now: i64) -> Entry {
        let desks = self.desks();
        let beneath = desks.hand(who).beneath(entry);
        let counts = beneath.unwrap_or(entry);
        Entry {
            seq: 0,
            id,
            item: entry.item.clone(),
            answer: beneath.and_then(|beneath| beneath.answer.clone()),
            status: beneath.map_or(Said::Skipped, |beneath| beneath.status),
            remark: Remark {
                id: Some(id),
                undo: Some(entry.id),
                queue: Some(entry.queue),
                flagged: beneath.is_some_and(|beneath| beneath.remark.flagged),
                note: beneath.and_then(|beneath| beneath.remark.note.clone()),
                evidence: beneath.and_then(|beneath| beneath.remark.evidence.clone()),
                ..Remark::default()
            },
            at: now,
            millis: 0,
            shown: counts.shown,
            ..entry.clone()
        }
    }
}
