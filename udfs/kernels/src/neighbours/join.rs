//! Rows of cells against rows of other cells, each pair once, for both of them.

use std::sync::{Mutex, PoisonError};

use crate::neighbours::best::Best;
use crate::neighbours::space::Space;
use crate::tile::{self, COLUMNS, Line, ROWS};

/// A space whose rows look for their nearest.
pub struct Join<'a> {
    space: &'a Space<'a>,
    best: Vec<Mutex<Best>>,
}

/// Pairs that are gathered before they are offered: a few caches' lines, so that what they must
/// reach is never much behind.
const GATHERED: usize = 4096;

/// Buffers of one thread.
#[derive(Default)]
pub struct Scratch {
    left: Vec<f32>,
    right: Vec<Line>,
    scores: Vec<[f32; COLUMNS]>,
    left_least: Vec<f32>,
    right_least: Vec<[f32; COLUMNS]>,
    found: Vec<(u32, u16)>,
    pairs: Vec<Pair>,
}

/// Two rows, by their numbers in their cells, and their score.
struct Pair {
    left: u32,
    right: u32,
    score: f32,
}

/// Rows on one side: a cell, and which of its rows, by their numbers in it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The cell's number.
    pub cell: usize,
    /// Its rows.
    pub rows: &'a [u32],
}

impl<'a> Join<'a> {
    /// Nothing found yet; `keep` of each row are kept.
    pub fn new(space: &'a Space<'a>, keep: usize) -> Self {
        let best = space.cells.iter().map(|cell| Mutex::new(Best::new(cell.len(), keep))).collect();
        Self { space, best }
    }

    /// What each cell's rows have found.
    pub fn into_best(self) -> impl Iterator<Item = Best> {
        self.best.into_iter().map(|best| best.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a cell's rows have found until now.
    pub fn best(&self, cell: usize) -> std::sync::MutexGuard<'_, Best> {
        self.best[cell].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All rows of a cell with each other.
    pub fn within(&self, cell: usize, scratch: &mut Scratch) {
        let rows: Vec<u32> = self.all(cell);
        let side = Side { cell, rows: &rows };
        self.pairs(side, side, true, scratch);
    }

    /// Rows of a cell with rows of another.
    pub fn between(&self, left: Side, right: Side, scratch: &mut Scratch) {
        self.pairs(left, right, false, scratch);
    }

    /// All rows of a cell.
    pub fn all(&self, cell: usize) -> Vec<u32> {
        // Rows are counted in u32.
        (0..self.space.cells[cell].len() as u32).collect()
    }

    fn pairs(&self, left: Side, right: Side, within: bool, scratch: &mut Scratch) {
        if left.rows.is_empty() || right.rows.is_empty() {
            return;
        }
        let (space, depth) = (self.space, self.space.depth());
        let form = space.prepared.form();
        let Scratch {
            left: packed,
            right: gathered,
            scores,
            left_least,
            right_least,
            found,
            pairs,
        } = scratch;
        let (left_cell, right_cell) = (&space.cells[left.cell], &space.cells[right.cell]);
        let row = |cell: &super::space::Cell, row: u32| {
            space.row(space.ranks[cell.places.start + row as usize])
        };
        let panels = if right.rows.len() == right_cell.len() {
            space.panels(right_cell)
        } else {
            gathered.resize(right.rows.len().div_ceil(COLUMNS) * depth, Line::default());
            for (rows, panel) in right.rows.chunks(COLUMNS).zip(gathered.chunks_exact_mut(depth)) {
                tile::pack_right(rows.iter().map(|&i| row(right_cell, i)), panel);
            }
            gathered.as_slice()
        };
        right_least.resize(right.rows.len().div_ceil(COLUMNS), [f32::INFINITY; COLUMNS]);
        self.leasts(right, right_least.as_flattened_mut());
        for chunk in left.rows.chunks(tile::left_rows(left.rows.len(), depth)) {
            tile::pack_left(depth, chunk.iter().map(|&i| row(left_cell, i)), packed);
            scores.resize(chunk.len().next_multiple_of(ROWS), [0.0; COLUMNS]);
            left_least.resize(chunk.len(), 0.0);
            let chunk = Side { cell: left.cell, rows: chunk };
            self.leasts(chunk, left_least);
            let first = if within { chunk.rows[0] as usize / COLUMNS } else { 0 };
            for (p, panel) in panels.chunks_exact(depth).enumerate().skip(first) {
                tile::scores(form, packed, panel, scores);
                found.clear();
                let scores = &scores[..chunk.rows.len()];
                tile::reaching(scores, left_least, &right_least[p], found);
                let columns = &right.rows[p * COLUMNS..];
                for &(i, mut bits) in found.iter() {
                    let left = chunk.rows[i as usize];
                    while bits != 0 {
                        let column = bits.trailing_zeros() as usize;
                        bits &= bits - 1;
                        let Some(&right) = columns.get(column) else { continue };
                        if !within || left < right {
                            let score = scores[i as usize][column];
                            pairs.push(Pair { left, right, score });
                        }
                    }
                }
                if pairs.len() >= GATHERED {
                    self.offer(left.cell, right.cell, pairs);
                    self.leasts(chunk, left_least);
                    self.leasts(right, right_least.as_flattened_mut());
                }
            }
            self.offer(left.cell, right.cell, pairs);
        }
    }

    /// What scores must reach.
    fn leasts(&self, side: Side, to: &mut [f32]) {
        let best = self.best(side.cell);
        for (least, &row) in to.iter_mut().zip(side.rows) {
            *least = best.least(row as usize);
        }
        to[side.rows.len()..].fill(f32::INFINITY);
    }

    /// Offers pairs to both sides; what they find does not depend on the order.
    fn offer(&self, left: usize, right: usize, pairs: &mut Vec<Pair>) {
        let ranks = |cell: usize| &self.space.ranks[self.space.cells[cell].places.clone()];
        let mut best = self.best(left);
        let numbers = ranks(right);
        for pair in pairs.iter() {
            best.offer(pair.left as usize, pair.score, numbers[pair.right as usize]);
        }
        drop(best);
        let mut best = self.best(right);
        let numbers = ranks(left);
        for pair in pairs.iter() {
            best.offer(pair.right as usize, pair.score, numbers[pair.left as usize]);
        }
        pairs.clear();
    }
}
