//! The inner loops over rows of weights, compiled for the vector instructions of the machine at hand.
//!
//! Every lane is computed by itself in the same order on every machine, and nothing is fused, so the results are the
//! same bits with and without the wider instructions.
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

/// `scores += sum of value * row` over the listed rows.
pub(crate) fn dot_rows(weights: &[f32], stride: usize, columns: &[u32], values: &[f32], scores: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the instructions the function was compiled for are there.
        return unsafe { dot_rows_avx2(weights, stride, columns, values, scores) };
    }
    dot_rows_plain(weights, stride, columns, values, scores);
}

/// `row += value * change` for the listed rows.
pub(crate) fn add_scaled(weights: &mut [f32], stride: usize, columns: &[u32], values: &[f32], change: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the instructions the function was compiled for are there.
        return unsafe { add_scaled_avx2(weights, stride, columns, values, change) };
    }
    add_scaled_plain(weights, stride, columns, values, change);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_rows_avx2(weights: &[f32], stride: usize, columns: &[u32], values: &[f32], scores: &mut [f32]) {
    dot_rows_plain(weights, stride, columns, values, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_scaled_avx2(weights: &mut [f32], stride: usize, columns: &[u32], values: &[f32], change: &[f32]) {
    add_scaled_plain(weights, stride, columns, values, change);
}

#[inline(always)]
fn dot_rows_plain(weights: &[f32], stride: usize, columns: &[u32], values: &[f32], scores: &mut [f32]) {
    match stride {
        2 => dot_fixed::<2>(weights, columns, values, scores),
        4 => dot_fixed::<4>(weights, columns, values, scores),
        8 => dot_fixed::<8>(weights, columns, values, scores),
        16 => dot_fixed::<16>(weights, columns, values, scores),
        _ => {
            for (&column, &value) in columns.iter().zip(values) {
                let row = &weights[column as usize * stride..][..stride];
                for (scores, row) in scores.chunks_exact_mut(8).zip(row.chunks_exact(8)) {
                    for (score, &weight) in scores.iter_mut().zip(row) {
                        *score += value * weight;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn dot_fixed<const LANES: usize>(weights: &[f32], columns: &[u32], values: &[f32], scores: &mut [f32]) {
    let (rows, _) = weights.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    sums.copy_from_slice(&scores[..LANES]);
    for (&column, &value) in columns.iter().zip(values) {
        let row = &rows[column as usize];
        for lane in 0..LANES {
            sums[lane] += value * row[lane];
        }
    }
    scores[..LANES].copy_from_slice(&sums);
}

#[inline(always)]
fn add_scaled_plain(weights: &mut [f32], stride: usize, columns: &[u32], values: &[f32], change: &[f32]) {
    match stride {
        2 => add_fixed::<2>(weights, columns, values, change),
        4 => add_fixed::<4>(weights, columns, values, change),
        8 => add_fixed::<8>(weights, columns, values, change),
        16 => add_fixed::<16>(weights, columns, values, change),
        _ => {
            for (&column, &value) in columns.iter().zip(values) {
                let row = &mut weights[column as usize * stride..][..stride];
                for (row, change) in row.chunks_exact_mut(8).zip(change.chunks_exact(8)) {
                    for (weight, &change) in row.iter_mut().zip(change) {
                        *weight += value * change;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_fixed<const LANES: usize>(weights: &mut [f32], columns: &[u32], values: &[f32], change: &[f32]) {
    let (rows, _) = weights.as_chunks_mut::<LANES>();
    let mut fixed = [0.0f32; LANES];
    fixed.copy_from_slice(&change[..LANES]);
    for (&column, &value) in columns.iter().zip(values) {
        let row = &mut rows[column as usize];
        for lane in 0..LANES {
            row[lane] += value * fixed[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_agrees_with_the_obvious_loop() {
        for stride in [2, 4, 8, 16, 24, 80] {
            let weights: Vec<f32> = (0..stride * 9).map(|at| (at % 31) as f32 * 0.37 - 4.0).collect();
            let (columns, values) = ([3u32, 0, 8, 3], [0.5f32, -1.25, 2.0, 0.125]);
            let mut scores = vec![1.0f32; stride];
            dot_rows(&weights, stride, &columns, &values, &mut scores);
            let mut changed = weights.clone();
            add_scaled(&mut changed, stride, &columns, &values, &scores);
            for lane in 0..stride {
                let mut expected = 1.0;
                for (&column, &value) in columns.iter().zip(&values) {
                    expected += value * weights[column as usize * stride + lane];
                }
                assert_eq!(scores[lane], expected);
                assert_eq!(changed[8 * stride + lane], weights[8 * stride + lane] + 2.0 * expected);
            }
        }
    }
}
