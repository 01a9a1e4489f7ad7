//! All rows packed in an order of their own.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::neighbours::{Best, Left, Metric, number_of};
use crate::order;
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::tile::{self, COLUMNS, Form, Line, Scaled};
use crate::watch::Watch;

/// The row at every place, by what rows hold.
pub fn places(count: usize, key: impl Fn(usize) -> [u64; 3] + Sync) -> Result<Vec<u32>> {
    if count >= NONE as usize {
        return Err(Error::Shape(format!("{count} rows are more than can be numbered")));
    }
    // That fits.
    let mut keys: Vec<([u64; 3], u32)> =
        (0..count).into_par_iter().map(|row| (key(row), row as u32)).collect();
    keys.par_sort_unstable();
    Ok(keys.into_iter().map(|key| key.1).collect())
}

/// The hash of a row.
pub fn hash(rows: Rows, row: usize) -> u64 {
    order::hash(rows.row(row), 1.0)
}

/// Rows by place.
pub struct Packed<'a> {
    /// The rows as they were given.
    pub prepared: Prepared<'a>,
    rows: &'a [u32],
    panels: Vec<Line>,
    numbers: Vec<u32>,
}

impl<'a> Packed<'a> {
    /// Packs rows in an order.
    pub fn new(rows: Rows<'a>, metric: Metric, order: &'a [u32]) -> Result<Self> {
        let prepared = Prepared::new(rows, metric)?;
        let depth = prepared.width().max(1);
        let mut panels = vec![Line::default(); order.len().div_ceil(COLUMNS) * depth];
        panels.par_chunks_exact_mut(depth).zip(order.par_chunks(COLUMNS)).for_each(
            |(panel, rows)| {
                tile::pack_right(rows.iter().map(|&row| prepared.row(row as usize)), panel);
            },
        );
        // Rows are fewer than u32 counts.
        Ok(Self { prepared, rows: order, panels, numbers: (0..order.len() as u32).collect() })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Length of a row.
    pub fn depth(&self) -> usize {
        self.prepared.width().max(1)
    }

    /// What scores are.
    pub fn form(&self) -> Form {
        self.prepared.form()
    }

    /// The row at a place.
    pub fn row(&self, place: u32) -> Scaled<'a> {
        self.prepared.row(self.rows[place as usize] as usize)
    }

    /// All rows' panels.
    pub fn panels(&self) -> &[Line] {
        &self.panels
    }

    /// Packs rows on the left, numbered from zero.
    pub fn pack(&self, left: &mut Left, places: &[u32]) {
        let rows = (0u32..places.len() as u32).map(|i| (i, self.row(places[i as usize])));
        left.pack(self.depth(), rows.collect::<Vec<_>>().into_iter());
    }

    /// For the rows at some places the places of the nearest others, the nearest first; `keep` a
    /// row, `NONE` where there are no more.
    pub fn nearest(&self, places: &[u32], keep: usize, watch: &dyn Watch) -> Result<Vec<u32>> {
        let block = tile::left_rows(places.len(), self.depth());
        let mut nearest = vec![NONE; places.len() * keep];
        let blocks = nearest.par_chunks_mut(block * keep).zip(places.par_chunks(block));
        blocks.try_for_each_init(Left::default, |left, (nearest, places)| {
            // One more: the row itself may be among them.
            let mut best = Best::new(places.len(), keep + 1);
            self.pack(left, places);
            const PIECE: usize = 4096;
            let pieces = self.panels.chunks(PIECE * self.depth());
            for (panels, numbers) in pieces.zip(self.numbers.chunks(PIECE * COLUMNS)) {
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                left.offer(self.form(), panels, numbers, &mut best);
            }
            for (i, nearest) in nearest.chunks_exact_mut(keep).enumerate() {
                let others = best.take(i).iter().map(|&key| number_of(key));
                let others = others.filter(|&other| other != places[i]);
                nearest.iter_mut().zip(others).for_each(|(to, other)| *to = other);
            }
            Ok(())
        })?;
        Ok(nearest)
    }
}
