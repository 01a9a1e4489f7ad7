//! What the columns of two sets of numbers for the same rows have in common.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::lanes;
use crate::order;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Form, Line, ROWS};

/// Rows whose products are summed up in f32.
const BLOCK: usize = 256;
/// Blocks whose sums are one thread's work.
const BLOCKS: usize = 16;
/// Pieces of work whose sums are held together.
const HELD: usize = 16;

/// Two sets of numbers for the same rows.
pub struct Pairs<'a> {
    one: Side<'a>,
    other: Side<'a>,
    /// Rows in an order that depends on what they hold.
    order: Vec<u32>,
}

/// One set, and what its rows become: less their mean, times a power of two that keeps squares in f32.
struct Side<'a> {
    rows: Rows<'a>,
    mean: Vec<f64>,
    scale: f64,
}

impl<'a> Pairs<'a> {
    pub fn new(one: Rows<'a>, other: Rows<'a>) -> Result<Self> {
        if one.len() != other.len() {
            return Err(Error::Shape(format!(
                "embeddings of {} and of {} rows are not those of the same rows",
                one.len(),
                other.len()
            )));
        }
        if one.len() >= NONE as usize {
            return Err(Error::Shape(format!("{} rows are more than can be numbered", one.len())));
        }
        let hash = |rows: Rows, row: usize| order::hash(rows.row(row), 1.0);
        // Rows are fewer than u32 counts.
        let mut order: Vec<([u64; 2], u32)> = (0..one.len())
            .into_par_iter()
            .map(|row| ([hash(one, row), hash(other, row)], row as u32))
            .collect();
        order.par_sort_unstable();
        let order: Vec<u32> = order.into_iter().map(|(_, row)| row).collect();
        Ok(Self { one: Side::new(one, &order)?, other: Side::new(other, &order)?, order })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The sums of the squares of either side's rows less their mean.
    pub fn lengths(&self) -> (f64, f64) {
        (self.one.length(&self.order), self.other.length(&self.order))
    }

    /// The sums of the products of every column of one with every column of the other, row by row.
    pub fn covariance(&self, finished: &Steps) -> Result<Vec<f64>> {
        let size = self.one.rows.width() * self.other.rows.width();
        let mut sums = vec![0f64; size];
        for some in self.order.chunks(BLOCK * BLOCKS * HELD) {
            let parts: Vec<Vec<f64>> = some
                .par_chunks(BLOCK * BLOCKS)
                .map_init(Scratch::default, |scratch, rows| {
                    let mut sum = vec![0f64; size];
                    for rows in rows.chunks(BLOCK) {
                        finished.take(rows.len())?;
                        scratch.add(&self.one, &self.other, rows, &mut sum);
                    }
                    Ok(sum)
                })
                .collect::<Result<_>>()?;
            for part in parts {
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        Ok(sums)
    }
}

impl<'a> Side<'a> {
    fn new(rows: Rows<'a>, order: &[u32]) -> Result<Self> {
        let mut most = 0f64;
        for row in 0..rows.len() {
            let squares = lanes::squares(rows.row(row));
            if !squares.is_finite() {
                return Err(Error::NotFinite { row });
            }
            most = most.max(squares);
        }
        // A power of two changes no digit.
        let scale = if most > 0.0 { 2f64.powi(-(most.sqrt().log2() as i32)) } else { 1.0 };
        let mut mean = vec![0f64; rows.width()];
        for &row in order {
            for (sum, &x) in mean.iter_mut().zip(rows.row(row as usize)) {
                *sum += f64::from(x);
            }
        }
        // Numbers of rows are exact in f64.
        mean.iter_mut().for_each(|sum| *sum /= order.len().max(1) as f64);
        Ok(Self { rows, mean, scale })
    }

    fn length(&self, order: &[u32]) -> f64 {
        let squares = |&row: &u32| -> f64 {
            let row = self.rows.row(row as usize).iter().zip(&self.mean);
            row.map(|(&x, mean)| ((f64::from(x) - mean) * self.scale).powi(2)).sum()
        };
        order.iter().map(squares).sum()
    }

    /// The columns of some rows, one after another.
    fn columns(&self, rows: &[u32], to: &mut Vec<f32>) {
        let count = rows.len();
        to.clear();
        to.resize(self.rows.width() * count, 0.0);
        for (i, &row) in rows.iter().enumerate() {
            let row = self.rows.row(row as usize).iter().zip(&self.mean);
            for (column, (&x, mean)) in row.enumerate() {
                // At most about 1.
                to[column * count + i] = ((f64::from(x) - mean) * self.scale) as f32;
            }
        }
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    packed: Vec<f32>,
    panel: Vec<Line>,
    scores: Vec<[f32; COLUMNS]>,
}

impl Scratch {
    fn add(&mut self, one: &Side, other: &Side, rows: &[u32], sums: &mut [f64]) {
        let (height, width, count) = (one.rows.width(), other.rows.width(), rows.len());
        one.columns(rows, &mut self.columns);
        let columns = self.columns.chunks_exact(count).map(|column| (column, 1.0));
        tile::pack_left(count, columns, &mut self.packed);
        self.scores.resize(height.next_multiple_of(ROWS), [0.0; COLUMNS]);
        other.columns(rows, &mut self.columns);
        self.panel.resize(count, Line::default());
        for (first, columns) in
            (0..width).step_by(COLUMNS).zip(self.columns.chunks(COLUMNS * count))
        {
            self.panel.fill(Line::default());
            tile::pack_right(columns.chunks_exact(count).map(|c| (c, 1.0)), &mut self.panel);
            tile::scores(Form::Products, &self.packed, &self.panel, &mut self.scores);
            let some = COLUMNS.min(width - first);
            for (sums, scores) in sums.chunks_exact_mut(width).zip(&self.scores) {
                for (sum, &score) in sums[first..first + some].iter_mut().zip(scores) {
                    *sum += f64::from(score);
                }
            }
        }
    }
}
