//! Centres of rows: sums of them, and cells around as many as are asked for.

use rayon::prelude::*;

use super::assign::Targets;
use crate::error::Result;
use crate::neighbours::Metric;
use crate::order::Order;
use crate::prepare::Prepared;
use crate::random;
use crate::steps::Steps;
use crate::tile::Scaled;

/// How often centres move.
const MOVES: usize = 10;
/// Rows that a centre learns from, on average.
const LESSONS: usize = 256;
/// Rows that all of them learn from, at least: with fewer, chance says which tries look best.
const LEAST_LESSONS: usize = 16_384;
/// Rows among which first centres are drawn, for each.
const DRAWN: usize = 32;
/// And for all of them, at least.
const LEAST_DRAWN: usize = 2048;
/// How many are drawn each time, of which the best is taken.
const CANDIDATES: u64 = 4;

/// The different rows of a matrix.
#[derive(Clone, Copy)]
pub struct Points<'a> {
    pub prepared: &'a Prepared<'a>,
    pub order: &'a Order,
}

impl<'a> Points<'a> {
    /// The row of a rank.
    pub fn row(&self, rank: u32) -> Scaled<'a> {
        self.prepared.row(self.order.first(rank as usize))
    }

    /// Whether lengths are without meaning.
    pub fn unit(&self) -> bool {
        self.prepared.metric() == Metric::Cosine
    }

    /// How much rows lie beside their middle: the squares of the distances from it.
    pub fn beside(&self, sum: &Sum) -> f64 {
        let along: f64 = sum.total.iter().map(|x| x * x).sum();
        // Numbers of rows are exact in f64.
        let rows = sum.rows.max(1) as f64;
        // |x - c|^2 = 2 - 2 x.c of unit vectors.
        let beside =
            if self.unit() { 2.0 * (rows - along.sqrt()) } else { sum.squares - along / rows };
        if sum.rows == 0 { 0.0 } else { beside.max(0.0) }
    }

    /// Half the mean squared distance of rows from their middles.
    pub fn apart(&self, sums: &[Sum]) -> f32 {
        let rows: usize = sums.iter().map(|sum| sum.rows).sum();
        let all: f64 = sums.iter().map(|sum| self.beside(sum)).sum();
        // What nearness is compared by; f32 is enough.
        (0.5 * all / rows.max(1) as f64) as f32
    }

    /// Length of a row, at least 1.
    pub fn width(&self) -> usize {
        self.prepared.width().max(1)
    }
}

/// The rows of a topic added up.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    pub total: Vec<f64>,
    /// The squares of all their numbers.
    pub squares: f64,
    pub rows: usize,
}

impl Sum {
    /// Adds another's rows.
    pub fn add(&mut self, other: &Self) {
        self.total.resize(other.total.len(), 0.0);
        self.total.iter_mut().zip(&other.total).for_each(|(sum, x)| *sum += x);
        self.squares += other.squares;
        self.rows += other.rows;
    }
}

/// The middle of some rows.
#[derive(Debug, Clone)]
pub struct Centre {
    pub at: Vec<f32>,
    /// What is added to a product with it so that the greatest sum is the least distance.
    pub added: f32,
}

impl Centre {
    /// Where the centre of a sum is; none if it has no rows, or they cancel out.
    pub fn of(sum: &Sum, unit: bool) -> Option<Self> {
        let squares: f64 = sum.total.iter().map(|x| x * x).sum();
        // Numbers of rows are exact in f64.
        let by = if unit { squares.sqrt() } else { sum.rows as f64 };
        (by > 1e-20).then(|| Self::at(sum.total.iter().map(|x| (x / by) as f32).collect(), unit))
    }

    /// The centre at a place.
    pub fn at(at: Vec<f32>, unit: bool) -> Self {
        let added = if unit { 0.0 } else { (-0.5 * crate::lanes::squares(&at)) as f32 };
        Self { at, added }
    }

    /// How well rows that are added up lie around it, in the terms of [`Targets::best`].
    pub fn fits(&self, sum: &Sum) -> f64 {
        let product: f64 = self.at.iter().zip(&sum.total).map(|(&c, x)| f64::from(c) * x).sum();
        product + f64::from(self.added) * sum.rows as f64
    }
}

/// Centres ready to be compared with rows.
pub fn targets(points: Points, centres: &[Centre]) -> Targets {
    let added = centres.iter().map(|centre| centre.added).collect();
    Targets::new(points.width(), centres.iter().map(|centre| centre.at.as_slice()), added)
}

