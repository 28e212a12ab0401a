//! A list of entries as it was read, before any switch is applied.

use std::collections::{BTreeMap, BTreeSet};

use postil_core::Name;

/// Names of one label, with what is known about them, in little memory.
#[derive(Clone, Debug)]
pub struct EntityList {
    /// The label of its entries.
    pub label: Name,
    /// What to call it: its file, mostly.
    pub name: String,
    /// What was found while reading it.
    pub report: ReadReport,
    text: String,
    ends: Vec<u32>,
    aliases: Vec<(u32, Box<str>)>,
    priorities: BTreeMap<u32, i32>,
    any_case: BTreeSet<u32>,
}

/// What was found while reading a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Entries.
    pub entries: u64,
    /// Other names of entries.
    pub aliases: u64,
    /// Blank lines, blank names.
    pub blank: u64,
    /// Lines of comment.
    pub comments: u64,
    /// Proposed entries that nobody accepted.
    pub declined: u64,
    /// What could not be read.
    pub bad: u64,
    /// The places and reasons of the first of those.
    pub first_bad: Vec<String>,
}

impl ReadReport {
    const SHOWN: usize = 10;

    pub(crate) fn note_bad(&mut self, place: &str, reason: &str) {
        self.bad += 1;
        if self.first_bad.len() < Self::SHOWN {
            self.first_bad.push(format!("{place}: {reason}"));
        }
    }
}

impl EntityList {
    /// An empty list.
    pub fn new(label: impl Into<Name>, name: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            name: name.into(),
            report: ReadReport::default(),
            text: String::new(),
            ends: Vec::new(),
            aliases: Vec::new(),
            priorities: BTreeMap::new(),
            any_case: BTreeSet::new(),
        }
    }

    /// A list of these names.
    pub fn of<'n>(label: impl Into<Name>, name: impl Into<String>, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut list = Self::new(label, name);
        for name in names {
            list.push(name);
        }
        list
    }

    /// Adds an entry, without the space around it; its number, or `None` if it is blank, which is counted.
    pub fn push(&mut self, name: &str) -> Option<u32> {
        let name = name.trim();
        if name.is_empty() {
            self.report.blank += 1;
            return None;
        }
        self.text.push_str(name);
        self.ends.push(self.text.len() as u32);
        self.report.entries += 1;
        Some(self.ends.len() as u32 - 1)
    }

    /// Adds another name of an entry.
    pub fn push_alias(&mut self, entry: u32, alias: &str) {
        let alias = alias.trim();
        if !alias.is_empty() && alias != self.entry(entry as usize) {
            self.report.aliases += 1;
            self.aliases.push((entry, alias.into()));
        }
    }

    /// Sets an entry's own priority.
    pub fn set_priority(&mut self, entry: u32, priority: i32) {
        self.priorities.insert(entry, priority);
    }

    /// Has an entry match in any case, whatever its list says.
    pub fn set_any_case(&mut self, entry: u32) {
        self.any_case.insert(entry);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// An entry's name.
    pub fn entry(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.text[start..self.ends[number] as usize]
    }

    /// The other names, with their entries.
    pub fn aliases(&self) -> &[(u32, Box<str>)] {
        &self.aliases
    }

    pub(crate) fn priority(&self, entry: u32) -> Option<i32> {
        if self.priorities.is_empty() { None } else { self.priorities.get(&entry).copied() }
    }

    pub(crate) fn has_any_case(&self, entry: u32) -> bool {
        !self.any_case.is_empty() && self.any_case.contains(&entry)
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The list with only the entries that `keeps`, which is given an entry's number.
    pub(crate) fn keep(&self, mut keeps: impl FnMut(usize) -> bool) -> Self {
        let mut kept = Self::new(self.label.clone(), self.name.clone());
        let mut places = vec![None; self.len()];
        for (entry, place) in places.iter_mut().enumerate() {
            if keeps(entry) {
                *place = kept.push(self.entry(entry));
            }
        }
        for (entry, alias) in &self.aliases {
            if let Some(place) = places[*entry as usize] {
                kept.push_alias(place, alias);
            }
        }
        let place = |entry: &u32| places[*entry as usize];
        kept.priorities = self.priorities.iter().filter_map(|(entry, value)| Some((place(entry)?, *value))).collect();
        kept.any_case = self.any_case.iter().filter_map(place).collect();
        kept.report = self.report.clone();
        kept
    }

    /// Everything that can change an answer, as bytes for a digest.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.text.len() + self.ends.len() * 4 + 64);
        let mut text = |text: &str| {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        };
        text(&self.label);
        text(&self.text);
        for (entry, alias) in &self.aliases {
            text(&entry.to_string());
            text(alias);
        }
        for end in &self.ends {
            bytes.extend(end.to_le_bytes());
        }
        for (entry, priority) in &self.priorities {
            bytes.extend(entry.to_le_bytes());
            bytes.extend(priority.to_le_bytes());
        }
        self.any_case.iter().for_each(|entry| bytes.extend(entry.to_le_bytes()));
        bytes
    }
}
