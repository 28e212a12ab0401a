//! Building the tries from lists.

use postil_core::{Error, Name, Result};

use super::fold::{Rules, SKIPPED};
use super::list::EntityList;
use super::near::{Gather, Near};
use super::policy::{Parts, Policy};
use super::surfaces::{NONE, Origin, Surfaces};
use super::table::{MOST_SURFACES, Path, Table};
use super::units::{Unit, read};
use super::words::folded;
use crate::list::Case;

/// A sequence of more tokens is no name.
const MOST_TOKENS: usize = 200;

/// Why an entry is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// There is no letter and no digit in it.
    OnlyPunctuation,
    /// It has too few characters.
    FewCharacters,
    /// It has too few tokens.
    FewTokens,
    /// It has too many tokens to be a name.
    ManyTokens,
    /// It is a stop word.
    StopWord,
    /// The settings name it, its beginning or its ending.
    Skipped,
    /// The same list has it already.
    Repeated,
    /// It is not among the names to which the settings restrict the list.
    NotAmong,
}

impl LeftOut {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::OnlyPunctuation,
        Self::FewCharacters,
        Self::FewTokens,
        Self::ManyTokens,
        Self::StopWord,
        Self::Skipped,
        Self::Repeated,
        Self::NotAmong,
    ];

    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::OnlyPunctuation => "no letter and no digit in it",
            Self::FewCharacters => "too few characters",
            Self::FewTokens => "too few tokens",
            Self::ManyTokens => "more than 200 tokens",
            Self::StopWord => "a stop word",
            Self::Skipped => "named by the settings",
            Self::Repeated => "twice in the list",
            Self::NotAmong => "not among the names of `only_names`",
        }
    }
}

/// What became of the entries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildReport {
    /// The entries that are looked for.
    pub used: u64,
    /// The spellings of those, with other names, parts and shortened names.
    pub spellings: u64,
    /// For each reason of [`LeftOut::ALL`]: how many entries, and the first few.
    pub left_out: [(u64, Vec<String>); 8],
}

impl BuildReport {
    const SHOWN: usize = 5;

    fn leave_out(&mut self, reason: LeftOut, name: &str) {
        let (count, shown) = &mut self.left_out[reason as usize];
        *count += 1;
        if shown.len() < Self::SHOWN {
            shown.push(name.to_owned());
        }
    }
}

/// Lists whose tokens are compared by the same rules, in one trie.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) rules: Rules,
    pub(super) table: Table,
    /// Entries that may be misspelt.
    pub(super) near: Option<Near>,
}

impl Layer {
    /// The memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.near.as_ref().map_or(0, Near::bytes)
    }
}

/// A list as the matcher knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    /// The place of its label.
    pub(super) label: u16,
    pub(super) policy: Policy,
    pub(super) report: BuildReport,
}

#[derive(Debug)]
pub(super) struct Built {
    pub(super) layers: Vec<Layer>,
    pub(super) surfaces: Surfaces,
    pub(super) lists: Vec<Known>,
    pub(super) labels: Vec<Name>,
}

