//! The directions in which rows vary most (principal components).
//!
//! A few random directions are multiplied by the rows' covariance again and again, which is never
//! made: each time is one pass over the rows (a randomised singular value decomposition with power
//! iterations). It ends when the directions hold still. Rows are added up in an order that depends on
//! what they hold alone, in pieces of a fixed size: same rows and seed, same bits.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::neighbours::{Left, Metric};
use crate::order::Order;
use crate::prepare::Prepared;
use crate::random;
use crate::rows::Rows;
use crate::tile::{self, COLUMNS, Form, Line, ROWS};
use crate::watch::Watch;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many directions.
    pub components: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { components: 2, seed: 42 }
    }
}

/// Directions in which rows vary most.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// The mean row.
    pub mean: Vec<f32>,
    /// Unit vectors at right angles, one after another, that of the largest variance first. The
    /// largest of a direction's numbers is positive. Zeros where rows vary in fewer directions.
    pub components: Vec<f32>,
    /// The variance of the rows in each direction, over their number less one.
    pub variances: Vec<f64>,
    /// The share that each has in the variance of the rows.
    pub shares: Vec<f64>,
    /// What rows are multiplied by before the mean is taken from them, a power of two.
    scale: f32,
    scaled_mean: Vec<f32>,
}

/// The stream of random numbers that the first directions are.
const START: u64 = 0x7063_6120;
/// Directions beside those that are asked for: the more, the fewer passes.
const BESIDE: usize = 10;
/// Passes over the rows, at most.
const PASSES: usize = 32;
/// How far directions may still turn: what is left of a direction's product with the covariance
/// beside itself, as a share of the largest variance.
const STILL: f64 = 1e-5;
/// Rows whose products are summed up in f32.
const BLOCK: usize = 256;
/// Blocks whose sums are one thread's work.
const BLOCKS: usize = 16;
/// Pieces of work whose sums are held together.
const HELD: usize = 64;

impl Pca {
    /// Finds the directions.
    pub fn fit(rows: Rows, options: &Options, watch: &dyn Watch) -> Result<Self> {
        if options.components == 0 {
            return Err(Error::Option("at least one component must be asked for".into()));
        }
        if u32::try_from(rows.len()).is_err() {
            return Err(Error::Shape(format!("{} rows are more than can be numbered", rows.len())));
        }
        watch.stage("principal components", PASSES);
        let (count, width) = (rows.len(), rows.width());
        // Only lengths in range are asked of it.
        let prepared = Prepared::new(rows, Metric::L2)?;
        let order = Order::of(rows);
        let centred = Centred::new(&prepared, order.rows());
        let wanted = options.components;
        let directions = (wanted + BESIDE).min(width);
        let mut basis: Vec<Vec<f64>> = (0..directions as u64)
            .map(|i| {
                let at = |j: u64| f64::from(random::signed(options.seed, START + i, j));
                (0..width as u64).map(at).collect()
            })
            .collect();
        straighten(&mut basis);
        let mut found = Vec::new();
        for pass in 1..=PASSES {
            let products = centred.times_covariance(&basis, watch)?;
            let largest;
            (found, largest) = turned(&basis, &products);
            watch.done(pass);
            let still = |one: &Direction| one.turning <= STILL * largest;
            if found.iter().take(wanted).all(still) {
                break;
            }
            basis = products;
            straighten(&mut basis);
        }
        // Numbers of rows are exact in f64; one row has no variance.
        let free = count.saturating_sub(1).max(1) as f64;
        let scale = f64::from(centred.scale);
        let all = centred.squares();
        let (mut components, mut variances, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..wanted {
            match found.get(i) {
                // Below it is rounding.
                Some(one) if one.squares > all * 1e-12 => {
                    // Between -1 and 1.
                    components.extend(one.vector.iter().map(|&x| x as f32));
                    variances.push(one.squares / free / (scale * scale));
                    shares.push((one.squares / all).min(1.0));
                }
                _ => {
                    components.extend(std::iter::repeat_n(0.0, width));
                    variances.push(0.0);
                    shares.push(0.0);
                }
            }
        }
        let Centred { mean: scaled_mean, scale, .. } = centred;
        let mean = scaled_mean.iter().map(|x| x / scale).collect();
        Ok(Self { mean, components, variances, shares, scale, scaled_mean })
    }

    /// Where rows lie in these directions, as many numbers a row.
    pub fn place(&self, rows: Rows, watch: &dyn Watch) -> Result<Vec<f32>> {
        let width = self.mean.len();
        if rows.width() != width && !rows.is_empty() {
            return Err(Error::Shape(format!(
                "vectors of length {} have no place among vectors of length {width}",
                rows.width()
            )));
        }
        // Only for its check.
        Prepared::new(rows, Metric::L2)?;
        let components: Vec<&[f32]> = self.components.chunks(width.max(1)).collect();
        let panels = panels(width, components.iter().map(|one| (*one, 1.0)));
        let count = self.variances.len();
        let mut places = vec![0f32; rows.len() * count];
        if width == 0 {
            return Ok(places);
        }
        let blocks =
            places.par_chunks_mut(BLOCK * count).zip(rows.values().par_chunks(BLOCK * width));
        blocks.try_for_each_init(Scratch::default, |scratch, (places, values)| {
            if watch.stopped() {
                return Err(Error::Stopped);
            }
            let rows = values.chunks_exact(width).map(|row| (row, self.scale));
            scratch.centre(rows, &self.scaled_mean);
            scratch.products(&panels, count);
            for (places, products) in
                places.chunks_exact_mut(count).zip(scratch.products.chunks_exact(count))
            {
                for (place, product) in places.iter_mut().zip(products) {
                    *place = product / self.scale;
                }
            }
            Ok(())
        })?;
        Ok(places)
    }
}

/// A direction and what is known of it.
struct Direction {
    vector: Vec<f64>,
    /// The sum of the rows' squares in it.
    squares: f64,
    /// What its product with the covariance has beside it.
    turning: f64,
}

/// Rows less their mean.
struct Centred<'a> {
    rows: &'a Prepared<'a>,
    order: &'a [u32],
    mean: Vec<f32>,
    scale: f32,
}

