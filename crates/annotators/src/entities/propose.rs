//! New entries for lists, proposed from texts for a person to confirm.
//!
//! The distant half of DistALANER (Banerjee et al., LREC-COLING 2024): what looks like an entry in texts and is none is
//! shown to somebody who says yes or no, and what is confirmed joins the list. Candidates are runs of capitalised words,
//! and for lists of names in small letters runs of up to three words that are not stop words. How much one looks like an
//! entry is a sum of log odds (naive Bayes): its first and last word, the end of its last word and the number of its words
//! against those of the lists' entries, and the words around its places in the texts against those around known names.
//! The candidates themselves, most of which are no entries, are the background.
//!
//! The score orders and promises nothing: it knows of no truth.

use std::collections::{BTreeMap, HashMap};

use postil_core::text::{Token, Tokenizer};
use postil_core::{Document, Name, Result};

use super::configured::{ConfiguredList, matcher_of};
use super::find::Scratch;
use super::score::{context, say};
use super::words::{StopWords, folded};

/// A phrase that may be an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The phrase, as it stands most often.
    pub entry: String,
    /// The label of the lists whose entries it is most like.
    pub label: Name,
    /// How often it stands in the texts.
    pub count: u64,
    /// The log odds that it is an entry rather than any candidate, up to a constant.
    pub score: f64,
    /// What speaks for it most.
    pub reason: String,
    /// A place where it stands, in brackets.
    pub example: String,
}

/// Words of small letters inside a name, if a capital follows.
const INSIDE: [&str; 16] =
    ["of", "de", "la", "del", "du", "di", "da", "van", "von", "der", "den", "al", "el", "bin", "&", "-"];
/// Words with a capital that stand before a name and are no part of it.
const BEFORE: [&str; 12] = ["The", "Mr", "Mrs", "Ms", "Dr", "Prof", "Sir", "Mr.", "Mrs.", "Ms.", "Dr.", "Prof."];
/// The most words of a candidate in small letters.
const MOST_WORDS: usize = 3;
/// The most words of a run of capitals that is a name and not a headline.
const LONGEST: usize = 7;
/// A label whose known places begin with a capital more seldom than this has names in small letters.
const CAPITALS: f64 = 0.7;
/// Of so many places the words around them count.
const PLACES: usize = 12;
/// What is added to each count.
const SMOOTHING: f64 = 0.5;
/// How much the words around count beside the words inside.
const AROUND: f64 = 0.6;

/// What is known of a candidate.
#[derive(Default)]
struct Candidate {
    count: u64,
    small: bool,
    around: Vec<[String; 2]>,
    example: String,
}

/// How often each feature was seen, by label; the last is the background.
struct Odds {
    counts: HashMap<String, Vec<f64>>,
    totals: BTreeMap<&'static str, Vec<f64>>,
    classes: usize,
}

impl Odds {
    fn new(classes: usize) -> Self {
        Self { counts: HashMap::new(), totals: BTreeMap::new(), classes }
    }

    fn add(&mut self, kind: &'static str, value: &str, class: usize) {
        let counts = self.counts.entry(format!("{kind}{value}")).or_insert_with(|| vec![0.0; self.classes]);
        counts[class] += 1.0;
        self.totals.entry(kind).or_insert_with(|| vec![0.0; self.classes])[class] += 1.0;
    }

    /// The log odds of a class against the background, and how often the feature was seen there.
    fn of(&self, kind: &'static str, value: &str, class: usize) -> (f64, f64) {
        let none = vec![0.0; self.classes];
        let counts = self.counts.get(&format!("{kind}{value}")).unwrap_or(&none);
        let totals = self.totals.get(kind).unwrap_or(&none);
        let last = self.classes - 1;
        // What neither side has seen says nothing; so both are smoothed towards their joint share.
        let share = (counts[class] + counts[last] + 1.0) / (totals[class] + totals[last] + 1.0);
        let of = |class: usize| (counts[class] + SMOOTHING * 20.0 * share) / (totals[class] + SMOOTHING * 20.0);
        ((of(class) / of(last)).ln(), counts[class])
    }
}