pub(super) fn build(lists: &[(&EntityList, Policy)]) -> Result<Built> {
    if lists.len() > usize::from(u16::MAX) {
        return Err(Error::task(format!("expected at most {} lists, found {}", u16::MAX, lists.len())));
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut labels: Vec<Name> = Vec::new();
    let mut known = Vec::new();
    let (mut bytes, mut entries) = (0, 0);
    for (list, _) in lists {
        bytes += list.text_bytes();
        entries += list.len();
    }
    let mut surfaces = Surfaces::with_capacity(bytes, entries);
    for (number, (list, policy)) in lists.iter().enumerate() {
        let group = if let Some(place) = groups.iter().position(|group| group.rules.agree(&policy.rules)) {
            &mut groups[place]
        } else {
            groups.push(Group { rules: policy.rules.clone(), ..Group::default() });
            groups.last_mut().expect("one was just put there")
        };
        let label = labels.iter().position(|label| *label == list.label).unwrap_or_else(|| {
            labels.push(list.label.clone());
            labels.len() - 1
        });
        let mut report = BuildReport::default();
        let first = surfaces.len() as u32;
        let mut adding = Adding { list, number: number as u16, policy, group, surfaces: &mut surfaces };
        adding.all(&mut report);
        group.surfaces.push(first..surfaces.len() as u32);
        let name = list.name.clone();
        known.push(Known { name, label: label as u16, policy: policy.clone(), report });
        if surfaces.len() > MOST_SURFACES || surfaces.text_bytes() > u32::MAX as usize / 2 {
            return Err(Error::input(format!(
                "expected at most {MOST_SURFACES} spellings and 2 GB of names, found more"
            )));
        }
    }
    let layers = groups.into_iter().map(|group| group.finish(&mut surfaces, &mut known)).collect();
    surfaces.shrink();
    Ok(Built { layers, surfaces, lists: known, labels })
}

/// A layer in the making.
#[derive(Default)]
struct Group {
    rules: Rules,
    /// The numbers of all paths of all surfaces.
    numbers: Vec<u64>,
    /// Those of their first tokens.
    first: Vec<u64>,
    surfaces: Vec<std::ops::Range<u32>>,
    units: Vec<Unit>,
    scratch: String,
}

impl Group {
    /// The numbers of a surface's tokens; how many there are.
    fn read(&mut self, text: &str) -> usize {
        read(text, &self.rules, &mut self.units, &mut self.scratch);
        self.units.retain(|unit| unit.key != SKIPPED);
        self.units.len()
    }

    /// Notes the paths of the tokens that were read last.
    fn note_paths(&mut self) {
        let mut keys = self.units.iter().map(|unit| unit.key);
        let Some(first) = keys.next() else { return };
        let mut path = Path::first(first);
        self.first.push(first);
        self.numbers.push(path.number());
        for key in keys {
            path = path.then(key);
            self.numbers.push(path.number());
        }
    }

    fn finish(mut self, surfaces: &mut Surfaces, lists: &mut [Known]) -> Layer {
        let mut numbers = std::mem::take(&mut self.numbers);
        let small = (0..surfaces.len() as u32).filter(|&surface| !needs_capital(surface, surfaces, lists)).count();
        let mut first = std::mem::take(&mut self.first);
        first.sort_unstable();
        first.dedup();
        let first = first.len();
        let mut table = Table::for_paths(&mut numbers, first, small.min(first));
        drop(numbers);
        let mut gather = Gather::default();
        let mut form = String::new();
        for range in std::mem::take(&mut self.surfaces) {
            for surface in range {
                self.read(surfaces.text(surface));
                if let Some(percent) = lists[usize::from(surfaces.list(surface))].policy.fuzzy {
                    let text = surfaces.text(surface);
                    form.clear();
                    for unit in &self.units {
                        if !form.is_empty() {
                            form.push(' ');
                        }
                        self.rules.form(unit.token.of(text), &mut form);
                    }
                    gather.add(surface, self.units.len(), &form, percent, !needs_capital(surface, surfaces, lists));
                }
                let Some((last, before)) = self.units.split_last() else { continue };
                let mut keys = before.iter().map(|unit| unit.key).chain([last.key]);
                let mut path = Path::first(keys.next().expect("there is at least one token"));
                table.begin(path.number(), !needs_capital(surface, surfaces, lists));
                for key in keys {
                    table.go_on(path);
                    path = path.then(key);
                    table.note_longer(path);
                }
                link(&mut table, path, surface, surfaces, lists);
            }
        }
        Layer { rules: self.rules, table, near: gather.finish() }
    }
}

/// Whether a surface is never found where the text begins with a small letter.
fn needs_capital(surface: u32, surfaces: &Surfaces, lists: &[Known]) -> bool {
    let case = lists[usize::from(surfaces.list(surface))].policy.case;
    matches!(case, Case::Smart | Case::Exact)
        && !surfaces.has_any_case(surface)
        && surfaces.text(surface).chars().find(|character| character.is_alphabetic()).is_some_and(char::is_uppercase)
}

/// Puts a surface at the end of its path, unless its list has the same spelling there.
fn link(table: &mut Table, path: Path, surface: u32, surfaces: &mut Surfaces, lists: &mut [Known]) {
    let list = surfaces.list(surface);
    if let Some(head) = table.get(path).and_then(super::table::Node::surface) {
        let text = surfaces.text(surface);
        if surfaces.chain(head).any(|other| surfaces.list(other) == list && surfaces.text(other) == text) {
            let report = &mut lists[usize::from(list)].report;
            report.spellings -= 1;
            if surfaces.name(surface).1 == Origin::Name {
                report.used -= 1;
                report.leave_out(LeftOut::Repeated, text);
            }
            return;
        }
    }
    if let Some(head) = table.end(path, surface) {
        surfaces.set_next(surface, head);
    }
}

/// One list's entries on their way to the surfaces.
struct Adding<'a> {
    list: &'a EntityList,
    number: u16,
    policy: &'a Policy,
    group: &'a mut Group,
    surfaces: &'a mut Surfaces,
}

