//! Choosing the switches of lists on a small gold sample.
//!
//! Coordinate search: one switch of one list at a time is set to each of its values, and the value with the best F1 over
//! the sample stays if it gains as much as one more right span would; rounds follow until nothing changes. At the end entries
//! that are wrong more often than right may be left out, if that helps in texts from which they were not chosen. After
//! ANEA (Hedderich, Lange, Klakow 2021), where a person turns the same switches by looking at the same tables.
//!
//! `fuzzy` is not among the switches: on none of three sets (films in Spanish, places in newswire, chemicals and diseases in
//! abstracts) did names with other letters raise F1 where they were not chosen; with 80 % it fell from .740 to .718.
//!
//! What is found on a sample is good on that sample. [`cross_validate`] says what it is worth elsewhere: the whole search
//! is done again on parts of the sample and measured on the rest.

use std::path::Path;

use postil_core::{Random, Result};
use rayon::prelude::*;

use super::configured::{ConfiguredList, matcher_of};
use super::find::Scratch;
use super::fold::Plural;
use super::policy::{Accents, Hyphens, Parts, Switches};
use super::score::{Counts, GoldText, Said, Vocabulary, mistakes, say};
use crate::list::Case;

/// Rounds over all switches; the third seldom changes anything.
const ROUNDS: usize = 3;
/// Parts of the sample that entries to leave out are tried on.
const FOLDS: usize = 5;
/// How much more often than right an entry must be wrong to be left out.
const EXCESSES: [u64; 3] = [1, 2, 3];
/// Endings of company names that texts leave out.
const LEGAL_FORMS: [&str; 16] = [
    " inc",
    " inc.",
    " corp",
    " corp.",
    " corporation",
    " company",
    " co",
    " co.",
    " ltd",
    " ltd.",
    " limited",
    " llc",
    " plc",
    " ag",
    " gmbh",
    " group",
];

/// A switch that was turned.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The number of the list.
    pub list: usize,
    /// The switch and its value, in words.
    pub what: String,
    /// The counts on the sample after it.
    pub counts: Counts,
}

/// Lists with the switches that were best on the sample.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// The switches of each list; `None` for a list that is better left out.
    pub switches: Vec<Option<Switches>>,
    /// What was changed, in order.
    pub changes: Vec<Change>,
    /// The counts on the sample before.
    pub before: Counts,
    /// The counts on the sample after.
    pub after: Counts,
}

/// Searches the switches of lists on gold texts; files that switches name lie in `folder`.
///
/// Costs some forty matchings of the sample per list and round, with those entries only that can occur in it.
///
/// # Errors
/// A file of lemmas or stop words that cannot be read.
pub fn tune(lists: &[ConfiguredList], gold: &[GoldText], folder: &Path) -> Result<Tuned> {
    let words = Vocabulary::of(gold.iter().map(|text| text.document().text.as_str()));
    let small: Vec<ConfiguredList> = lists
        .par_iter()
        .map(|one| {
            let keeps = |entry: usize| {
                let aliases = || one.list.aliases().iter().filter(|(of, _)| *of as usize == entry);
                words.may_have(one.list.entry(entry)) || aliases().any(|(_, alias)| words.may_have(alias))
            };
            ConfiguredList { list: one.list.keep(keeps), ..one.clone() }
        })
        .collect();
    Search { lists: &small, gold, folder }.run()
}