/// The features of a phrase: their kind, in words, and value.
fn inside(phrase: &str) -> Vec<(&'static str, String)> {
    let words: Vec<String> = phrase.split_whitespace().map(folded).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    let end: String = last.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
    let capitals = phrase.chars().all(|letter| !letter.is_lowercase());
    let mut features = vec![("words ", words.len().min(4).to_string()), ("ending -", end)];
    if capitals {
        features.push(("capitals ", "all".to_owned()));
    }
    if words.len() > 1 {
        features.push(("first word ", first.clone()));
        features.push(("last word ", last.clone()));
        if words.len() > 2 {
            features.extend(words[1..words.len() - 1].iter().map(|word| ("inner word ", word.clone())));
        }
    } else {
        features.push(("word in names ", first.clone()));
    }
    features
}

/// Proposes entries for lists from texts, the likeliest first; phrases that stand there less often than `least` times are
/// not looked at.
///
/// Costs one matching of the texts, and memory for the different candidates.
///
/// # Errors
/// Lists that are too large.
pub fn propose(lists: &[ConfiguredList], documents: &[Document], least: u64) -> Result<Vec<Proposal>> {
    let matcher = matcher_of(lists)?;
    let labels: Vec<Name> = matcher.labels().to_vec();
    let class_of = |label: &Name| labels.iter().position(|known| known == label).unwrap_or(0);
    let mut odds = Odds::new(labels.len() + 1);
    for one in lists {
        let class = class_of(&one.list.label);
        for entry in 0..one.list.len() {
            let entry = one.list.entry(entry);
            for (kind, value) in inside(entry) {
                odds.add(kind, &value, class);
            }
            for word in entry.split_whitespace() {
                odds.add("word in names ", &folded(word), class);
            }
        }
    }
    let mut scratch = Scratch::default();
    let mut small = vec![[0_u64; 2]; labels.len()];
    let texts: Vec<Text<'_>> = documents
        .iter()
        .map(|document| {
            let said = say(&matcher, document, &mut scratch);
            let mut text = Text::new(document);
            for one in said {
                let run = text.tokens_of(one.start, one.end);
                if run.is_empty() {
                    continue;
                }
                let class = class_of(&one.label);
                small[class][usize::from(text.begins_upper(run.start))] += 1;
                if !one.ambiguous {
                    let [before, behind] = text.around(run.clone());
                    odds.add("after ", &before, class);
                    odds.add("before ", &behind, class);
                }
                text.known[run].fill(true);
            }
            text
        })
        .collect();
    let with_small = small.iter().any(|[small, upper]| (*upper as f64) < CAPITALS * (small + upper) as f64);
    let cases = Cases::of(&texts);
    let mut candidates: BTreeMap<String, Candidate> = BTreeMap::new();
    for text in &texts {
        text.candidates(&cases, with_small, |run, is_small| {
            let phrase = text.phrase(run.clone());
            let candidate = candidates.entry(phrase).or_default();
            candidate.count += 1;
            candidate.small = is_small;
            if candidate.around.len() < PLACES {
                candidate.around.push(text.around(run.clone()));
            }
            if candidate.example.is_empty() {
                let (start, end) = text.points(run);
                candidate.example = context(&text.document.text, start, end);
            }
        });
    }
    candidates.retain(|_, candidate| candidate.count >= least);
    let background = labels.len();
    for (phrase, candidate) in &candidates {
        for (kind, value) in inside(phrase) {
            odds.add(kind, &value, background);
        }
        for word in phrase.split_whitespace() {
            odds.add("word in names ", &folded(word), background);
        }
        for [before, behind] in &candidate.around {
            odds.add("after ", before, background);
            odds.add("before ", behind, background);
        }
    }
    let mut proposals: Vec<Proposal> = candidates
        .into_iter()
        .filter_map(|(entry, candidate)| {
            let possible = (0..labels.len()).filter(|&class| {
                let [lower, upper] = small[class];
                lower + upper > 0 && candidate.small == ((upper as f64) < CAPITALS * (lower + upper) as f64)
            });
            let scored = possible.map(|class| {
                let (score, reason) = score(&odds, class, &entry, &candidate);
                (class, score, reason)
            });
            let (class, score, reason) = scored.max_by(|left, right| left.1.total_cmp(&right.1))?;
            let (label, count, example) = (labels[class].clone(), candidate.count, candidate.example);
            Some(Proposal { entry, label, count, score, reason, example })
        })
        .collect();
    proposals.sort_by(|left, right| right.score.total_cmp(&left.score).then_with(|| left.entry.cmp(&right.entry)));
    Ok(proposals)
}

