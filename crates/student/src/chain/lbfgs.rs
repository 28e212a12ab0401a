//! Minimising a function of very many numbers by its gradient.
//!
//! L-BFGS (Liu and Nocedal 1989) and, with an L1 penalty, OWL-QN (Andrew and Gao 2007): the same directions, kept within
//! the orthant of the current weights, so that weights reach zero and stay there.

/// Pairs of steps that are remembered.
const MEMORY: usize = 6;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// After so many steps.
    pub(super) steps: usize,
    /// When the value fell by less than this share in [`PERIOD`] steps.
    pub(super) fall: f64,
}

/// Over how many steps a fall is measured.
const PERIOD: usize = 10;

/// Where the search ended.
pub(super) struct Found {
    pub(super) x: Vec<f64>,
    /// The value at the beginning and after each step.
    pub(super) values: Vec<f64>,
    pub(super) converged: bool,
}

/// Minimises `function(x) + l1 * |x|_1`; `function` writes its gradient and returns its value.
pub(super) fn minimise(
    mut x: Vec<f64>,
    l1: f64,
    stop: Stop,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Found {
    let size = x.len();
    let mut gradient = vec![0.0; size];
    let mut value = function(&x, &mut gradient) + l1 * length_1(&x, l1);
    let mut values = vec![value];
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    let mut next = vec![0.0; size];
    let mut next_gradient = vec![0.0; size];
    let mut steepest = vec![0.0; size];
    let mut converged = false;
    for _ in 0..stop.steps {
        descent(&x, &gradient, l1, &mut steepest);
        let slope_norm = dot(&steepest, &steepest).sqrt();
        if slope_norm <= 1e-5 * dot(&x, &x).sqrt().max(1.0) {
            converged = true;
            break;
        }
        let mut direction = towards(&steepest, &memory);
        if l1 > 0.0 {
            direction
                .iter_mut()
                .zip(&steepest)
                .for_each(|(step, down)| *step = if *step * down > 0.0 { *step } else { 0.0 });
        }
        let mut slope = -dot(&direction, &steepest);
        if slope >= 0.0 {
            memory.clear();
            direction.copy_from_slice(&steepest);
            slope = -slope_norm * slope_norm;
        }
        let mut length = if memory.is_empty() { 1.0 / slope_norm } else { 1.0 };
        let mut moved = None;
        for _ in 0..30 {
            for (place, next) in next.iter_mut().enumerate() {
                *next = x[place] + length * direction[place];
                // The orthant is that of the weight, or of the way down from zero.
                if l1 > 0.0 && *next * (if x[place] == 0.0 { steepest[place] } else { x[place] }) < 0.0 {
                    *next = 0.0;
                }
            }
            let next_value = function(&next, &mut next_gradient) + l1 * length_1(&next, l1);
            if next_value <= value + 1e-4 * length * slope {
                moved = Some(next_value);
                break;
            }
            length *= 0.5;
        }
        let Some(next_value) = moved else {
            if memory.is_empty() {
                // No way down that rounding lets us see.
                converged = true;
                break;
            }
            memory.clear();
            continue;
        };
        let step: Vec<f64> = next.iter().zip(&x).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-10 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change, 1.0 / curvature));
        }
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
        values.push(value);
        if values.len() > PERIOD {
            let before = values[values.len() - 1 - PERIOD];
            if (before - value) <= stop.fall * value.abs() {
                converged = true;
                break;
            }
        }
    }
    Found { x, values, converged }
}

/// The way down: minus the gradient, or minus the pseudo-gradient where there is an L1 penalty.
fn descent(x: &[f64], gradient: &[f64], l1: f64, into: &mut [f64]) {
    for ((into, &at), &slope) in into.iter_mut().zip(x).zip(gradient) {
        *into = if at > 0.0 {
            -(slope + l1)
        } else if at < 0.0 {
            -(slope - l1)
        } else if slope < -l1 {
            -(slope + l1)
        } else if slope > l1 {
            -(slope - l1)
        } else {
            0.0
        };
    }
}

/// The two-loop recursion.
fn towards(steepest: &[f64], memory: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut direction = steepest.to_vec();
    let mut weights = Vec::with_capacity(memory.len());
    for (step, change, scale) in memory.iter().rev() {
        let weight = scale * dot(step, &direction);
        add(&mut direction, change, -weight);
        weights.push(weight);
    }
    if let Some((_, change, scale)) = memory.last() {
        let size = 1.0 / (scale * dot(change, change));
        for part in &mut direction {
            *part *= size;
        }
    }
    for ((step, change, scale), weight) in memory.iter().zip(weights.into_iter().rev()) {
        let back = scale * dot(change, &direction);
        add(&mut direction, step, weight - back);
    }
    direction
}

fn length_1(x: &[f64], l1: f64) -> f64 {
    if l1 > 0.0 { x.iter().map(|x| x.abs()).sum() } else { 0.0 }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], what: &[f64], times: f64) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Stop = Stop { steps: 500, fall: 1e-14 };

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let found = minimise(vec![-1.2, 1.0], 0.0, STOP, |x, gradient| {
            gradient[0] = -400.0 * x[0] * (x[1] - x[0] * x[0]) - 2.0 * (1.0 - x[0]);
            gradient[1] = 200.0 * (x[1] - x[0] * x[0]);
            100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)
        });
        assert!(found.converged && found.x.iter().all(|x| (x - 1.0).abs() < 1e-4), "{:?}", found.x);
    }

    #[test]
    fn the_l1_penalty_gives_the_soft_threshold() {
        // Minimum of sum (x - c)^2 / 2 + l1 |x| is c moved towards zero by l1, and zero within.
        let centre = [3.0, -2.0, 0.4, -0.3, 0.0];
        let found = minimise(vec![0.0; 5], 0.5, STOP, |x, gradient| {
            for place in 0..5 {
                gradient[place] = x[place] - centre[place];
            }
            gradient.iter().map(|part| part * part / 2.0).sum()
        });
        for (x, expected) in found.x.iter().zip([2.5, -1.5, 0.0, 0.0, 0.0]) {
            assert!((x - expected).abs() < 1e-6, "{:?}", found.x);
        }
    }
}
