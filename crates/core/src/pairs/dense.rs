//! Symmetric positive definite tables: solving and turning round.

/// A symmetric table by rows.
pub(crate) struct Symmetric {
    pub(crate) size: usize,
    pub(crate) values: Vec<f64>,
}

impl Symmetric {
    pub(crate) fn zeros(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    pub(crate) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.size + column] += value;
    }

    /// The lower triangle whose product with its transpose is this table; `None` if it is not positive definite.
    pub(crate) fn cholesky(mut self) -> Option<Cholesky> {
        let size = self.size;
        let largest = (0..size).map(|place| self.values[place * size + place]).fold(0.0, f64::max);
        for row in 0..size {
            for column in 0..=row {
                let (above, below) = self.values.split_at(row * size);
                let left = &below[..column];
                let right = if column == row { left } else { &above[column * size..][..column] };
                let product: f64 = left.iter().zip(right).map(|(one, other)| one * other).sum();
                let value = below[column] - product;
                let value = if column < row {
                    value / self.values[column * size + column]
                } else if value > largest * 1e-14 {
                    value.sqrt()
                } else {
                    return None;
                };
                self.values[row * size + column] = value;
            }
        }
        Some(Cholesky(self))
    }
}

/// The lower triangle of a positive definite table.
pub(crate) struct Cholesky(Symmetric);

impl Cholesky {
    /// The solution of `table x = right`.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let (size, lower) = (self.0.size, &self.0.values);
        let mut x = right.to_vec();
        for row in 0..size {
            let known: f64 = lower[row * size..][..row].iter().zip(&x).map(|(one, other)| one * other).sum();
            x[row] = (x[row] - known) / lower[row * size + row];
        }
        for row in (0..size).rev() {
            x[row] /= lower[row * size + row];
            let value = x[row];
            for (before, factor) in x[..row].iter_mut().zip(&lower[row * size..][..row]) {
                *before -= factor * value;
            }
        }
        x
    }

    /// The inverse of the table, by rows.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let size = self.0.size;
        let mut inverse = Vec::with_capacity(size * size);
        let mut unit = vec![0.0; size];
        for row in 0..size {
            unit[row] = 1.0;
            inverse.extend(self.solve(&unit));
            unit[row] = 0.0;
        }
        inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_times_its_inverse_is_one() {
        let values = vec![4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let inverse = Symmetric { size: 3, values: values.clone() }.cholesky().unwrap().inverse();
        for row in 0..3 {
            for column in 0..3 {
                let sum: f64 = (0..3).map(|k| values[row * 3 + k] * inverse[k * 3 + column]).sum();
                assert!((sum - f64::from(row == column)).abs() < 1e-12);
            }
        }
        assert!(Symmetric { size: 2, values: vec![1.0, 1.0, 1.0, 1.0] }.cholesky().is_none());
    }
}
