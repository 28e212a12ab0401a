//! The same words, marked in different ways: all their occurrences on one page, changed together.
//!
//! What is looked at is the present state: of each item a decision if there is one, else what a person said last, else the last
//! run's marks; items without any are left out, and so is blind gold, which is neither shown nor changed here. A change is
//! one decision for each item, with the reason as its note; what was there before stands beside it, so that the ledger has
//! the difference, and all of it can be taken back together.

mod edit;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use postil_core::audit::{ConsistencyCheck, MarkCount, Marked};
use postil_core::text::{Named, OffsetUnit, Offsets, Token, align, sentences};
use postil_core::{Answer, Digest, Error, Result, TaskKind};

use crate::check::{LONGEST_NOTE, Question};
use crate::desk::Who;
use crate::failure::{Failure, Outcome};
use crate::items::{Key, Stored, key_of};
use crate::now_millis;
use crate::record::{Bulk, Desk, Entry, Remark};
use crate::room::{Caller, Room, lock};
use crate::wire::{ClientId, Queue, Said};
use edit::Words;
pub(crate) use wire::{
    ChangeRequest, Changed, Logged, Occurrences, OccurrencesRequest, Surfaces, SurfacesRequest, TakeBackRequest,
    TakenBack,
};
use wire::{Difference, Line, Surface};

/// The most that one page shows.
const MOST_SHOWN: usize = 200;
/// The most occurrences of the same words that are looked at.
const MOST_PLACES: usize = 20_000;
/// The most differences that a reply lists.
const MOST_DIFFERENCES: usize = 100;
/// How much of the text is shown before and behind, in code points.
const CONTEXT: usize = 60;
/// With more items than this, nothing is looked up before somebody asks.
const EAGER: usize = 50_000;

/// What was found when it was last looked for.
#[derive(Default)]
pub(crate) struct Same {
    found: RwLock<Option<Arc<Found>>>,
    making: Mutex<()>,
}

struct Found {
    changes: u64,
    tokens: u64,
    list: Vec<Listed>,
    by_words: HashMap<String, usize>,
}

/// Words that are not marked alike everywhere, with the items and tokens where they stand.
struct Listed {
    shown: Surface,
    places: Vec<(u32, u32, u32)>,
}

/// What an item says at present.
struct Present {
    answer: Answer,
    by: String,
}

/// An item with its tokens.
struct Text {
    stored: Stored,
    tokens: Vec<Token>,
}

impl Text {
    fn words(&self, offsets: &Offsets<'_>, first: u32, last: u32) -> Option<Words> {
        let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize);
        let (first, last) = (first as usize, (last as usize).checked_sub(1)?);
        Some(Words {
            start: point(self.tokens.get(first)?.start)?,
            end: point(self.tokens.get(last)?.end)?,
            token: first,
        })
    }
}

impl Room {
    /// Whether this project has such a page.
    pub(crate) fn has_same(&self) -> bool {
        matches!(self.place.task.kind, TaskKind::Tag | TaskKind::Spans)
    }

    /// Looks for the words once all items are there, unless that takes long.
    pub(crate) fn prepare_same(&self) {
        if self.has_same() && self.items.index().len() <= EAGER {
            // Whoever opens the page hears of an error.
            let _ = self.same_found(true);
        }
    }

