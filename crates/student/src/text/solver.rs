//! Linear models by stochastic dual ascent: one pass of closed-form or Newton steps per text and epoch.
//!
//! The primal problem, for rows `x_i` with targets `y_i` (a weight per class) and importance `c_i`:
//!
//! ```text
//! min_W  1/2 |W|^2  +  sum_i c_i loss(W x_i, y_i)
//! ```
//!
//! `W` is kept as `sum_i x_i b_i'` with one dual vector `b_i` per text. A step solves the problem exactly in `b_i`
//! (Shalev-Shwartz and Zhang 2013 for the scheme; Hsieh et al. 2008 for the squared hinge, Yu et al. 2011 for softmax).
//! There is no learning rate, and soft targets need nothing special.

use super::lanes::{add_scaled, dot_rows};
use super::target::Targets;
use crate::random::Random;

/// What is minimised per text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Cross-entropy of the softmax over classes.
    Softmax,
    /// Squared hinge of one class against the rest, for every class.
    Hinge,
    /// Cross-entropy of one sigmoid per class.
    Sigmoid,
}

/// What the lanes of a solver stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// One lane per class.
    Classes,
    /// One lane per border between neighbours on an ordered scale: is the text above it? The scores of the classes are
    /// the running sums of the borders' scores, so the fitted weights become weights of classes.
    Borders,
}

/// The texts as weighted sparse rows, borrowed from a corpus with the values of one weighting.
pub(crate) struct Rows<'a> {
    pub(crate) starts: &'a [usize],
    pub(crate) columns: &'a [u32],
    pub(crate) values: &'a [f32],
    pub(crate) features: usize,
}

/// How to solve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) loss: Loss,
    pub(crate) coding: Coding,
    /// The weight of the data against the penalty.
    pub(crate) strength: f32,
    /// The most passes over the data.
    pub(crate) epochs: usize,
    /// Stop when the mean change of the dual vectors in a pass falls below this share of the strength.
    pub(crate) tolerance: f32,
    pub(crate) seed: u64,
}

/// Weights of one model: a row of `stride` lanes per feature, and the bias.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) stride: usize,
    pub(crate) rows: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Weights {
    /// The scores of one row.
    pub(crate) fn score(&self, columns: &[u32], values: &[f32], scores: &mut [f32]) {
        scores.copy_from_slice(&self.bias);
        dot_rows(&self.rows, self.stride, columns, values, scores);
    }
}

/// The lanes a row of `classes` weights takes.
pub(crate) const fn stride_for(classes: usize) -> usize {
    match classes {
        0..=2 => 2,
        3..=4 => 4,
        _ => classes.next_multiple_of(8),
    }
}

