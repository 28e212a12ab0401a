//! Adding up rows of small weights, compiled for the vector instructions of the machine at hand.
//!
//! Lanes do not mix and nothing is fused, so every machine gets the same bits.
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

use super::file::from_half;
use super::solver::exp;

/// Adds the listed rows to `sums` (whose length is the number of lanes) and returns the sum of their squared lengths.
pub(super) fn accumulate(table: &[u8], rows: &[u32], sums: &mut [f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the instructions the function was compiled for are there.
        return unsafe { accumulate_avx2(table, rows, sums) };
    }
    accumulate_plain(table, rows, sums)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn accumulate_avx2(table: &[u8], rows: &[u32], sums: &mut [f32]) -> f32 {
    accumulate_plain(table, rows, sums)
}

#[inline(always)]
fn accumulate_plain(table: &[u8], rows: &[u32], sums: &mut [f32]) -> f32 {
    let stride = sums.len() + 4;
    match sums.len() {
        4 => block::<4>(table, rows, stride, 0, sums),
        8 => block::<8>(table, rows, stride, 0, sums),
        16 => block::<16>(table, rows, stride, 0, sums),
        _ => {
            // Sums of a block stay in registers while the rows go by.
            let (wide, rest) = sums.as_chunks_mut::<32>();
            let mut square = 0.0;
            for (at, sums) in wide.iter_mut().enumerate() {
                square = block::<32>(table, rows, stride, 32 * at, sums);
            }
            let done = 32 * wide.len();
            for (at, sums) in rest.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                square = block::<8>(table, rows, stride, done + 8 * at, sums);
            }
            square
        }
    }
}

#[inline(always)]
fn block<const LANES: usize>(table: &[u8], rows: &[u32], stride: usize, offset: usize, sums: &mut [f32]) -> f32 {
    let mut totals = [0.0f32; LANES];
    let mut square = 0.0;
    for &row in rows {
        let row = &table[row as usize * stride..][..stride];
        let scale = from_half(u16::from_le_bytes([row[0], row[1]]));
        square += from_half(u16::from_le_bytes([row[2], row[3]]));
        let weights = &row[4 + offset..][..LANES];
        for lane in 0..LANES {
            totals[lane] += scale * f32::from(weights[lane] as i8);
        }
    }
    sums[..LANES].copy_from_slice(&totals);
    square
}

/// Turns sums into the probabilities of the first `classes` lanes: `bias + inverse * sum`, then a softmax or sigmoids.
pub(super) fn finish(multilabel: bool, sums: &mut [f32], inverse: f32, bias: &[f32], classes: usize) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the instructions the function was compiled for are there.
        return unsafe { finish_avx2(multilabel, sums, inverse, bias, classes) };
    }
    finish_plain(multilabel, sums, inverse, bias, classes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn finish_avx2(multilabel: bool, sums: &mut [f32], inverse: f32, bias: &[f32], classes: usize) {
    finish_plain(multilabel, sums, inverse, bias, classes);
}

#[inline(always)]
fn finish_plain(multilabel: bool, sums: &mut [f32], inverse: f32, bias: &[f32], classes: usize) {
    sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = bias + inverse * *sum);
    if multilabel {
        sums.iter_mut().for_each(|sum| *sum = 1.0 / (1.0 + exp(-*sum)));
        return;
    }
    sums[classes..].fill(f32::MIN);
    // Four chains of maxima and of sums: one chain would wait for every single addition.
    let (quads, _) = sums.as_chunks_mut::<4>();
    let mut most = [f32::MIN; 4];
    for quad in &*quads {
        for lane in 0..4 {
            most[lane] = if quad[lane] > most[lane] { quad[lane] } else { most[lane] };
        }
    }
    let most = most[0].max(most[1]).max(most[2].max(most[3]));
    let mut totals = [0.0f32; 4];
    for quad in &mut *quads {
        for lane in 0..4 {
            quad[lane] = exp(quad[lane] - most);
        }
    }
    for quad in &*quads {
        for lane in 0..4 {
            totals[lane] += quad[lane];
        }
    }
    let share = 1.0 / ((totals[0] + totals[1]) + (totals[2] + totals[3]));
    sums.iter_mut().for_each(|sum| *sum *= share);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_agrees_with_the_obvious_sum() {
        for lanes in [4usize, 8, 16, 24, 32, 80] {
            let stride = lanes + 4;
            let mut table = vec![0u8; stride * 3];
            for (at, row) in table.chunks_exact_mut(stride).enumerate() {
                row[1] = 0x3f; // 0.5
                row[3] = 0x40; // 2.0
                row[4..].iter_mut().enumerate().for_each(|(lane, weight)| *weight = (lane * 7 + at * 50) as u8);
            }
            let mut sums = vec![0.0; lanes];
            let square = accumulate(&table, &[0, 2, 2], &mut sums);
            assert_eq!(square, 6.0);
            for (lane, sum) in sums.iter().enumerate() {
                let weight = |row: usize| f32::from((lane * 7 + row * 50) as u8 as i8);
                assert_eq!(*sum, 0.5 * (weight(0) + 2.0 * weight(2)));
            }
        }
    }
}
