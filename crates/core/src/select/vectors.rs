//! Vectors in rows, and many inner products of them at once.
//!
//! Every product is summed in the order of its components and every step is fused (multiplied and added with one
//! rounding), so the results are the same bits on every machine; one without such an instruction computes it slowly.
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

use crate::error::{Error, Result};

/// Columns of a panel: the lanes of one AVX-512 register.
const LANES: usize = 16;

/// Vectors of equal width in one slice, a row each, scaled to length 1; a vector of zeros stays one.
///
/// Inner products of such vectors are their cosines.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitVectors {
    values: Vec<f32>,
    width: usize,
}

impl UnitVectors {
    /// Copies and scales vectors that lie row by row in `values`.
    ///
    /// # Errors
    /// A width of 0, values that do not fill the last row, or a value that is not finite.
    pub fn new(values: &[f32], width: usize) -> Result<Self> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Error::input(format!(
                "expected rows of a width above 0, found {} values in rows of {width}",
                values.len()
            )));
        }
        if values.len() / width > u32::MAX as usize {
            return Err(Error::input("expected at most 4,294,967,295 vectors"));
        }
        let mut scaled = Vec::with_capacity(values.len());
        for (row, vector) in values.chunks_exact(width).enumerate() {
            let square: f64 = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            if !square.is_finite() {
                return Err(Error::input(format!("expected finite numbers in vector {row}")));
            }
            let factor = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
            scaled.extend(vector.iter().map(|&value| (f64::from(value) * factor) as f32));
        }
        Ok(Self { values: scaled, width })
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number of components.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One vector.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// These vectors in this order.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row as usize).iter().copied()).collect();
        Self { values, width: self.width }
    }

    /// The vectors in panels of 16 that lie component by component, the last one filled up with zeros.
    pub(crate) fn panels(&self) -> Panels {
        let count = self.len().div_ceil(LANES);
        let mut values = vec![0.0; count * LANES * self.width];
        for at in 0..self.len() {
            let panel = &mut values[at / LANES * LANES * self.width..][..LANES * self.width];
            for (component, &value) in self.row(at).iter().enumerate() {
                panel[component * LANES + at % LANES] = value;
            }
        }
        Panels { values, width: self.width, vectors: self.len() }
    }
}

/// Vectors laid out for many products.
pub(crate) struct Panels {
    values: Vec<f32>,
    width: usize,
    vectors: usize,
}

impl Panels {
    /// How many values a row of products takes: the number of vectors, rounded up to whole panels.
    pub(crate) fn stride(&self) -> usize {
        self.vectors.div_ceil(LANES) * LANES
    }

    /// The products of each of these rows (of the panels' width) with every vector: `stride` values per row.
    pub(crate) fn products(&self, rows: &[f32], out: &mut Vec<f32>) {
        let count = rows.len() / self.width;
        out.clear();
        out.resize(count * self.stride(), 0.0);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the instructions the function was compiled for are there.
            return unsafe { multiply_avx512(self, rows, out) };
        } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { multiply_avx2(self, rows, out) };
        }
        multiply::<6, 1>(self, rows, out);
    }
}

