//! Cells: groups of equally many rows that are near each other.
//!
//! Rows are halved again and again, each time across the line between the means of two groups that
//! their sample falls into. So all cells are of one size, but for one row, and it takes as many passes
//! over the rows as there are halvings.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::random::number;
use crate::rows::Rows;
use crate::watch::Watch;

/// Rows that the direction of a cut is found from.
const SAMPLE: usize = 1024;
/// How often the two means are moved to the middle of what is nearer to each.
const ROUNDS: usize = 4;
/// The stream of samples.
const STREAM: u64 = u64::from_be_bytes(*b"\0\0\0cells");

/// Which rows are in which cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    /// Rows, cell after cell, within a cell ascending.
    pub(super) rows: Vec<u32>,
    /// Where each cell begins, and where the last one ends.
    pub(super) starts: Vec<usize>,
}

impl Cells {
    /// Cells of rows near each other.
    pub(super) fn new(rows: Rows, cells: usize, seed: u64, watch: &dyn Watch) -> Result<Self> {
        // Rows are counted in 32 bits.
        let mut all: Vec<u32> = (0..rows.len() as u32).collect();
        watch.stage("cells", 1);
        let cutting = Cutting { rows, seed, watch };
        cutting.cut(&mut all, cells, 1)?;
        watch.done(1);
        let starts: Vec<usize> = (0..=cells).map(|cell| start(rows.len(), cells, cell)).collect();
        for pair in starts.windows(2) {
            all[pair[0]..pair[1]].sort_unstable();
        }
        Ok(Self { rows: all, starts })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// Where a cell begins if so many rows are cut into so many cells. Cutting in two by
/// [`Cutting::cut`] comes to the same places.
fn start(rows: usize, cells: usize, cell: usize) -> usize {
    let (mut first, mut rows, mut cells, mut cell) = (0, rows, cells, cell);
    while cells > 1 {
        let (left_cells, left_rows) = halves(rows, cells);
        if cell < left_cells {
            (rows, cells) = (left_rows, left_cells);
        } else {
            first += left_rows;
            (rows, cells, cell) = (rows - left_rows, cells - left_cells, cell - left_cells);
        }
    }
    first + if cell == 0 { 0 } else { rows }
}

/// How many cells and rows go to the left.
fn halves(rows: usize, cells: usize) -> (usize, usize) {
    let left = cells / 2;
    // The product of rows and cells is far below what 64 bits hold.
    (left, rows * left / cells)
}

struct Cutting<'a> {
    rows: Rows<'a>,
    seed: u64,
    watch: &'a dyn Watch,
}

impl Cutting<'_> {
    /// Sorts rows so that as many cells lie one after another. `path` tells the cuts apart.
    fn cut(&self, part: &mut [u32], cells: usize, path: u64) -> Result<()> {
        if cells < 2 || part.len() < 2 {
            return Ok(());
        }
        if self.watch.stopped() {
            return Err(Error::Stopped);
        }
        let (left_cells, left_rows) = halves(part.len(), cells);
        let axis = self.axis(part, path);
        let mut along: Vec<(f32, u32)> = vec![(0.0, 0); part.len()];
        along.par_chunks_mut(SAMPLE).zip(part.par_chunks(SAMPLE)).for_each(|(along, part)| {
            Arch::new().dispatch(Project { rows: self.rows, axis: &axis, part, along });
        });
        let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if left_rows > 0 && left_rows < part.len() {
            along.select_nth_unstable_by(left_rows, order);
        }
        for (row, (_, id)) in part.iter_mut().zip(&along) {
            *row = *id;
        }
        drop(along);
        let (left, right) = part.split_at_mut(left_rows);
        // What selection leaves in no order is put into one: nothing may depend on how it works.
        rayon::join(|| left.sort_unstable(), || right.sort_unstable());
        let (a, b) = rayon::join(
            || self.cut(left, left_cells, 2 * path),
            || self.cut(right, cells - left_cells, 2 * path + 1),
        );
        a.and(b)
    }

    /// The line between the means of two groups.
    fn axis(&self, part: &[u32], path: u64) -> Vec<f32> {
        let sample: Vec<&[f32]> = (0..SAMPLE.min(part.len()))
            .map(|i| {
                // A product of two 64-bit numbers fits 128 bits; its high half is below the second.
                let chance = u128::from(number(self.seed ^ STREAM, path, i as u64));
                let any = ((chance * part.len() as u128) >> 64) as usize;
                let drawn = if part.len() <= SAMPLE { i } else { any };
                self.rows.row(part[drawn] as usize)
            })
            .collect();
        Arch::new().dispatch(Halve { sample: &sample, width: self.rows.width() })
    }
}