/// Fits on the texts listed in `chosen`. The result does not depend on anything but the arguments.
pub(crate) fn solve(rows: &Rows, targets: &Targets, chosen: &[u32], plan: Plan) -> Weights {
    let classes = targets.classes();
    let stride = stride_for(classes);
    let mut weights = Weights { stride, rows: vec![0.0; rows.features * stride], bias: vec![0.0; stride] };
    let mut duals = vec![0.0f32; chosen.len() * stride];
    let mut order: Vec<u32> = (0..chosen.len() as u32).collect();
    let mut random = Random::new(plan.seed);
    let norms: Vec<f32> = chosen
        .iter()
        .map(|&text| {
            let values = &rows.values[rows.starts[text as usize]..rows.starts[text as usize + 1]];
            1.0 + values.iter().map(|value| value * value).sum::<f32>()
        })
        .collect();
    let (mut scores, mut change, mut goal) = (vec![0.0; stride], vec![0.0f32; stride], vec![0.0; stride]);
    let lanes = if plan.coding == Coding::Borders { classes - 1 } else { classes };
    let mut work = StepWork::new(stride, lanes);
    for epoch in 0..plan.epochs {
        random.shuffle(&mut order);
        let mut moved = 0.0f64;
        for &place in &order {
            let text = chosen[place as usize] as usize;
            let range = rows.starts[text]..rows.starts[text + 1];
            let (columns, values) = (&rows.columns[range.clone()], &rows.values[range]);
            weights.score(columns, values, &mut scores);
            let importance = plan.strength * targets.importance(text);
            let dual = &mut duals[place as usize * stride..][..stride];
            if plan.coding == Coding::Borders {
                targets.stated(text, &mut goal[..classes]);
                for class in (1..classes).rev() {
                    goal[class - 1] += goal[class];
                }
                goal.rotate_left(1);
            } else {
                targets.goal(text, &scores[..classes], epoch, &mut goal[..classes]);
            }
            work.step(plan.loss, &scores, dual, &goal, importance, norms[place as usize], &mut change);
            let largest = change.iter().fold(0.0f32, |most, change| most.max(change.abs()));
            if largest > 1e-5 * plan.strength {
                dual.iter_mut().zip(&change).for_each(|(dual, &change)| *dual += change);
                weights.bias.iter_mut().zip(&change).for_each(|(bias, &change)| *bias += change);
                add_scaled(&mut weights.rows, stride, columns, values, &change);
            }
            moved += f64::from(largest);
        }
        if moved <= f64::from(plan.tolerance * plan.strength) * chosen.len() as f64 {
            break;
        }
    }
    if plan.coding == Coding::Borders {
        for row in weights.rows.chunks_exact_mut(stride).chain(std::iter::once(weights.bias.as_mut_slice())) {
            let mut sum = 0.0;
            for class in row.iter_mut().take(classes) {
                (sum, *class) = (sum + *class, sum);
            }
        }
    }
    weights
}

/// Room for the inner steps.
struct StepWork {
    classes: usize,
    shares: Vec<f32>,
    logs: Vec<f32>,
    pull: Vec<f32>,
}

impl StepWork {
    fn new(stride: usize, classes: usize) -> Self {
        Self { classes, shares: vec![0.0; stride], logs: vec![0.0; stride], pull: vec![0.0; stride] }
    }

    /// The change of the dual vector that solves the problem in this text alone.
    #[expect(clippy::too_many_arguments, reason = "the state of one step, all of it hot")]
    fn step(
        &mut self,
        loss: Loss,
        scores: &[f32],
        dual: &[f32],
        goal: &[f32],
        importance: f32,
        norm: f32,
        change: &mut [f32],
    ) {
        match loss {
            Loss::Softmax => self.softmax(scores, dual, goal, importance, norm, change),
            Loss::Hinge => hinge(self.classes, scores, dual, goal, importance, norm, change),
            Loss::Sigmoid => sigmoid(self.classes, scores, dual, goal, importance, norm, change),
        }
    }

    /// Solves `a = softmax(u - k a)` for the shares `a`, with `u = s + q (c y - b)` and `k = q c`, by Newton steps on the
    /// logarithms of the shares and the one multiplier; then `b = c (y - a)`.
    fn softmax(&mut self, scores: &[f32], dual: &[f32], goal: &[f32], importance: f32, norm: f32, change: &mut [f32]) {
        let classes = self.classes;
        let curvature = norm * importance;
        let (shares, logs, pull) = (&mut self.shares[..classes], &mut self.logs[..classes], &mut self.pull[..classes]);
        let most = scores[..classes].iter().copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for class in 0..classes {
            pull[class] = scores[class] + norm * (importance * goal[class] - dual[class]);
            logs[class] = scores[class] - most;
            shares[class] = exp(logs[class]);
            sum += shares[class];
        }
        let log_sum = sum.ln();
        for class in 0..classes {
            logs[class] -= log_sum;
            shares[class] /= sum;
        }
        let mut settled = false;
        for _ in 0..4 {
            let (mut weight, mut total, mut slack) = (0.0f32, 0.0f32, 0.0f32);
            for class in 0..classes {
                let damped = shares[class] / (1.0 + curvature * shares[class]);
                total += shares[class];
                slack += damped * (pull[class] - logs[class] - curvature * shares[class]);
                weight += damped;
            }
            let level = (total - 1.0 + slack) / weight.max(1e-20);
            let mut largest = 0.0f32;
            for class in 0..classes {
                let residual = pull[class] - level - logs[class] - curvature * shares[class];
                let step = (residual / (1.0 + curvature * shares[class])).clamp(-3.0, 3.0);
                logs[class] = (logs[class] + step).clamp(-60.0, 0.0);
                shares[class] = exp(logs[class]);
                largest = largest.max((step * shares[class]).abs());
            }
            if largest < 1e-3 {
                settled = true;
                break;
            }
        }
        let mut total: f32 = shares.iter().sum();
        if !settled || (total - 1.0).abs() > 0.02 {
            settle(pull, curvature, shares);
            total = shares.iter().sum();
        }
        for class in 0..classes {
            change[class] = importance * (goal[class] - shares[class] / total) - dual[class];
        }
    }
}

