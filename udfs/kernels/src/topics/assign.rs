//! Which centre each of many rows is nearest to.

use rayon::prelude::*;

use crate::error::Result;
use crate::neighbours::Left;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Form, Line, Scaled};

/// Centres, packed, and what is added to the products with each.
pub struct Targets {
    depth: usize,
    panels: Vec<Line>,
    added: Vec<f32>,
}

impl Targets {
    /// Packs centres of a length with what is added to each one's products.
    pub fn new<'a>(
        depth: usize,
        centres: impl ExactSizeIterator<Item = &'a [f32]>,
        added: Vec<f32>,
    ) -> Self {
        let mut panels = vec![Line::default(); centres.len().div_ceil(COLUMNS) * depth];
        let mut centres = centres.fuse();
        for panel in panels.chunks_exact_mut(depth.max(1)) {
            tile::pack_right(centres.by_ref().take(COLUMNS).map(|centre| (centre, 1.0)), panel);
        }
        Self { depth, panels, added }
    }

    /// The best centre of every row and how good it is; of equally good ones the first.
    pub fn best<'a>(
        &self,
        count: usize,
        row: impl Fn(usize) -> Scaled<'a> + Sync,
        steps: &Steps,
    ) -> Result<Vec<(u32, f32)>> {
        let block = tile::left_rows(count, self.depth);
        let mut best = vec![(0, f32::NEG_INFINITY); count];
        best.par_chunks_mut(block).enumerate().try_for_each_init(
            Left::default,
            |left, (i, best)| {
                steps.go_on()?;
                // A block's rows are few.
                let rows = (0..best.len()).map(|j| (j as u32, row(i * block + j)));
                left.pack(self.depth, rows);
                let panels = self.panels.chunks_exact(self.depth).zip(self.added.chunks(COLUMNS));
                for (first, (panel, added)) in (0u32..).step_by(COLUMNS).zip(panels) {
                    let scores = left.score(Form::Products, panel);
                    for (best, scores) in best.iter_mut().zip(scores) {
                        for ((centre, score), added) in (first..).zip(scores).zip(added) {
                            if score + added > best.1 {
                                *best = (centre, score + added);
                            }
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(best)
    }
}
