//! What a cell's rows see of all other cells: their means, the far ones in groups.

use super::cells::Cells;

/// Up to so many cells every mean is taken for itself.
const EXACT: usize = 256;
/// Of more, so many of the nearest are.
const NEAREST: usize = 64;
/// And the others in groups of about this size.
const GROUP: usize = 16;

/// Mass at places: axis by axis, so that vector units take several at once.
#[derive(Debug, Clone)]
pub(super) struct Far<const D: usize> {
    pub(super) axes: [Vec<f32>; D],
    pub(super) masses: Vec<f32>,
}

/// A number of rows and where their mean is.
#[derive(Debug, Clone, Copy)]
struct Mass<const D: usize> {
    sum: [f64; D],
    rows: f64,
}

impl<const D: usize> Mass<D> {
    const NONE: Self = Self { sum: [0.0; D], rows: 0.0 };

    fn add(&mut self, other: &Self, times: f64) {
        self.rows += times * other.rows;
        self.sum.iter_mut().zip(other.sum).for_each(|(sum, x)| *sum += times * x);
    }

    fn mean(&self) -> [f64; D] {
        self.sum.map(|x| x / self.rows.max(1.0))
    }
}

/// The cells' means, and the groups that they fall into.
pub(super) struct Means<const D: usize> {
    cells: Vec<Mass<D>>,
    /// The group of every cell.
    group: Vec<u32>,
    groups: Vec<Mass<D>>,
}

impl<const D: usize> Means<D> {
    /// Means of where the rows are.
    pub(super) fn new(cells: &Cells, places: &[[f32; D]]) -> Self {
        let cells: Vec<Mass<D>> = cells
            .starts
            .windows(2)
            .map(|pair| {
                let mut mass = Mass { sum: [0.0; D], rows: (pair[1] - pair[0]) as f64 };
                for place in &places[pair[0]..pair[1]] {
                    mass.sum.iter_mut().zip(place).for_each(|(sum, x)| *sum += f64::from(*x));
                }
                mass
            })
            .collect();
        let mut group = vec![0u32; cells.len()];
        let mut groups = Vec::new();
        if cells.len() > EXACT {
            let means: Vec<[f64; D]> = cells.iter().map(Mass::mean).collect();
            // Cells are few thousands.
            let mut all: Vec<u32> = (0..cells.len() as u32).collect();
            let mut count = 0;
            split(&mut all, &means, &mut |members| {
                members.iter().for_each(|&cell| group[cell as usize] = count);
                count += 1;
            });
            groups = vec![Mass::NONE; count as usize];
            for (cell, &group) in cells.iter().zip(&group) {
                groups[group as usize].add(cell, 1.0);
            }
        }
        Self { cells, group, groups }
    }

    /// What one cell's rows see; a row weighs `weight`.
    pub(super) fn seen_from(&self, cell: usize, weight: f64) -> Far<D> {
        let mut far = Far { axes: std::array::from_fn(|_| Vec::new()), masses: Vec::new() };
        let mut push = |mass: &Mass<D>| {
            // Less than half a row is what rounding leaves of a group of which nothing is.
            if mass.rows > 0.5 {
                far.axes.iter_mut().zip(mass.mean()).for_each(|(axis, x)| axis.push(x as f32));
                far.masses.push((weight * mass.rows) as f32);
            }
        };
        if self.groups.is_empty() {
            for (other, mass) in self.cells.iter().enumerate() {
                if other != cell {
                    push(mass);
                }
            }
            return far;
        }
        let here = self.cells[cell].mean();
        let mut all: Vec<(f64, usize)> = (0..self.cells.len())
            .filter(|&other| other != cell)
            .map(|other| {
                let there = self.cells[other].mean();
                (here.iter().zip(there).map(|(x, y)| (x - y) * (x - y)).sum(), other)
            })
            .collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        all.select_nth_unstable_by(NEAREST, order);
        all.truncate(NEAREST);
        all.sort_unstable_by(order);
        let mut groups = self.groups.clone();
        groups[self.group[cell] as usize].add(&self.cells[cell], -1.0);
        for &(_, other) in &all {
            push(&self.cells[other]);
            groups[self.group[other] as usize].add(&self.cells[other], -1.0);
        }
        groups.iter().for_each(&mut push);
        far
    }
}

/// Halves cells along the axis on which they differ most until groups are small.
fn split<const D: usize>(cells: &mut [u32], means: &[[f64; D]], group: &mut impl FnMut(&[u32])) {
    if cells.len() <= GROUP {
        return group(cells);
    }
    let extent = |d: usize| {
        let along = || cells.iter().map(|&cell| means[cell as usize][d]);
        along().fold(f64::NEG_INFINITY, f64::max) - along().fold(f64::INFINITY, f64::min)
    };
    let widest =
        (0..D).fold((0, -1.0), |most, d| if extent(d) > most.1 { (d, extent(d)) } else { most }).0;
    cells.sort_unstable_by(|&a, &b| {
        means[a as usize][widest].total_cmp(&means[b as usize][widest]).then(a.cmp(&b))
    });
    let (left, right) = cells.split_at_mut(cells.len() / 2);
    split(left, means, group);
    split(right, means, group);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::signed;

    fn made(cells: usize, each: usize) -> (Cells, Vec<[f32; 2]>) {
        let rows = cells * each;
        let places = (0..rows as u64)
            .map(|i| {
                let cell = i / each as u64;
                [10.0 * signed(1, 0, cell) + signed(1, 2, i) * 0.1, 10.0 * signed(1, 1, cell)]
            })
            .collect();
        let starts = (0..=cells).map(|cell| cell * each).collect();
        (Cells { rows: (0..rows as u32).collect(), starts }, places)
    }

    #[test]
    fn all_other_rows_are_seen_where_they_are() {
        for (count, each) in [(5, 7), (256, 3), (257, 3), (900, 2)] {
            let (cells, places) = made(count, each);
            let means = Means::new(&cells, &places);
            for cell in [0, 1, count / 2, count - 1] {
                let far = means.seen_from(cell, 2.0);
                let all: f32 = far.masses.iter().sum();
                assert!((all - (2 * (count - 1) * each) as f32).abs() < 0.5, "{all}");
                let expected = if count <= 256 { count - 1 } else { 64 + count.div_ceil(8) };
                assert!(far.masses.len() <= expected, "{}", far.masses.len());
                // The same middle of everything, and about the same push.
                let (mut middle, mut right, mut push, mut pushed) = (0.0, 0.0, 0.0, 0.0);
                let here = places[cell * each];
                let nearness =
                    |x: f32, y: f32| 1.0 / (1.0 + (x - here[0]).powi(2) + (y - here[1]).powi(2));
                for i in 0..far.masses.len() {
                    middle += far.masses[i] * far.axes[0][i];
                    push += far.masses[i] * nearness(far.axes[0][i], far.axes[1][i]);
                }
                for (place, [x, y]) in places.iter().enumerate() {
                    if place / each != cell {
                        right += 2.0 * x;
                        pushed += 2.0 * nearness(*x, *y);
                    }
                }
                assert!((middle - right).abs() < 1e-3 * all * 10.0);
                assert!((push / pushed - 1.0).abs() < 0.05, "{push} {pushed}");
            }
        }
    }
}
