//! The nearest of many rows to one vector: kept while blocks of rows go by, in memory that does not
//! grow with them.

use portolan_math::{Onto, Packed};
use rayon::prelude::*;

use crate::distance::{Element, Measure, norm, one_to_many};
use crate::error::Result;
use crate::rows::Rows;

/// Rows that one thread measures at a time.
const PIECE: usize = 2048;

/// Rows that one thread multiplies with many vectors at a time: they and their products stay near.
const TOGETHER: usize = 256;

/// The best rows so far. A row is a number of the caller's.
#[derive(Debug, Clone)]
pub struct Nearest {
    wanted: usize,
    ties: bool,
    /// Not sorted; those beyond the limit are weeded out now and then.
    found: Vec<(f32, u64)>,
    /// What a row must not exceed to be among the best.
    limit: f32,
    /// Rows of which nothing can be said: they come after all others.
    unknown: Vec<u64>,
}

impl Nearest {
    /// Keeps the `wanted` rows of the smallest distance; with `ties` also those that are as good as
    /// the last of them, but for rounding.
    pub fn new(wanted: usize, ties: bool) -> Self {
        Self { wanted, ties, found: Vec::new(), limit: f32::INFINITY, unknown: Vec::new() }
    }

    /// Keeps only rows up to a distance.
    pub fn within(mut self, most: f32) -> Self {
        self.limit = most;
        self
    }

    /// Offers a row. One without a distance (NaN) is kept only while there are too few others.
    pub fn offer(&mut self, distance: f32, row: u64) {
        if distance.is_nan() {
            if self.limit < f32::INFINITY {
                return;
            }
            self.unknown.push(row);
            if self.unknown.len() > self.slack() && !self.ties {
                self.unknown.sort_unstable();
                self.unknown.truncate(self.wanted);
            }
        } else if distance <= self.limit {
            self.found.push((distance, row));
            if self.found.len() > self.slack() {
                self.weed();
            }
        }
    }

    fn slack(&self) -> usize {
        self.wanted.saturating_mul(2).max(64)
    }

    /// Drops what is not among the best. With very many ties the list stays long.
    fn weed(&mut self) {
        if self.wanted == 0 {
            self.found.clear();
            return;
        }
        if self.found.len() <= self.wanted {
            return;
        }
        let order =
            |a: &(f32, u64), b: &(f32, u64)| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1));
        let (_, last, _) = self.found.select_nth_unstable_by(self.wanted - 1, order);
        let last = last.0;
        if self.ties {
            // What is computed of a distance, a root or a difference, may round two to one.
            self.limit = last + 1e-6 * (1.0 + last.abs());
            let limit = self.limit;
            self.found.retain(|(distance, _)| *distance <= limit);
        } else {
            self.limit = last;
            self.found.truncate(self.wanted);
        }
    }

    /// One that keeps what this one would, and has nothing yet.
    fn emptied(&self) -> Self {
        Self { found: Vec::new(), unknown: Vec::new(), ..*self }
    }

    /// Takes over what another has kept.
    pub fn absorb(&mut self, other: Self) {
        for (distance, row) in other.found {
            self.offer(distance, row);
        }
        for row in other.unknown {
            self.offer(f32::NAN, row);
        }
    }

    /// The rows: the nearest first, then, if they are too few, some without a distance.
    pub fn into_rows(mut self) -> Vec<(f32, u64)> {
        self.weed();
        self.found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        let missing = self.wanted.saturating_sub(self.found.len());
        if missing > 0 {
            self.unknown.sort_unstable();
            let most = if self.ties { self.unknown.len() } else { missing };
            self.found.extend(self.unknown.into_iter().take(most).map(|row| (f32::NAN, row)));
        }
        self.found
    }

    /// Offers every row of a block that `number` gives a number to, on all cores. Where more of the
    /// measure is nearer, as for a cosine, distances are its negatives.
    pub fn offer_block<T: Element>(
        &mut self,
        measure: Measure,
        query: &[f32],
        rows: &[T],
        number: &(dyn Fn(usize) -> Option<u64> + Sync),
    ) -> Result<()> {
        let width = query.len().max(1);
        let empty = self.emptied();
        let parts: Result<Vec<Self>> = rows
            .par_chunks(PIECE * width)
            .enumerate()
            .map(|(piece, rows)| {
                let mut best = empty.clone();
                let mut distances = vec![0.0; rows.len() / width];
                one_to_many(measure, query, rows, &mut distances)?;
                for (row, distance) in distances.into_iter().enumerate() {
                    let distance = if measure.larger_is_nearer() { -distance } else { distance };
                    if may_be_near(distance, best.limit)
                        && let Some(row) = number(piece * PIECE + row)
                    {
                        best.offer(distance, row);
                    }
                }
                Ok(best)
            })
            .collect();
        for part in parts? {
            self.absorb(part);
        }
        Ok(())
    }
}

