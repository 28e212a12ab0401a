//! Finding word classes: words as vectors of their neighbours, made short by a truncated singular value decomposition, and
//! grouped by spherical k-means at three levels.
//!
//! A word is described by the shares of its left and right neighbours among frequent words, as square roots (Hellinger
//! distance: Lebret and Collobert 2014, <https://arxiv.org/abs/1312.5542>), which is kind to rare words. The subspace comes
//! from a few power iterations on random vectors (Halko, Martinsson and Tropp 2011).
#![expect(unsafe_code, reason = "calling a function compiled for instructions that were just detected")]

use std::collections::HashMap;

use rayon::prelude::*;

use super::buckets::write_map;
use super::clusters::ClusterTable;
use super::corpus::Document;
use super::hash;
use super::token::Spelling;
use crate::error::Result;
use crate::random::Random;

/// Frequent words that describe others.
const CONTEXTS: usize = 2000;
/// Numbers per word vector.
const SIZE: usize = 64;

/// Classes per level, at most.
const LEVELS: [usize; 3] = [1500, 400, 100];
/// The most words with a class.
const MOST_WORDS: usize = 40_000;
/// A word has to occur so often.
const LEAST_COUNT: u32 = 3;
/// Classes are found from the most frequent words, the others join them.
const LEADING: usize = 10_000;
/// The most tokens that are read.
const MOST_TOKENS: usize = 20_000_000;

/// The words of a text by frequency, and the text as their numbers.
struct Text {
    /// Hashes, most frequent first.
    words: Vec<u64>,
    /// Per token its word's number; sentences are parted by `BORDER`.
    sequence: Vec<u32>,
}

const BORDER: u32 = u32::MAX;
const RARE: u32 = u32::MAX - 1;

fn read<'a>(documents: impl Iterator<Item = &'a Document<'a>>) -> Text {
    let mut spelling = Spelling::default();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut by_hash: HashMap<u64, u32> = HashMap::new();
    let mut words: Vec<(u64, u32)> = Vec::new();
    let mut sequence = vec![BORDER];
    for document in documents {
        if sequence.len() > MOST_TOKENS {
            break;
        }
        for range in document.ranges() {
            for token in &document.tokens[range] {
                let word = *known.entry(token).or_insert_with(|| {
                    let normal = spelling.read(token, hash::of(token.as_bytes())).normal;
                    *by_hash.entry(normal).or_insert_with(|| {
                        words.push((normal, 0));
                        words.len() as u32 - 1
                    })
                });
                words[word as usize].1 += 1;
                sequence.push(word);
            }
            sequence.push(BORDER);
        }
    }
    let mut order: Vec<u32> = (0..words.len() as u32).collect();
    order.sort_by_key(|&word| {
        let (hash, count) = words[word as usize];
        (std::cmp::Reverse(count), hash)
    });
    order.truncate(MOST_WORDS);
    order.retain(|&word| words[word as usize].1 >= LEAST_COUNT);
    let mut number = vec![RARE; words.len()];
    order.iter().enumerate().for_each(|(at, &word)| number[word as usize] = at as u32);
    sequence.iter_mut().filter(|word| **word != BORDER).for_each(|word| *word = number[*word as usize]);
    Text { words: order.iter().map(|&word| words[word as usize].0).collect(), sequence }
}

