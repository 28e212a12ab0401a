//! How predictions compare with the truth, counted as conlleval does: exact spans, over all sentences together.

use serde::{Deserialize, Serialize};

use crate::chain::TypedSpan;

/// Counts of exact matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Spans that are true and were predicted.
    pub right: usize,
    /// Spans that were predicted.
    pub predicted: usize,
    /// Spans that are true.
    pub gold: usize,
}

impl Counts {
    /// Adds a document or sentence; both lists must be in order.
    pub fn add(&mut self, gold: &[TypedSpan], predicted: &[TypedSpan]) {
        self.gold += gold.len();
        self.predicted += predicted.len();
        let mut gold = gold.iter().peekable();
        for span in predicted {
            while gold.next_if(|gold| gold.start < span.start).is_some() {}
            self.right += usize::from(gold.peek() == Some(&span));
        }
    }

    /// The share of predicted spans that are true; 0 without any.
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.predicted.max(1) as f64
    }

    /// The share of true spans that were predicted; 0 without any.
    pub fn recall(&self) -> f64 {
        self.right as f64 / self.gold.max(1) as f64
    }

    /// The harmonic mean of precision and recall; 0 if either is.
    pub fn f1(&self) -> f64 {
        2.0 * self.right as f64 / (self.predicted + self.gold).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_spans_count() {
        let span = |start, end, class| TypedSpan { start, end, class };
        let mut counts = Counts::default();
        counts.add(
            &[span(0, 2, 0), span(3, 4, 1), span(6, 7, 0)],
            &[span(0, 2, 0), span(3, 5, 1), span(5, 6, 0), span(6, 7, 1)],
        );
        counts.add(&[], &[]);
        assert_eq!(counts, Counts { right: 1, predicted: 4, gold: 3 });
        assert!((counts.f1() - 2.0 / 7.0).abs() < 1e-12);
        assert_eq!(Counts::default().f1(), 0.0);
    }
}
