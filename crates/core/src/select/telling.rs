//! Words that tell the texts of a label apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::Class;
use crate::text::Tokenizer;

/// Texts of the label that must have the word.
const LEAST_TEXTS: f64 = 3.0;
/// The weight of the prior, in texts.
const PRIOR: f64 = 20.0;
/// The log odds must be this many standard errors above 0.
const SURE: f64 = 1.96;

/// For every label up to `most` words, in lower case, that its texts have more often than the others, the surest first.
///
/// The log odds of a text having the word, with all texts as the prior, divided by their standard error (Monroe, Colaresi
/// and Quinn 2008, <https://doi.org/10.1093/pan/mpn018>). A word counts once per text and must be in three of the label.
pub fn telling_words<S: AsRef<str>>(texts: &[S], labels: &[Class], most: usize) -> Vec<Vec<String>> {
    let classes = labels.iter().copied().max().map_or(0, |last| usize::from(last) + 1);
    let mut sizes = vec![0.0; classes];
    let mut counts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (text, &label) in texts.iter().zip(labels) {
        sizes[usize::from(label)] += 1.0;
        for word in words(text.as_ref()) {
            counts.entry(word).or_insert_with(|| vec![0.0; classes])[usize::from(label)] += 1.0;
        }
    }
    let all: f64 = sizes.iter().sum();
    let mut found: Vec<Vec<(f64, &str)>> = vec![Vec::new(); classes];
    for (word, counts) in &counts {
        let total: f64 = counts.iter().sum();
        let prior = PRIOR * total / all;
        for (class, &own) in counts.iter().enumerate().filter(|(_, own)| **own >= LEAST_TEXTS) {
            let other = total - own;
            let odds = |with: f64, texts: f64| {
                let with = with + prior;
                // Half a text keeps a word that all texts have from being certain.
                (with / (texts + PRIOR - with + 0.5)).ln()
            };
            let log_odds = odds(own, sizes[class]) - odds(other, all - sizes[class]);
            let sure = log_odds / (1.0 / (own + prior) + 1.0 / (other + prior)).sqrt();
            if sure > SURE {
                found[class].push((sure, word));
            }
        }
    }
    found
        .into_iter()
        .map(|mut words| {
            words.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
            words.into_iter().take(most).map(|(_, word)| word.to_owned()).collect()
        })
        .collect()
}

fn words(text: &str) -> BTreeSet<String> {
    Tokenizer::Words
        .tokenize(text)
        .into_iter()
        .map(|token| token.of(text))
        .filter(|word| word.chars().all(|sign| sign.is_alphabetic() || "'-’".contains(sign)))
        .filter(|word| word.chars().any(char::is_alphabetic) && (word.len() > 1) && word.len() <= 60)
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_label_and_no_others() {
        let mut texts = Vec::new();
        let mut labels = Vec::new();
        for at in 0..30 {
            texts.push(if at % 2 == 0 { "The parcel is late, number 7" } else { "The card was charged <b>" });
            labels.push(at % 2);
        }
        // Too rare to say anything, and in both.
        texts.extend(["the parcel zebra", "the zebra card"]);
        labels.extend([0, 1]);
        let found = telling_words(&texts, &labels, 2);
        assert_eq!(found, [["parcel", "is"], ["card", "charged"]]);
        let found = telling_words(&texts, &labels, 9).concat();
        assert!(!found.iter().any(|word| ["the", "zebra", "7", "<"].contains(&word.as_str())), "{found:?}");
        assert!(telling_words::<&str>(&[], &[], 3).is_empty());
    }
}