impl Adding<'_> {
    fn all(&mut self, report: &mut BuildReport) {
        let before = self.surfaces.len();
        let with_aliases = self.policy.aliases && !self.list.aliases().is_empty();
        let mut places = if with_aliases { vec![NONE; self.list.len()] } else { Vec::new() };
        for entry in 0..self.list.len() {
            let name = self.list.entry(entry);
            if !self.policy.only.is_empty() && !self.policy.only.contains(&folded(name)) {
                report.leave_out(LeftOut::NotAmong, name);
            } else if let Some(reason) = self.obstacle(name) {
                report.leave_out(reason, name);
            } else {
                report.used += 1;
                if let Some(place) = places.get_mut(entry) {
                    *place = self.surfaces.len() as u32;
                }
                self.entry(entry as u32, name);
            }
        }
        for (entry, alias) in self.list.aliases().iter().filter(|_| with_aliases) {
            if self.obstacle(alias).is_none() {
                let surface = self.push(alias, *entry);
                // A name that is itself left out is shown by its other name.
                let place = places[*entry as usize];
                let name = if place == NONE { surface } else { place };
                self.surfaces.set_name(surface, name, Origin::Alias);
            }
        }
        report.spellings = (self.surfaces.len() - before) as u64;
    }

    fn entry(&mut self, entry: u32, name: &str) {
        let surface = self.push(name, entry);
        for part in parts(name, self.policy.parts) {
            self.derived(part, entry, surface, Origin::Part);
        }
        let policy = self.policy;
        if policy.strip_prefixes.is_empty() && policy.strip_suffixes.is_empty() {
            return;
        }
        let without_prefix = policy.strip_prefixes.iter().find_map(|prefix| strip(name, prefix, false));
        let without_suffix = policy.strip_suffixes.iter().find_map(|suffix| strip(name, suffix, true));
        let without_both =
            without_prefix.and_then(|name| policy.strip_suffixes.iter().find_map(|suffix| strip(name, suffix, true)));
        for short in [without_prefix, without_suffix, without_both].into_iter().flatten() {
            self.derived(short, entry, surface, Origin::Stripped);
        }
    }

    fn derived(&mut self, text: &str, entry: u32, name: u32, origin: Origin) {
        if self.obstacle(text).is_none() {
            let surface = self.push(text, entry);
            self.surfaces.set_name(surface, name, origin);
        }
    }

    /// Adds a spelling whose tokens were read last.
    fn push(&mut self, text: &str, entry: u32) -> u32 {
        let surface = self.surfaces.push(text, self.number);
        self.group.note_paths();
        if let Some(priority) = self.list.priority(entry) {
            self.surfaces.set_priority(surface, priority);
        }
        if self.list.has_any_case(entry) {
            self.surfaces.set_any_case(surface);
        }
        surface
    }

    /// Why a spelling is not looked for; reads its tokens.
    fn obstacle(&mut self, text: &str) -> Option<LeftOut> {
        let policy = self.policy;
        if !text.chars().any(char::is_alphanumeric) {
            return Some(LeftOut::OnlyPunctuation);
        }
        if text.chars().count() < policy.min_chars {
            return Some(LeftOut::FewCharacters);
        }
        let tokens = self.group.read(text);
        if tokens < policy.min_tokens {
            return Some(LeftOut::FewTokens);
        }
        if tokens > MOST_TOKENS {
            return Some(LeftOut::ManyTokens);
        }
        if tokens == 0 {
            return Some(LeftOut::OnlyPunctuation);
        }
        let asks = !(policy.skip.is_empty()
            && policy.excepted.is_empty()
            && policy.skip_prefixes.is_empty()
            && policy.skip_suffixes.is_empty());
        if tokens == 1 || asks {
            let folded = folded(text);
            if policy.stop.contains(&folded) {
                return Some(LeftOut::StopWord);
            }
            if policy.skip.contains(&folded)
                || policy.excepted.contains(&folded)
                || policy.skip_prefixes.iter().any(|prefix| folded.starts_with(&**prefix))
                || policy.skip_suffixes.iter().any(|suffix| folded.ends_with(&**suffix))
            {
                return Some(LeftOut::Skipped);
            }
        }
        None
    }
}

/// The words of a name that stand for it; a name of one word has none.
fn parts(name: &str, parts: Parts) -> impl Iterator<Item = &str> {
    let mut words = name.split_whitespace();
    let (first, last) = (words.next(), words.next_back());
    let wanted = match parts {
        Parts::None => [None, None],
        Parts::First => [first, None],
        Parts::Last => [None, last],
        Parts::Both => [first, last],
    };
    // An initial says nothing.
    let whole = last.is_none();
    wanted.into_iter().flatten().filter(move |word| !whole && word.chars().filter(|c| c.is_alphabetic()).count() > 2)
}

/// A name without a folded beginning or ending.
fn strip<'n>(name: &'n str, end: &str, at_end: bool) -> Option<&'n str> {
    let rest = if at_end {
        let start = name.len().checked_sub(end.len()).filter(|&start| name.is_char_boundary(start))?;
        (folded(&name[start..]) == end).then(|| &name[..start])?
    } else {
        name.get(..end.len()).filter(|head| folded(head) == end)?;
        &name[end.len()..]
    };
    let rest = rest.trim_matches([' ', ',', '-']);
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_shortened_names() {
        assert_eq!(parts("Ada King Lovelace", Parts::Both).collect::<Vec<_>>(), ["Ada", "Lovelace"]);
        assert_eq!(parts("A. Lovelace", Parts::Both).collect::<Vec<_>>(), ["Lovelace"]);
        assert_eq!(parts("Ada", Parts::Both).count(), 0);
        assert_eq!(strip("Acme, Inc", "inc", true), Some("Acme"));
        assert_eq!(strip("The Hague", "the ", false), Some("Hague"));
        assert_eq!(strip("Inc", "inc", true), None);
        assert_eq!(strip("É", "ab", true), None);
    }
}