fn score(odds: &Odds, class: usize, entry: &str, candidate: &Candidate) -> (f64, String) {
    let mut total = 0.0;
    let mut best: Vec<(f64, String)> = Vec::new();
    for (kind, value) in inside(entry) {
        let (one, seen) = odds.of(kind, &value, class);
        total += one;
        if one > 0.0 && seen > 0.0 {
            best.push((one, format!("{kind}`{value}` as in {seen:.0} entries")));
        }
    }
    let places = candidate.around.len().max(1) as f64;
    // Places of one phrase are like each other, so that they count less than as many phrases would.
    let weight = AROUND * places.sqrt() / places;
    let mut around: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for [before, behind] in &candidate.around {
        for (kind, value) in [("after ", before), ("before ", behind)] {
            let (one, seen) = odds.of(kind, value, class);
            total += weight * one;
            let sum = around.entry(format!("{kind}`{value}`")).or_insert((0.0, seen));
            sum.0 += weight * one;
        }
    }
    best.extend(
        around
            .into_iter()
            .filter(|(_, (one, seen))| *one > 0.0 && *seen > 0.0)
            .map(|(what, (one, seen))| (one, format!("{what} as at {seen:.0} known names"))),
    );
    best.sort_by(|left, right| right.0.total_cmp(&left.0));
    let reason = best.into_iter().take(2).map(|(_, reason)| reason).collect::<Vec<_>>().join("; ");
    (total, reason)
}

/// How often words stand in small letters and with a capital, inside sentences.
struct Cases(HashMap<String, [u32; 2]>);

impl Cases {
    fn of(texts: &[Text<'_>]) -> Self {
        let mut counts: HashMap<String, [u32; 2]> = HashMap::new();
        for text in texts {
            for place in 0..text.tokens.len() {
                if !text.starts[place] && !text.loud[place] {
                    let upper = usize::from(text.begins_upper(place));
                    counts.entry(folded(text.word(place))).or_default()[upper] += 1;
                }
            }
        }
        Self(counts)
    }

    /// Whether a word is written with a capital only where a sentence begins.
    fn is_common(&self, word: &str) -> bool {
        let folded = folded(word);
        let [lower, upper] = self.0.get(&folded).copied().unwrap_or([0, 0]);
        lower >= upper && (lower > 0 || StopWords::is_common(&folded))
    }
}

/// A document with what the search for candidates asks.
struct Text<'d> {
    document: &'d Document,
    tokens: Vec<Token>,
    /// Code points of the tokens' starts and ends.
    places: Vec<(u32, u32)>,
    /// Whether a sentence begins there.
    starts: Vec<bool>,
    /// Whether the sentence is in capitals.
    loud: Vec<bool>,
    known: Vec<bool>,
}

