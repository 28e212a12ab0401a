//! Words that are tagged now one way, now another.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// A word with more than one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variation {
    /// The word, in small letters.
    pub form: String,
    /// Its tags with their counts, most frequent first.
    pub tags: Vec<(String, u64)>,
    /// Occurrences between the same two words as one with another tag. Such a word is hardly ambiguous: one of the tags
    /// is probably wrong.
    pub in_same_place: u64,
    /// Such a place: the word before, the word, the word after; empty at a border of the text.
    pub place: Option<[String; 3]>,
}

/// Counts tags by word, over any number of texts.
///
/// After Dickinson and Meurers (2003, "Detecting errors in part-of-speech annotation"), with a context of one word to each
/// side. Memory grows with the distinct words in their contexts.
#[derive(Clone, Debug, Default)]
pub struct Variations {
    forms: HashMap<String, Form>,
}

#[derive(Clone, Debug, Default)]
struct Form {
    tags: BTreeMap<String, u64>,
    places: BTreeMap<(String, String), BTreeMap<String, u64>>,
}

impl Variations {
    /// Adds a text: its words and their tags; tokens without a tag are passed over.
    pub fn add<'t>(&mut self, words: &[&str], tags: impl IntoIterator<Item = Option<&'t str>>) {
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let near = |place: Option<usize>| place.and_then(|place| lower.get(place)).cloned().unwrap_or_default();
        for (place, tag) in tags.into_iter().enumerate() {
            let (Some(tag), Some(word)) = (tag, lower.get(place)) else { continue };
            let form = self.forms.entry(word.clone()).or_default();
            *form.tags.entry(tag.to_owned()).or_default() += 1;
            let context = (near(place.checked_sub(1)), near(Some(place + 1)));
            *form.places.entry(context).or_default().entry(tag.to_owned()).or_default() += 1;
        }
    }

    /// The words with more than one tag: first those that differ between the same two words, then those with most
    /// occurrences that are not of the most frequent tag.
    pub fn list(&self) -> Vec<Variation> {
        let mut list: Vec<Variation> = self.forms.iter().filter_map(|(word, form)| variation(word, form)).collect();
        let rest = |one: &Variation| one.tags.iter().skip(1).map(|(_, count)| count).sum::<u64>();
        list.sort_by(|left, right| {
            let (key, other) = ((right.in_same_place, rest(right)), (left.in_same_place, rest(left)));
            key.cmp(&other).then_with(|| left.form.cmp(&right.form))
        });
        list
    }
}

fn variation(word: &str, form: &Form) -> Option<Variation> {
    if form.tags.len() < 2 {
        return None;
    }
    let mut tags: Vec<(String, u64)> = form.tags.iter().map(|(tag, &count)| (tag.clone(), count)).collect();
    tags.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    // A word alone in its text has no surroundings to be alike.
    let differing = || {
        let places = form.places.iter().filter(|((before, after), _)| !(before.is_empty() && after.is_empty()));
        places.filter(|(_, tags)| tags.len() > 1)
    };
    let total = |tags: &BTreeMap<String, u64>| tags.values().sum::<u64>();
    let most = differing().max_by(|left, right| total(left.1).cmp(&total(right.1)).then_with(|| right.0.cmp(left.0)));
    Some(Variation {
        form: word.to_owned(),
        tags,
        in_same_place: differing().map(|(_, tags)| total(tags)).sum(),
        place: most.map(|((before, after), _)| [before.clone(), word.to_owned(), after.clone()]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_differ_in_the_same_place_come_first() {
        let mut variations = Variations::default();
        let mut add = |text: &str, tags: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            variations.add(&words, tags.split(' ').map(|tag| (tag != "-").then_some(tag)));
        };
        add("the run was long", "D N V A");
        add("The run was short", "D V V A");
        add("we like it", "P V P");
        add("like a bird", "I D N");
        add("like water", "I -");
        let list = variations.list();
        let names: Vec<&str> = list.iter().map(|one| one.form.as_str()).collect();
        assert_eq!(names, ["run", "like"]);
        assert_eq!((list[0].in_same_place, list[1].in_same_place), (2, 0));
        assert_eq!(list[0].place, Some(["the", "run", "was"].map(str::to_owned)));
        assert_eq!(list[1].tags, [("I".to_owned(), 2), ("V".to_owned(), 1)]);
    }
}
