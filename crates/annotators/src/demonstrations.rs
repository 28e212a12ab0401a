//! Demonstrations for language models: which labelled texts to show beside an item.
//!
//! ```
//! use postil_annotators::demonstrations::{Demonstrations, Method, Options};
//!
//! let texts = ["where is my parcel", "my parcel is late", "I was charged twice", "refund my card"];
//! let demonstrations = Demonstrations::new(&texts, &[0, 0, 1, 1], Options::new(2).method(Method::Nearest))?;
//! let shown = demonstrations.for_item("the parcel has not arrived");
//! assert!(shown.iter().all(|shown| shown.label == 0));
//! # Ok::<(), postil_core::Error>(())
//! ```
//!
//! Whoever builds prompts calls [`Demonstrations::new`] once with the pool and [`Demonstrations::for_item`] for every
//! item, from any thread. [`surest_agreed`] and [`representatives_of`] make a pool from a model's own labels and a student.

use postil_core::select::{Neighbours, UnitVectors, facility_location, representatives, vote_k};
use postil_core::{Class, Error, Random, Result};
use postil_student::text::{Fingerprint, SearchRoom, TextIndex};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How demonstrations are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The pool's texts most like the item, by words, word pairs and character n-grams.
    #[default]
    Nearest,
    /// The same for every item, drawn at random.
    Fixed,
    /// The same for every item: the texts nearest to the middles of k groups by k-means.
    Diverse,
    /// The same for every item: those that together are nearest to all texts of the pool (facility location).
    Facility,
    /// The same for every item, by vote-k.
    VoteK,
}

/// What to choose, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    count: usize,
    method: Method,
    balanced: bool,
    containment: f64,
    seed: u64,
}

impl Options {
    /// So many demonstrations per item, by likeness, whatever their labels, without copies of the item.
    pub fn new(count: usize) -> Self {
        Self { count, method: Method::Nearest, balanced: false, containment: 0.7, seed: 0 }
    }

    /// How they are chosen. Default [`Method::Nearest`].
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Whether every label gets an even share of the places, as far as the pool has texts for it. Default no.
    #[must_use]
    pub fn balanced(mut self, balanced: bool) -> Self {
        self.balanced = balanced;
        self
    }

    /// From which share of the shorter text's pieces, found in the longer one, two texts count as copies
    /// ([`Fingerprint::containment`]). Default 0.7; above 1, only the same words count.
    #[must_use]
    pub fn containment(mut self, share: f64) -> Self {
        self.containment = share;
        self
    }

    /// The seed of what is drawn. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// One demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Demonstration {
    /// Its position in the pool.
    pub index: usize,
    /// Its label.
    pub label: Class,
    /// How like the item it is, from 0 to 1; `None` where likeness did not choose it.
    pub similarity: Option<f32>,
}

/// A pool of labelled texts from which every item gets its demonstrations.
///
/// Never among them: the item itself, or what is nearly the item. A text that is in the pool may be passed as an item,
/// so a pool can serve its own texts without leaking their labels. The choice depends on the pool, the options and the
/// item's text alone.
#[derive(Debug)]
pub struct Demonstrations {
    labels: Vec<Class>,
    classes: usize,
    options: Options,
    index: TextIndex,
    fingerprints: Vec<Fingerprint>,
    /// The pool in the order of preference, for methods that do not look at the item.
    order: Vec<u32>,
}

/// Components of the texts' vectors, where a method needs vectors.
const WIDTH: usize = 512;
/// How many votes a text has in vote-k.
const VOTES: usize = 150;

