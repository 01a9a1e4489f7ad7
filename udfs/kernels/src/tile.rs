//! Scores of many rows against many, by blocks that stay in the caches.
//!
//! The rows on the right lie in panels of sixteen, interleaved; those on the left are packed by six.
//! A score is summed over the elements in their order, by one fused multiply and add each, so that
//! it is the same to the bit wherever in a block a pair of rows stands and whichever of them is on
//! the left: that is what lets blocks be of any size and be worked on by any number of threads.

#[cfg(target_arch = "x86_64")]
use crate::lanes::wide;
use crate::lanes::{fused, vectorised};

/// Rows of a panel on the right.
pub const COLUMNS: usize = 16;
/// Rows of a panel on the left.
pub const ROWS: usize = 6;
/// Elements of the rows that are summed up before the next panel's turn: what one panel on the right
/// and one on the left have of them fits the nearest cache.
const DEPTH: usize = 256;
/// Bytes of packed rows on the left: they fit the second cache, with room for the panels on the right.
const LEFT_BYTES: usize = 192 * 1024;

/// One element of sixteen rows.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct Line(pub [f32; COLUMNS]);

/// What a score is; the greater it is the nearer two rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The sum of products.
    Products,
    /// The negative sum of squared differences.
    Squares,
}

/// A row, and what it is multiplied by.
pub type Scaled<'a> = (&'a [f32], f32);

/// How many of `rows` rows to take on the left at a time: as many as fit, all about as many.
pub fn left_rows(rows: usize, depth: usize) -> usize {
    let fit = LEFT_BYTES / (size_of::<f32>() * depth.max(1));
    let most = (fit / ROWS * ROWS).clamp(ROWS, 32 * ROWS);
    let times = rows.div_ceil(most).max(1);
    rows.div_ceil(times).next_multiple_of(ROWS).max(ROWS)
}

/// Packs rows for the left; the last panel is filled up with zeros.
pub fn pack_left<'a>(
    depth: usize,
    rows: impl ExactSizeIterator<Item = Scaled<'a>>,
    to: &mut Vec<f32>,
) {
    to.clear();
    to.resize(rows.len().next_multiple_of(ROWS) * depth, 0.0);
    let mut rows = rows.fuse();
    for panel in to.chunks_exact_mut(ROWS * depth) {
        let six: [Option<Scaled>; ROWS] = std::array::from_fn(|_| rows.next());
        if let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)] = six {
            let six = [a, b, c, d, e, f].map(|(row, factor)| (&row[..depth], factor));
            for (k, line) in panel.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                for (x, (row, factor)) in line.iter_mut().zip(six) {
                    *x = row[k] * factor;
                }
            }
        } else {
            for (i, (row, factor)) in six.into_iter().flatten().enumerate() {
                for (line, &x) in panel.chunks_exact_mut(ROWS).zip(row) {
                    line[i] = x * factor;
                }
            }
        }
    }
}

/// Packs up to sixteen rows for the right.
pub fn pack_right<'a>(rows: impl Iterator<Item = Scaled<'a>>, panel: &mut [Line]) {
    for (i, (row, factor)) in rows.take(COLUMNS).enumerate() {
        for (line, &x) in panel.iter_mut().zip(row) {
            line.0[i] = x * factor;
        }
    }
}

/// Scores of all packed rows on the left against a panel on the right; as many rows of `out` as
/// there are, whole panels of them.
pub fn scores(form: Form, left: &[f32], panel: &[Line], out: &mut [[f32; COLUMNS]]) {
    let depth = panel.len();
    let (tiles, _) = out.as_chunks_mut::<ROWS>();
    let pieces = depth.div_ceil(DEPTH).max(1);
    let mut first = 0;
    for piece in 1..=pieces {
        let end = depth * piece / pieces;
        for (i, tile) in tiles.iter_mut().enumerate() {
            let left = &left[(i * depth + first) * ROWS..(i * depth + end) * ROWS];
            let right = &panel[first..end];
            match form {
                Form::Products => tile_of::<false>(left, right, piece == 1, tile),
                Form::Squares => tile_of::<true>(left, right, piece == 1, tile),
            }
        }
        first = end;
    }
}

#[inline(always)]
fn tile_of<const SQUARES: bool>(
    left: &[f32],
    right: &[Line],
    fresh: bool,
    out: &mut [[f32; COLUMNS]; ROWS],
) {
    #[cfg(target_arch = "x86_64")]
    if wide() {
        // SAFETY: the machine has what it is compiled for.
        return unsafe { wide_tile::<SQUARES>(left, right, fresh, out) };
    }
    plain_tile::<SQUARES>(left, right, fresh, out);
}

