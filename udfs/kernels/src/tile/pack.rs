//! Rows laid out for tiles, multiplied by their factors on the way.

#[cfg(target_arch = "x86_64")]
use crate::lanes::wide;
use crate::tile::{COLUMNS, Line, ROWS, Scaled};

/// Packs rows for the left; the last panel is filled up with zeros.
pub fn pack_left<'a>(
    depth: usize,
    rows: impl ExactSizeIterator<Item = Scaled<'a>>,
    to: &mut Vec<f32>,
) {
    // Eight numbers are written where six are meant: the last ones need room.
    const OVER: usize = 8 - ROWS;
    let size = rows.len().next_multiple_of(ROWS) * depth;
    if to.len() < size + OVER {
        to.resize(size + OVER, 0.0);
    }
    let mut rows = rows.fuse();
    for start in (0..size).step_by((ROWS * depth).max(1)) {
        let six: [Option<Scaled>; ROWS] = std::array::from_fn(|_| rows.next());
        #[cfg(target_arch = "x86_64")]
        if wide() && six.iter().all(|row| row.is_some_and(|row| row.0.len() == depth)) {
            let six = six.map(Option::unwrap_or_default);
            // SAFETY: the machine has what it is compiled for.
            unsafe { wide_pack_left(&six, &mut to[start..start + ROWS * depth + OVER]) };
            continue;
        }
        let panel = &mut to[start..start + ROWS * depth];
        for (i, row) in six.into_iter().enumerate() {
            let (row, factor) = row.unwrap_or_default();
            let filled = row.iter().copied().chain(std::iter::repeat(0.0));
            for (line, x) in panel.chunks_exact_mut(ROWS).zip(filled) {
                line[i] = x * factor;
            }
        }
    }
}

/// Puts six rows into a panel, with room for two numbers behind it.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide_pack_left(rows: &[Scaled; ROWS], panel: &mut [f32]) {
    use std::arch::x86_64::{_mm256_setzero_ps, _mm256_storeu_ps};
    let depth = rows[0].0.len();
    let done = depth / 8 * 8;
    for k in (0..done).step_by(8) {
        let mut x = [_mm256_setzero_ps(); 8];
        for (x, row) in x.iter_mut().zip(rows) {
            *x = loaded(row, k);
        }
        for (i, y) in transposed(x).into_iter().enumerate() {
            let to: &mut [f32] = &mut panel[(k + i) * ROWS..][..8];
            // SAFETY: there is room for eight numbers; the last two are written over by the next.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), y) };
        }
    }
    for (i, (row, factor)) in rows.iter().enumerate() {
        for (line, &x) in panel[done * ROWS..].chunks_exact_mut(ROWS).zip(&row[done..]) {
            line[i] = x * factor;
        }
    }
}

/// Eight numbers of a row, multiplied by its factor.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn loaded(row: &Scaled, k: usize) -> std::arch::x86_64::__m256 {
    use std::arch::x86_64::{_mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_ps};
    let eight: &[f32] = &row.0[k..k + 8];
    // SAFETY: eight numbers are there.
    let loaded = unsafe { _mm256_loadu_ps(eight.as_ptr()) };
    _mm256_mul_ps(loaded, _mm256_set1_ps(row.1))
}