/// The sure way to the same shares, for steep problems where the short one has not arrived: every share is a Wright
/// omega function of the multiplier, their sum is convex and falling in it, so Newton's method from the left cannot
/// miss.
fn settle(pull: &[f32], curvature: f32, shares: &mut [f32]) {
    let curvature = f64::from(curvature);
    let log_curvature = curvature.ln();
    let most = f64::from(pull.iter().copied().fold(f32::MIN, f32::max));
    let mut level = most - curvature;
    for _ in 0..50 {
        let (mut total, mut slope) = (0.0f64, 0.0f64);
        for (share, &pull) in shares.iter_mut().zip(pull) {
            let value = omega(f64::from(pull) - level + log_curvature) / curvature;
            total += value;
            slope += value / (1.0 + curvature * value);
            *share = value as f32;
        }
        if (total - 1.0).abs() < 1e-5 {
            break;
        }
        level += (total - 1.0) / slope;
    }
}

/// The Wright omega function, the root of `w + ln w = b`.
fn omega(b: f64) -> f64 {
    if b < -30.0 {
        return b.exp();
    }
    let mut root = if b > 0.0 { (b - (1.0 + b).ln()).max(0.5) } else { b.exp() / (1.0 + b.exp()) };
    for _ in 0..4 {
        root *= (1.0 + b - root.ln()) / (1.0 + root);
    }
    root
}

/// The squared hinge of a target `y` between 0 and 1 counts the class as positive with weight `y` and as negative with
/// `1 - y`; its derivative is piecewise linear, so the step has a closed form in each of three regions.
fn hinge(classes: usize, scores: &[f32], dual: &[f32], goal: &[f32], importance: f32, norm: f32, change: &mut [f32]) {
    let twice = 2.0 * importance;
    for class in 0..classes {
        let base = scores[class] - norm * dual[class];
        let (yes, no) = (goal[class], 1.0 - goal[class]);
        let middle = twice * (yes - no - base) / (1.0 + twice * norm);
        let above = -twice * no * (1.0 + base) / (1.0 + twice * no * norm);
        let below = twice * yes * (1.0 - base) / (1.0 + twice * yes * norm);
        let reached = base + norm * middle;
        let best = if reached > 1.0 {
            above
        } else if reached < -1.0 {
            below
        } else {
            middle
        };
        change[class] = best - dual[class];
    }
}

/// Solves `t + k sigmoid(t) = u` per class by Newton steps from the present score.
fn sigmoid(classes: usize, scores: &[f32], dual: &[f32], goal: &[f32], importance: f32, norm: f32, change: &mut [f32]) {
    let curvature = norm * importance;
    for class in 0..classes {
        let pull = scores[class] + norm * (importance * goal[class] - dual[class]);
        // The root lies where the sigmoid's range allows; the ends bracket it.
        let mut logit = scores[class].clamp(pull - curvature, pull);
        let mut share = 0.0;
        for _ in 0..5 {
            share = 1.0 / (1.0 + exp(-logit));
            let slope = 1.0 + curvature * share * (1.0 - share);
            logit = (logit - (logit + curvature * share - pull) / slope).clamp(pull - curvature, pull);
        }
        if (logit + curvature / (1.0 + exp(-logit)) - pull).abs() > 0.01 {
            share = bisect(pull, curvature);
        }
        change[class] = importance * (goal[class] - share) - dual[class];
    }
}

