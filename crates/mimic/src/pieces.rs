//! Tokens of an answer with their probabilities, as a chat endpoint reports them.
//!
//! Tokens here are pieces of at most four bytes. A label inside JSON is a path through the tree of all labels' pieces:
//! the probability of a piece is that of all labels that share the path so far, so that the product along a label is
//! the label's own probability.

use serde_json::{Value, json};

use crate::distribution::Distribution;
use crate::prompt::letter;

/// The longest token, in bytes.
const LONGEST: usize = 4;

/// The log-probability of a token that is as good as certain, and of one that is as good as impossible.
const CERTAIN: f64 = 0.9999;
const VERY_UNLIKELY: f64 = -9999.0;

/// The mass that goes to words which are neither a letter nor named by the reply.
const STRAY: f64 = 0.004;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) probability: f64,
    /// The likeliest tokens at this place, itself among them; empty for a token that is certain.
    pub(crate) alternatives: Vec<(String, f64)>,
}

/// An answer as tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pieces(pub(crate) Vec<Piece>);

fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = rest.len().min(LONGEST);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

impl Pieces {
    /// Adds words that are certain.
    pub(crate) fn plain(&mut self, text: &str) {
        self.0.extend(split(text).map(|text| Piece {
            text: text.to_owned(),
            probability: CERTAIN,
            alternatives: Vec::new(),
        }));
    }

    /// Adds words whose first token carries a probability.
    pub(crate) fn sure(&mut self, text: &str, probability: f64) {
        let start = self.0.len();
        self.plain(text);
        if let Some(first) = self.0.get_mut(start) {
            first.probability = probability;
            first.alternatives = vec![(first.text.clone(), probability)];
        }
    }

    /// Adds a letter, or the words said instead of one. A letter's probability is divided among the letter itself, the
    /// letter after a space and the small letter, as far as `most` tokens have room for all three: summing over the
    /// variants gives back the distribution.
    pub(crate) fn letter(&mut self, distribution: &Distribution, most: usize) {
        let options = distribution.probabilities.len();
        let scale = 1.0 - STRAY;
        let room = most.saturating_sub(options + 1);
        let mut order: Vec<usize> = (0..options).collect();
        order.sort_by(|&a, &b| distribution.probabilities[b].total_cmp(&distribution.probabilities[a]).then(a.cmp(&b)));
        let mut alternatives = Vec::with_capacity(3 * options + 2);
        for (rank, &place) in order.iter().enumerate() {
            let mass = scale * distribution.probabilities[place];
            let name = letter(place);
            if 2 * (rank + 1) <= room {
                alternatives.push((name.to_ascii_lowercase(), 0.05 * mass));
                alternatives.push((format!(" {name}"), 0.15 * mass));
                alternatives.push((name, 0.8 * mass));
            } else {
                alternatives.push((name, mass));
            }
        }
        let (text, probability) = match &distribution.said {
            Ok(place) => {
                let name = letter(*place);
                let mass = alternatives.iter().find(|(text, _)| *text == name).map_or(0.0, |(_, mass)| *mass);
                alternatives.push(("The".into(), STRAY + scale * distribution.outside));
                (name, mass)
            }
            Err(words) => {
                let word = split(words).next().unwrap_or("?").to_owned();
                let mass = scale * distribution.outside;
                alternatives.push((word.clone(), mass));
                alternatives.push(("The".into(), STRAY));
                (word, mass)
            }
        };
        sort(&mut alternatives);
        self.0.push(Piece { text, probability, alternatives });
    }

    /// Adds one of the options, each given as it stands in JSON, or other words.
    pub(crate) fn option(&mut self, options: &[String], distribution: &Distribution) {
        let place = match &distribution.said {
            Ok(place) => *place,
            Err(words) => {
                return self.sure(&json!(words).to_string(), distribution.outside);
            }
        };
        let mut rest = options[place].as_str();
        if let Some(inside) = rest.strip_prefix('"') {
            self.plain("\"");
            rest = inside;
        }
        // Where all options are strings the opening quotation mark says nothing and is a token of its own.
        let bodies: Vec<&str> = options.iter().map(|option| option.strip_prefix('"').unwrap_or(option)).collect();
        let mut shared: Vec<usize> = (0..options.len()).collect();
        let mut before = distribution.probabilities.iter().sum::<f64>() + distribution.outside;
        let mut at = 0;
        for piece in split(rest) {
            let mut alternatives: Vec<(String, f64)> = Vec::new();
            for &option in &shared {
                let next = split(&bodies[option][at..]).next().unwrap_or("");
                let probability = distribution.probabilities[option] / before;
                match alternatives.iter_mut().find(|(text, _)| text == next) {
                    Some((_, sum)) => *sum += probability,
                    None => alternatives.push((next.to_owned(), probability)),
                }
            }
            shared.retain(|&option| split(&bodies[option][at..]).next() == Some(piece));
            at += piece.len();
            let probability =
                alternatives.iter().find(|(text, _)| text == piece).map_or(CERTAIN, |(_, probability)| *probability);
            before = shared.iter().map(|&option| distribution.probabilities[option]).sum();
            sort(&mut alternatives);
            let certain = shared.len() == 1 && probability >= 1.0;
            self.0.push(Piece {
                text: piece.to_owned(),
                probability,
                alternatives: if certain { Vec::new() } else { alternatives },
            });
            if before <= 0.0 {
                before = 1.0;
            }
        }
    }