impl Nearest {
    /// Offers some rows of a block, where they lie. `number` says what each is called.
    pub fn offer_some<T: Element>(
        &mut self,
        measure: Measure,
        query: &[f32],
        rows: &[T],
        which: &[u32],
        number: &(dyn Fn(u32) -> u64 + Sync),
    ) -> Result<()> {
        let width = query.len();
        let empty = self.emptied();
        let parts: Result<Vec<Self>> = which
            .par_chunks(PIECE)
            .map(|which| {
                let mut best = empty.clone();
                for row in which {
                    let from = *row as usize * width;
                    let Some(values) = rows.get(from..from + width) else { continue };
                    let mut distance = [0.0];
                    one_to_many(measure, query, values, &mut distance)?;
                    let [distance] = distance;
                    let distance = if measure.larger_is_nearer() { -distance } else { distance };
                    best.offer(distance, number(*row));
                }
                Ok(best)
            })
            .collect();
        for part in parts? {
            self.absorb(part);
        }
        Ok(())
    }
}

/// Whether a row may be among the best: one without a distance may.
fn may_be_near(distance: f32, limit: f32) -> bool {
    distance <= limit || distance.is_nan()
}

/// The nearest of a block's rows to each of many vectors, by one product for all of them: many times
/// as fast as one by one, and but for rounding the same.
pub struct Many {
    queries: Packed,
    measure: Measure,
    best: Vec<Nearest>,
}

impl Many {
    /// Keeps `wanted` rows for each query. `None` for what is no product of vectors.
    pub fn new(measure: Measure, queries: Rows, wanted: usize) -> Option<Self> {
        let mut values = queries.values().to_vec();
        match measure {
            Measure::Cosine => {
                for query in values.chunks_exact_mut(queries.width().max(1)) {
                    let length = norm(query);
                    query.iter_mut().for_each(|x| *x /= length);
                }
            }
            Measure::Dot => {}
            Measure::L1 | Measure::SquaredL2 => return None,
        }
        if queries.is_empty() {
            return None;
        }
        let best = vec![Nearest::new(wanted, false); queries.len()];
        Some(Self { queries: Packed::new(&[&values], queries.width()), measure, best })
    }

    /// Offers every row of a block that `number` gives a number to, on all cores.
    pub fn offer_block(&mut self, rows: &[f32], number: &(dyn Fn(usize) -> Option<u64> + Sync)) {
        let (width, count) = (self.queries.inputs(), self.queries.outputs());
        if width == 0 || count == 0 {
            return;
        }
        let empty = || Part {
            best: self.best.iter().map(Nearest::emptied).collect(),
            limits: self.best.iter().map(|best| best.limit).collect(),
            products: vec![0.0; TOGETHER * count],
        };
        // What a thread has found among some rows spares it most of the next ones.
        let parts: Vec<Part> = rows
            .par_chunks(TOGETHER * width)
            .enumerate()
            .fold(empty, |mut part, (piece, rows)| {
                part.offer(&self.queries, self.measure, rows, &|at| number(piece * TOGETHER + at));
                part
            })
            .collect();
        for part in parts {
            for (best, part) in self.best.iter_mut().zip(part.best) {
                best.absorb(part);
            }
        }
    }

    /// The best of each query.
    pub fn into_nearest(self) -> Vec<Nearest> {
        self.best
    }
}

/// What one thread finds for each of many vectors.
struct Part {
    best: Vec<Nearest>,
    limits: Vec<f32>,
    products: Vec<f32>,
}