impl<'a> Centred<'a> {
    fn new(rows: &'a Prepared<'a>, order: &'a [u32]) -> Self {
        let width = rows.width();
        let scale = if rows.len() == 0 { 1.0 } else { rows.row(0).1 };
        let sums: Vec<Vec<f64>> = order
            .par_chunks(BLOCK * BLOCKS)
            .map(|order| {
                let mut sum = vec![0f64; width];
                for &row in order {
                    let (values, factor) = rows.row(row as usize);
                    for (sum, &value) in sum.iter_mut().zip(values) {
                        *sum += f64::from(value * factor);
                    }
                }
                sum
            })
            .collect();
        let mut mean = vec![0f64; width];
        for sum in sums {
            mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean += sum);
        }
        // Exact in f64; the mean of f32 is one.
        let mean = mean.iter().map(|sum| (sum / rows.len().max(1) as f64) as f32).collect();
        Self { rows, order, mean, scale }
    }

    /// The sum of all squares.
    fn squares(&self) -> f64 {
        let sums: Vec<f64> = self
            .order
            .par_chunks(BLOCK)
            .map_init(Scratch::default, |scratch, order| {
                scratch.centre(order.iter().map(|&row| self.rows.row(row as usize)), &self.mean);
                scratch.centred.chunks(self.mean.len().max(1)).map(crate::lanes::squares).sum()
            })
            .collect();
        sums.iter().sum()
    }

    /// The products of directions with the sum of the rows' squares and products.
    fn times_covariance(&self, basis: &[Vec<f64>], watch: &dyn Watch) -> Result<Vec<Vec<f64>>> {
        let width = self.mean.len();
        // Between -1 and 1.
        let short: Vec<Vec<f32>> =
            basis.iter().map(|one| one.iter().map(|&x| x as f32).collect()).collect();
        let panels = panels(width, short.iter().map(|one| (one.as_slice(), 1.0)));
        let mut sums = vec![vec![0f64; width]; basis.len()];
        for some in self.order.chunks(BLOCK * BLOCKS * HELD) {
            if watch.stopped() {
                return Err(Error::Stopped);
            }
            let parts: Vec<Vec<f64>> = some
                .par_chunks(BLOCK * BLOCKS)
                .map_init(Scratch::default, |scratch, order| {
                    let mut sum = vec![0f64; width * basis.len()];
                    for order in order.chunks(BLOCK) {
                        let rows = order.iter().map(|&row| self.rows.row(row as usize));
                        scratch.centre(rows, &self.mean);
                        scratch.products(&panels, basis.len());
                        scratch.add_back(width, basis.len(), &mut sum);
                    }
                    sum
                })
                .collect();
            for part in parts {
                for (sum, part) in sums.iter_mut().zip(part.chunks_exact(width)) {
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                }
            }
        }
        Ok(sums)
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    /// Rows less their mean.
    centred: Vec<f32>,
    left: Left,
    packed: Vec<f32>,
    panel: Vec<Line>,
    scores: Vec<[f32; COLUMNS]>,
    /// Their products with the directions, row by row.
    products: Vec<f32>,
}