/// Where rows lie along an axis, to be compiled for each vector unit.
struct Project<'a> {
    rows: Rows<'a>,
    axis: &'a [f32],
    part: &'a [u32],
    along: &'a mut [(f32, u32)],
}

impl WithSimd for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (along, &row) in self.along.iter_mut().zip(self.part) {
            *along = (dot(self.rows.row(row as usize), self.axis), row);
        }
    }
}

/// The line between the means of two groups of a sample, to be compiled for each vector unit.
struct Halve<'a> {
    sample: &'a [&'a [f32]],
    width: usize,
}

impl WithSimd for Halve<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mean = |which: &[bool], side: bool| {
            let mut sum = vec![0f32; self.width];
            let mut count = 0f32;
            for (row, _) in self.sample.iter().zip(which).filter(|x| *x.1 == side) {
                count += 1.0;
                sum.iter_mut().zip(*row).for_each(|(sum, x)| *sum += x);
            }
            sum.iter_mut().for_each(|x| *x /= f32::max(count, 1.0));
            sum
        };
        let mut which = vec![false; self.sample.len()];
        let centre = mean(&which, false);
        // The row furthest from the middle, and the one furthest from that.
        let far = |from: &[f32]| {
            let all = self.sample.iter().map(|row| apart(row, from));
            let most =
                all.enumerate().fold((0, -1f32), |most, x| if x.1 > most.1 { x } else { most });
            self.sample[most.0].to_vec()
        };
        let mut left = far(&centre);
        let mut right = far(&left);
        for _ in 0..ROUNDS {
            let axis: Vec<f32> = left.iter().zip(&right).map(|(a, b)| b - a).collect();
            let mut along: Vec<f32> = self.sample.iter().map(|row| dot(row, &axis)).collect();
            for (which, x) in which.iter_mut().zip(&along) {
                *which = *x > 0.0;
            }
            // Halves of equal size, as the cut will be.
            let middle = along.len() / 2;
            let at = *along.clone().select_nth_unstable_by(middle, f32::total_cmp).1;
            for (which, x) in which.iter_mut().zip(along.drain(..)) {
                *which = x > at;
            }
            if which.iter().all(|&x| !x) {
                break;
            }
            (left, right) = (mean(&which, false), mean(&which, true));
        }
        left.iter().zip(&right).map(|(a, b)| b - a).collect()
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            lanes[lane] = a[lane].mul_add(b[lane], lanes[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[inline(always)]
fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Unwatched;

    fn rows(count: usize, width: usize) -> Vec<f32> {
        let at = |i: usize| (i % 4) as f32 * 10.0 + crate::random::signed(5, 1, i as u64);
        (0..count)
            .flat_map(|i| {
                (0..width).map(move |j| if j == 0 { at(i) } else { at(i * 7 + j) / 20.0 })
            })
            .collect()
    }

    #[test]
    fn every_row_is_in_one_cell_and_cells_are_of_one_size() {
        for (count, cells) in [(1000, 16), (1003, 7), (5, 8), (1, 1), (0, 3), (64, 64)] {
            let values = rows(count, 3);
            let made = Cells::new(Rows::new(&values, 3).unwrap(), cells, 1, &Unwatched).unwrap();
            assert_eq!((made.len(), made.starts[cells]), (cells, count));
            let mut all = made.rows.clone();
            all.sort_unstable();
            assert!(all.iter().enumerate().all(|(i, &row)| i == row as usize));
            let sizes: Vec<usize> = made.starts.windows(2).map(|x| x[1] - x[0]).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(most - least <= 2, "{sizes:?}");
        }
    }

    #[test]
    fn what_lies_together_comes_together() {
        let values = rows(2000, 5);
        let made = Cells::new(Rows::new(&values, 5).unwrap(), 4, 1, &Unwatched).unwrap();
        for pair in made.starts.windows(2) {
            let cell = &made.rows[pair[0]..pair[1]];
            assert!(cell.iter().all(|row| row % 4 == cell[0] % 4));
        }
    }

    #[test]
    fn rows_that_are_all_the_same_or_no_numbers_are_cut_as_well() {
        for x in [1.0, 0.0, f32::NAN, f32::INFINITY] {
            let values = vec![x; 300];
            let made = Cells::new(Rows::new(&values, 3).unwrap(), 8, 1, &Unwatched).unwrap();
            assert_eq!(made.rows.len(), 100);
        }
    }
}
