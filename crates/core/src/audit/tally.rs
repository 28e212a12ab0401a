//! Figures of a single-label task from counts.

use crate::audit::interval::{effective_count, f1_interval, normal_interval, quantiles, wilson};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;

/// Bins of stated confidence for calibration, of equal width.
const BINS: usize = 15;
/// Simulated samples behind an interval.
const RESAMPLES: usize = 2000;

/// A sum of weights with what its error needs.
#[derive(Clone, Copy, Debug, Default)]
struct Mass {
    count: u64,
    weight: f64,
    square: f64,
}

impl Mass {
    fn add(&mut self, weight: f64) {
        self.count += 1;
        self.weight += weight;
        self.square += weight * weight;
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.weight += other.weight;
        self.square += other.square;
    }

    fn effective(&self) -> f64 {
        effective_count(self.weight, self.square)
    }

    /// The mass of another sample like this one: Gamma with the same mean and variance, the Bayesian bootstrap's
    /// distribution of a cell.
    fn resample(&self, random: &mut Random) -> f64 {
        let effective = self.effective();
        if effective > 0.0 { random.gamma(effective) * self.weight / effective } else { 0.0 }
    }
}

/// A weighted mean with what its standard error needs.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    weight: f64,
    first: f64,
    square: f64,
    square_first: f64,
    square_second: f64,
}

impl Mean {
    fn add(&mut self, value: f64, weight: f64) {
        self.weight += weight;
        self.first += weight * value;
        self.square += weight * weight;
        self.square_first += weight * weight * value;
        self.square_second += weight * weight * value * value;
    }

    fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.first += other.first;
        self.square += other.square;
        self.square_first += other.square_first;
        self.square_second += other.square_second;
    }

    fn measured(&self, basis: &str) -> Measured {
        if self.weight <= 0.0 {
            return Measured::unknown("no item was measured");
        }
        let mean = self.first / self.weight;
        let scatter = self.square_second - 2.0 * mean * self.square_first + mean * mean * self.square;
        Measured::known(mean, normal_interval(mean, scatter.max(0.0).sqrt() / self.weight), basis)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct CalibrationBin {
    right: Mass,
    wrong: Mass,
    confidence_right: f64,
    confidence_wrong: f64,
}

/// One bin of stated confidence against measured accuracy.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Lower and upper border of the stated confidence.
    pub range: (f64, f64),
    /// Items in the bin.
    pub count: u64,
    /// Their mean stated confidence.
    pub confidence: f64,
    /// Their accuracy.
    pub accuracy: Measured,
}

/// Truth against label over gold items, with the calibration of the stated probabilities.
///
/// Memory is one cell per pair of classes; adding an item costs a few additions, independent of the number of classes
/// unless a posterior is given.
#[derive(Clone, Debug)]
pub struct Tally {
    classes: usize,
    cells: Vec<Mass>,
    bins: Vec<CalibrationBin>,
    log_loss: Mean,
    brier: Mean,
}