impl Scratch {
    fn centre<'a>(&mut self, rows: impl Iterator<Item = (&'a [f32], f32)>, mean: &[f32]) {
        self.centred.clear();
        for (row, factor) in rows {
            self.centred.extend(row.iter().zip(mean).map(|(x, mean)| x * factor - mean));
        }
    }

    /// Multiplies the centred rows by directions that lie in panels.
    fn products(&mut self, panels: &[Line], directions: usize) {
        let width = panels.len() / directions.div_ceil(COLUMNS).max(1);
        let rows: Vec<(u32, (&[f32], f32))> =
            (0u32..).zip(self.centred.chunks_exact(width).map(|row| (row, 1.0))).collect();
        self.products.clear();
        self.products.resize(rows.len() * directions, 0.0);
        self.left.pack(width, rows.into_iter());
        for (first, panel) in (0..directions).step_by(COLUMNS).zip(panels.chunks_exact(width)) {
            let scores = self.left.score(Form::Products, panel);
            let some = COLUMNS.min(directions - first);
            for (products, scores) in self.products.chunks_exact_mut(directions).zip(scores) {
                products[first..first + some].copy_from_slice(&scores[..some]);
            }
        }
    }

    /// Adds the products of the centred rows with their own products to the directions' sums.
    fn add_back(&mut self, width: usize, directions: usize, sums: &mut [f64]) {
        let rows = self.products.len() / directions;
        let padded = directions.next_multiple_of(ROWS);
        self.packed.clear();
        self.packed.resize(padded * rows, 0.0);
        for (i, panel) in self.packed.chunks_exact_mut(ROWS * rows).enumerate() {
            let some = ROWS.min(directions - i * ROWS);
            for (line, products) in
                panel.chunks_exact_mut(ROWS).zip(self.products.chunks_exact(directions))
            {
                line[..some].copy_from_slice(&products[i * ROWS..][..some]);
            }
        }
        self.scores.resize(padded, [0.0; COLUMNS]);
        self.panel.clear();
        self.panel.resize(rows, Line::default());
        for first in (0..width).step_by(COLUMNS) {
            let some = COLUMNS.min(width - first);
            for (line, row) in self.panel.iter_mut().zip(self.centred.chunks_exact(width)) {
                line.0[..some].copy_from_slice(&row[first..first + some]);
            }
            tile::scores(Form::Products, &self.packed, &self.panel, &mut self.scores);
            for (sum, scores) in sums.chunks_exact_mut(width).zip(&self.scores) {
                for (sum, &score) in sum[first..first + some].iter_mut().zip(scores) {
                    *sum += f64::from(score);
                }
            }
        }
    }
}

fn panels<'a>(width: usize, rows: impl ExactSizeIterator<Item = (&'a [f32], f32)>) -> Vec<Line> {
    let mut panels = vec![Line::default(); rows.len().div_ceil(COLUMNS) * width];
    let mut rows = rows;
    for panel in panels.chunks_exact_mut(width.max(1)) {
        tile::pack_right(rows.by_ref().take(COLUMNS), panel);
    }
    panels
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Makes unit vectors at right angles of vectors, by taking from each what it has of those before it;
/// what nothing is left of becomes zero.
fn straighten(vectors: &mut [Vec<f64>]) {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        let Some(vector) = rest.first_mut() else { return };
        let length = dot(vector, vector).sqrt();
        // Twice is enough: the first time leaves rounding behind.
        for _ in 0..2 {
            for other in before.iter() {
                let share = dot(vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= share * y);
            }
        }
        let left = dot(vector, vector).sqrt();
        let by = if left > length * 1e-10 { 1.0 / left } else { 0.0 };
        vector.iter_mut().for_each(|x| *x *= by);
    }
}