impl<'d> Text<'d> {
    fn new(document: &'d Document) -> Self {
        let given = !document.tokens.is_empty();
        let tokens = if given { document.tokens.clone() } else { Tokenizer::Words.tokenize(&document.text) };
        let text = &document.text;
        let mut starts = vec![false; tokens.len()];
        for place in 0..tokens.len() {
            let before = place.checked_sub(1).map(|before| tokens[before]);
            starts[place] = before.is_none_or(|before| {
                matches!(before.of(text), "." | "!" | "?" | ":" | "\"" | "``" | "''" | "“" | "(" | "-")
                    || text[before.end as usize..tokens[place].start as usize].contains('\n')
            });
        }
        for &end in &document.sentences {
            if let Some(start) = starts.get_mut(end as usize) {
                *start = true;
            }
        }
        let mut loud = vec![false; tokens.len()];
        let mut first = 0;
        for place in 1..=tokens.len() {
            if place == tokens.len() || starts[place] {
                let words = || tokens[first..place].iter().map(|token| token.of(text));
                let upper = |word: &&str| word.chars().next().is_some_and(char::is_uppercase);
                let lettered = words().filter(|word| word.chars().any(char::is_alphabetic)).count();
                // Headlines and tables: capitals say nothing there.
                let is_loud = lettered > 1 && words().filter(upper).count() * 10 > lettered * 7 && lettered > 3
                    || words().all(|word| !word.chars().any(char::is_lowercase));
                loud[first..place].fill(is_loud);
                first = place;
            }
        }
        let mut places = Vec::with_capacity(tokens.len());
        let (mut byte, mut point) = (0, 0);
        let mut point_at = |at: u32| {
            point += text[byte..at as usize].chars().count() as u32;
            byte = at as usize;
            point
        };
        for token in &tokens {
            places.push((point_at(token.start), point_at(token.end)));
        }
        let known = vec![false; tokens.len()];
        Self { document, tokens, places, starts, loud, known }
    }

    fn word(&self, place: usize) -> &str {
        self.tokens[place].of(&self.document.text)
    }

    fn begins_upper(&self, place: usize) -> bool {
        self.word(place).chars().next().is_some_and(char::is_uppercase)
    }

    /// The tokens within a stretch of code points.
    fn tokens_of(&self, start: u32, end: u32) -> std::ops::Range<usize> {
        let first = self.places.partition_point(|place| place.0 < start);
        let last = self.places.partition_point(|place| place.1 <= end);
        first..last.max(first)
    }

    fn points(&self, run: std::ops::Range<usize>) -> (u32, u32) {
        (self.places[run.start].0, self.places[run.end - 1].1)
    }

