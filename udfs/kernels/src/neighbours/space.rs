//! Rows packed cell by cell, so that whole cells are scored at once.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::graph::NONE;
use crate::neighbours::best::Best;
use crate::order::Order;
use crate::prepare::Prepared;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Line, ROWS, Scaled};
use crate::watch::Watch;

/// The different rows of a matrix in cells.
pub struct Space<'a> {
    /// The rows as they were given.
    pub prepared: Prepared<'a>,
    /// Which of them are the same.
    pub order: Order,
    /// Every cell's rows.
    pub cells: Vec<Cell>,
    /// The rank of the row at each place.
    pub ranks: Vec<u32>,
    /// The cells as they are scored; nothing where each is packed when it is looked at.
    panels: Vec<Line>,
}

/// Rows that lie together.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The places of its rows among all cells' rows.
    pub places: Range<usize>,
    /// Its panels among all cells' panels.
    pub panels: Range<usize>,
}

impl Cell {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

impl<'a> Space<'a> {
    /// Packs rows that are given by rank, cell by cell.
    pub fn new(
        prepared: Prepared<'a>,
        order: Order,
        ranks: Vec<u32>,
        lengths: impl Iterator<Item = usize>,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let mut space = Self::unpacked(prepared, order, ranks, lengths);
        let panels = space.cells.last().map_or(0, |cell| cell.panels.end);
        space.panels = space.packed(panels, watch)?;
        Ok(space)
    }

    /// The same for one look at each cell: what is packed is let go again, which takes less time than memory
    /// for all would.
    pub fn unpacked(
        prepared: Prepared<'a>,
        order: Order,
        ranks: Vec<u32>,
        lengths: impl Iterator<Item = usize>,
    ) -> Self {
        let mut cells = Vec::new();
        let (mut place, mut panel) = (0, 0);
        for length in lengths {
            let (last_place, last_panel) = (place + length, panel + length.div_ceil(COLUMNS));
            cells.push(Cell { places: place..last_place, panels: panel..last_panel });
            (place, panel) = (last_place, last_panel);
        }
        Self { prepared, order, cells, ranks, panels: Vec::new() }
    }

    fn packed(&self, panels: usize, watch: &dyn Watch) -> Result<Vec<Line>> {
        let depth = self.depth();
        let mut lines = vec![Line::default(); panels * depth];
        let mut rest = lines.as_mut_slice();
        let mut tasks = Vec::with_capacity(panels);
        for cell in &self.cells {
            for places in self.ranks[cell.places.clone()].chunks(COLUMNS) {
                let (panel, others) = rest.split_at_mut(depth);
                tasks.push((places, panel));
                rest = others;
            }
        }
        let finished = Steps::new("packing", panels, watch);
        tasks.into_par_iter().try_for_each(|(ranks, panel)| {
            tile::pack_right(ranks.iter().map(|&rank| self.row(rank)), panel);
            finished.take(1)
        })?;
        Ok(lines)
    }

    /// Length of a row; at least 1, so that panels have a length.
    pub fn depth(&self) -> usize {
        self.prepared.width().max(1)
    }

    /// The row of a rank.
    #[inline]
    pub fn row(&self, rank: u32) -> Scaled<'a> {
        self.prepared.row(self.order.first(rank as usize))
    }

    /// The panels of a cell.
    pub fn panels(&self, cell: &Cell) -> &[Line] {
        &self.panels[cell.panels.start * self.depth()..cell.panels.end * self.depth()]
    }

    /// The same, packed into `room` if they are not packed.
    pub fn panels_in<'r>(&'r self, cell: &Cell, room: &'r mut Vec<Line>) -> &'r [Line] {
        if !self.panels.is_empty() {
            return self.panels(cell);
        }
        let depth = self.depth();
        room.resize(cell.panels.len() * depth, Line::default());
        let ranks = self.ranks[cell.places.clone()].chunks(COLUMNS);
        for (ranks, panel) in ranks.zip(room.chunks_exact_mut(depth)) {
            tile::pack_right(ranks.iter().map(|&rank| self.row(rank)), panel);
        }
        room
    }

    /// The place of every rank.
    pub fn places(&self) -> Vec<u32> {
        let mut places = vec![NONE; self.ranks.len()];
        // Places are no more than rows: they fit.
        for (place, &rank) in self.ranks.iter().enumerate() {
            places[rank as usize] = place as u32;
        }
        places
    }
}

/// Rows that ask for their nearest.
#[derive(Default)]
pub struct Left {
    packed: Vec<f32>,
    scores: Vec<[f32; COLUMNS]>,
    /// Which row of the best each one is.
    asking: Vec<u32>,
    least: Vec<f32>,
    found: Vec<(u32, u16)>,
}

impl Left {
    /// Packs rows, each with its number among the best.
    pub fn pack<'a>(
        &mut self,
        depth: usize,
        rows: impl ExactSizeIterator<Item = (u32, Scaled<'a>)>,
    ) {
        self.asking.clear();
        self.scores.resize(rows.len().next_multiple_of(ROWS), [0.0; COLUMNS]);
        let asking = &mut self.asking;
        let rows = rows.map(|(number, row)| {
            asking.push(number);
            row
        });
        tile::pack_left(depth, rows, &mut self.packed);
    }

    /// Scores a panel; the rows of `scores` are the packed ones.
    pub fn score(&mut self, form: tile::Form, panel: &[Line]) -> &[[f32; COLUMNS]] {
        tile::scores(form, &self.packed, panel, &mut self.scores);
        &self.scores[..self.asking.len()]
    }

    /// Offers the rows of panels, each by its number, to the rows that were packed.
    pub fn offer(&mut self, form: tile::Form, panels: &[Line], numbers: &[u32], best: &mut Best) {
        if numbers.is_empty() {
            return;
        }
        let depth = panels.len() / numbers.len().div_ceil(COLUMNS);
        self.least.clear();
        self.least.extend(self.asking.iter().map(|&row| best.least(row as usize)));
        for (numbers, panel) in numbers.chunks(COLUMNS).zip(panels.chunks_exact(depth)) {
            tile::scores(form, &self.packed, panel, &mut self.scores);
            let scores = &self.scores[..self.asking.len()];
            self.found.clear();
            tile::reaching(scores, &self.least, &[f32::INFINITY; COLUMNS], &mut self.found);
            for &(row, mut bits) in &self.found {
                let asking = self.asking[row as usize] as usize;
                while bits != 0 {
                    let column = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    if let Some(&number) = numbers.get(column) {
                        best.offer(asking, scores[row as usize][column], number);
                    }
                }
                self.least[row as usize] = best.least(asking);
            }
        }
    }
}