/// The directions within a basis that its products with the covariance tell apart, and the largest
/// sum of squares.
fn turned(basis: &[Vec<f64>], products: &[Vec<f64>]) -> (Vec<Direction>, f64) {
    let count = basis.len();
    let mut small = vec![vec![0f64; count]; count];
    for i in 0..count {
        for j in 0..count {
            small[i][j] = (dot(&basis[i], &products[j]) + dot(&basis[j], &products[i])) / 2.0;
        }
    }
    let turns = diagonalised(&mut small);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&i, &j| small[j][j].total_cmp(&small[i][i]));
    let largest = order.first().map_or(0.0, |&i| small[i][i].max(0.0));
    let found = order.iter().map(|&i| {
        let mix = |vectors: &[Vec<f64>]| {
            let mut sum = vec![0f64; vectors.first().map_or(0, Vec::len)];
            for (vector, turn) in vectors.iter().zip(&turns) {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += turn[i] * x);
            }
            sum
        };
        let (mut vector, product) = (mix(basis), mix(products));
        let squares = small[i][i].max(0.0);
        let beside = product.iter().zip(&vector).map(|(y, x)| (y - squares * x).powi(2));
        let turning = beside.sum::<f64>().sqrt();
        let top =
            vector.iter().copied().fold(0f64, |top, x| if x.abs() > top.abs() { x } else { top });
        if top < 0.0 {
            vector.iter_mut().for_each(|x| *x = -*x);
        }
        Direction { vector, squares, turning }
    });
    (found.collect(), largest)
}

/// Turns a symmetric matrix until only its diagonal is left (Jacobi's method); the columns of what
/// comes back are its directions.
fn diagonalised(matrix: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let count = matrix.len();
    let mut turns: Vec<Vec<f64>> =
        (0..count).map(|i| (0..count).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..60 {
        let square = |(i, j): (usize, usize)| matrix[i][j] * matrix[i][j];
        let beside: f64 = (0..count).flat_map(|i| (0..i).map(move |j| (i, j))).map(square).sum();
        let along: f64 = (0..count).map(|i| square((i, i))).sum();
        if beside <= along * 1e-30 {
            break;
        }
        for p in 0..count {
            for q in p + 1..count {
                if matrix[p][q] == 0.0 {
                    continue;
                }
                let ratio = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
                let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                let turn = |row: &mut Vec<f64>| {
                    (row[p], row[q]) =
                        (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                };
                matrix.iter_mut().for_each(turn);
                turns.iter_mut().for_each(turn);
                let (upper, lower) = matrix.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_matrix_is_put_together_again() {
        for count in [1, 2, 5, 14] {
            let at =
                |i: usize, j: usize| f64::from(random::signed(1, i.min(j) as u64, i.max(j) as u64));
            let whole: Vec<Vec<f64>> =
                (0..count).map(|i| (0..count).map(|j| at(i, j)).collect()).collect();
            let mut turned = whole.clone();
            let turns = diagonalised(&mut turned);
            for i in 0..count {
                for j in 0..count {
                    let back: f64 =
                        (0..count).map(|k| turns[i][k] * turned[k][k] * turns[j][k]).sum();
                    assert!((back - whole[i][j]).abs() < 1e-12, "{back} {}", whole[i][j]);
                }
            }
        }
    }

    #[test]
    fn what_depends_on_others_becomes_zero() {
        let mut vectors = vec![vec![3.0, 4.0, 0.0], vec![6.0, 8.0, 0.0], vec![1.0, 0.0, 1.0]];
        straighten(&mut vectors);
        assert_eq!(vectors[1], [0.0; 3]);
        assert!(dot(&vectors[0], &vectors[2]).abs() < 1e-15);
        assert!((dot(&vectors[2], &vectors[2]) - 1.0).abs() < 1e-15);
    }
}