    fn phrase(&self, run: std::ops::Range<usize>) -> String {
        let stretch = &self.document.text[self.tokens[run.start].start as usize..self.tokens[run.end - 1].end as usize];
        stretch.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The words before and behind; a number is a number.
    fn around(&self, run: std::ops::Range<usize>) -> [String; 2] {
        let word = |place: Option<usize>| match place.and_then(|place| self.tokens.get(place)) {
            None => "the end".to_owned(),
            Some(token) => {
                let word = token.of(&self.document.text);
                if word.starts_with(|first: char| first.is_ascii_digit()) { "0".to_owned() } else { folded(word) }
            }
        };
        let before = if self.starts[run.start] { None } else { run.start.checked_sub(1) };
        [word(before), word(Some(run.end))]
    }

    /// Calls `visitor` for every run of words that may be a name and is not known; whether it is in small letters.
    fn candidates(&self, cases: &Cases, with_small: bool, mut visitor: impl FnMut(std::ops::Range<usize>, bool)) {
        let mut place = 0;
        while place < self.tokens.len() {
            if self.loud[place] || !self.begins_upper(place) {
                place += 1;
                continue;
            }
            let mut end = place + 1;
            let mut last = place;
            while end < self.tokens.len() && !self.starts[end] {
                if self.begins_upper(end) {
                    last = end;
                } else if !(INSIDE.contains(&self.word(end)) && last + 1 == end) {
                    break;
                }
                end += 1;
            }
            let mut first = place;
            // The first word of a sentence has its capital for that, and an article is no part.
            while first <= last
                && (self.starts[first] && cases.is_common(self.word(first)) || BEFORE.contains(&self.word(first)))
            {
                first += 1;
                while first <= last && !self.begins_upper(first) {
                    first += 1;
                }
            }
            let run = first..last + 1;
            let is_month_or_day = run.len() == 1 && is_time(self.word(run.start.min(last)));
            if !run.is_empty()
                && run.len() <= LONGEST
                && !self.known[run.clone()].iter().all(|&known| known)
                && !is_month_or_day
                && self.phrase(run.clone()).chars().count() > 2
            {
                visitor(run, false);
            }
            place = last + 1;
        }
        if with_small {
            self.small_candidates(&mut visitor);
        }
    }

    fn small_candidates(&self, visitor: &mut impl FnMut(std::ops::Range<usize>, bool)) {
        let may_be = |place: usize| {
            let word = self.word(place);
            !self.known[place]
                && word.chars().count() > 2
                && word.chars().filter(|letter| letter.is_alphabetic()).count() > 2
                && !StopWords::is_common(&folded(word))
        };
        for first in 0..self.tokens.len() {
            for words in 1..=MOST_WORDS {
                let run = first..first + words;
                if run.end > self.tokens.len() || !may_be(run.end - 1) || words > 1 && self.starts[run.end - 1] {
                    break;
                }
                visitor(run, true);
            }
        }
    }
}

fn is_time(word: &str) -> bool {
    const TIMES: [&str; 19] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    TIMES.contains(&folded(word).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::{EntityList, Policy, Switches};

    fn list(label: &str, names: &[&str]) -> ConfiguredList {
        ConfiguredList {
            list: EntityList::of(label, label.to_lowercase(), names.iter().copied()),
            path: label.to_lowercase().into(),
            only: None,
            switches: Switches::default(),
            policy: Policy::default(),
        }
    }

    #[test]
    fn what_stands_like_known_names_is_proposed_with_its_label() {
        let lists = [
            list("PER", &["Ada Lovelace", "Ada Byron", "Grace Hopper", "Grace Kelly"]),
            list("LOC", &["Oslo", "Bergen", "Porto"]),
        ];
        let text = "Then we flew to Oslo by plane. Then we flew to Bergen by train. Then we flew to Porto by bus. \
                    Mr Grace Hopper said so. Mr Ada Lovelace said no. Then we flew to Tromsø by boat. Mr Grace Murray \
                    said yes. Then, the end. On Monday we slept. And Grace Murray said little. We flew to Tromsø by air.";
        let documents = [Document::from_text("a", text)];
        let proposals = propose(&lists, &documents, 2).unwrap();
        let one = |entry: &str| proposals.iter().find(|one| one.entry == entry).unwrap();
        assert_eq!(proposals.len(), 2, "{proposals:?}");
        assert!(proposals[0].score >= proposals[1].score);
        let (person, place) = (one("Grace Murray"), one("Tromsø"));
        assert_eq!((&*person.label, person.count, &*place.label, place.count), ("PER", 2, "LOC", 2));
        assert!(person.reason.contains("after `mr` as at 2 known names"), "{}", person.reason);
        assert!(place.example.contains("flew to [Tromsø] by boat"), "{}", place.example);
        assert_eq!(proposals, propose(&lists, &documents, 2).unwrap());
    }

    #[test]
    fn lists_in_small_letters_get_proposals_in_small_letters() {
        let lists = [list("DRUG", &["aspirin", "morphine", "codeine"])];
        let text = "treated with aspirin daily. treated with morphine daily. treated with cocaine daily. the cocaine \
                    level. treated with codeine daily. a level.";
        let proposals = propose(&lists, &[Document::from_text("a", text)], 2).unwrap();
        assert_eq!(proposals[0].entry, "cocaine");
    }
}