    /// Cuts the answer off after so many tokens; whether anything was lost.
    pub(crate) fn cut(&mut self, most: usize) -> bool {
        let longer = self.0.len() > most;
        self.0.truncate(most);
        longer
    }

    /// The words.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// `logprobs.content` with at most so many alternatives per token.
    pub(crate) fn logprobs(&self, top: usize) -> Value {
        let one = |text: &str, probability: f64| {
            let logprob = if probability > 0.0 { probability.ln() } else { VERY_UNLIKELY };
            json!({ "token": text, "logprob": logprob, "bytes": text.as_bytes() })
        };
        let content = self.0.iter().map(|piece| {
            let mut token = one(&piece.text, piece.probability);
            token["top_logprobs"] = if piece.alternatives.is_empty() {
                let itself = std::iter::once(one(&piece.text, piece.probability));
                Value::Array(itself.take(top).collect())
            } else {
                Value::Array(piece.alternatives.iter().take(top).map(|(text, mass)| one(text, *mass)).collect())
            };
            token
        });
        Value::Array(content.collect())
    }
}

fn sort(alternatives: &mut [(String, f64)]) {
    alternatives.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(probabilities: &[f64], said: usize) -> Distribution {
        Distribution { probabilities: probabilities.into(), outside: 0.0, said: Ok(said) }
    }

    #[test]
    fn tokens_are_short_and_lose_nothing() {
        for text in ["", "abcd", "abcde", "ünïcödé 🚀🚀", "{\"label\":\"x\"}"] {
            let mut pieces = Pieces::default();
            pieces.plain(text);
            assert_eq!(pieces.text(), text);
            assert!(pieces.0.iter().all(|piece| piece.text.len() <= LONGEST && !piece.text.is_empty()));
        }
    }

    #[test]
    fn variants_of_letters_sum_to_the_distribution() {
        for most in [5, 7, 20] {
            let mut pieces = Pieces::default();
            pieces.letter(&distribution(&[0.2, 0.5, 0.3], 1), most);
            let piece = &pieces.0[0];
            assert_eq!(piece.text, "B");
            let mut sums = [0.0; 3];
            for (text, mass) in piece.alternatives.iter().take(most) {
                let found = ["A", "B", "C"].iter().position(|name| text.trim().eq_ignore_ascii_case(name));
                if let Some(found) = found {
                    sums[found] += mass;
                }
            }
            let total: f64 = sums.iter().sum();
            for (sum, expected) in sums.iter().zip([0.2, 0.5, 0.3]) {
                assert!((sum / total - expected).abs() < 1e-12, "{most} {sums:?}");
            }
            assert!((total - (1.0 - STRAY)).abs() < 1e-12);
        }
    }

    #[test]
    fn the_product_along_a_label_is_its_probability() {
        let options: Vec<String> =
            ["positive", "position", "posit", "neg", "negative"].map(|label| json!(label).to_string()).into();
        let probabilities = [0.4, 0.1, 0.2, 0.05, 0.25];
        for (said, expected) in probabilities.iter().enumerate() {
            let mut pieces = Pieces::default();
            pieces.option(&options, &distribution(&probabilities, said));
            assert_eq!(pieces.text(), options[said]);
            let product: f64 = pieces
                .0
                .iter()
                .filter(|piece| piece.text != "\"" || !piece.alternatives.is_empty())
                .map(|piece| piece.probability)
                .product();
            assert!((product / expected - 1.0).abs() < 1e-9, "{said}: {product}");
            for piece in pieces.0.iter().filter(|piece| !piece.alternatives.is_empty()) {
                let sum: f64 = piece.alternatives.iter().map(|(_, mass)| mass).sum();
                assert!((sum - 1.0).abs() < 1e-9);
            }
        }
    }
}