/// Rows and panels that are multiplied at once: of the shapes tried, 2 to 14 rows and 1 to 6 panels, the fastest.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn multiply_avx512(panels: &Panels, rows: &[f32], out: &mut [f32]) {
    multiply::<4, 2>(panels, rows, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(panels: &Panels, rows: &[f32], out: &mut [f32]) {
    multiply::<6, 1>(panels, rows, out);
}

#[expect(clippy::inline_always, reason = "must be compiled into callers that have wider vector instructions")]
#[inline(always)]
fn multiply<const ROWS: usize, const PANELS: usize>(panels: &Panels, rows: &[f32], out: &mut [f32]) {
    let (width, stride) = (panels.width, panels.stride());
    let (count, size) = (rows.len() / width, LANES * width);
    let all = panels.values.len() / size;
    let mut first = 0;
    while first < all {
        let together = PANELS.min(all - first);
        // Panels and rows past the end repeat the last one and are not stored.
        let panel_at =
            |at: usize| panels.values[(first + at.min(together - 1)) * size..][..size].as_chunks::<LANES>().0;
        let panel: [&[[f32; LANES]]; PANELS] = std::array::from_fn(panel_at);
        let mut row = 0;
        while row < count {
            let taken = ROWS.min(count - row);
            let row_at = |at: usize| &rows[(row + at.min(taken - 1)) * width..][..width];
            let sums = tile::<ROWS, PANELS>(std::array::from_fn(row_at), panel);
            for (at, sums) in sums.iter().enumerate().take(taken) {
                for (number, sums) in sums.iter().enumerate().take(together) {
                    out[(row + at) * stride + (first + number) * LANES..][..LANES].copy_from_slice(sums);
                }
            }
            row += taken;
        }
        first += together;
    }
}

#[expect(clippy::inline_always, reason = "must be compiled into callers that have wider vector instructions")]
#[inline(always)]
fn tile<const ROWS: usize, const PANELS: usize>(
    rows: [&[f32]; ROWS],
    panels: [&[[f32; LANES]]; PANELS],
) -> [[[f32; LANES]; PANELS]; ROWS] {
    let mut sums = [[[0.0f32; LANES]; PANELS]; ROWS];
    let width = panels[0].len();
    let (rows, panels) = (rows.map(|row| &row[..width]), panels.map(|panel| &panel[..width]));
    for at in 0..width {
        for row in 0..ROWS {
            let value = rows[row][at];
            for panel in 0..PANELS {
                for lane in 0..LANES {
                    sums[row][panel][lane] = value.mul_add(panels[panel][at][lane], sums[row][panel][lane]);
                }
            }
        }
    }
    sums
}

/// The inner product of two vectors.
pub(crate) fn product(left: &[f32], right: &[f32]) -> f32 {
    // Sixteen sums, so that the additions need not wait for each other.
    let (mut sums, mut rest) = ([0.0f32; LANES], 0.0f32);
    let (left_lanes, left_rest) = left.as_chunks::<LANES>();
    let (right_lanes, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_lanes.iter().zip(right_lanes) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    for (left, right) in left_rest.iter().zip(right_rest) {
        rest += left * right;
    }
    rest + sums.iter().sum::<f32>()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::random::Random;

    /// Vectors around a few centres.
    pub(crate) fn clouds(count: usize, width: usize, centres: usize, seed: u64) -> UnitVectors {
        let mut random = Random::new(seed);
        let middle: Vec<f64> = (0..centres * width).map(|_| random.normal()).collect();
        let values: Vec<f32> = (0..count)
            .flat_map(|_| {
                let centre = random.below(centres);
                (0..width).map(|at| (middle[centre * width + at] + 0.6 * random.normal()) as f32).collect::<Vec<f32>>()
            })
            .collect();
        UnitVectors::new(&values, width).unwrap()
    }

    #[test]
    fn products_are_those_of_the_loop() {
        for (count, width) in [(1, 1), (5, 3), (16, 8), (37, 20), (70, 9)] {
            let vectors = clouds(count, width, 2, 9);
            let panels = vectors.panels();
            let mut found = Vec::new();
            panels.products(&vectors.values, &mut found);
            for left in 0..count {
                for right in 0..count {
                    let slow: f32 = vectors
                        .row(left)
                        .iter()
                        .zip(vectors.row(right))
                        .fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum));
                    assert_eq!(found[left * panels.stride() + right], slow, "{count} {width} {left} {right}");
                    assert!((product(vectors.row(left), vectors.row(right)) - slow).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn what_are_no_vectors_is_refused() {
        assert!(UnitVectors::new(&[1.0, 2.0, 3.0], 2).unwrap_err().is_input());
        assert!(UnitVectors::new(&[], 0).unwrap_err().is_input());
        assert!(UnitVectors::new(&[f32::NAN], 1).unwrap_err().is_input());
        assert_eq!(UnitVectors::new(&[0.0, 0.0], 2).unwrap().row(0), [0.0, 0.0]);
    }
}
