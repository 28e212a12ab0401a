//! From a reply to a probability for every option.

use crate::question::{Digest, Reply};

/// The confidence of a label that comes without one.
pub(crate) const USUAL_CONFIDENCE: f64 = 0.9;

/// Probabilities over the options of a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// One per option; together with `outside` they make 1.
    pub(crate) probabilities: Vec<f64>,
    /// The probability of words that are no option.
    pub(crate) outside: f64,
    /// What is said: the place of an option, or other words.
    pub(crate) said: Result<usize, String>,
}

impl Distribution {
    /// The distribution of a reply. `place` finds an option by its name. A label's remaining mass goes to the other
    /// options in parts that depend on the digest. `None` for replies that have none: text, refusals, records.
    pub(crate) fn of(
        reply: &Reply,
        options: usize,
        digest: Digest,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Option<Self> {
        match reply {
            Reply::Label(label, confidence) => {
                let sure = confidence.unwrap_or(USUAL_CONFIDENCE).clamp(0.0, 1.0);
                let found = place(label);
                let mut probabilities: Vec<f64> =
                    (0..options).map(|option| 0.2 + digest.unit(0, option as u64 + 1)).collect();
                if let Some(found) = found {
                    probabilities[found] = 0.0;
                }
                let total: f64 = probabilities.iter().sum();
                let rest = if total > 0.0 { (1.0 - sure) / total } else { 0.0 };
                for probability in &mut probabilities {
                    *probability *= rest;
                }
                match found {
                    Some(found) => {
                        // A single option has nothing to share with.
                        probabilities[found] = if options == 1 { 1.0 } else { sure };
                        Some(Self { probabilities, outside: 0.0, said: Ok(found) })
                    }
                    None => Some(Self { probabilities, outside: sure, said: Err(label.clone()) }),
                }
            }
            Reply::Distribution(named) => {
                let mut probabilities = vec![0.0; options];
                let mut stranger: Option<(&str, f64)> = None;
                for (label, probability) in named {
                    match place(label) {
                        Some(found) => probabilities[found] += probability,
                        None if stranger.is_none_or(|(_, most)| *probability > most) => {
                            stranger = Some((label, *probability));
                        }
                        None => {}
                    }
                }
                let outside = (1.0 - probabilities.iter().sum::<f64>()).max(0.0);
                let best = (0..options).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]).then(b.cmp(&a)));
                let said = match (best, stranger) {
                    (Some(best), None) => Ok(best),
                    (Some(best), Some((_, most))) if probabilities[best] >= most => Ok(best),
                    (_, Some((label, _))) => Err(label.to_owned()),
                    (None, None) => Err(String::new()),
                };
                Some(Self { probabilities, outside, said })
            }
            Reply::Labels(labels) => {
                let label = labels.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
                Self::of(&Reply::Label(label.0.clone(), Some(label.1)), options, digest, place)
            }
            Reply::Probability(_) | Reply::Spans(_) | Reply::Record(_) | Reply::Text(_) | Reply::Refusal(_) => None,
        }
    }

    /// Says what a sample at temperature 1 says, given a number in [0, 1).
    pub(crate) fn draw(&mut self, unit: f64) {
        let mut left = unit;
        for (place, probability) in self.probabilities.iter().enumerate() {
            left -= probability;
            if left < 0.0 {
                self.said = Ok(place);
                return;
            }
        }
        if self.outside > 0.0 && self.said.is_ok() {
            self.said = Err("something else".into());
        }
    }

    /// Says something that is no option, and is sure of it.
    pub(crate) fn wander(&mut self, words: &str) {
        for probability in &mut self.probabilities {
            *probability *= 0.1;
        }
        self.outside = 1.0 - self.probabilities.iter().sum::<f64>();
        self.said = Err(words.to_owned());
    }

    /// The options whose probabilities make four fifths, the likeliest first, three at most.
    pub(crate) fn plausible(&self) -> Vec<usize> {
        let mut places: Vec<_> = (0..self.probabilities.len()).collect();
        places.sort_by(|&a, &b| self.probabilities[b].total_cmp(&self.probabilities[a]).then(a.cmp(&b)));
        let mut mass = 0.0;
        let enough = places.iter().position(|&place| {
            mass += self.probabilities[place];
            mass >= 0.8
        });
        places.truncate(enough.map_or(3, |last| last + 1).min(3));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reply: &Reply, options: &[&str]) -> Distribution {
        let place = |label: &str| options.iter().position(|option| *option == label);
        let distribution = Distribution::of(reply, options.len(), Digest::of(b"x"), place).unwrap();
        let total: f64 = distribution.probabilities.iter().sum::<f64>() + distribution.outside;
        assert!((total - 1.0).abs() < 1e-12, "{distribution:?}");
        distribution
    }

    #[test]
    fn masses_make_one() {
        let options = ["a", "b", "c"];
        for confidence in [None, Some(0.0), Some(0.4), Some(1.0)] {
            let sure = confidence.unwrap_or(USUAL_CONFIDENCE);
            let known = of(&Reply::Label("b".into(), confidence), &options);
            assert_eq!((known.probabilities[1], known.said, known.outside), (sure, Ok(1), 0.0));
            let unknown = of(&Reply::Label("z".into(), confidence), &options);
            assert_eq!((unknown.outside, unknown.said), (sure, Err("z".into())));
        }
        let named = [("a".to_owned(), 0.3), ("c".to_owned(), 0.5)];
        let distribution = of(&Reply::Distribution(named.into()), &options);
        assert_eq!((distribution.probabilities.as_slice(), distribution.said), (&[0.3, 0.0, 0.5][..], Ok(2)));
        assert_eq!(of(&Reply::Label("a".into(), Some(0.2)), &["a"]).probabilities, [1.0]);
    }

    #[test]
    fn samples_follow_the_distribution() {
        let mut drawn = [0; 3];
        for step in 0..1000 {
            let mut distribution = of(&Reply::Label("a".into(), Some(0.7)), &["a", "b"]);
            distribution.draw((f64::from(step) + 0.5) / 1000.0);
            drawn[distribution.said.unwrap_or(2)] += 1;
        }
        assert_eq!(drawn, [700, 300, 0]);
    }

    #[test]
    fn plausible_options_cover_most() {
        let named = [0.5, 0.25, 0.2, 0.05].iter().zip(["a", "b", "c", "d"]).map(|(p, l)| (l.to_owned(), *p));
        let distribution = of(&Reply::Distribution(named.collect()), &["d", "c", "b", "a"]);
        assert_eq!(distribution.plausible(), [3, 2, 1]);
        assert_eq!(of(&Reply::Label("a".into(), Some(0.85)), &["a", "b"]).plausible(), [0]);
    }
}