/// The sums of the rows of so many topics; ranks in their order, so that nothing else is seen of it.
pub fn sums(points: Points, ranks: &[u32], topics: &[u32], count: usize) -> Vec<Sum> {
    let mut members = vec![Vec::new(); count];
    for (&rank, &topic) in ranks.iter().zip(topics) {
        members[topic as usize].push(rank);
    }
    let of = |members: &Vec<u32>| {
        let (mut total, mut squares) = (vec![0f64; points.width()], 0.0);
        for &rank in members {
            let (row, factor) = points.row(rank);
            squares += crate::lanes::squares(row) * f64::from(factor) * f64::from(factor);
            total.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x * factor));
        }
        Sum { total, squares, rows: members.len() }
    };
    members.par_iter().with_max_len(1).map(of).collect()
}

/// Cells of some rows, and how well these lie within them.
pub struct Cells {
    pub centres: Vec<Centre>,
    pub fit: f64,
}

/// Centres of so many cells of rows that come in an order without meaning. There are fewer where
/// rows do not differ.
pub fn cells(
    points: Points,
    ranks: &[u32],
    count: usize,
    seed: u64,
    steps: &Steps,
) -> Result<Cells> {
    let lessons: Vec<u32> = some(ranks, LEAST_LESSONS.max(count * LESSONS));
    let mut centres =
        drawn(points, &some(ranks, LEAST_DRAWN.max(count * DRAWN)), count, seed, steps)?;
    let mut fit = 0.0;
    for _ in 0..MOVES {
        let best =
            targets(points, &centres).best(lessons.len(), |i| points.row(lessons[i]), steps)?;
        fit = best.iter().map(|&(_, score)| f64::from(score)).sum();
        let topics: Vec<u32> = best.into_iter().map(|(topic, _)| topic).collect();
        let sums = sums(points, &lessons, &topics, centres.len());
        for (centre, sum) in centres.iter_mut().zip(&sums) {
            if let Some(moved) = Centre::of(sum, points.unit()) {
                *centre = moved;
            }
        }
    }
    Ok(Cells { centres, fit })
}

/// Some of them, evenly spread.
fn some(ranks: &[u32], count: usize) -> Vec<u32> {
    let taken = ranks.len().min(count);
    (0..taken).map(|i| ranks[i * ranks.len() / taken]).collect()
}

/// First centres: rows drawn by the squares of their distances from those drawn before, of several
/// each time the one that leaves the least (greedy k-means++).
fn drawn(
    points: Points,
    ranks: &[u32],
    count: usize,
    seed: u64,
    steps: &Steps,
) -> Result<Vec<Centre>> {
    let centre = |rank: u32| {
        let (row, factor) = points.row(rank);
        Centre::at(row.iter().map(|x| x * factor).collect(), points.unit())
    };
    let nearer = |far: &[f32], to: &Centre| -> Vec<f32> {
        let from = ranks.par_iter().zip(far).with_min_len(256);
        from.map(|(&rank, &far)| {
            let (row, factor) = points.row(rank);
            far.min(crate::lanes::scaled_squares(row, factor, &to.at, 1.0))
        })
        .collect()
    };
    let sum = |far: &[f32]| -> f64 { far.iter().map(|&far| f64::from(far)).sum() };
    let mut centres: Vec<Centre> = Vec::with_capacity(count);
    let Some(&first) = ranks.get(random::number(seed, 0, 0) as usize % ranks.len().max(1)) else {
        return Ok(centres);
    };
    centres.push(centre(first));
    let mut far = centres.iter().fold(vec![f32::INFINITY; ranks.len()], |far, to| nearer(&far, to));
    while centres.len() < count {
        steps.go_on()?;
        let all = sum(&far);
        let draw = |candidate: u64| {
            let number = random::number(seed, 1 + candidate, centres.len() as u64);
            // 53 bits are what an f64 holds exactly.
            let mut left = (number >> 11) as f64 / (1u64 << 53) as f64 * all;
            far.iter().position(|&far| {
                left -= f64::from(far);
                left < 0.0
            })
        };
        let mut best: Option<(f64, Centre, Vec<f32>)> = None;
        for taken in (0..CANDIDATES).filter_map(draw) {
            let one = centre(ranks[taken]);
            let left = nearer(&far, &one);
            let less = sum(&left);
            if best.as_ref().is_none_or(|best| less < best.0) {
                best = Some((less, one, left));
            }
        }
        let Some((_, one, left)) = best else { break };
        centres.push(one);
        far = left;
    }
    Ok(centres)
}
