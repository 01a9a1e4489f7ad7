//! Cells of rows around centres that k-means finds.

use rayon::prelude::*;

use crate::error::Result;
use crate::graph::NONE;
use crate::neighbours::best::{Best, number_of};
use crate::neighbours::space::Left;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Form, Line, Scaled};
use crate::{random, watch::Watch};

/// The stream of random numbers that says which rows teach the centres.
const LEARNING: u64 = 0x6365_6c6c;
/// Rows that a centre learns from, on average.
const LESSONS: usize = 32;
/// How often the centres move.
const MOVES: usize = 6;

/// Where the cells' middles are.
pub struct Centres {
    depth: usize,
    numbers: Vec<u32>,
    panels: Vec<Line>,
}

impl Centres {
    /// Learns `count` centres from rows that come in an order without meaning. Unit rows have unit
    /// centres.
    pub fn learn<'a>(
        count: usize,
        rows: usize,
        depth: usize,
        unit: bool,
        row: impl Fn(usize) -> Scaled<'a> + Sync,
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Self> {
        Ok(Self::at(depth, &Self::middles(count, rows, depth, unit, row, seed, watch)?))
    }

    /// Where the centres that [`Self::learn`] learns lie, one after another.
    pub fn middles<'a>(
        count: usize,
        rows: usize,
        depth: usize,
        unit: bool,
        row: impl Fn(usize) -> Scaled<'a> + Sync,
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Vec<f32>> {
        let lessons = rows.min(count * LESSONS);
        let first = random::number(seed, LEARNING, 0) as usize % rows.max(1);
        let lesson = |i: usize| row((first + i * rows / lessons) % rows);
        let mut middles = vec![0f32; count * depth];
        for (i, middle) in middles.chunks_exact_mut(depth).enumerate() {
            let (values, factor) = lesson(i * lessons / count);
            for (x, &value) in middle.iter_mut().zip(values) {
                *x = value * factor;
            }
        }
        watch.stage("cells", MOVES);
        for step in 0..MOVES {
            let centres = Self::at(depth, &middles);
            let nearest = centres.nearest(lessons, 1, lesson, &Steps::within(watch))?;
            let mut members = vec![Vec::new(); count];
            for (i, &cell) in nearest.iter().enumerate() {
                if let Some(members) = members.get_mut(cell as usize) {
                    members.push(i);
                }
            }
            // Each centre's rows are added up in their order, by one thread.
            middles.par_chunks_exact_mut(depth).zip(&members).for_each(|(middle, members)| {
                let mut sum = vec![0f32; depth];
                for &i in members {
                    let (values, factor) = lesson(i);
                    for (sum, &value) in sum.iter_mut().zip(values) {
                        *sum += value * factor;
                    }
                }
                let squares = crate::lanes::squares(&sum);
                let length = if unit { squares.sqrt() } else { members.len() as f64 };
                // Where nothing came, or all cancelled out, the centre stays.
                if length > 1e-20 {
                    for (x, sum) in middle.iter_mut().zip(sum) {
                        // A mean of f32 is one.
                        *x = (f64::from(sum) / length) as f32;
                    }
                }
            });
            watch.done(step + 1);
        }
        Ok(middles)
    }

    fn at(depth: usize, middles: &[f32]) -> Self {
        let count = middles.len() / depth;
        let mut panels = vec![Line::default(); count.div_ceil(COLUMNS) * depth];
        for (rows, panel) in middles.chunks(COLUMNS * depth).zip(panels.chunks_exact_mut(depth)) {
            tile::pack_right(rows.chunks_exact(depth).map(|row| (row, 1.0)), panel);
        }
        // Cells are counted in u32.
        Self { depth, numbers: (0..count as u32).collect(), panels }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// For every row the nearest centres, the nearest first, `keep` a row.
    pub fn nearest<'a>(
        &self,
        rows: usize,
        keep: usize,
        row: impl Fn(usize) -> Scaled<'a> + Sync,
        finished: &Steps,
    ) -> Result<Vec<u32>> {
        let block = tile::left_rows(rows, self.depth);
        let mut nearest = vec![NONE; rows * keep];
        nearest.par_chunks_mut(block * keep).enumerate().try_for_each_init(
            Left::default,
            |left, (i, nearest)| {
                let count = nearest.len() / keep;
                let mut best = Best::new(count, keep);
                let asking = (0..count).map(|j| (j as u32, row(i * block + j)));
                left.pack(self.depth, asking);
                // Products would not tell the centres of a tight group of unit vectors apart.
                left.offer(Form::Squares, &self.panels, &self.numbers, &mut best);
                for (j, nearest) in nearest.chunks_exact_mut(keep).enumerate() {
                    for (to, &key) in nearest.iter_mut().zip(best.take(j)) {
                        *to = number_of(key);
                    }
                }
                finished.take(count)
            },
        )?;
        Ok(nearest)
    }
}