impl Tally {
    /// An empty tally over this many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            cells: vec![Mass::default(); classes * classes],
            bins: vec![CalibrationBin::default(); BINS],
            log_loss: Mean::default(),
            brier: Mean::default(),
        }
    }

    /// Counts one item. `posterior` holds one probability per class; `weight` is one over the item's inclusion
    /// probability, or 1 when all were equally likely to be drawn.
    pub fn add(&mut self, truth: Class, given: Class, posterior: Option<&[f32]>, weight: f64) {
        let (row, column) = (usize::from(truth), usize::from(given));
        self.cells[row * self.classes + column].add(weight);
        let Some(posterior) = posterior else { return };
        let confidence = f64::from(posterior[column]);
        let bin = &mut self.bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        if truth == given {
            bin.right.add(weight);
            bin.confidence_right += confidence * weight;
        } else {
            bin.wrong.add(weight);
            bin.confidence_wrong += confidence * weight;
        }
        self.log_loss.add(-f64::from(posterior[row]).max(1e-12).ln(), weight);
        let squares = posterior.iter().map(|&p| f64::from(p).powi(2)).sum::<f64>();
        self.brier.add(squares - 2.0 * f64::from(posterior[row]) + 1.0, weight);
    }

    /// Adds what another tally over the same classes counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.right.merge(&theirs.right);
            mine.wrong.merge(&theirs.wrong);
            mine.confidence_right += theirs.confidence_right;
            mine.confidence_wrong += theirs.confidence_wrong;
        }
        self.log_loss.merge(&other.log_loss);
        self.brier.merge(&other.brier);
    }

    /// How many items were counted.
    pub fn count(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).sum()
    }

    /// Items by truth (row) and given label (column), unweighted.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        self.cells.chunks(self.classes).map(|row| row.iter().map(|cell| cell.count).collect()).collect()
    }

    /// The share of items whose label is right.
    pub fn accuracy(&self, basis: &str) -> Measured {
        let all = self.sum(|_, _| true);
        if all.count == 0 {
            return Measured::unknown("no item was measured");
        }
        let share = self.sum(|truth, given| truth == given).weight / all.weight;
        Measured::known(share, wilson(share, all.effective()), basis)
    }

    /// Of the items given this class, the share that truly have it.
    pub fn precision(&self, class: Class, basis: &str) -> Measured {
        self.share_of_class(class, |_, given, class| given == class, "no measured item was given this label", basis)
    }

    /// Of the items that truly have this class, the share that was given it.
    pub fn recall(&self, class: Class, basis: &str) -> Measured {
        self.share_of_class(class, |truth, _, class| truth == class, "no measured item truly has this label", basis)
    }

    /// The F1 of one class.
    pub fn f1(&self, class: Class, basis: &str) -> Measured {
        let class = usize::from(class);
        let hits = self.cells[class * self.classes + class];
        let either = self.sum(|truth, given| truth == class || given == class);
        match f1_interval(hits.weight, either.weight - hits.weight, either.effective()) {
            Some((f1, interval)) => Measured::known(f1, interval, basis),
            None => Measured::unknown("no measured item has this label"),
        }
    }

    /// The mean F1 of the classes that occur as truth or label.
    ///
    /// Its interval has the width of the Bayesian bootstrap over the cells of the confusion matrix (Rubin 1981), each
    /// truth class having half an unseen error beside what was counted, so that a small sample without errors is not
    /// taken for proof that there are none; it is centred on the figure.
    pub fn macro_f1(&self, basis: &str) -> Measured {
        let all = self.sum(|_, _| true);
        if all.count == 0 {
            return Measured::unknown("no item was measured");
        }
        let occupied: Vec<usize> = (0..self.cells.len()).filter(|&cell| self.cells[cell].count > 0).collect();
        let occurs: Vec<bool> = (0..self.classes)
            .map(|class| occupied.iter().any(|cell| cell / self.classes == class || cell % self.classes == class))
            .collect();
        let classes = occurs.iter().filter(|&&occurs| occurs).count();
        let mean_f1 = |masses: &[f64], unseen: &[f64]| {
            let (mut hits, mut truths, mut givens) =
                (vec![0.0; self.classes], vec![0.0; self.classes], vec![0.0; self.classes]);
            for (&cell, &mass) in occupied.iter().zip(masses) {
                let (truth, given) = (cell / self.classes, cell % self.classes);
                truths[truth] += mass;
                givens[given] += mass;
                if truth == given {
                    hits[truth] += mass;
                }
            }
            let spread = unseen.iter().sum::<f64>() / classes as f64;
            let total: f64 = (0..self.classes)
                .filter(|&class| occurs[class])
                .map(|class| 2.0 * hits[class] / (truths[class] + givens[class] + unseen[class] + spread))
                .sum();
            total / classes as f64
        };
        let counted: Vec<f64> = occupied.iter().map(|&cell| self.cells[cell].weight).collect();
        let value = mean_f1(&counted, &vec![0.0; self.classes]);
        let mean_weight = all.weight / all.count as f64;
        let mut random = Random::for_purpose(0, "interval of macro F1");
        let simulated = (0..RESAMPLES)
            .map(|_| {
                let masses: Vec<f64> = occupied.iter().map(|&cell| self.cells[cell].resample(&mut random)).collect();
                let unseen: Vec<f64> =
                    occurs.iter().map(|&occurs| if occurs { random.gamma(0.5) * mean_weight } else { 0.0 }).collect();
                mean_f1(&masses, &unseen)
            })
            .collect();
        // The unseen errors widen the distribution, and would also shift it: with many classes by more than its width.
        let (low, middle, high) = quantiles(simulated);
        Measured::known(value, ((value + low - middle).max(0.0), (value + high - middle).min(1.0)), basis)
    }

    /// The mean distance between truth and label in levels of an ordered scale.
    pub fn mean_absolute_error(&self, basis: &str) -> Measured {
        let mut mean = Mean::default();
        for (index, cell) in self.cells.iter().enumerate().filter(|(_, cell)| cell.count > 0) {
            let distance = (index / self.classes).abs_diff(index % self.classes) as f64;
            mean.weight += cell.weight;
            mean.first += cell.weight * distance;
            mean.square += cell.square;
            mean.square_first += cell.square * distance;
            mean.square_second += cell.square * distance * distance;
        }
        mean.measured(basis)
    }

    /// Mean negative log probability of the truth, in nats.
    pub fn log_loss(&self, basis: &str) -> Measured {
        self.log_loss.measured(basis)
    }

    /// Mean squared distance between the posterior and the truth (0 to 2).
    pub fn brier(&self, basis: &str) -> Measured {
        self.brier.measured(basis)
    }

    /// Expected calibration error over 15 bins of equal width: the mean gap between stated confidence and accuracy.
    ///
    /// The estimate is biased upwards in small samples; the interval is the basic bootstrap's, which takes that bias
    /// into account, so its lower end may be zero.
    pub fn calibration_error(&self, basis: &str) -> Measured {
        let total: f64 = self.bins.iter().map(|bin| bin.right.weight + bin.wrong.weight).sum();
        if total <= 0.0 {
            return Measured::unknown("no probabilities were measured");
        }
        let gap = |right: f64, right_confidence: f64, wrong_confidence: f64| {
            (right - right_confidence - wrong_confidence).abs()
        };
        let value =
            self.bins.iter().map(|bin| gap(bin.right.weight, bin.confidence_right, bin.confidence_wrong)).sum::<f64>()
                / total;
        let mut random = Random::for_purpose(0, "interval of calibration error");
        let simulated = (0..RESAMPLES)
            .map(|_| {
                let (mut error, mut mass) = (0.0, 0.0);
                for bin in &self.bins {
                    let right = bin.right.resample(&mut random);
                    let wrong = bin.wrong.resample(&mut random);
                    let scale = |resampled: f64, counted: f64| if counted > 0.0 { resampled / counted } else { 0.0 };
                    error += gap(
                        right,
                        bin.confidence_right * scale(right, bin.right.weight),
                        bin.confidence_wrong * scale(wrong, bin.wrong.weight),
                    );
                    mass += right + wrong;
                }
                error / mass
            })
            .collect();
        let (low, _, high) = quantiles(simulated);
        let interval = ((2.0 * value - high).clamp(0.0, value), (2.0 * value - low).clamp(value, 1.0));
        Measured::known(value, interval, basis)
    }

    /// The bins of stated confidence that hold items.
    pub fn reliability(&self, basis: &str) -> Vec<Bin> {
        let width = 1.0 / BINS as f64;
        self.bins
            .iter()
            .enumerate()
            .filter(|(_, bin)| bin.right.count + bin.wrong.count > 0)
            .map(|(index, bin)| {
                let mut all = bin.right;
                all.merge(&bin.wrong);
                let share = bin.right.weight / all.weight;
                Bin {
                    range: (index as f64 * width, (index + 1) as f64 * width),
                    count: all.count,
                    confidence: (bin.confidence_right + bin.confidence_wrong) / all.weight,
                    accuracy: Measured::known(share, wilson(share, all.effective()), basis),
                }
            })
            .collect()
    }

    fn sum(&self, belongs: impl Fn(usize, usize) -> bool) -> Mass {
        let mut mass = Mass::default();
        for (index, cell) in self.cells.iter().enumerate() {
            if belongs(index / self.classes, index % self.classes) {
                mass.merge(cell);
            }
        }
        mass
    }

    fn share_of_class(
        &self,
        class: Class,
        belongs: impl Fn(usize, usize, usize) -> bool,
        empty: &str,
        basis: &str,
    ) -> Measured {
        let class = usize::from(class);
        let all = self.sum(|truth, given| belongs(truth, given, class));
        if all.count == 0 {
            return Measured::unknown(empty);
        }
        let share = self.cells[class * self.classes + class].weight / all.weight;
        Measured::known(share, wilson(share, all.effective()), basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(pairs: &[(Class, Class, usize)]) -> Tally {
        let mut tally = Tally::new(3);
        for &(truth, given, times) in pairs {
            (0..times).for_each(|_| tally.add(truth, given, None, 1.0));
        }
        tally
    }

    #[test]
    fn figures_match_hand_counts() {
        let tally = tally(&[(0, 0, 40), (0, 1, 10), (1, 1, 30), (1, 2, 10), (2, 2, 10)]);
        assert_eq!(tally.accuracy("").value(), Some(0.8));
        assert_eq!(tally.recall(0, "").value(), Some(0.8));
        assert_eq!(tally.precision(1, "").value(), Some(0.75));
        let expected = (2.0 * 40.0 / 90.0 + 2.0 * 30.0 / 80.0 + 2.0 * 10.0 / 30.0) / 3.0;
        assert!((tally.macro_f1("").value().unwrap() - expected).abs() < 1e-12);
        assert!((tally.mean_absolute_error("").value().unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn macro_f1_of_a_few_perfect_items_is_not_certain() {
        let Measured::Known { value, low, .. } = tally(&[(0, 0, 5), (1, 1, 5), (2, 2, 5)]).macro_f1("") else {
            panic!("expected a figure");
        };
        assert_eq!(value, 1.0);
        assert!((0.6..0.95).contains(&low), "{low}");
    }

    #[test]
    fn macro_f1_interval_covers_the_truth_in_simulation() {
        let truth_f1 = {
            let big = tally(&[(0, 0, 5000), (0, 1, 1000), (1, 1, 2500), (1, 0, 500), (2, 2, 700), (2, 1, 300)]);
            big.macro_f1("").value().unwrap()
        };
        let cells = [(0, 0, 0.5), (0, 1, 0.1), (1, 1, 0.25), (1, 0, 0.05), (2, 2, 0.07), (2, 1, 0.03)];
        let covered = (0..200)
            .filter(|&seed| {
                let mut random = Random::new(seed);
                let mut sample = Tally::new(3);
                for _ in 0..150 {
                    let mut left = random.unit();
                    let &(truth, given, _) = cells
                        .iter()
                        .find(|cell| {
                            left -= cell.2;
                            left < 0.0
                        })
                        .unwrap_or(&cells[0]);
                    sample.add(truth, given, None, 1.0);
                }
                let Measured::Known { low, high, .. } = sample.macro_f1("") else { return false };
                (low..=high).contains(&truth_f1)
            })
            .count();
        assert!((182..=200).contains(&covered), "{covered} of 200 intervals covered");
    }

    #[test]
    fn macro_f1_interval_covers_the_truth_with_many_classes() {
        // Right four times in five, else any other class: by symmetry every class has an F1 of .8.
        let covered = (0..200)
            .filter(|&seed| {
                let mut random = Random::new(1000 + seed);
                let mut sample = Tally::new(20);
                for _ in 0..400 {
                    let truth = random.below(20);
                    let given = if random.unit() < 0.8 { truth } else { (truth + 1 + random.below(19)) % 20 };
                    sample.add(truth as Class, given as Class, None, 1.0);
                }
                let Measured::Known { low, high, .. } = sample.macro_f1("") else { return false };
                (low..=high).contains(&0.8)
            })
            .count();
        assert!((182..=200).contains(&covered), "{covered} of 200 intervals covered");
    }

    #[test]
    fn weights_undo_an_unequal_draw() {
        // Class 1 was drawn ten times as often as class 0.
        let mut tally = Tally::new(2);
        (0..10).for_each(|index| tally.add(0, Class::from(index < 2), None, 10.0));
        (0..100).for_each(|index| tally.add(1, Class::from(index < 50), None, 1.0));
        assert!((tally.accuracy("").value().unwrap() - (80.0 + 50.0) / 200.0).abs() < 1e-12);
        let Measured::Known { low, high, .. } = tally.accuracy("") else { panic!("expected a figure") };
        assert!(high - low > 0.25, "ten heavy items carry the interval: [{low}, {high}]");
    }

    #[test]
    fn merging_equals_adding() {
        let posterior = [[0.7_f32, 0.2, 0.1], [0.1, 0.5, 0.4]];
        let (mut whole, mut left, mut right) = (Tally::new(3), Tally::new(3), Tally::new(3));
        for (index, row) in posterior.iter().enumerate() {
            whole.add(0, index as Class, Some(row), 1.0);
            [&mut left, &mut right][index].add(0, index as Class, Some(row), 1.0);
        }
        left.merge(&right);
        assert_eq!(whole.log_loss("b"), left.log_loss("b"));
        assert_eq!(whole.calibration_error("b"), left.calibration_error("b"));
    }

    #[test]
    fn a_calibrated_source_has_a_small_error_within_its_interval() {
        let mut random = Random::new(5);
        let mut tally = Tally::new(2);
        for _ in 0..20_000 {
            let confidence = 0.5 + random.unit() / 2.0;
            let truth = Class::from(random.unit() > confidence);
            tally.add(truth, 0, Some(&[confidence as f32, 1.0 - confidence as f32]), 1.0);
        }
        let Measured::Known { value, low, high, .. } = tally.calibration_error("") else { panic!("expected a figure") };
        assert!(value < 0.02 && low < 0.01 && high < 0.03, "{value} [{low}, {high}]");
    }
}