fn plain_tile<const SQUARES: bool>(
    left: &[f32],
    right: &[Line],
    fresh: bool,
    out: &mut [[f32; COLUMNS]; ROWS],
) {
    let mut sums = if fresh { [[0.0; COLUMNS]; ROWS] } else { *out };
    for (a, b) in left.as_chunks::<ROWS>().0.iter().zip(right) {
        for (sums, &a) in sums.iter_mut().zip(a) {
            for (sum, &b) in sums.iter_mut().zip(&b.0) {
                *sum = if SQUARES {
                    fused::<false>(a - b, b - a, *sum)
                } else {
                    fused::<false>(a, b, *sum)
                };
            }
        }
    }
    *out = sums;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide_tile<const SQUARES: bool>(
    left: &[f32],
    right: &[Line],
    fresh: bool,
    out: &mut [[f32; COLUMNS]; ROWS],
) {
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_load_ps, _mm256_loadu_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps,
    };
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    if !fresh {
        for (sum, from) in sums.iter_mut().zip(out.iter()) {
            // SAFETY: sixteen numbers are there, and a line of them is aligned where that is asked.
            *sum =
                unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] };
        }
    }
    for (a, b) in left.as_chunks::<ROWS>().0.iter().zip(right) {
        // SAFETY: as above.
        let b = unsafe { [_mm256_load_ps(b.0.as_ptr()), _mm256_load_ps(b.0.as_ptr().add(8))] };
        for (sum, &a) in sums.iter_mut().zip(a) {
            let a = _mm256_set1_ps(a);
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum = if SQUARES {
                    let apart = _mm256_sub_ps(a, b);
                    _mm256_fnmadd_ps(apart, apart, *sum)
                } else {
                    _mm256_fmadd_ps(a, b, *sum)
                };
            }
        }
    }
    for (sum, to) in sums.iter().zip(out) {
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), sum[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), sum[1]);
        }
    }
}

/// The score of one pair, the same to the bit as in a block.
pub fn score(form: Form, a: Scaled, b: Scaled) -> f32 {
    let mut sum = 0.0;
    one_score(form, a.0, a.1, b.0, b.1, &mut sum);
    sum
}

vectorised! {
    fn one_score(form: Form, a: &[f32], by_a: f32, b: &[f32], by_b: f32, sum: &mut f32) {
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (a * by_a, b * by_b);
            *sum = match form {
                Form::Products => fused::<WIDE>(a, b, *sum),
                Form::Squares => fused::<WIDE>(a - b, b - a, *sum),
            };
        }
    }
}