impl Demonstrations {
    /// Reads a pool: texts and the label of each.
    ///
    /// Cost: linear in the length of the texts for [`Method::Nearest`] and [`Method::Fixed`]; the others compare the
    /// pool's texts with each other once, in seconds for ten thousand.
    ///
    /// # Errors
    /// No texts, or as many labels as there are not texts; 0 demonstrations wanted.
    pub fn new<S: AsRef<str> + Sync>(texts: &[S], labels: &[Class], options: Options) -> Result<Self> {
        if texts.is_empty() || options.count == 0 {
            return Err(Error::input("expected a pool of texts and at least 1 demonstration, found none"));
        }
        if texts.len() != labels.len() {
            return Err(Error::input(format!("expected {} labels, found {}", texts.len(), labels.len())));
        }
        let index = TextIndex::new(texts);
        let fingerprints = texts.par_iter().map(|text| Fingerprint::of(text.as_ref())).collect();
        let mut pool = Self {
            labels: labels.to_vec(),
            classes: labels.iter().copied().max().map_or(0, |last| usize::from(last) + 1),
            options,
            index,
            fingerprints,
            order: Vec::new(),
        };
        pool.order = pool.preferred()?;
        Ok(pool)
    }

    /// The number of texts in the pool.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: an empty pool is refused.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The demonstrations for an item, the best first; prompts usually show the best last. Fewer than asked for if the
    /// pool has no more that are no copies of the item, or, by likeness, that have anything in common with it and its
    /// fixed order has none to fill up with.
    pub fn for_item(&self, text: &str) -> Vec<Demonstration> {
        self.choose(text, &mut SearchRoom::default())
    }

    /// The demonstrations of many items, in their order. Ten thousand short items and a pool of ten thousand take some
    /// seconds of one core.
    pub fn for_items<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<Vec<Demonstration>> {
        texts.par_iter().map_init(SearchRoom::default, |room, text| self.choose(text.as_ref(), room)).collect()
    }

    fn choose(&self, text: &str, room: &mut SearchRoom) -> Vec<Demonstration> {
        let own = Fingerprint::of(text);
        if self.options.method != Method::Nearest {
            let order = self.order.iter().map(|&at| (at, None));
            return self.admit(&own, order);
        }
        let mut most = 4 * self.options.count + 16;
        loop {
            let near = self.index.nearest(text, most, room);
            let complete = near.len() < most;
            let listed = near.iter().map(|&(at, likeness)| (at, Some(likeness)));
            let found = if complete {
                // Nothing more is like the item: the rest is taken as a fixed choice would.
                let known: std::collections::HashSet<u32> = near.iter().map(|pair| pair.0).collect();
                let rest = self.order.iter().filter(|at| !known.contains(at)).map(|&at| (at, Some(0.0)));
                self.admit(&own, listed.chain(rest))
            } else {
                self.admit_fully(&own, listed)
            };
            if complete || found.len() == self.options.count {
                return found;
            }
            most *= 8;
        }
    }

    /// As many as are wanted, by order of preference: within even shares first if labels are to be balanced.
    fn admit(&self, own: &Fingerprint, order: impl Iterator<Item = (u32, Option<f32>)> + Clone) -> Vec<Demonstration> {
        let mut taken = self.admit_fully(own, order.clone());
        if taken.len() < self.options.count && self.options.balanced {
            let rest = order.filter(|&(at, _)| !taken.iter().any(|taken| taken.index == at as usize));
            let more: Vec<Demonstration> = rest
                .filter(|&(at, _)| !self.is_copy(own, at))
                .take(self.options.count - taken.len())
                .map(|(at, similarity)| self.demonstration(at, similarity))
                .collect();
            taken.extend(more);
        }
        taken
    }

    /// The same, but nothing beyond the even shares.
    fn admit_fully(&self, own: &Fingerprint, order: impl Iterator<Item = (u32, Option<f32>)>) -> Vec<Demonstration> {
        let (count, mut present) = (self.options.count, vec![false; self.classes]);
        self.labels.iter().for_each(|&label| present[usize::from(label)] = true);
        let kinds = present.iter().filter(|&&present| present).count().max(1);
        let share = if self.options.balanced { count / kinds } else { count };
        // What does not divide evenly goes to the labels that come first in the order.
        let mut spare = if self.options.balanced { count % kinds } else { 0 };
        let (mut places, mut taken) = (vec![0usize; self.classes], Vec::with_capacity(count));
        for (at, similarity) in order {
            if taken.len() == count {
                break;
            }
            let held = &mut places[usize::from(self.labels[at as usize])];
            let room = *held < share || (*held == share && spare > 0);
            if room && !self.is_copy(own, at) {
                if *held == share {
                    spare -= 1;
                }
                *held += 1;
                taken.push(self.demonstration(at, similarity));
            }
        }
        taken
    }

