//! Minimising a smooth function of many numbers by its gradient (L-BFGS; Liu and Nocedal 1989,
//! <https://doi.org/10.1007/BF01589116>), with a line search that halves until the value falls enough.

/// Pairs of steps that are remembered.
const MEMORY: usize = 12;

/// Where the search ended.
pub(super) struct Found {
    pub(super) x: Vec<f64>,
    /// The length of the gradient there.
    pub(super) gradient: f64,
    pub(super) converged: bool,
}

/// Minimises `function`, which writes its gradient and returns its value, from `x` on.
pub(super) fn minimise(
    mut x: Vec<f64>,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    steps: usize,
    tolerance: f64,
) -> Found {
    let size = x.len();
    let mut gradient = vec![0.0; size];
    let mut value = function(&x, &mut gradient);
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    let mut next_gradient = vec![0.0; size];
    for _ in 0..steps {
        if norm(&gradient) <= tolerance {
            break;
        }
        let mut direction = descend(&gradient, &memory);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt the memory.
            memory.clear();
            direction = gradient.iter().map(|part| -part).collect();
            slope = -dot(&gradient, &gradient);
        }
        let mut length = if memory.is_empty() { 1.0 / norm(&gradient).max(1.0) } else { 1.0 };
        let mut moved = None;
        for _ in 0..40 {
            let next: Vec<f64> = x.iter().zip(&direction).map(|(at, step)| at + length * step).collect();
            let next_value = function(&next, &mut next_gradient);
            // Near the end the fall is lost in rounding, and the slope tells more than the value (Hager and Zhang 2005).
            let falls = next_value <= value + 1e-4 * length * slope;
            let level = next_value <= value + 1e-13 * value.abs();
            if falls || level && dot(&direction, &next_gradient).abs() <= 0.9 * slope.abs() {
                moved = Some((next, next_value));
                break;
            }
            length *= 0.5;
        }
        let Some((next, next_value)) = moved else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let step: Vec<f64> = next.iter().zip(&x).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * norm(&step) * norm(&change) {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change, 1.0 / curvature));
        }
        (x, value) = (next, next_value);
        gradient.copy_from_slice(&next_gradient);
    }
    let gradient = norm(&gradient);
    Found { x, gradient, converged: gradient <= tolerance }
}

/// The two-loop recursion.
fn descend(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|part| -part).collect();
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

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(one, other)| one * other).sum()
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

fn add(to: &mut [f64], what: &[f64], times: f64) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        // Rosenbrock's function, minimum 0 at (1, 1).
        let found = minimise(
            vec![-1.2, 1.0],
            |x, gradient| {
                gradient[0] = -400.0 * x[0] * (x[1] - x[0] * x[0]) - 2.0 * (1.0 - x[0]);
                gradient[1] = 200.0 * (x[1] - x[0] * x[0]);
                100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)
            },
            200,
            1e-9,
        );
        assert!(found.converged && found.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{:?}", found.x);
    }
}
