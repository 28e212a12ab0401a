//! The items, by place: a file of its own holds their texts, memory only where each stands.
//!
//! A thread reads the source once, so that the first items can be shown while the last are still being read. An item
//! costs some 60 bytes of memory, whatever its length.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use postil_core::items::{ItemOptions, ItemSource, PairText, WITH_TOKENS};
use postil_core::text::{OffsetUnit, Offsets, Token, Tokenizer};
use postil_core::{Digest, Error, ItemBatch, Result, TaskKind, TextPart};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Workplace;
use crate::wire::Content;

/// The longest value of a further column that is shown, in code points.
const CONTEXT_VALUE: usize = 400;
/// The most further columns that are shown.
const CONTEXT_COLUMNS: usize = 20;

/// What stands for an item's id in memory.
pub(crate) type Key = u64;

/// The key of an id: the first 64 bits of its digest. Of a million items two share one with a chance of 3e-8.
pub(crate) fn key_of(id: &str) -> Key {
    Digest::of(id.as_bytes()).to_u64()
}

/// An item as it is kept in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) id: String,
    #[serde(default)]
    text: String,
    /// The tokens that came with the text, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<[u32; 2]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sides: Option<Sides>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) context: Map<String, Value>,
    /// What stands before and after it, if it is a part of a text.
    #[serde(skip)]
    pub(crate) around: Option<Around>,
}

/// What stands around a part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Around {
    pub(crate) before: String,
    pub(crate) after: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sides {
    prompt: Option<String>,
    left: String,
    right: String,
}

impl Stored {
    /// The text that offsets count in; of a pair both sides.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The tokens in bytes: those that came with the text, or made by the tokenizer.
    pub(crate) fn tokens(&self, tokenizer: Tokenizer) -> Vec<Token> {
        match &self.tokens {
            Some(tokens) => tokens.iter().map(|&[start, end]| Token { start, end }).collect(),
            None => tokenizer.tokenize(&self.text),
        }
    }

    /// A part of the text as an item of its own, under the name of the part. `None` if the text is not as long.
    fn part(self, part: &TextPart) -> Option<Self> {
        let place = part.within(&self.text)?;
        let (from, to) = (place.start as u32, place.end as u32);
        let inside = |tokens: Vec<[u32; 2]>| -> Vec<[u32; 2]> {
            let inside = tokens.into_iter().filter(|token| token[0] >= from && token[1] <= to);
            inside.map(|token| token.map(|byte| byte - from)).collect()
        };
        Some(Self {
            id: part.to_string(),
            tokens: self.tokens.map(inside),
            around: Some(Around {
                before: self.text[..place.start].to_owned(),
                after: self.text[place.end..].to_owned(),
            }),
            text: self.text[place].to_owned(),
            ..self
        })
    }

    /// What is shown, with the sides of a pair in the order asked for.
    pub(crate) fn content(&self, kind: TaskKind, tokenizer: Tokenizer, swapped: bool) -> Content {
        if let Some(Sides { prompt, left, right }) = self.sides.clone() {
            let (left, right) = if swapped { (right, left) } else { (left, right) };
            return Content::Pair { prompt, left, right };
        }
        let text = self.text.clone();
        if !matches!(kind, TaskKind::Tag | TaskKind::Spans) {
            return Content::Text { text };
        }
        let offsets = Offsets::new(&self.text);
        let point = |byte: u32| offsets.position_of(OffsetUnit::CodePoints, byte as usize).unwrap_or(0);
        let tokens = self.tokens(tokenizer).iter().map(|token| [point(token.start), point(token.end)]).collect();
        Content::Tokens { text, tokens }
    }

    /// The first words, for lists.
    pub(crate) fn excerpt(&self) -> String {
        const LENGTH: usize = 100;
        let whole = match &self.sides {
            Some(sides) => format!("{} / {}", sides.left, sides.right),
            None => self.text.clone(),
        };
        let mut excerpt: String = whole.chars().take(LENGTH).collect();
        if whole.chars().nth(LENGTH).is_some() {
            excerpt.push('…');
        }
        excerpt
    }
}

