//! Dense linear algebra on small square matrices, row by row in plain slices.

/// Solves `matrix x = right` for a symmetric positive definite matrix; `None` if it is not.
pub(super) fn solve_definite(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    let (factor, _) = cholesky(matrix, size)?;
    let mut x = right.to_vec();
    for row in 0..size {
        for column in 0..row {
            x[row] -= factor[row * size + column] * x[column];
        }
        x[row] /= factor[row * size + row];
    }
    for row in (0..size).rev() {
        for below in row + 1..size {
            x[row] -= factor[below * size + row] * x[below];
        }
        x[row] /= factor[row * size + row];
    }
    Some(x)
}

/// The lower factor of a symmetric positive definite matrix and its pivots; `None` if a pivot is not clearly positive.
pub(super) fn cholesky(matrix: &[f64], size: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let mut factor = matrix.to_vec();
    let mut pivots = Vec::with_capacity(size);
    for column in 0..size {
        let mut pivot = factor[column * size + column];
        for before in 0..column {
            pivot -= factor[column * size + before].powi(2);
        }
        if pivot.is_nan() || pivot <= 1e-14 * matrix[column * size + column].abs() {
            return None;
        }
        pivots.push(pivot);
        let root = pivot.sqrt();
        factor[column * size + column] = root;
        for row in column + 1..size {
            let mut value = factor[row * size + column];
            for before in 0..column {
                value -= factor[row * size + before] * factor[column * size + before];
            }
            factor[row * size + column] = value / root;
        }
    }
    Some((factor, pivots))
}

/// The inverse by Gauss-Jordan elimination with row exchanges; `None` if the matrix is singular to working precision.
pub(super) fn inverse(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut left = matrix.to_vec();
    let mut right = vec![0.0; size * size];
    for place in 0..size {
        right[place * size + place] = 1.0;
    }
    let scale = matrix.iter().fold(0.0f64, |top, value| top.max(value.abs()));
    for column in 0..size {
        let best = (column..size)
            .max_by(|&a, &b| left[a * size + column].abs().total_cmp(&left[b * size + column].abs()))
            .unwrap_or(column);
        let largest = left[best * size + column].abs();
        if largest.is_nan() || largest <= 1e-13 * scale {
            return None;
        }
        if best != column {
            for place in 0..size {
                left.swap(best * size + place, column * size + place);
                right.swap(best * size + place, column * size + place);
            }
        }
        let pivot = left[column * size + column];
        for place in 0..size {
            left[column * size + place] /= pivot;
            right[column * size + place] /= pivot;
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = left[row * size + column];
            if factor != 0.0 {
                for place in 0..size {
                    left[row * size + place] -= factor * left[column * size + place];
                    right[row * size + place] -= factor * right[column * size + place];
                }
            }
        }
    }
    Some(right)
}

/// `left right`.
pub(super) fn product(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    let mut result = vec![0.0; size * size];
    for row in 0..size {
        for middle in 0..size {
            let factor = left[row * size + middle];
            for column in 0..size {
                result[row * size + column] += factor * right[middle * size + column];
            }
        }
    }
    result
}

/// `outer inner outer'`.
pub(super) fn sandwich(outer: &[f64], inner: &[f64], size: usize) -> Vec<f64> {
    let mut turned = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size {
            turned[column * size + row] = outer[row * size + column];
        }
    }
    product(&product(outer, inner, size), &turned, size)
}

/// `matrix vector`.
pub(super) fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// The inner product.
#[inline]
pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Which columns are no linear combination of those before them, from the matrix of their inner products. A column
/// counts as a combination when less than 1e-9 of its length is left over.
pub(super) fn independent(gram: &[f64], size: usize) -> Vec<bool> {
    let mut factor = vec![0.0; size * size];
    let mut keep = vec![false; size];
    for column in 0..size {
        let length = gram[column * size + column];
        for before in (0..column).filter(|&before| keep[before]) {
            let mut value = gram[column * size + before];
            for inner in (0..before).filter(|&inner| keep[inner]) {
                value -= factor[column * size + inner] * factor[before * size + inner];
            }
            factor[column * size + before] = value / factor[before * size + before];
        }
        let taken: f64 =
            (0..column).filter(|&before| keep[before]).map(|before| factor[column * size + before].powi(2)).sum();
        let left = length - taken;
        if length > 0.0 && left > 1e-9 * length {
            factor[column * size + column] = left.sqrt();
            keep[column] = true;
        }
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solving_and_inverting_agree() {
        let matrix = [4.0, 1.0, 0.5, 1.0, 3.0, -0.2, 0.5, -0.2, 2.0];
        let right = [1.0, -2.0, 0.5];
        let solved = solve_definite(&matrix, &right).unwrap();
        let inverted = times(&inverse(&matrix, 3).unwrap(), &right);
        for (a, b) in solved.iter().zip(&inverted) {
            assert!((a - b).abs() < 1e-14);
        }
        for (a, b) in times(&matrix, &solved).iter().zip(&right) {
            assert!((a - b).abs() < 1e-14);
        }
        assert!(solve_definite(&[1.0, 2.0, 2.0, 1.0], &[1.0, 1.0]).is_none(), "indefinite");
        assert!(inverse(&[1.0, 2.0, 2.0, 4.0], 2).is_none(), "singular");
    }

    #[test]
    fn combinations_of_earlier_columns_are_found() {
        // c = a + b, and a column of zeros.
        let rows = [[1.0, 0.0, 1.0, 0.0, 2.0], [0.0, 1.0, 1.0, 0.0, 1.0], [2.0, 1.0, 3.0, 0.0, 0.0]];
        let mut gram = vec![0.0; 25];
        for row in rows {
            for i in 0..5 {
                for j in 0..5 {
                    gram[i * 5 + j] += row[i] * row[j];
                }
            }
        }
        assert_eq!(independent(&gram, 5), [true, true, false, false, true]);
    }
}