    fn is_copy(&self, own: &Fingerprint, at: u32) -> bool {
        own.containment(&self.fingerprints[at as usize]) >= self.options.containment.min(1.0)
    }

    fn demonstration(&self, at: u32, similarity: Option<f32>) -> Demonstration {
        Demonstration { index: at as usize, label: self.labels[at as usize], similarity }
    }

    /// The pool by preference, whatever the item: the chosen first, the others in random order, for items whose copy is
    /// among the chosen.
    fn preferred(&self) -> Result<Vec<u32>> {
        let seed = self.options.seed;
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        Random::for_purpose(seed, "demonstrations").shuffle(&mut order);
        let vectors = || UnitVectors::new(&self.index.vectors(WIDTH), WIDTH);
        // As many again stand in for copies, and for labels that balancing leaves out.
        let wanted = (self.options.count * if self.options.balanced { 8 } else { 2 }).min(self.len());
        let first = match self.options.method {
            Method::Nearest | Method::Fixed => Vec::new(),
            Method::Diverse if self.options.balanced => self.by_label(&vectors()?),
            Method::Diverse => representatives(&vectors()?, self.options.count, seed),
            Method::Facility => facility_location(&vectors()?, wanted, seed),
            Method::VoteK => vote_k(&Neighbours::find(&vectors()?, VOTES.min(self.len() / 4).max(1)), wanted),
        };
        let mut chosen = vec![false; self.len()];
        first.iter().for_each(|&at| chosen[at] = true);
        let rest = order.into_iter().filter(|&at| !chosen[at as usize]);
        Ok(first.iter().map(|&at| at as u32).chain(rest).collect())
    }

    /// The representatives of each label by itself, label by label in turn.
    fn by_label(&self, vectors: &UnitVectors) -> Vec<usize> {
        let mut found: Vec<Vec<usize>> = Vec::new();
        for class in 0..self.classes {
            let members: Vec<usize> = (0..self.len()).filter(|&at| usize::from(self.labels[at]) == class).collect();
            if members.is_empty() {
                continue;
            }
            let values: Vec<f32> = members.iter().flat_map(|&at| vectors.row(at).iter().copied()).collect();
            let share = self.options.count.div_ceil(self.classes.max(1));
            if let Ok(own) = UnitVectors::new(&values, vectors.width()) {
                let inside = representatives(&own, share, self.options.seed);
                found.push(inside.into_iter().map(|place| members[place]).collect());
            }
        }
        let longest = found.iter().map(Vec::len).max().unwrap_or(0);
        (0..longest).flat_map(|turn| found.iter().filter_map(move |own| own.get(turn).copied())).collect()
    }
}

/// The share of a label's agreed texts that may enter a clean pool, the surest first.
const SUREST: f64 = 0.2;

/// Texts of which a language model and a student agree (the small-loss filter of FreeAL, Xiao et al. 2023): for every
/// label the fifth that the student is surest of, the surest first, and at least `per_label` where there are as many.
///
/// `labels` are the language model's, `None` where it gave none; `student` has a probability per text and label, by
/// models that did not learn from the text.
///
/// # Errors
/// Lengths that do not fit each other.
pub fn surest_agreed(
    labels: &[Option<Class>],
    student: &[f32],
    classes: usize,
    per_label: usize,
) -> Result<Vec<Vec<usize>>> {
    if student.len() != labels.len() * classes {
        return Err(Error::input(format!(
            "expected {} probabilities, found {}",
            labels.len() * classes,
            student.len()
        )));
    }
    let mut agreed: Vec<Vec<(f32, usize)>> = vec![Vec::new(); classes];
    for (at, (label, row)) in labels.iter().zip(student.chunks_exact(classes.max(1))).enumerate() {
        let Some(label) = label.map(usize::from).filter(|&label| label < classes) else { continue };
        if row.iter().enumerate().all(|(class, &share)| class == label || share < row[label]) {
            agreed[label].push((row[label], at));
        }
    }
    let surest = |mut own: Vec<(f32, usize)>| {
        own.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        own.truncate(((own.len() as f64 * SUREST) as usize).max(per_label));
        own.into_iter().map(|(_, at)| at).collect()
    };
    Ok(agreed.into_iter().map(surest).collect())
}