impl Part {
    fn offer(
        &mut self,
        queries: &Packed,
        measure: Measure,
        rows: &[f32],
        number: &dyn Fn(usize) -> Option<u64>,
    ) {
        let Self { best, limits, products } = self;
        let (width, count) = (queries.inputs(), queries.outputs());
        let products = &mut products[..rows.len() / width * count];
        queries.multiply(rows, Onto::Zero, products);
        let each = rows.chunks_exact(width).zip(products.chunks_exact_mut(count));
        for (at, (row, distances)) in each.enumerate() {
            let length = if measure == Measure::Cosine { norm(row) } else { 1.0 };
            let factor = -1.0 / length;
            let mut near = false;
            for (distance, limit) in distances.iter_mut().zip(&*limits) {
                *distance *= factor;
                near |= may_be_near(*distance, *limit);
            }
            // Few rows are near enough to any of the vectors.
            if !near {
                continue;
            }
            let Some(number) = number(at) else { continue };
            for ((best, distance), limit) in best.iter_mut().zip(distances).zip(&mut *limits) {
                if may_be_near(*distance, *limit) {
                    best.offer(*distance, number);
                    *limit = best.limit;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// All rows sorted by a plain distance.
    fn plain(distances: &[f32], wanted: usize, ties: bool) -> Vec<u64> {
        let mut order: Vec<u64> = (0..distances.len() as u64).collect();
        order.sort_by(|a, b| {
            let (x, y) = (distances[*a as usize], distances[*b as usize]);
            x.is_nan().cmp(&y.is_nan()).then(x.total_cmp(&y)).then(a.cmp(b))
        });
        if let (true, Some(last)) = (ties, order.get(wanted.saturating_sub(1)).copied()) {
            let last = distances[last as usize];
            return order
                .into_iter()
                .filter(|row| distances[*row as usize] <= last || last.is_nan())
                .collect();
        }
        order.truncate(wanted);
        order
    }

    #[test]
    fn the_best_are_those_of_a_full_sort() {
        for (case, count) in [0usize, 1, 9, 1000, 6000].into_iter().enumerate() {
            let distances: Vec<f32> = (0..count as u64)
                .map(|i| match random::signed(1, case as u64, i) {
                    x if x > 0.9 => f32::NAN,
                    // Few values: many ties.
                    x => (x * 50.0).round(),
                })
                .collect();
            for wanted in [0, 1, 7, 300, 9000] {
                for ties in [false, true] {
                    let mut nearest = Nearest::new(wanted, ties);
                    for (row, distance) in distances.iter().enumerate() {
                        nearest.offer(*distance, row as u64);
                    }
                    let mut got: Vec<u64> =
                        nearest.into_rows().into_iter().map(|(_, row)| row).collect();
                    let mut right = plain(&distances, wanted, ties && wanted > 0);
                    if ties {
                        got.sort_unstable();
                        right.sort_unstable();
                    }
                    assert_eq!(got, right, "{count} {wanted} {ties}");
                }
            }
        }
    }

    #[test]
    fn blocks_are_offered_whole_but_for_those_without_a_number() {
        let (width, count) = (24, 7000);
        let rows: Vec<f32> = (0..width * count).map(|i| random::signed(2, 0, i as u64)).collect();
        let query: Vec<f32> = (0..width).map(|i| random::signed(3, 0, i as u64)).collect();
        for measure in [Measure::Cosine, Measure::Dot, Measure::L1, Measure::SquaredL2] {
            let mut nearest = Nearest::new(10, false);
            let odd = |row: usize| (row % 2 == 1).then_some(row as u64 + 5);
            nearest.offer_block(measure, &query, &rows, &odd).unwrap();
            let mut distances = vec![0.0; count];
            one_to_many(measure, &query, &rows, &mut distances).unwrap();
            let sign = if measure.larger_is_nearer() { -1.0 } else { 1.0 };
            let mut right: Vec<(f32, u64)> = distances
                .iter()
                .enumerate()
                .filter(|(row, _)| row % 2 == 1)
                .map(|(row, distance)| (sign * distance, row as u64 + 5))
                .collect();
            right.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert_eq!(nearest.into_rows(), right[..10]);
            let mut some = Nearest::new(10, false);
            // The last one is not there.
            let which: Vec<u32> = (0..count as u32 + 1).filter(|row| row % 2 == 1).collect();
            let number = |row: u32| u64::from(row) + 5;
            some.offer_some(measure, &query, &rows, &which, &number).unwrap();
            assert_eq!(some.into_rows(), right[..10]);
        }
    }

    #[test]
    fn many_queries_find_what_each_finds() {
        let (width, count, asked) = (40, 5000, 17);
        let numbers = |stream, many: usize| -> Vec<f32> {
            (0..many as u64).map(|i| random::signed(stream, 0, i)).collect()
        };
        let (rows, queries) = (numbers(4, width * count), numbers(5, width * asked));
        let queries = Rows::new(&queries, width).unwrap();
        let even = |row: usize| row.is_multiple_of(2).then_some(row as u64);
        for measure in [Measure::Cosine, Measure::Dot] {
            let mut many = Many::new(measure, queries, 10).unwrap();
            let (early, late) = rows.split_at(width * 2048);
            many.offer_block(early, &even);
            many.offer_block(late, &|row| even(row + 2048));
            for (query, found) in many.into_nearest().into_iter().enumerate() {
                let mut one = Nearest::new(10, false);
                one.offer_block(measure, queries.row(query), &rows, &even).unwrap();
                let (found, right) = (found.into_rows(), one.into_rows());
                for ((a, row), (b, same)) in found.iter().zip(&right) {
                    assert!((a - b).abs() < 1e-4 && row == same, "{measure:?} {a} {b}");
                }
                assert_eq!(found.len(), right.len());
            }
        }
        assert!(Many::new(Measure::L1, queries, 10).is_none());
    }
}