/// What tuned lists say about gold texts that they were not tuned on: the search runs once per fold on the others. The
/// folds are drawn by the seed.
///
/// # Errors
/// As [`tune`].
pub fn cross_validate(
    lists: &[ConfiguredList],
    gold: &[GoldText],
    folds: usize,
    seed: u64,
    folder: &Path,
) -> Result<Vec<Vec<Said>>> {
    let folds = folds.clamp(2, gold.len().max(2));
    let mut order: Vec<usize> = (0..gold.len()).collect();
    Random::for_purpose(seed, "tuning folds").shuffle(&mut order);
    let mut said = vec![Vec::new(); gold.len()];
    for fold in 0..folds {
        let is_held = |position: usize| position % folds == fold;
        let part = |held: bool| {
            let places = order.iter().enumerate().filter(move |(position, _)| is_held(*position) == held);
            places.map(|(_, &place)| place).collect::<Vec<_>>()
        };
        let learn: Vec<GoldText> = part(false).into_iter().map(|place| gold[place].clone()).collect();
        let tuned = apply(lists, &tune(lists, &learn, folder)?.switches, folder)?;
        let matcher = matcher_of(&tuned)?;
        let mut scratch = Scratch::default();
        for place in part(true) {
            said[place] = say(&matcher, gold[place].document(), &mut scratch);
        }
    }
    Ok(said)
}

/// Lists with other switches, without those that are left out.
///
/// # Errors
/// A file of lemmas or stop words that cannot be read.
pub fn apply(lists: &[ConfiguredList], switches: &[Option<Switches>], folder: &Path) -> Result<Vec<ConfiguredList>> {
    let kept = lists.iter().zip(switches).filter_map(|(list, switches)| Some((list, switches.as_ref()?)));
    kept.map(|(list, switches)| list.with(switches.clone(), folder)).collect()
}

struct Search<'a> {
    lists: &'a [ConfiguredList],
    gold: &'a [GoldText],
    folder: &'a Path,
}

/// A value of a switch: what to call it, and how to set it; nothing is set to leave the list out.
struct Value {
    what: String,
    switches: Option<Switches>,
}