    /// How many words are left, as far as is known.
    pub(crate) fn same_remaining(&self) -> usize {
        self.same.found.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |found| found.list.len())
    }

    fn present(&self, key: Key, position: u32) -> Option<Present> {
        let said = {
            let desks = self.desks();
            let about = desks.about(key);
            let latest = |judges: bool| {
                let entries = about.iter().filter(|(_, entry)| entry.desk.judges() == judges && entry.answer.is_some());
                entries.max_by_key(|(_, entry)| entry.seq)
            };
            latest(true).or_else(|| latest(false)).and_then(|(who, entry)| {
                Some(Present { answer: entry.answer.clone()?, by: desks.hand(*who).name.to_string() })
            })
        };
        said.or_else(|| {
            let suggestion = self.suggestions()?.get(position)?;
            Some(Present { answer: suggestion.answer, by: suggestion.source })
        })
    }

    fn text(&self, position: u32) -> Result<Text> {
        let stored = self.items.get(position)?;
        let tokens = stored.tokens(self.place.columns.tokenizer);
        Ok(Text { stored, tokens })
    }

    /// Looks through the present state of all items, or takes what was found before.
    fn same_found(&self, fresh: bool) -> Result<Arc<Found>> {
        let known = || self.same.found.read().unwrap_or_else(PoisonError::into_inner).clone();
        let changes = self.desks().changes;
        let fits = |found: &Arc<Found>| !fresh || found.changes == changes;
        if let Some(found) = known().filter(fits) {
            return Ok(found);
        }
        let _making = lock(&self.same.making);
        if let Some(found) = known().filter(fits) {
            return Ok(found);
        }
        let items = self.items.index().len() as u32;
        let (mut check, mut positions) = (ConsistencyCheck::new(false), Vec::new());
        for position in 0..items {
            let key = self.items.index().keys()[position as usize];
            if self.desks().is_gold(key) {
                continue;
            }
            let Some(present) = self.present(key, position) else { continue };
            let Text { stored, tokens } = self.text(position)?;
            let words = tokens.iter().map(|token| token.of(stored.text()));
            let ends: Vec<u32> = sentences(stored.text(), &tokens).into_iter().map(|range| range.end as u32).collect();
            match &present.answer {
                Answer::Spans { spans, .. } => {
                    check.add(words, &ends, align(stored.text(), &tokens, spans).all.into_iter());
                }
                Answer::Tags { tags } => {
                    let marks = (0..).zip(tags).map(|(at, tag)| Named { start: at, end: at + 1, label: tag });
                    check.add(words, &ends, marks);
                }
                _ => continue,
            }
            positions.push(position);
        }
        let surfaces = check.finish();
        let list: Vec<Listed> = surfaces
            .list
            .into_iter()
            .map(|surface| Listed {
                places: surface
                    .places
                    .iter()
                    .take(MOST_PLACES)
                    .map(|place| (positions[place.document as usize], place.start, place.end))
                    .collect(),
                shown: Surface {
                    words: surface.words,
                    occurrences: surface.occurrences,
                    within: surface.within,
                    marks: surface.marks,
                    minority: surface.minority,
                    same_document: surface.same_document,
                    same_context: surface.same_context,
                },
            })
            .collect();
        let by_words = list.iter().enumerate().map(|(place, one)| (one.shown.words.clone(), place)).collect();
        let found = Arc::new(Found { changes, tokens: surfaces.tokens, list, by_words });
        *self.same.found.write().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    fn expect_same(&self) -> Outcome<()> {
        if !self.has_same() {
            return Err(Failure::conflict(format!(
                "expected a task of spans or tags, found {}",
                self.place.task.kind.name()
            )));
        }
        if !self.items.index().is_complete() {
            return Err(Failure::unavailable("the items are still being read: ask again when they are"));
        }
        Ok(())
    }

    /// The words that are not marked alike, the most telling first.
    pub(crate) fn same_surfaces(&self, request: &SurfacesRequest) -> Outcome<Surfaces> {
        self.expect_same()?;
        let found = self.same_found(request.fresh)?;
        let search = request.search.to_lowercase();
        let mut fitting = found.list.iter().map(|one| &one.shown);
        let all: Vec<&Surface> = if search.is_empty() {
            fitting.collect()
        } else {
            fitting.by_ref().filter(|one| one.words.to_lowercase().contains(&search)).collect()
        };
        let empty = all.is_empty().then(|| {
            let words = if found.tokens == 0 {
                "nothing is marked yet: `postil run`, import marks, or answer items first"
            } else if search.is_empty() {
                "the same words are marked alike everywhere"
            } else {
                "no words that are marked in different ways hold these letters"
            };
            words.to_owned()
        });
        let surfaces = all.iter().skip(request.offset).take(request.limit.min(MOST_SHOWN)).map(|one| (*one).clone());
        Ok(Surfaces { total: all.len(), tokens: found.tokens, surfaces: surfaces.collect(), empty })
    }

    fn same_places(&self, words: &str) -> Outcome<Vec<(u32, u32, u32)>> {
        self.expect_same()?;
        let found = self.same_found(false)?;
        let place = found.by_words.get(words).ok_or_else(|| {
            Failure::not_found(format!("expected words that are marked in different ways, found `{words}`"))
                .hint("they were marked alike in the meantime: reload the list")
        })?;
        Ok(found.list[*place].places.clone())
    }

    /// All occurrences of some words with their present marks.
    pub(crate) fn same_occurrences(&self, request: &OccurrencesRequest) -> Outcome<Occurrences> {
        let places = self.same_places(&request.words)?;
        let (mut counts, mut within, mut total) = (BTreeMap::<Marked, u32>::new(), 0, 0);
        let mut lines = Vec::new();
        let limit = request.limit.clamp(1, MOST_SHOWN);
        for group in places.chunk_by(|left, right| left.0 == right.0) {
            let position = group[0].0;
            let key = self.items.index().keys()[position as usize];
            if self.desks().is_gold(key) {
                continue;
            }
            let Some(present) = self.present(key, position) else { continue };
            let text = self.text(position)?;
            let offsets = Offsets::new(text.stored.text());
            for &(_, first, last) in group {
                let Some(words) = text.words(&offsets, first, last) else { continue };
                let marked = edit::marked(&present.answer, words);
                match &marked {
                    Some(marked) => *counts.entry(marked.clone()).or_default() += 1,
                    None => within += 1,
                }
                let name = marked.as_ref().map_or("(within)", Marked::words);
                if request.marked.as_deref().is_some_and(|only| only != name) {
                    continue;
                }
                if total >= request.offset && lines.len() < limit {
                    lines.push(line(&text.stored, &offsets, words, marked, &present.by));
                }
                total += 1;
            }
        }
        let mut marks: Vec<MarkCount> = counts.into_iter().map(|(marked, count)| MarkCount { marked, count }).collect();
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.count));
        Ok(Occurrences { words: request.words.clone(), marks, within, total, occurrences: lines })
    }

    /// Marks occurrences of some words alike, or says what that would change.
    pub(crate) fn same_change(&self, caller: &Caller, request: &ChangeRequest) -> Outcome<Changed> {
        if let Some(label) = &request.label {
            self.place.task.labels.expect(label)?;
        } else if self.place.task.kind == TaskKind::Tag {
            return Err(Failure::invalid("expected a tag, found none: every token has one"));
        }
        if request.reason.chars().count() > LONGEST_NOTE {
            return Err(Failure::too_large(format!("expected a reason of at most {LONGEST_NOTE} characters")));
        }
        let (who, turn) = self.turn(caller);
        let _turn = lock(&turn);
        if let Some(again) = self.known_change(who, request.id) {
            return Ok(again);
        }
        let (entries, mut changed) = self.same_edits(request)?;
        if request.preview || entries.is_empty() {
            return Ok(changed);
        }
        let millis = request.millis.min(crate::answers::LONGEST_MILLIS) / entries.len() as u64;
        let entries = entries.into_iter().map(|entry| Entry { millis, ..entry }).collect();
        self.store_all_of(caller, who, entries)?;
        changed.queues = vec![self.count(&mut self.desks(), who, Queue::Same)];
        Ok(changed)
    }

    /// The decisions of a change, one for each item.
    fn same_edits(&self, request: &ChangeRequest) -> Outcome<(Vec<Entry>, Changed)> {
        let places = self.same_places(&request.words)?;
        let wanted: std::collections::HashSet<(Key, u32, u32)> =
            request.places.iter().map(|place| (key_of(&place.item), place.start, place.end)).collect();
        let mut changed = Changed {
            id: request.id,
            items: 0,
            marks: 0,
            from: Vec::new(),
            already: 0,
            within: 0,
            differences: Vec::new(),
            again: false,
            queues: Vec::new(),
        };
        let mut from: BTreeMap<Marked, u32> = BTreeMap::new();
        let (mut entries, now) = (Vec::new(), now_millis());
        for group in places.chunk_by(|left, right| left.0 == right.0) {
            let position = group[0].0;
            let (key, content) = {
                let index = self.items.index();
                let key = index.keys()[position as usize];
                (key, index.content(key))
            };
            let Some(content) = content else { continue };
            if self.desks().is_gold(key) {
                continue;
            }
            let Some(Present { mut answer, .. }) = self.present(key, position) else { continue };
            let text = self.text(position)?;
            let offsets = Offsets::new(text.stored.text());
            let mut differences = Vec::new();
            for &(_, first, last) in group {
                let Some(words) = text.words(&offsets, first, last) else { continue };
                let before = edit::marked(&answer, words);
                let by_mark = before.as_ref().is_some_and(|mark| request.marked.iter().any(|one| one == mark.words()));
                if !by_mark && !wanted.contains(&(key, words.start, words.end)) {
                    continue;
                }
                let Some(before) = before else {
                    changed.within += 1;
                    continue;
                };
                let quote = slice(&offsets, words.start, words.end);
                let label = request.label.as_ref();
                match edit::mark(&mut answer, words, quote, label, self.place.overlapping) {
                    None => changed.already += 1,
                    Some(was) => {
                        *from.entry(before).or_default() += 1;
                        differences.push(Difference {
                            item: text.stored.id.clone(),
                            start: words.start,
                            end: words.end,
                            was,
                            now: request.label.clone(),
                        });
                    }
                }
            }
            if differences.is_empty() {
                continue;
            }
            changed.items += 1;
            changed.marks += differences.len();
            let answer = Question::of(&self.place, &text.stored).accept(answer)?;
            entries.push(decision(request, &text.stored, content, answer, &differences, now));
            let room = MOST_DIFFERENCES.saturating_sub(changed.differences.len());
            changed.differences.extend(differences.into_iter().take(room));
        }
        changed.from = from.into_iter().map(|(marked, count)| MarkCount { marked, count }).collect();
        changed.from.sort_by_key(|mark| std::cmp::Reverse(mark.count));
        Ok((entries, changed))
    }

    /// What a change that is on disk already has done.
    fn known_change(&self, who: Who, id: ClientId) -> Option<Changed> {
        let mut desks = self.desks();
        let logged = log_of(desks.hand(who).entries.iter()).remove(&id)?;
        let queues = vec![self.count(&mut desks, who, Queue::Same)];
        Some(Changed {
            id,
            items: logged.items,
            marks: logged.marks,
            from: Vec::new(),
            already: 0,
            within: 0,
            differences: logged.differences,
            again: true,
            queues,
        })
    }

    /// Puts entries of one person on disk, then into memory.
    fn store_all_of(&self, caller: &Caller, who: Who, mut entries: Vec<Entry>) -> Result<()> {
        let kind = self.place.task.kind;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in &entries {
            let (identity, config) = entry.desk.identity(&caller.name, kind);
            self.ledger.register(&identity, &config, entry.at)?;
            rows.push(entry.annotation(identity.version));
        }
        let numbers = self.ledger.append_import(rows)?;
        if numbers.len() != entries.len() {
            return Err(Error::input("expected a number for every answer, found fewer"));
        }
        entries.iter_mut().zip(numbers).for_each(|(entry, seq)| entry.seq = seq);
        let mut desks = self.desks();
        entries.into_iter().for_each(|entry| desks.take(who, entry));
        Ok(())
    }

    /// Takes a change back: of every item what counted before counts again.
    pub(crate) fn same_undo(&self, caller: &Caller, request: &TakeBackRequest) -> Outcome<TakenBack> {
        let (who, turn) = self.turn(caller);
        let _turn = lock(&turn);
        let of_change = |entry: &&Entry| entry.remark.bulk.as_ref().is_some_and(|bulk| bulk.change == request.change);
        let entries: Vec<Entry> = {
            let desks = self.desks();
            desks.hand(who).entries.iter().filter(of_change).cloned().collect()
        };
        if entries.is_empty() {
            return Err(Failure::not_found("expected a change of yours, found none"));
        }
        let now = now_millis();
        let back: Vec<Entry> = entries
            .iter()
            .filter(|entry| !entry.gone)
            .map(|entry| self.taking_back(who, entry, part_id(request.id, &entry.item), now))
            .collect();
        let items = back.len();
        self.store_all_of(caller, who, back)?;
        Ok(TakenBack { id: request.id, change: request.change, items })
    }

    /// The changes, the newest first.
    pub(crate) fn same_log(&self, caller: &Caller) -> Vec<Logged> {
        let desks = self.desks();
        let mut log = Vec::new();
        for hand in &desks.hands {
            let of_hand = log_of(hand.entries.iter()).into_values();
            log.extend(of_hand.map(|one| Logged { by: hand.name.clone(), own: hand.name == caller.name, ..one }));
        }
        log.sort_by_key(|one| (std::cmp::Reverse(one.at), one.id.0));
        log.truncate(MOST_SHOWN);
        log
    }
}

