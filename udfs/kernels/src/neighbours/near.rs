//! The nearest of some rows, found for each by itself; and rows whose nearest lie too close together
//! for products of unit vectors to tell them apart.

use rayon::prelude::*;

use crate::error::Result;
use crate::graph::NONE;
use crate::neighbours::Metric;
use crate::neighbours::best::{Best, number_of};
use crate::neighbours::lists::Lists;
use crate::neighbours::space::{Left, Space};
use crate::steps::Steps;
use crate::tile::{self, Form, Scaled};
use crate::watch::Watch;

/// A row's distance, before what it means is taken into account, and its rank.
pub type Near = (f32, u32);

/// For each of some rows, with their ranks if they have one, the nearest others among the rows of the
/// cells that it looks into, as many a row, or of all if none are named; `keep` a row, `NONE` where
/// there are no more. What is found for a row does not depend on the others.
pub fn nearest<'a>(
    space: &Space,
    count: usize,
    row: impl Fn(usize) -> (u32, Scaled<'a>) + Sync,
    keep: usize,
    form: Form,
    cells: Option<&[u32]>,
    finished: &Steps,
) -> Result<Vec<Near>> {
    let block = tile::left_rows(count, space.depth());
    let mut found = vec![(0.0, NONE); count * keep];
    let blocks = found.par_chunks_mut(block * keep).enumerate();
    let looks = cells.map_or(0, |cells| cells.len() / count.max(1));
    let start = || (Left::default(), Vec::new());
    blocks.try_for_each_init(start, |(left, room), (first, found)| {
        let (first, count) = (first * block, found.len() / keep);
        // One more: the row itself may be among them.
        let mut best = Best::new(count, keep + 1);
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for i in 0..count as u32 {
            match cells {
                Some(cells) => {
                    let cells = &cells[(first + i as usize) * looks..][..looks];
                    pairs.extend(cells.iter().filter(|&&cell| cell != NONE).map(|&cell| (cell, i)));
                }
                // Cells are fewer than rows.
                None => pairs.extend((0..space.cells.len() as u32).map(|cell| (cell, i))),
            }
        }
        pairs.sort_unstable();
        let mut packed: Vec<u32> = Vec::new();
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            finished.go_on()?;
            if !packed.iter().eq(same.iter().map(|pair| &pair.1)) {
                packed.clear();
                packed.extend(same.iter().map(|pair| pair.1));
                let rows: Vec<_> = packed.iter().map(|&i| (i, row(first + i as usize).1)).collect();
                left.pack(space.depth(), rows.into_iter());
            }
            let cell = &space.cells[same[0].0 as usize];
            let panels = space.panels_in(cell, room);
            left.offer(form, panels, &space.ranks[cell.places.clone()], &mut best);
        }
        for (i, found) in found.chunks_exact_mut(keep).enumerate() {
            let (own_rank, own) = row(first + i);
            let others = best.take(i).iter().map(|&key| number_of(key));
            let others = others.filter(|&rank| rank != own_rank);
            let mut others: Vec<Near> =
                others.map(|rank| (space.prepared.apart(own, space.row(rank)), rank)).collect();
            others.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found.iter_mut().zip(others).for_each(|(to, near)| *to = near);
        }
        finished.take(count)
    })?;
    Ok(found)
}

/// Whether products may have missed some of the `k` nearest of a row: they are near, and those behind
/// them are hardly further away than what is lost when a product near 1 is summed up.
pub fn blurred(space: &Space, k: usize, near: &[Near]) -> bool {
    /// Squares of differences say more of vectors that are nearer than that.
    const NEAR: f32 = 0.01;
    let (Some(worst), Some(last)) = (near.get(k - 1), near.last()) else { return false };
    if space.prepared.metric() != Metric::Cosine || last.1 == NONE || near.len() <= k {
        return false;
    }
    // The length of a row is exact enough in f32.
    let lost = 4.0 * f32::EPSILON * (space.depth() as f32).sqrt();
    worst.0 < NEAR && last.0 - worst.0 < lost
}

impl Lists {
    /// Places of rows where products may have missed some of the nearest.
    pub fn blurred(&self, space: &Space, k: usize) -> Vec<usize> {
        let keep = self.keep;
        let near = |place: usize| -> Vec<Near> {
            let entries = place * keep..(place + 1) * keep;
            let apart = self.apart[entries.clone()].iter().copied();
            apart.zip(self.ranks[entries].iter().copied()).collect()
        };
        let places = 0..space.ranks.len();
        places.into_par_iter().filter(|&place| blurred(space, k, &near(place))).collect()
    }

    /// Looks again for the nearest of some rows, by differences, in the cells of each or in all.
    pub fn sharpen(
        &mut self,
        space: &Space,
        places: &[usize],
        cells: Option<&[u32]>,
        watch: &dyn Watch,
    ) -> Result<()> {
        let keep = self.keep;
        let ranks: Vec<u32> = places.iter().map(|&place| space.ranks[place]).collect();
        let finished = Steps::new("rows very near each other", ranks.len(), watch);
        let row = |i: usize| (ranks[i], space.row(ranks[i]));
        let found = nearest(space, ranks.len(), row, keep, Form::Squares, cells, &finished)?;
        for (&place, found) in places.iter().zip(found.chunks_exact(keep)) {
            let ranks = &mut self.ranks[place * keep..][..keep];
            let apart = &mut self.apart[place * keep..][..keep];
            let known = apart.iter().copied().zip(ranks.iter().copied());
            let mut all: Vec<Near> = known.chain(found.iter().copied()).collect();
            all.retain(|near| near.1 != NONE);
            all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            // A row that was found twice is as far away both times.
            all.dedup();
            for (i, near) in all.into_iter().take(keep).enumerate() {
                (apart[i], ranks[i]) = near;
            }
        }
        Ok(())
    }
}