impl Search<'_> {
    fn run(&self) -> Result<Tuned> {
        let mut switches: Vec<Option<Switches>> = self.lists.iter().map(|list| Some(list.switches.clone())).collect();
        let before = self.counts(&switches, self.gold)?;
        let mut now = before;
        let mut changes = Vec::new();
        for _ in 0..ROUNDS {
            let known = changes.len();
            for list in 0..self.lists.len() {
                for values in self.values(list, &switches) {
                    self.try_values(list, &values, &mut switches, &mut now, &mut changes)?;
                }
            }
            if changes.len() == known {
                break;
            }
        }
        self.leave_entries_out(&mut switches, &mut now, &mut changes)?;
        Ok(Tuned { switches, changes, before, after: now })
    }

    /// Sets a switch to the best of some values, if that is better than what it is.
    fn try_values(
        &self,
        list: usize,
        values: &[Value],
        switches: &mut [Option<Switches>],
        now: &mut Counts,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        if switches[list].is_none() {
            return Ok(());
        }
        let tried: Vec<Counts> = values
            .par_iter()
            .map(|value| {
                let mut other = switches.to_vec();
                other[list].clone_from(&value.switches);
                self.counts(&other, self.gold)
            })
            .collect::<Result<_>>()?;
        // Of equal values the first stands.
        let best = (0..tried.len()).rev().max_by(|&left, &right| tried[left].f1().total_cmp(&tried[right].f1()));
        let Some(best) = best else { return Ok(()) };
        let counts = tried[best];
        // Less than one more right span is noise, and a sample has plenty of it to offer.
        let one_more = Counts { right: now.right + 1, said: now.said + 1, gold: now.gold };
        if counts.f1() >= one_more.f1() - 1e-12 {
            switches[list].clone_from(&values[best].switches);
            changes.push(Change { list, what: values[best].what.clone(), counts });
            *now = counts;
        }
        Ok(())
    }

    /// The values of the switches of a list that it does not have, switch by switch.
    fn values(&self, list: usize, switches: &[Option<Switches>]) -> Vec<Vec<Value>> {
        let Some(now) = &switches[list] else { return Vec::new() };
        let value = |what: String, change: &dyn Fn(&mut Switches)| {
            let mut switches = now.clone();
            change(&mut switches);
            (switches != *now).then_some(Value { what, switches: Some(switches) })
        };
        let named = |key: &str, names: &[&str], change: &dyn Fn(&mut Switches, usize)| -> Vec<Value> {
            let values = names.iter().enumerate();
            values.filter_map(|(place, name)| value(format!("{key} = {name}"), &|new| change(new, place))).collect()
        };
        let mut all = Vec::new();
        let cases = [Case::Smart, Case::Exact, Case::Ignore];
        all.push(named("case", &["smart", "exact", "ignore"], &|new, place| new.case = Some(cases[place])));
        if self.lists.len() > 1 {
            let around = now.priority.unwrap_or(0);
            let names = [format!("{}", around + 1), format!("{}", around - 1)];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            all.push(named("priority", &names, &|new, place| new.priority = Some(around + 1 - 2 * place as i32)));
        }
        all.push(named("min_chars", &["2", "3", "4", "5"], &|new, place| new.min_chars = Some(2 + place as u16)));
        all.push(named("min_tokens", &["1", "2"], &|new, place| new.min_tokens = Some(1 + place as u16)));
        let stops = [None, Some("en".to_owned()), Some("es".to_owned())];
        all.push(named("stop", &["none", "en", "es"], &|new, place| new.stop.clone_from(&stops[place])));
        let parts = [Parts::None, Parts::First, Parts::Last, Parts::Both];
        all.push(named("parts", &["none", "first", "last", "both"], &|new, place| new.parts = Some(parts[place])));
        let accents = [Accents::Keep, Accents::Fold];
        all.push(named("accents", &["keep", "fold"], &|new, place| new.accents = Some(accents[place])));
        let hyphens = [Hyphens::Keep, Hyphens::Space];
        all.push(named("hyphens", &["keep", "space"], &|new, place| new.hyphens = Some(hyphens[place])));
        let plurals = [Plural::Keep, Plural::English, Plural::Spanish];
        all.push(named("plural", &["keep", "english", "spanish"], &|new, place| new.plural = Some(plurals[place])));
        all.push(named("all_caps", &["true", "false"], &|new, place| new.all_caps = Some(place == 0)));
        if !self.lists[list].list.aliases().is_empty() {
            all.push(named("aliases", &["true", "false"], &|new, place| new.aliases = Some(place == 0)));
        }
        let forms: Vec<String> = LEGAL_FORMS.iter().map(|&form| form.to_owned()).collect();
        all.push(named("strip_suffixes", &["none", "company forms"], &|new, place| {
            new.strip_suffixes = if place == 0 { Vec::new() } else { forms.clone() };
        }));
        // Last: a list that looks useless may only have a wrong switch.
        all.push(vec![Value { what: "leave the list out".to_owned(), switches: None }]);
        all
    }

    /// Leaves out entries that are wrong more often than right, if that helps where they were not chosen.
    fn leave_entries_out(
        &self,
        switches: &mut [Option<Switches>],
        now: &mut Counts,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let mut best: Option<(f64, u64)> = None;
        for excess in EXCESSES {
            let mut elsewhere = Counts::default();
            for fold in 0..FOLDS {
                let part = |held: bool| -> Vec<GoldText> {
                    let texts = self.gold.iter().enumerate();
                    texts.filter(|(place, _)| (place % FOLDS == fold) == held).map(|(_, text)| text.clone()).collect()
                };
                let without = self.without_bad_entries(switches, &part(false), excess)?;
                let counts = self.counts(&without, &part(true))?;
                elsewhere.right += counts.right;
                elsewhere.said += counts.said;
                elsewhere.gold += counts.gold;
            }
            if elsewhere.f1() > best.map_or(now.f1(), |(f1, _)| f1) {
                best = Some((elsewhere.f1(), excess));
            }
        }
        let Some((_, excess)) = best else { return Ok(()) };
        let without = self.without_bad_entries(switches, self.gold, excess)?;
        for list in 0..switches.len() {
            let skipped = |switches: &Option<Switches>| switches.as_ref().map_or(0, |one| one.skip.len());
            let count = skipped(&without[list]) - skipped(&switches[list]);
            if count > 0 {
                switches[list].clone_from(&without[list]);
                *now = self.counts(switches, self.gold)?;
                changes.push(Change { list, what: format!("skip {count} entries"), counts: *now });
            }
        }
        Ok(())
    }

    /// The switches with those entries skipped that are wrong on some texts by at least `excess` more than right.
    fn without_bad_entries(
        &self,
        switches: &[Option<Switches>],
        gold: &[GoldText],
        excess: u64,
    ) -> Result<Vec<Option<Switches>>> {
        let kept: Vec<usize> = (0..switches.len()).filter(|&list| switches[list].is_some()).collect();
        let found = mistakes(&matcher_of(&apply(self.lists, switches, self.folder)?)?, gold);
        let mut without = switches.to_vec();
        for entry in found.entries.into_iter().filter(|entry| entry.wrong() >= entry.right + excess) {
            if let Some(switches) = &mut without[kept[usize::from(entry.list)]] {
                switches.skip.push(entry.entry);
            }
        }
        without.iter_mut().flatten().for_each(|switches| switches.skip.sort());
        Ok(without)
    }

    fn counts(&self, switches: &[Option<Switches>], gold: &[GoldText]) -> Result<Counts> {
        let matcher = matcher_of(&apply(self.lists, switches, self.folder)?)?;
        let mut scratch = Scratch::default();
        let mut counts = Counts::default();
        for text in gold {
            counts.add(text, &say(&matcher, text.document(), &mut scratch));
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use postil_core::{Document, Span};

    use super::*;
    use crate::entities::EntityList;

    fn gold(texts: &[(&str, &[(&str, &str)])]) -> Vec<GoldText> {
        texts
            .iter()
            .enumerate()
            .map(|(number, (text, names))| {
                let mut document = Document::from_text(number.to_string(), *text);
                for (name, label) in *names {
                    let start = text[..text.find(name).unwrap()].chars().count() as u32;
                    let end = start + name.chars().count() as u32;
                    document.spans.push(Span { start, end, label: (*label).into(), quote: (*name).to_owned() });
                }
                GoldText::new(document, &["PER".into(), "LOC".into()])
            })
            .collect()
    }

    fn list(label: &str, names: &[&str]) -> ConfiguredList {
        ConfiguredList {
            list: EntityList::of(label, label.to_lowercase(), names.iter().copied()),
            path: label.to_lowercase().into(),
            only: None,
            switches: Switches::default(),
            policy: crate::entities::Policy::default(),
        }
    }

    #[test]
    fn switches_are_found_that_the_gold_asks_for() {
        let gold = gold(&[
            ("we saw Lovelace there", &[("Lovelace", "PER")]),
            ("then Hopper came", &[("Hopper", "PER")]),
            ("to sao paulo by bus", &[("sao paulo", "LOC")]),
            ("from SAO PAULO again", &[("SAO PAULO", "LOC")]),
            ("Will and May are no names", &[]),
            ("Will you", &[]),
        ]);
        let lists =
            [list("PER", &["Ada Lovelace", "Grace Hopper", "Will", "May"]), list("LOC", &["São Paulo", "Oslo"])];
        let tuned = tune(&lists, &gold, Path::new("")).unwrap();
        assert_eq!((tuned.before.right, tuned.before.said, tuned.before.gold), (0, 3, 4));
        assert_eq!((tuned.after.right, tuned.after.said), (4, 4), "{:?}", tuned.changes);
        let switches = tuned.switches[0].as_ref().unwrap();
        assert!(matches!(switches.parts, Some(Parts::Last | Parts::Both)), "{switches:?}");
        let places = tuned.switches[1].as_ref().unwrap();
        assert_eq!((places.case, places.accents), (Some(Case::Ignore), Some(Accents::Fold)));
        assert!(tuned.changes.windows(2).all(|pair| pair[0].counts.f1() < pair[1].counts.f1()));
        let held_out = cross_validate(&lists, &gold, 3, 7, Path::new("")).unwrap();
        assert_eq!(held_out, cross_validate(&lists, &gold, 3, 7, Path::new("")).unwrap());
    }
}