/// The changes among entries, by their ids.
fn log_of<'e>(entries: impl Iterator<Item = &'e Entry>) -> HashMap<ClientId, Logged> {
    let mut log: HashMap<ClientId, Logged> = HashMap::new();
    for entry in entries {
        let Some(bulk) = &entry.remark.bulk else { continue };
        let logged = log.entry(bulk.change).or_insert_with(|| Logged {
            id: bulk.change,
            at: entry.at,
            by: "".into(),
            own: true,
            words: bulk.words.clone(),
            label: bulk.label.clone(),
            reason: entry.remark.note.clone().unwrap_or_default(),
            items: 0,
            marks: 0,
            undone: true,
            differences: Vec::new(),
        });
        logged.items += 1;
        logged.marks += bulk.places.len();
        logged.undone &= entry.gone;
        let room = MOST_DIFFERENCES.saturating_sub(logged.differences.len());
        logged.differences.extend(bulk.places.iter().take(room).map(|(start, end, was)| Difference {
            item: entry.item.to_string(),
            start: *start,
            end: *end,
            was: was.clone(),
            now: bulk.label.clone(),
        }));
    }
    log
}

/// The decision about one item of a change.
fn decision(
    request: &ChangeRequest,
    stored: &Stored,
    content: Digest,
    answer: Answer,
    differences: &[Difference],
    now: i64,
) -> Entry {
    let id = part_id(request.id, &stored.id);
    let reason = request.reason.trim();
    let reason = if reason.is_empty() {
        let label = request.label.as_deref().unwrap_or("not marked");
        format!("“{}” is {label} here as elsewhere", request.words)
    } else {
        reason.to_owned()
    };
    Entry {
        seq: 0,
        id,
        desk: Desk::Judge,
        item: stored.id.as_str().into(),
        content,
        queue: Queue::Same,
        status: Said::Answered,
        answer: Some(answer),
        remark: Remark {
            id: Some(id),
            queue: Some(Queue::Same),
            note: Some(reason),
            bulk: Some(Bulk {
                change: request.id,
                words: request.words.clone(),
                label: request.label.clone(),
                places: differences.iter().map(|one| (one.start, one.end, one.was.clone())).collect(),
            }),
            ..Remark::default()
        },
        at: now,
        millis: 0,
        shown: true,
        probability: None,
        gone: false,
    }
}