/// Rows become columns.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transposed(mut x: [std::arch::x86_64::__m256; 8]) -> [std::arch::x86_64::__m256; 8] {
    use std::arch::x86_64::{
        _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    // Pairs, then fours, then halves change places.
    let mut y = x;
    for i in [0, 2, 4, 6] {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    for i in [0, 4] {
        x[i] = _mm256_shuffle_ps::<0b0100_0100>(y[i], y[i + 2]);
        x[i + 1] = _mm256_shuffle_ps::<0b1110_1110>(y[i], y[i + 2]);
        x[i + 2] = _mm256_shuffle_ps::<0b0100_0100>(y[i + 1], y[i + 3]);
        x[i + 3] = _mm256_shuffle_ps::<0b1110_1110>(y[i + 1], y[i + 3]);
    }
    for i in 0..4 {
        y[i] = _mm256_permute2f128_ps::<0x20>(x[i], x[i + 4]);
        y[i + 4] = _mm256_permute2f128_ps::<0x31>(x[i], x[i + 4]);
    }
    y
}

/// Packs up to sixteen rows for the right.
pub fn pack_right<'a>(rows: impl Iterator<Item = Scaled<'a>>, panel: &mut [Line]) {
    let mut rows = rows.take(COLUMNS).fuse();
    for half in 0..2 {
        let eight: [Option<Scaled>; 8] = std::array::from_fn(|_| rows.next());
        #[cfg(target_arch = "x86_64")]
        if wide() && eight.iter().all(|row| row.is_some_and(|row| row.0.len() == panel.len())) {
            let eight = eight.map(Option::unwrap_or_default);
            // SAFETY: the machine has what it is compiled for.
            unsafe { wide_pack(&eight, panel, 8 * half) };
            continue;
        }
        for (i, (row, factor)) in eight.into_iter().flatten().enumerate() {
            for (line, &x) in panel.iter_mut().zip(row) {
                line.0[8 * half + i] = x * factor;
            }
        }
    }
}

/// Puts eight rows, as long as the panel, into its columns from `first` on.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide_pack(rows: &[Scaled; 8], panel: &mut [Line], first: usize) {
    use std::arch::x86_64::{_mm256_setzero_ps, _mm256_storeu_ps};
    let (blocks, rest) = panel.as_chunks_mut::<8>();
    let done = blocks.len() * 8;
    for (k, block) in (0..).step_by(8).zip(blocks) {
        let mut x = [_mm256_setzero_ps(); 8];
        for (x, row) in x.iter_mut().zip(rows) {
            *x = loaded(row, k);
        }
        for (line, y) in block.iter_mut().zip(transposed(x)) {
            let to: &mut [f32] = &mut line.0[first..first + 8];
            // SAFETY: there is room for eight numbers.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), y) };
        }
    }
    for (i, (row, factor)) in rows.iter().enumerate() {
        for (line, &x) in rest.iter_mut().zip(&row[done..]) {
            line.0[first + i] = x * factor;
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

    #[test]
    fn rows_on_the_left_lie_by_six() {
        let mut packed = Vec::new();
        for depth in [30, 1, 9, 8, 7] {
            let rows = noise(8, 16 * depth);
            for count in [16, 1, 6, 11, 12] {
                let scaled: Vec<Scaled> = (1u8..)
                    .zip(rows.chunks_exact(depth).take(count))
                    .map(|(i, row)| (row, f32::from(i)))
                    .collect();
                pack_left(depth, scaled.into_iter(), &mut packed);
                for i in 0..count.next_multiple_of(ROWS) {
                    for k in 0..depth {
                        let right =
                            if i < count { rows[i * depth + k] * (i + 1) as f32 } else { 0.0 };
                        let at = (i / ROWS * depth + k) * ROWS + i % ROWS;
                        assert_eq!(packed[at], right, "{depth} {count} {i} {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_lie_in_the_columns_of_their_panel() {
        for depth in [1, 7, 8, 9, 30] {
            let rows = noise(8, 16 * depth);
            for count in [0, 3, 8, 11, 16] {
                let mut panel = vec![Line::default(); depth];
                let scaled = (1u8..).zip(rows.chunks_exact(depth).take(count));
                pack_right(scaled.map(|(i, row)| (row, f32::from(i))), &mut panel);
                for (k, line) in panel.iter().enumerate() {
                    for (i, &x) in line.0.iter().enumerate() {
                        let right =
                            if i < count { rows[i * depth + k] * (i + 1) as f32 } else { 0.0 };
                        assert_eq!(x, right, "{depth} {count} {k} {i}");
                    }
                }
            }
        }
    }
}
