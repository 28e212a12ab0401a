//! Scores per word, ranked: which words of a sentence matter most.

use serde::Serialize;

use crate::audit::interval::normal_interval;
use crate::measured::Measured;

/// How many of the highest words are looked at, at most.
const MOST: usize = 4;

/// Match_m of SemEval-2020 task 10 (Shirani et al. 2020): of the `m` words of a sentence with the highest predicted
/// score, the share that is among the `m` with the highest gold score, averaged over sentences. All gold words that tie
/// with the last of them count as among them; of tied predictions the earliest is taken. A sentence of fewer than `m`
/// words is looked at whole.
#[derive(Clone, Debug, Default)]
pub struct MatchTally {
    sentences: u64,
    sums: [f64; MOST],
    squares: [f64; MOST],
    mean_square: f64,
}

/// Match_m for each `m`, and their mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatchScores {
    /// Sentences.
    pub sentences: u64,
    /// Match_1 to Match_4.
    pub matches: Vec<Measured>,
    /// Their mean, by which systems are ranked.
    pub mean: Measured,
}

impl MatchTally {
    /// Adds a sentence: a gold and a predicted score for each word. One without words does not count.
    pub fn add(&mut self, gold: &[f64], predicted: &[f64]) {
        if gold.is_empty() || gold.len() != predicted.len() {
            return;
        }
        let mut by_gold = gold.to_vec();
        by_gold.sort_unstable_by(|left, right| right.total_cmp(left));
        let mut by_predicted: Vec<usize> = (0..predicted.len()).collect();
        by_predicted.sort_by(|&left, &right| predicted[right].total_cmp(&predicted[left]).then(left.cmp(&right)));
        let mut mean = 0.0;
        for m in 1..=MOST {
            let words = m.min(gold.len());
            let border = by_gold[words - 1];
            let common = by_predicted[..words].iter().filter(|&&word| gold[word] >= border).count();
            let value = common as f64 / words as f64;
            self.sums[m - 1] += value;
            self.squares[m - 1] += value * value;
            mean += value / MOST as f64;
        }
        self.mean_square += mean * mean;
        self.sentences += 1;
    }

    /// Adds the sentences of another part.
    pub fn merge(&mut self, other: &Self) {
        self.sentences += other.sentences;
        self.mean_square += other.mean_square;
        for m in 0..MOST {
            self.sums[m] += other.sums[m];
            self.squares[m] += other.squares[m];
        }
    }

    /// The figures, with normal intervals over sentences.
    pub fn scores(&self) -> MatchScores {
        let count = self.sentences as f64;
        let measured = |sum: f64, square: f64| {
            if self.sentences < 2 {
                return Measured::unknown("there are fewer than two sentences");
            }
            let mean = sum / count;
            let variance = (square / count - mean * mean).max(0.0) * count / (count - 1.0);
            let (low, high) = normal_interval(mean, (variance / count).sqrt());
            Measured::known(
                mean,
                (low.clamp(0.0, mean), high.clamp(mean, 1.0)),
                format!("{} sentences", self.sentences),
            )
        };
        MatchScores {
            sentences: self.sentences,
            matches: self.sums.iter().zip(&self.squares).map(|(&sum, &square)| measured(sum, square)).collect(),
            mean: measured(self.sums.iter().sum::<f64>() / MOST as f64, self.mean_square),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_those_of_the_definition() {
        let mut tally = MatchTally::default();
        // Highest gold words: 2, then 0 and 3 tied.
        tally.add(&[0.5, 0.1, 0.9, 0.5, 0.0], &[0.9, 0.8, 0.7, 0.1, 0.2]);
        // Two words, of which the better one is found.
        tally.add(&[0.2, 0.4], &[0.1, 0.3]);
        let scores = tally.scores();
        let values: Vec<f64> = scores.matches.iter().map(|figure| figure.value().unwrap()).collect();
        // First sentence: {0} misses {2}; {0,1} has 0 of {2,0,3}; {0,1,2} has 0 and 2; {0,1,2,4} has three of {2,0,3,1}.
        let expected = [(0.0 + 1.0) / 2.0, (0.5 + 1.0) / 2.0, (2.0 / 3.0 + 1.0) / 2.0, (0.75 + 1.0) / 2.0];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{values:?}");
        }
        assert!((scores.mean.value().unwrap() - expected.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    }
}