/// Finds the scores that reach the least of their row on the left or of their column: for every row
/// with any, its number and a bit a column.
pub fn reaching(
    scores: &[[f32; COLUMNS]],
    left_least: &[f32],
    right_least: &[f32; COLUMNS],
    found: &mut Vec<(u32, u16)>,
) {
    #[cfg(target_arch = "x86_64")]
    if wide() {
        // SAFETY: the machine has what it is compiled for.
        return unsafe { wide_reaching(scores, left_least, right_least, found) };
    }
    // Rows of one block: their number fits.
    for ((i, scores), &least) in (0u32..).zip(scores).zip(left_least) {
        let mut bits = 0u16;
        for (j, (&score, &other)) in scores.iter().zip(right_least).enumerate() {
            bits |= u16::from(score >= least || score >= other) << j;
        }
        if bits != 0 {
            found.push((i, bits));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide_reaching(
    scores: &[[f32; COLUMNS]],
    left_least: &[f32],
    right_least: &[f32; COLUMNS],
    found: &mut Vec<(u32, u16)>,
) {
    use std::arch::x86_64::{
        __m256, _CMP_GE_OQ, _mm256_cmp_ps, _mm256_loadu_ps, _mm256_movemask_ps, _mm256_or_ps,
        _mm256_set1_ps,
    };
    let load = |from: &[f32; COLUMNS]| -> [__m256; 2] {
        // SAFETY: sixteen numbers are there.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    };
    let other = load(right_least);
    // Rows of one block: their number fits.
    for ((i, scores), &least) in (0u32..).zip(scores).zip(left_least) {
        let least = _mm256_set1_ps(least);
        let scores = load(scores);
        let mut bits = [0i32; 2];
        for j in 0..2 {
            bits[j] = _mm256_movemask_ps(_mm256_or_ps(
                _mm256_cmp_ps::<_CMP_GE_OQ>(scores[j], least),
                _mm256_cmp_ps::<_CMP_GE_OQ>(scores[j], other[j]),
            ));
        }
        let bits = bits[0] | bits[1] << 8;
        if bits != 0 {
            // Sixteen bits are all there are.
            found.push((i, bits as u16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn noise(stream: u64, count: usize) -> Vec<f32> {
        (0..count as u64).map(|i| random::signed(1, stream, i)).collect()
    }

    /// All scores of rows against rows.
    fn all(form: Form, depth: usize, left: &[f32], right: &[f32]) -> Vec<f32> {
        let (m, n) = (left.len() / depth, right.len() / depth);
        let mut packed = Vec::new();
        pack_left(depth, left.chunks_exact(depth).map(|row| (row, 1.0)), &mut packed);
        let mut out = vec![0.0; m * n];
        let mut block = vec![[0.0; COLUMNS]; m.next_multiple_of(ROWS)];
        for (p, rows) in right.chunks(COLUMNS * depth).enumerate() {
            let mut panel = vec![Line::default(); depth];
            pack_right(rows.chunks_exact(depth).map(|row| (row, 1.0)), &mut panel);
            scores(form, &packed, &panel, &mut block);
            for i in 0..m {
                for j in 0..rows.len() / depth {
                    out[i * n + p * COLUMNS + j] = block[i][j];
                }
            }
        }
        out
    }

    #[test]
    fn scores_are_the_plain_ones_for_every_depth() {
        for depth in [1, 2, 3, 8, 17, 255, 256, 257, 384, 768, 1000] {
            let (left, right) = (noise(0, 13 * depth), noise(1, 37 * depth));
            for form in [Form::Products, Form::Squares] {
                let got = all(form, depth, &left, &right);
                for i in 0..13 {
                    for j in 0..37 {
                        let pairs = left[i * depth..][..depth].iter().zip(&right[j * depth..]);
                        let right: f64 =
                            pairs
                                .map(|(&a, &b)| (f64::from(a), f64::from(b)))
                                .map(|(a, b)| {
                                    if form == Form::Products { a * b } else { -(a - b) * (a - b) }
                                })
                                .sum();
                        let apart = (f64::from(got[i * 37 + j]) - right).abs();
                        assert!(apart < 1e-6 * (100 + depth) as f64, "{depth} {form:?} {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_score_does_not_depend_on_where_a_pair_stands_nor_on_its_side() {
        for depth in [5, 384, 700] {
            let rows = noise(2, 50 * depth);
            for form in [Form::Products, Form::Squares] {
                let whole = all(form, depth, &rows, &rows);
                let part = all(form, depth, &rows[7 * depth..], &rows[21 * depth..]);
                for i in 0..50 {
                    for j in 0..50 {
                        assert_eq!(whole[i * 50 + j], whole[j * 50 + i]);
                        let row = |i: usize| (&rows[i * depth..(i + 1) * depth], 1.0);
                        assert_eq!(whole[i * 50 + j], score(form, row(i), row(j)));
                        if i >= 7 && j >= 21 {
                            assert_eq!(whole[i * 50 + j], part[(i - 7) * 29 + j - 21]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn plain_tiles_are_near_wide_ones() {
        let (left, right) = (noise(3, 6 * 100), noise(4, 1600));
        let panel: Vec<Line> = right.as_chunks::<16>().0.iter().map(|&x| Line(x)).collect();
        let (mut plain, mut wide) = ([[0.0; 16]; 6], [[0.0; 16]; 6]);
        plain_tile::<true>(&left, &panel, true, &mut plain);
        tile_of::<true>(&left, &panel, true, &mut wide);
        for (a, b) in plain.as_flattened().iter().zip(wide.as_flattened()) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn what_reaches_either_least_is_found() {
        let scores: Vec<[f32; 16]> = noise(5, 160).as_chunks::<16>().0.to_vec();
        let left = noise(6, 10);
        let right: [f32; 16] = noise(7, 16).try_into().unwrap();
        let mut found = Vec::new();
        reaching(&scores, &left, &right, &mut found);
        for i in 0..10u32 {
            let bits = found.iter().find(|f| f.0 == i).map_or(0, |f| f.1);
            for j in 0..16 {
                let score = scores[i as usize][j];
                let reaches = score >= left[i as usize] || score >= right[j];
                assert_eq!(bits >> j & 1 == 1, reaches);
            }
        }
    }
}