/// Rows of a sparse matrix.
struct Sparse {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

/// Every word by its neighbours.
fn neighbours(text: &Text) -> (Sparse, usize) {
    let contexts = text.words.len().min(CONTEXTS) as u32;
    let column = |word: u32| match word {
        BORDER => contexts,
        word if word < contexts => word,
        _ => contexts + 1,
    };
    let side = contexts + 2;
    let mut pairs: Vec<u64> = Vec::with_capacity(2 * text.sequence.len());
    for around in text.sequence.windows(3) {
        let [left, word, right] = *around else { continue };
        if (word as usize) < text.words.len() {
            pairs.push(u64::from(word) << 32 | u64::from(column(left)));
            pairs.push(u64::from(word) << 32 | u64::from(side + column(right)));
        }
    }
    pairs.sort_unstable();
    let mut matrix = Sparse { starts: vec![0], columns: Vec::new(), values: Vec::new() };
    let mut at = 0;
    for word in 0..text.words.len() as u64 {
        let start = at;
        while at < pairs.len() && pairs[at] >> 32 == word {
            let run = pairs[at..].iter().take_while(|pair| **pair == pairs[at]).count();
            matrix.columns.push(pairs[at] as u32);
            matrix.values.push(run as f32);
            at += run;
        }
        let all = (at - start).max(1) as f32;
        let first = matrix.starts[matrix.starts.len() - 1];
        matrix.values[first..].iter_mut().for_each(|value| *value = (*value / all).sqrt());
        matrix.starts.push(matrix.columns.len());
    }
    (matrix, 2 * side as usize)
}

impl Sparse {
    /// `self * right`, rows of `SIZE`.
    fn times(&self, right: &[f32]) -> Vec<f32> {
        let rows = self.starts.len() - 1;
        let mut product = vec![0.0f32; rows * SIZE];
        product.par_chunks_mut(SIZE).enumerate().for_each(|(row, sum)| {
            for at in self.starts[row]..self.starts[row + 1] {
                let value = self.values[at];
                let right = &right[self.columns[at] as usize * SIZE..][..SIZE];
                sum.iter_mut().zip(right).for_each(|(sum, right)| *sum += value * right);
            }
        });
        product
    }

    /// `transpose(self) * left`.
    fn transposed_times(&self, left: &[f32], columns: usize) -> Vec<f32> {
        let mut product = vec![0.0f32; columns * SIZE];
        for row in 0..self.starts.len() - 1 {
            let left = &left[row * SIZE..][..SIZE];
            for at in self.starts[row]..self.starts[row + 1] {
                let value = self.values[at];
                let sum = &mut product[self.columns[at] as usize * SIZE..][..SIZE];
                sum.iter_mut().zip(left).for_each(|(sum, left)| *sum += value * left);
            }
        }
        product
    }
}

/// Makes the columns of a matrix orthonormal (modified Gram-Schmidt); a column that is not independent becomes zero.
fn orthonormalise(matrix: &mut [f32]) {
    let rows = matrix.len() / SIZE;
    let mut columns: Vec<Vec<f64>> =
        (0..SIZE).map(|column| (0..rows).map(|row| f64::from(matrix[row * SIZE + column])).collect()).collect();
    for at in 0..SIZE {
        let (done, rest) = columns.split_at_mut(at);
        let column = &mut rest[0];
        let before: f64 = column.iter().map(|value| value * value).sum();
        for other in done {
            let dot: f64 = other.iter().zip(&*column).map(|(other, value)| other * value).sum();
            column.iter_mut().zip(&*other).for_each(|(value, other)| *value -= dot * other);
        }
        let length = column.iter().map(|value| value * value).sum::<f64>();
        let scale = if length > 1e-10 * before && length > 0.0 { 1.0 / length.sqrt() } else { 0.0 };
        column.iter_mut().for_each(|value| *value *= scale);
    }
    for (column, values) in columns.iter().enumerate() {
        for (row, value) in values.iter().enumerate() {
            matrix[row * SIZE + column] = *value as f32;
        }
    }
}

/// Brings every row to length 1; rows of zeros stay.
fn normalise(rows: &mut [f32]) {
    for row in rows.chunks_exact_mut(SIZE) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
}

/// The nearest centre of every row; `turned` holds the centres by coordinate.
fn nearest(rows: &[f32], turned: &[f32], centres: usize) -> Vec<u16> {
    rows.par_chunks(SIZE)
        .map_init(
            || vec![0.0f32; centres],
            |sums, row| {
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the instructions the function was compiled for are there.
                    unsafe { products_avx2(row, turned, sums) };
                    return greatest(sums);
                }
                products(row, turned, sums);
                greatest(sums)
            },
        )
        .collect()
}