/// The id of a change's answer about one item.
fn part_id(change: ClientId, item: &str) -> ClientId {
    let parts = [b"same words".as_slice(), &change.0.to_le_bytes(), item.as_bytes()];
    ClientId(u128::from_le_bytes(*Digest::of_parts(parts).as_bytes()))
}

fn slice<'t>(offsets: &Offsets<'t>, start: u32, end: u32) -> &'t str {
    let byte = |point| offsets.byte_of(OffsetUnit::CodePoints, point).unwrap_or(0);
    &offsets.text()[byte(start)..byte(end)]
}

fn line(stored: &Stored, offsets: &Offsets<'_>, words: Words, marked: Option<Marked>, by: &str) -> Line {
    let length = offsets.len(OffsetUnit::CodePoints);
    let from = words.start.saturating_sub(CONTEXT as u32);
    let to = words.end.saturating_add(CONTEXT as u32).min(length);
    let one_line = |text: &str| text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect::<String>();
    let cut = |there: bool| if there { "…" } else { "" };
    Line {
        item: stored.id.clone(),
        start: words.start,
        end: words.end,
        before: format!("{}{}", cut(from > 0), one_line(slice(offsets, from, words.start))),
        here: one_line(slice(offsets, words.start, words.end)),
        after: format!("{}{}", one_line(slice(offsets, words.end, to)), cut(to < length)),
        marked,
        by: Some(by.to_owned()),
    }
}