/// Of the texts of every label the representatives of `per_label` groups by k-means, as positions in ascending order;
/// fewer where a label has fewer texts.
///
/// Cost: the texts are compared with the middles of their groups, in a second for ten thousand short texts.
///
/// # Errors
/// As many labels as there are not texts.
pub fn representatives_of<S: AsRef<str> + Sync>(
    texts: &[S],
    labels: &[Class],
    per_label: usize,
    seed: u64,
) -> Result<Vec<usize>> {
    if labels.len() != texts.len() {
        return Err(Error::input(format!("expected {} labels, found {}", texts.len(), labels.len())));
    }
    let vectors = UnitVectors::new(&TextIndex::new(texts).vectors(WIDTH), WIDTH)?;
    let classes = labels.iter().copied().max().map_or(0, |last| usize::from(last) + 1);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(at, &label)| members[usize::from(label)].push(at));
    let mut chosen = Vec::new();
    for own in members.iter().filter(|own| !own.is_empty()) {
        let values: Vec<f32> = own.iter().flat_map(|&at| vectors.row(at).iter().copied()).collect();
        let inside = UnitVectors::new(&values, WIDTH)?;
        chosen.extend(representatives(&inside, per_label, seed).into_iter().map(|place| own[place]));
    }
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Method; 5] = [Method::Nearest, Method::Fixed, Method::Diverse, Method::Facility, Method::VoteK];

    /// Texts of three subjects, numbered.
    fn pool(count: usize, seed: u64) -> (Vec<String>, Vec<Class>) {
        let subjects = [
            ["parcel", "late", "courier", "delivery", "doorstep", "tracking"],
            ["charged", "refund", "invoice", "card", "twice", "payment"],
            ["crash", "login", "button", "freezes", "update", "screen"],
        ];
        let mut random = Random::new(seed);
        (0..count)
            .map(|number| {
                let class = random.below(3);
                // Endings keep texts of one subject from being near-duplicates of each other.
                let words: Vec<String> = (0..6)
                    .map(|_| format!("{}{}", subjects[class][random.below(6)], ["", "s", "ed", "ing"][random.below(4)]))
                    .collect();
                (format!("case {number}: the {} again", words.join(" and the ")), class as Class)
            })
            .unzip()
    }

    #[test]
    fn no_method_shows_the_item_or_a_copy_of_it() {
        let (mut texts, mut labels) = pool(120, 1);
        // Near-duplicates: other case and signs, a word more, a frame around it.
        for at in 0..30 {
            let copy = match at % 3 {
                0 => texts[at].to_uppercase().replace(':', " -"),
                1 => format!("{} today", texts[at]),
                _ => format!("Hello, I write to you because of this. {} Yours, a customer.", texts[at]),
            };
            texts.push(copy);
            labels.push(labels[at]);
        }
        for method in KINDS {
            for balanced in [false, true] {
                let options = Options::new(5).method(method).balanced(balanced);
                let demonstrations = Demonstrations::new(&texts, &labels, options).unwrap();
                for (at, text) in texts.iter().enumerate().take(30) {
                    let shown = demonstrations.for_item(text);
                    assert_eq!(shown.len(), 5, "{method:?}");
                    assert!(shown.iter().all(|shown| shown.index != at && shown.index != 120 + at), "{method:?} {at}");
                }
            }
        }
    }

    #[test]
    fn the_nearest_are_of_the_items_subject_and_balance_is_kept() {
        let (texts, labels) = pool(200, 2);
        let (items, truth) = pool(60, 3);
        let near = Demonstrations::new(&texts, &labels, Options::new(5)).unwrap();
        let right =
            near.for_items(&items).iter().zip(&truth).filter(|(shown, truth)| shown[0].label == **truth).count();
        assert!(right >= 57, "{right}");
        for method in KINDS {
            let options = Options::new(7).method(method).balanced(true);
            let even = Demonstrations::new(&texts, &labels, options).unwrap();
            for shown in even.for_items(&items) {
                let mut places = [0; 3];
                shown.iter().for_each(|shown| places[usize::from(shown.label)] += 1);
                places.sort_unstable();
                assert_eq!(places, [2, 2, 3], "{method:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_said_or_filled() {
        assert!(Demonstrations::new::<&str>(&[], &[], Options::new(3)).is_err());
        assert!(Demonstrations::new(&["a"], &[0, 1], Options::new(3)).is_err());
        assert!(Demonstrations::new(&["a"], &[0], Options::new(0)).is_err());
        let two = Demonstrations::new(&["apple pie", "loaf of bread"], &[0, 1], Options::new(5)).unwrap();
        assert_eq!(two.for_item("apple pie").iter().map(|shown| shown.index).collect::<Vec<_>>(), [1]);
        assert_eq!(two.for_item("東京").len(), 2);
    }

    #[test]
    fn a_clean_pool_holds_what_both_agree_on() {
        let (texts, truth) = pool(150, 4);
        let student: Vec<f32> = truth
            .iter()
            .enumerate()
            .flat_map(|(at, &class)| {
                let sure = 0.6 + 0.3 * (at as f32 / 150.0);
                (0..3u16).map(move |other| if other == class { sure } else { (1.0 - sure) / 2.0 })
            })
            .collect();
        let said: Vec<Option<Class>> = truth
            .iter()
            .enumerate()
            .map(|(at, &class)| (at % 7 != 0).then_some((class + u16::from(at % 5 == 0)) % 3))
            .collect();
        let agreed = surest_agreed(&said, &student, 3, 4).unwrap();
        let places: Vec<usize> = agreed.concat();
        assert!(places.iter().all(|&at| said[at] == Some(truth[at])));
        // Only the surest: the positions grow with the certainty.
        assert!(places.iter().all(|&at| at > 90), "{places:?}");
        let own: Vec<&str> = places.iter().map(|&at| texts[at].as_ref()).collect();
        let labels: Vec<Class> = places.iter().map(|&at| truth[at]).collect();
        let pool = representatives_of(&own, &labels, 4, 0).unwrap();
        assert_eq!(pool.len(), 12);
        assert!((0..3).all(|class| pool.iter().filter(|&&at| labels[at] == class).count() == 4));
        assert!(surest_agreed(&said[1..], &student, 3, 4).is_err());
        assert!(representatives_of(&own, &labels[1..], 4, 0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn choices_are_distinct_and_the_same_for_one_and_many(size in 1usize..40, count in 1usize..9, kind in 0usize..5, balanced: bool, seed in 0u64..50) {
            let (texts, labels) = pool(size, seed);
            let options = Options::new(count).method(KINDS[kind]).balanced(balanced).seed(seed);
            let demonstrations = Demonstrations::new(&texts, &labels, options).unwrap();
            let (items, _) = pool(4, seed + 1);
            let many = demonstrations.for_items(&items);
            for (item, shown) in items.iter().zip(&many) {
                let mut places: Vec<usize> = shown.iter().map(|shown| shown.index).collect();
                prop_assert_eq!(&demonstrations.for_item(item), shown);
                prop_assert!(shown.len() <= count);
                places.sort_unstable();
                places.dedup();
                prop_assert_eq!(places.len(), shown.len());
            }
        }
    }
}