fn greatest(values: &[f32]) -> u16 {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best as u16
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn products_avx2(row: &[f32], turned: &[f32], sums: &mut [f32]) {
    products(row, turned, sums);
}

#[inline(always)]
fn products(row: &[f32], turned: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for (value, centres) in row.iter().zip(turned.chunks_exact(sums.len())) {
        for (sum, centre) in sums.iter_mut().zip(centres) {
            *sum += value * centre;
        }
    }
}

fn turn(centres: &[f32]) -> Vec<f32> {
    let count = centres.len() / SIZE;
    let mut turned = vec![0.0; centres.len()];
    for (at, centre) in centres.chunks_exact(SIZE).enumerate() {
        centre.iter().enumerate().for_each(|(coordinate, value)| turned[coordinate * count + at] = *value);
    }
    turned
}

/// Centres of `count` groups of unit rows, each weighing as given. The heaviest rows come first and start as centres.
fn group(rows: &[f32], weights: &[f32], count: usize, rounds: usize) -> Vec<f32> {
    let mut centres = rows[..count * SIZE].to_vec();
    for _ in 0..rounds {
        let of = nearest(rows, &turn(&centres), count);
        let mut sums = vec![0.0f32; centres.len()];
        for ((row, weight), &centre) in rows.chunks_exact(SIZE).zip(weights).zip(&of) {
            let sum = &mut sums[usize::from(centre) * SIZE..][..SIZE];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        normalise(&mut sums);
        // A group without members keeps its centre.
        for (centre, sum) in centres.chunks_exact_mut(SIZE).zip(sums.chunks_exact(SIZE)) {
            if sum.iter().any(|value| *value != 0.0) {
                centre.copy_from_slice(sum);
            }
        }
    }
    centres
}

/// Word classes from texts; none if there are too few words.
pub(crate) fn induce<'a>(documents: impl Iterator<Item = &'a Document<'a>>, seed: u64) -> Result<ClusterTable> {
    let text = read(documents);
    let words = text.words.len();
    if words < 50 {
        return Ok(ClusterTable::default());
    }
    let (matrix, columns) = neighbours(&text);
    let mut random = Random::new(seed ^ 0x636c_6173);
    let mut basis: Vec<f32> =
        (0..columns * SIZE).map(|_| (random.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5).collect();
    for _ in 0..3 {
        basis = matrix.transposed_times(&matrix.times(&basis), columns);
        orthonormalise(&mut basis);
    }
    let mut rows = matrix.times(&basis);
    normalise(&mut rows);
    let leading = words.min(LEADING);
    let weights: Vec<f32> = (0..leading).map(|rank| 1.0 / (1.0 + rank as f32).sqrt()).collect();
    let fine = LEVELS[0].min(words / 10).max(2);
    let centres = group(&rows[..leading * SIZE], &weights, fine, 10);
    let of = nearest(&rows, &turn(&centres), fine);
    // The groups of groups: classes weigh as their most frequent words do.
    let mut sizes = vec![0.0f32; fine];
    of.iter().take(leading).zip(&weights).for_each(|(&class, weight)| sizes[usize::from(class)] += weight);
    let mut levels = vec![[0u16; 2]; fine];
    for level in 0..2 {
        let count = LEVELS[level + 1].min(fine / 2).max(1);
        let upper = group(&centres, &sizes, count, 15);
        for (class, group) in nearest(&centres, &turn(&upper), count).into_iter().enumerate() {
            levels[class][level] = group;
        }
    }
    let mut entries: Vec<(u64, u16)> = text.words.iter().copied().zip(of).collect();
    Ok(ClusterTable { words: entries.len(), map: write_map(&mut entries)?, levels })
}
