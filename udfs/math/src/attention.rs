//! Attention over packed rows: every sequence and head on its own, without padding.
//!
//! A head's keys (transposed) and values are copied to where they lie together; queries then go
//! through four at a time: their scores, the softmax, and the sum of values stay in the cache.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::exp::exp;

/// Queries that are worked on together.
const ROWS: usize = 4;

/// The shape of an attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Number of heads.
    pub heads: usize,
    /// Dimensions of a head.
    pub head: usize,
    /// Whether a row sees only itself and what comes before it.
    pub causal: bool,
}

/// Buffers that are used again and again.
#[derive(Default)]
pub struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

impl Attention {
    /// Self-attention within each of the sequences, which are ranges of rows. A row of `qkv` holds
    /// all heads' queries, then keys, then values; a row of `out` all heads' results.
    pub fn apply(
        &self,
        qkv: &[f32],
        sequences: &[Range<usize>],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.heads * self.head;
        let stride = 3 * width;
        for rows in sequences {
            let qkv = &qkv[rows.start * stride..rows.end * stride];
            let out = &mut out[rows.start * width..rows.end * width];
            for offset in (0..width).step_by(self.head) {
                let part = |first: usize| Rows { values: &qkv[first + offset..], stride };
                let head = Head {
                    queries: part(0),
                    keys: part(width),
                    values: part(2 * width),
                    asking: rows.len(),
                    asked: rows.len(),
                    width: self.head,
                    causal: self.causal,
                };
                Arch::new().dispatch(Attend {
                    head,
                    scratch,
                    out: &mut out[offset..],
                    stride: width,
                });
            }
        }
    }

    /// Attention of other rows' queries: `queries` rows hold the heads' queries, `kv` rows all
    /// heads' keys and then values, `out` rows the results.
    pub fn cross(&self, queries: &[f32], kv: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let width = self.heads * self.head;
        for offset in (0..width).step_by(self.head) {
            let head = Head {
                queries: Rows { values: &queries[offset..], stride: width },
                keys: Rows { values: &kv[offset..], stride: 2 * width },
                values: Rows { values: &kv[width + offset..], stride: 2 * width },
                asking: queries.len() / width,
                asked: kv.len() / (2 * width),
                width: self.head,
                causal: self.causal,
            };
            Arch::new().dispatch(Attend { head, scratch, out: &mut out[offset..], stride: width });
        }
    }
}

/// One head of one sequence.
struct Head<'a> {
    queries: Rows<'a>,
    keys: Rows<'a>,
    values: Rows<'a>,
    /// Number of queries.
    asking: usize,
    /// Number of keys and values.
    asked: usize,
    /// Dimensions.
    width: usize,
    causal: bool,
}

/// The work on a head, to be compiled for each vector unit.
struct Attend<'a> {
    head: Head<'a>,
    scratch: &'a mut Scratch,
    /// Where the first query's result goes.
    out: &'a mut [f32],
    /// From one result to the next.
    stride: usize,
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, scratch, out, stride } = self;
        let Head { queries, keys, values, asking, asked, width, causal } = head;
        let padded_keys = asked.next_multiple_of(S::F32_LANES);
        let padded_width = width.next_multiple_of(S::F32_LANES);
        let Scratch { keys: transposed, values: together, scores } = scratch;
        transposed.clear();
        transposed.resize(width * padded_keys, 0.0);
        together.clear();
        together.resize(asked * padded_width, 0.0);
        // Behind the scores of the rows, their sums of values.
        scores.resize(ROWS * (padded_keys + padded_width), 0.0);
        let (scores, sums) = scores.split_at_mut(ROWS * padded_keys);
        let scale = 1.0 / (width as f32).sqrt();
        for row in 0..asked {
            for (i, &key) in keys.row(row, width).iter().enumerate() {
                transposed[i * padded_keys + row] = key * scale;
            }
            together[row * padded_width..][..width].copy_from_slice(values.row(row, width));
        }
        for first in (0..asking).step_by(ROWS) {
            let count = ROWS.min(asking - first);
            // Rows beyond the last are the last again: their results are not taken.
            let last = first + count - 1;
            let mut left: [&[f32]; ROWS] = [&[]; ROWS];
            for (r, left) in left.iter_mut().enumerate() {
                *left = queries.row(last.min(first + r), width);
            }
            times(simd, left, transposed, padded_keys, scores);
            let mut shares = [0f32; ROWS];
            for (r, (row, share)) in
                scores.chunks_exact_mut(padded_keys).zip(&mut shares).enumerate()
            {
                let seen = if causal { (first + r + 1).min(asked) } else { asked };
                *share = 1.0 / softmax_sum(row, seen);
            }
            let mut left: [&[f32]; ROWS] = [&[]; ROWS];
            for (left, row) in left.iter_mut().zip(scores.chunks_exact(padded_keys)) {
                *left = &row[..asked];
            }
            times(simd, left, together, padded_width, sums);
            for (r, &share) in shares.iter().enumerate().take(count) {
                let to = &mut out[(first + r) * stride..][..width];
                for (x, &sum) in to.iter_mut().zip(&sums[r * padded_width..]) {
                    *x = sum * share;
                }
            }
        }
    }
}

/// Rows of one head among those of the others.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, index: usize, width: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..width]
    }
}

/// The product of a few rows with a matrix whose rows are `width` long, a multiple of the lanes.
#[inline(always)]
fn times<S: Simd>(simd: S, left: [&[f32]; ROWS], right: &[f32], width: usize, out: &mut [f32]) {
    let pair = 2 * S::F32_LANES;
    let mut column = 0;
    while column + pair <= width {
        tile::<S, 2>(simd, left, right, width, column, out);
        column += pair;
    }
    if column < width {
        tile::<S, 1>(simd, left, right, width, column, out);
    }
}

