//! Which predicted span stands for which gold span.

use std::cmp::Reverse;

/// A span with the position of its label among the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) label: u32,
}

impl Mark {
    pub(super) fn length(self) -> u64 {
        u64::from(self.end.saturating_sub(self.start))
    }

    fn overlap(self, other: Self) -> u64 {
        u64::from(self.end.min(other.end).saturating_sub(self.start.max(other.start)))
    }
}

/// Gold and predicted spans in pairs, by their positions; none is in two pairs.
///
/// Spans with the same borders and label first, then with the same borders, then by the longest overlap; ties go to
/// pairs of one label, then to the earliest. Both lists are in order of their starts.
pub(super) fn pair(gold: &[Mark], predicted: &[Mark]) -> Vec<(usize, usize)> {
    let mut candidates = Vec::new();
    // Predictions are sorted by start, so those that begin after a gold span's end need no look; how far back one may
    // reach is bounded by the longest.
    let longest = predicted.iter().map(|mark| mark.length()).max().unwrap_or(0);
    for (place, mark) in gold.iter().enumerate() {
        let from = predicted.partition_point(|other| u64::from(other.start) + longest <= u64::from(mark.start));
        for (other_place, other) in predicted.iter().enumerate().skip(from) {
            if other.start >= mark.end {
                break;
            }
            let overlap = mark.overlap(*other);
            if overlap > 0 {
                let borders = mark.start == other.start && mark.end == other.end;
                let label = mark.label == other.label;
                candidates.push((Reverse((borders && label, borders, overlap, label)), place, other_place));
            }
        }
    }
    candidates.sort_unstable();
    let (mut gold_taken, mut predicted_taken) = (vec![false; gold.len()], vec![false; predicted.len()]);
    let mut pairs = Vec::new();
    for (_, place, other) in candidates {
        if !gold_taken[place] && !predicted_taken[other] {
            (gold_taken[place], predicted_taken[other]) = (true, true);
            pairs.push((place, other));
        }
    }
    pairs
}

/// How many positions both hold under the same label; overlapping spans of one label count once.
pub(super) fn common(gold: &[Mark], predicted: &[Mark]) -> (u64, u64, u64) {
    let (gold, predicted) = (covers(gold), covers(predicted));
    let length = |covers: &[Mark]| covers.iter().map(|cover| cover.length()).sum::<u64>();
    let (mut both, mut from) = (0, 0);
    for cover in &gold {
        while predicted.get(from).is_some_and(|other| (other.label, other.end) <= (cover.label, cover.start)) {
            from += 1;
        }
        let others = predicted[from..].iter().take_while(|other| (other.label, other.start) < (cover.label, cover.end));
        both += others.map(|other| cover.overlap(*other)).sum::<u64>();
    }
    (both, length(&gold), length(&predicted))
}

/// Spans of one label merged where they overlap, in order of label and start.
fn covers(marks: &[Mark]) -> Vec<Mark> {
    let mut marks = marks.to_vec();
    marks.sort_unstable_by_key(|mark| (mark.label, mark.start, mark.end));
    let mut covers: Vec<Mark> = Vec::with_capacity(marks.len());
    for mark in marks {
        match covers.last_mut() {
            Some(last) if last.label == mark.label && mark.start < last.end => last.end = last.end.max(mark.end),
            _ => covers.push(mark),
        }
    }
    covers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(start: u32, end: u32, label: u32) -> Mark {
        Mark { start, end, label }
    }

    #[test]
    fn pairs_are_exact_first_then_the_longest_overlap() {
        let gold = [mark(0, 2, 0), mark(3, 6, 0), mark(8, 9, 1)];
        assert_eq!(pair(&gold, &[mark(0, 2, 0), mark(3, 6, 1), mark(20, 22, 1)]), [(0, 0), (1, 1)]);
        assert_eq!(pair(&[mark(3, 6, 0)], &[mark(2, 4, 0), mark(4, 9, 1)]), [(0, 1)]);
        assert_eq!(pair(&[mark(3, 7, 0)], &[mark(2, 5, 1), mark(5, 9, 0)]), [(0, 1)]);
        assert_eq!(pair(&[mark(0, 9, 0), mark(2, 4, 0)], &[mark(2, 4, 0)]), [(1, 0)]);
    }

    #[test]
    fn positions_in_common_count_once() {
        let gold = [mark(0, 4, 0), mark(2, 6, 0), mark(2, 6, 1)];
        assert_eq!(common(&gold, &[mark(3, 8, 0)]), (3, 10, 5));
        assert_eq!(common(&gold, &[mark(3, 8, 2)]), (0, 10, 5));
        assert_eq!(common(&gold, &[mark(0, 1, 0), mark(5, 7, 0), mark(0, 9, 1)]), (6, 10, 12));
    }
}