/// The share where Newton's method went in circles.
fn bisect(pull: f32, curvature: f32) -> f32 {
    let (mut low, mut high) = (pull - curvature, pull);
    let mut share = 0.5;
    for _ in 0..40 {
        let middle = f32::midpoint(low, high);
        share = 1.0 / (1.0 + exp(-middle));
        if middle + curvature * share > pull {
            high = middle;
        } else {
            low = middle;
        }
    }
    share
}

/// `e^x` to about 1e-7 of itself times `1 + |x|`, the same on every machine, and simple enough to be computed for many lanes at once.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let scaled = (x * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer without a library call.
    let magic = 12_582_912.0f32;
    let shifted = scaled + magic;
    let whole = shifted - magic;
    let rest = (scaled - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest * (1.0 / 720.0))))));
    let power = f32::from_bits((shifted.to_bits().wrapping_sub(magic.to_bits()).wrapping_add(127)) << 23);
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close() {
        for step in -8000..8000 {
            let x = step as f32 * 0.01;
            let (close, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((close - exact).abs() <= 2e-7 * (1.0 + f64::from(x.abs())) * exact, "{x}: {close} {exact}");
        }
    }

    #[test]
    fn omega_is_the_root() {
        for step in -400..4000 {
            let b = f64::from(step) * 0.1;
            let root = omega(b);
            assert!((root + root.ln() - b).abs() < 1e-8 * (1.0 + b.abs()), "{b}: {root}");
        }
    }

    /// After convergence the dual vectors satisfy the optimality conditions, so the gradient of the primal vanishes.
    #[test]
    fn the_primal_gradient_vanishes_for_every_loss() {
        let mut random = Random::new(3);
        let (texts, features, classes) = (40, 12, 3);
        let mut starts = vec![0];
        let (mut columns, mut values, mut goals) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..texts {
            for column in 0..features {
                if random.below(3) == 0 {
                    columns.push(column as u32);
                    values.push(random.below(100) as f32 / 100.0);
                }
            }
            starts.push(columns.len());
            let soft: Vec<f32> = (0..classes).map(|_| 1.0 + random.below(9) as f32).collect();
            let sum: f32 = soft.iter().sum();
            goals.extend(soft.iter().map(|share| share / sum));
        }
        let targets = Targets::soft_for_test(&goals, classes);
        let rows = Rows { starts: &starts, columns: &columns, values: &values, features };
        let chosen: Vec<u32> = (0..texts as u32).collect();
        for (loss, strength) in [Loss::Softmax, Loss::Hinge, Loss::Sigmoid].iter().flat_map(|&l| [(l, 2.0), (l, 50.0)])
        {
            let plan = Plan { loss, coding: Coding::Classes, strength, epochs: 4000, tolerance: 0.0, seed: 1 };
            let weights = solve(&rows, &targets, &chosen, plan);
            let mut gradient = weights.rows.clone();
            for text in 0..texts {
                let range = starts[text]..starts[text + 1];
                let mut scores = vec![0.0; weights.stride];
                weights.score(&columns[range.clone()], &values[range.clone()], &mut scores);
                let sum: f32 = scores[..classes].iter().map(|s| s.exp()).sum();
                for class in 0..classes {
                    let (score, goal) = (scores[class], goals[text * classes + class]);
                    let slope = match loss {
                        Loss::Softmax => score.exp() / sum - goal,
                        Loss::Hinge => {
                            -2.0 * goal * (1.0 - score).max(0.0) + 2.0 * (1.0 - goal) * (1.0 + score).max(0.0)
                        }
                        Loss::Sigmoid => 1.0 / (1.0 + (-score).exp()) - goal,
                    };
                    for place in range.clone() {
                        gradient[columns[place] as usize * weights.stride + class] += strength * slope * values[place];
                    }
                }
            }
            let largest = gradient.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(largest < 5e-3 * strength, "{loss:?} {strength}: {largest}");
        }
    }
}