/// As many columns of the product as `N` vectors hold, summed up in registers.
#[inline(always)]
fn tile<S: Simd, const N: usize>(
    simd: S,
    left: [&[f32]; ROWS],
    right: &[f32],
    width: usize,
    column: usize,
    out: &mut [f32],
) {
    let depth = left[0].len();
    let [a, b, c, d] = left.map(|row| &row[..depth]);
    let mut sums = [[simd.splat_f32s(0.0); N]; ROWS];
    for (k, row) in right.chunks_exact(width).take(depth).enumerate() {
        let (row, _) = S::as_simd_f32s(&row[column..column + N * S::F32_LANES]);
        let factors = [a[k], b[k], c[k], d[k]];
        for (sum, factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f32s(factor);
            for (x, &y) in sum.iter_mut().zip(row) {
                *x = simd.mul_add_e_f32s(factor, y, *x);
            }
        }
    }
    for (r, sum) in sums.iter().enumerate() {
        let to = &mut out[r * width + column..][..N * S::F32_LANES];
        let (to, _) = S::as_mut_simd_f32s(to);
        for (x, &y) in to.iter_mut().zip(sum) {
            *x = y;
        }
    }
}

/// Turns scores into e to their distance from the largest, and gives their sum; what is not seen
/// becomes 0.
#[inline(always)]
fn softmax_sum(row: &mut [f32], seen: usize) -> f32 {
    let (row, unseen) = row.split_at_mut(seen);
    unseen.fill(0.0);
    let mut largest = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for (most, &x) in largest.iter_mut().zip(chunk) {
            *most = if x > *most { x } else { *most };
        }
    }
    let mut most = f32::NEG_INFINITY;
    for &x in largest.iter().chain(rest) {
        most = if x > most { x } else { most };
    }
    let mut lanes = [0f32; 8];
    let (chunks, rest) = row.as_chunks_mut::<8>();
    for chunk in chunks {
        for (sum, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(*x - most);
            *sum += *x;
        }
    }
    let mut sum: f32 = lanes.iter().sum();
    for x in rest {
        *x = exp(*x - most);
        sum += *x;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    /// Attention as it is written in books, in f64.
    fn plain(a: Attention, qkv: &[f32], rows: Range<usize>) -> Vec<f64> {
        let width = a.heads * a.head;
        let at = |row: usize, i: usize| f64::from(qkv[row * 3 * width + i]);
        let mut out = vec![0.0; rows.len() * width];
        for h in 0..a.heads {
            for i in rows.clone() {
                let seen = if a.causal { rows.start..i + 1 } else { rows.clone() };
                let scores: Vec<f64> = seen
                    .clone()
                    .map(|j| {
                        (0..a.head)
                            .map(|d| at(i, h * a.head + d) * at(j, width + h * a.head + d))
                            .sum::<f64>()
                            / (a.head as f64).sqrt()
                    })
                    .map(f64::exp)
                    .collect();
                let sum: f64 = scores.iter().sum();
                for d in 0..a.head {
                    out[(i - rows.start) * width + h * a.head + d] = seen
                        .clone()
                        .zip(&scores)
                        .map(|(j, s)| s / sum * at(j, 2 * width + h * a.head + d))
                        .sum();
                }
            }
        }
        out
    }

    #[test]
    fn it_is_the_plain_one_for_every_length_and_shape() {
        for causal in [false, true] {
            for (heads, head) in [(1, 4), (2, 20), (3, 32), (2, 64)] {
                let a = Attention { heads, head, causal };
                let lengths = [1, 2, 3, 4, 5, 17, 33, 100];
                let total: usize = lengths.iter().sum();
                let qkv: Vec<f32> =
                    noise(total * 3 * heads * head).iter().map(|x| x * 2.0).collect();
                let mut start = 0;
                let sequences: Vec<_> = lengths
                    .iter()
                    .map(|length| {
                        start += length;
                        start - length..start
                    })
                    .collect();
                let mut out = vec![f32::NAN; total * heads * head];
                a.apply(&qkv, &sequences, &mut Scratch::default(), &mut out);
                for rows in sequences {
                    let right = plain(a, &qkv, rows.clone());
                    let got = &out[rows.start * heads * head..rows.end * heads * head];
                    for (x, y) in got.iter().zip(right) {
                        assert!((f64::from(*x) - y).abs() < 1e-5, "{x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_that_asks_of_others_is_one_that_asks_of_its_own() {
        let a = Attention { heads: 2, head: 16, causal: false };
        let qkv = noise(7 * 96);
        let mut whole = vec![0.0; 7 * 32];
        a.apply(&qkv, std::slice::from_ref(&(0..7)), &mut Scratch::default(), &mut whole);
        let queries: Vec<f32> = qkv.chunks(96).flat_map(|row| row[..32].to_vec()).collect();
        let kv: Vec<f32> = qkv.chunks(96).flat_map(|row| row[32..].to_vec()).collect();
        let mut crossed = vec![0.0; 7 * 32];
        a.cross(&queries, &kv, &mut Scratch::default(), &mut crossed);
        assert_eq!(whole, crossed);
    }

    #[test]
    fn scores_of_any_size_stay_finite() {
        let a = Attention { heads: 1, head: 8, causal: false };
        let qkv: Vec<f32> = noise(5 * 24).iter().map(|x| x * 1e4).collect();
        let mut out = vec![0.0; 5 * 8];
        a.apply(&qkv, std::slice::from_ref(&(0..5)), &mut Scratch::default(), &mut out);
        assert!(out.iter().all(|x| x.is_finite()));
    }
}