/// Where every item stands.
#[derive(Default)]
pub(crate) struct Index {
    keys: Vec<Key>,
    contents: Vec<Digest>,
    /// Where each item's bytes begin; they end where the next begin.
    places: Vec<u64>,
    end: u64,
    by_key: HashMap<Key, u32>,
    complete: bool,
    failure: Option<String>,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How long the file of items is.
    pub(crate) const fn bytes(&self) -> u64 {
        self.end
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(crate) fn content(&self, key: Key) -> Option<Digest> {
        self.by_key.get(&key).map(|&position| self.contents[position as usize])
    }

    pub(crate) fn position(&self, key: Key) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Whether all items are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Why reading stopped, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

/// The items of a project.
pub(crate) struct Items {
    index: RwLock<Index>,
    file: File,
    /// Parts of texts that are items of their own, by their keys, and these by the keys of their texts.
    parts: HashMap<Key, TextPart>,
    parts_of: HashMap<Key, Vec<Key>>,
    grown: (Mutex<()>, Condvar),
}

impl Items {
    /// Begins to read the items, in a thread of its own; `then` is called in it when all are read. `parts` of their texts
    /// can be had as items, too.
    pub(crate) fn read(
        place: &Workplace,
        parts: Vec<TextPart>,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Self>> {
        let failed = |error: std::io::Error| {
            Error::io(format!("the file of items cannot be made: {error}"), error).in_file(&place.ledger)
        };
        let file = tempfile::tempfile_in(&place.ledger).map_err(failed)?;
        let parts: HashMap<Key, TextPart> = parts.into_iter().map(|part| (key_of(&part.to_string()), part)).collect();
        let mut parts_of: HashMap<Key, Vec<Key>> = HashMap::new();
        for (&key, part) in &parts {
            parts_of.entry(key_of(&part.item)).or_default().push(key);
        }
        let grown = (Mutex::new(()), Condvar::new());
        let items = Arc::new(Self { index: RwLock::default(), file, parts, parts_of, grown });
        let source = open(place)?;
        let (reader, kind, shown) = (items.clone(), place.task.kind, Shown::of(place));
        std::thread::Builder::new()
            .name("postil-items".to_owned())
            .spawn(move || {
                let failure = reader.take_in(source, kind, &shown).err().map(|error| error.to_string());
                let mut index = reader.index.write().expect("a writer of the index never panics");
                index.failure = failure;
                index.complete = true;
                drop(index);
                reader.grown.1.notify_all();
                then();
            })
            .map_err(failed)?;
        Ok(items)
    }

    fn take_in(&self, source: ItemSource, kind: TaskKind, shown: &Shown) -> Result<()> {
        let mut bytes = Vec::new();
        for batch in source {
            let batch = batch?;
            bytes.clear();
            let start = self.index().end;
            let mut places = Vec::with_capacity(batch.len());
            for row in 0..batch.len() {
                places.push(start + bytes.len() as u64);
                let stored = shown.stored(&batch, row, kind);
                serde_json::to_writer(&mut bytes, &stored)
                    .map_err(|error| Error::io("an item cannot be kept", error.into()))?;
            }
            self.file
                .write_all_at(&bytes, start)
                .map_err(|error| Error::io(format!("the items cannot be kept: {error}"), error))?;
            let mut index = self.index.write().expect("a writer of the index never panics");
            for row in 0..batch.len() {
                let key = key_of(batch.id(row));
                let position = index.keys.len() as u32;
                index.by_key.insert(key, position);
                for &part in self.parts_of.get(&key).into_iter().flatten() {
                    index.by_key.insert(part, position);
                }
                index.keys.push(key);
                index.contents.push(batch.digest(row));
            }
            index.places.extend(places);
            index.end = start + bytes.len() as u64;
            drop(index);
            self.grown.1.notify_all();
        }
        Ok(())
    }

    /// Where the items stand, as far as they are read.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().expect("a writer of the index never panics")
    }

    /// Waits until the index is as wanted, all is read, or the time is over.
    pub(crate) fn wait(&self, longest: Duration, wanted: impl Fn(&Index) -> bool) {
        let until = Instant::now() + longest;
        let (lock, grown) = &self.grown;
        let mut held = lock.lock().expect("nobody panics with this lock");
        loop {
            {
                let index = self.index();
                if index.complete || wanted(&index) {
                    return;
                }
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            // A notification between the look and this wait would be missed, hence the short turns.
            held = grown.wait_timeout(held, left.min(Duration::from_millis(20))).expect("as above").0;
        }
    }

    /// Reads the item at a position.
    pub(crate) fn get(&self, position: u32) -> Result<Stored> {
        let (start, end) = {
            let index = self.index();
            let position = position as usize;
            let start = index.places[position];
            (start, index.places.get(position + 1).copied().unwrap_or(index.end))
        };
        let mut bytes = vec![0; (end - start) as usize];
        self.file
            .read_exact_at(&mut bytes, start)
            .map_err(|error| Error::io(format!("an item cannot be read: {error}"), error))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::input("an item is not what was kept").because(error))
    }

    /// Whether a key is that of a part of a text.
    pub(crate) fn is_part(&self, key: Key) -> bool {
        self.parts.contains_key(&key)
    }

    /// The item with a key, or the part of a text; `None` for one that is not there.
    pub(crate) fn of(&self, key: Key) -> Result<Option<Stored>> {
        let Some(position) = self.index().position(key) else { return Ok(None) };
        let stored = self.get(position)?;
        Ok(match self.parts.get(&key) {
            Some(part) => stored.part(part),
            None => Some(stored),
        })
    }

    /// Finds an item by its id, waiting for it while the source is being read: position, content, item.
    pub(crate) fn find(&self, id: &str) -> Result<Option<(Key, Digest, Stored)>> {
        let key = key_of(id);
        self.wait(Duration::from_secs(30), |index| index.position(key).is_some());
        let found = {
            let index = self.index();
            index.content(key)
        };
        let (Some(content), Some(stored)) = (found, self.of(key)?) else { return Ok(None) };
        Ok((stored.id == id).then_some((key, content, stored)))
    }
}

fn open(place: &Workplace) -> Result<ItemSource> {
    let columns = &place.columns;
    let mut options = ItemOptions::new(&columns.text);
    options.id.clone_from(&columns.id);
    options.tokens.clone_from(&columns.tokens);
    options.join.clone_from(&columns.join);
    options.pair.clone_from(&columns.sides);
    ItemSource::open(&place.items, options)
}

/// Which columns are shown.
struct Shown {
    hidden: Vec<String>,
}

impl Shown {
    fn of(place: &Workplace) -> Self {
        let columns = &place.columns;
        let mut hidden = columns.hidden.clone();
        hidden.push(columns.text.clone());
        hidden.extend(columns.id.iter().chain(&columns.tokens).cloned());
        hidden.extend(WITH_TOKENS.map(str::to_owned));
        hidden.extend(columns.join.iter().cloned());
        hidden.extend(columns.sides.iter().flat_map(|sides| [sides.left.clone(), sides.right.clone()]));
        Self { hidden }
    }

    fn stored(&self, batch: &ItemBatch, row: usize, kind: TaskKind) -> Stored {
        let sides = (kind == TaskKind::Pairs).then(|| {
            let PairText { about, left, right } = PairText::read(batch.text(row));
            Sides { prompt: about, left, right }
        });
        let schema = batch.columns().schema();
        let further = schema.fields().iter().map(|field| field.name()).filter(|name| !self.hidden.contains(name));
        let context = further
            .filter_map(|name| Some((name.clone(), batch.field(row, name).filter(|value| !value.trim().is_empty())?)))
            .take(CONTEXT_COLUMNS)
            .map(|(name, value)| (name, Value::from(value.chars().take(CONTEXT_VALUE).collect::<String>())))
            .collect();
        let tokens = batch.tokens(row).map(|tokens| tokens.iter().map(|token| [token.start, token.end]).collect());
        let (id, text) = (batch.id(row).to_owned(), batch.text(row).to_owned());
        Stored { id, text, tokens, sides, context, around: None }
    }
}

/// The folder in which the file of items is made.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("the folder cannot be made: {error}"), error).in_file(folder))
}
