//! All spellings of all entries, in one piece of memory.

use std::collections::BTreeMap;

/// The end of a chain.
pub(super) const NONE: u32 = u32::MAX;

/// Where a spelling comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The entry itself.
    Name,
    /// Another name of the entry.
    Alias,
    /// A word of the name that stands for it.
    Part,
    /// The name without a beginning or ending that is often left out.
    Stripped,
}

impl Origin {
    /// The origin in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Alias => "other name",
            Self::Part => "part of the name",
            Self::Stripped => "shortened name",
        }
    }
}

/// What is always asked about a spelling, side by side: in a million of them each question costs a trip to memory.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Where its text ends; it begins where that of the one before ends.
    end: u32,
    /// The next spelling with the same form, or [`NONE`].
    next: u32,
    list: u16,
}

/// Spellings by number, in the order in which they were added. Costs 12 bytes each beside the text.
#[derive(Debug, Default)]
pub(super) struct Surfaces {
    text: String,
    records: Vec<Record>,
    /// The name that another spelling stands for; names themselves are not in it.
    names: BTreeMap<u32, (u32, Origin)>,
    /// Priorities of single entries.
    priorities: BTreeMap<u32, i32>,
    /// Spellings whose case is ignored whatever their list says.
    any_case: std::collections::BTreeSet<u32>,
}

impl Surfaces {
    pub(super) fn with_capacity(bytes: usize, surfaces: usize) -> Self {
        Self { text: String::with_capacity(bytes), records: Vec::with_capacity(surfaces), ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The bytes of all texts.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn push(&mut self, text: &str, list: u16) -> u32 {
        self.text.push_str(text);
        self.records.push(Record { end: self.text.len() as u32, next: NONE, list });
        self.records.len() as u32 - 1
    }

    pub(super) fn set_next(&mut self, surface: u32, next: u32) {
        self.records[surface as usize].next = next;
    }

    pub(super) fn set_name(&mut self, surface: u32, name: u32, origin: Origin) {
        self.names.insert(surface, (name, origin));
    }

    pub(super) fn set_priority(&mut self, surface: u32, priority: i32) {
        self.priorities.insert(surface, priority);
    }

    pub(super) fn set_any_case(&mut self, surface: u32) {
        self.any_case.insert(surface);
    }

    pub(super) fn text(&self, surface: u32) -> &str {
        let place = surface as usize;
        let start = if place == 0 { 0 } else { self.records[place - 1].end as usize };
        &self.text[start..self.records[place].end as usize]
    }

    /// Has the memory behind some spellings brought near: one after the other each would be waited for, together they are
    /// not.
    pub(super) fn fetch(&self, surfaces: impl Iterator<Item = u32> + Clone) {
        let start =
            |surface: u32| (surface as usize).checked_sub(1).map_or(0, |place| self.records[place].end as usize);
        let starts = surfaces.clone().fold(0, |sum: usize, surface| sum ^ start(surface));
        let bytes = self.text.as_bytes();
        let first = |surface: u32| bytes.get(start(surface)).copied().unwrap_or(0);
        std::hint::black_box((starts, surfaces.fold(0, |sum, surface| sum ^ first(surface))));
    }

    pub(super) fn list(&self, surface: u32) -> u16 {
        self.records[surface as usize].list
    }

    /// This spelling and those behind it with the same form.
    pub(super) fn chain(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(first), |&surface| {
            Some(self.records[surface as usize].next).filter(|&next| next != NONE)
        })
    }

    /// The name that a spelling stands for, and in what way.
    pub(super) fn name(&self, surface: u32) -> (u32, Origin) {
        self.names.get(&surface).copied().unwrap_or((surface, Origin::Name))
    }

    pub(super) fn priority(&self, surface: u32) -> Option<i32> {
        if self.priorities.is_empty() { None } else { self.priorities.get(&surface).copied() }
    }

    pub(super) fn has_any_case(&self, surface: u32) -> bool {
        !self.any_case.is_empty() && self.any_case.contains(&surface)
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.records.shrink_to_fit();
    }

    /// The memory it takes, in bytes, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity()
            + self.records.capacity() * size_of::<Record>()
            + (self.names.len() + self.priorities.len() + self.any_case.len()) * 16
    }
}
