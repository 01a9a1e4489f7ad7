//! Neighbours of rows that come later, among those that an index has.

use rayon::prelude::*;

use crate::error::Result;
use crate::graph::{Graph, NONE};
use crate::neighbours::Metric;
use crate::neighbours::best::{Best, number_of};
use crate::neighbours::cells::Centres;
use crate::neighbours::index::{Index, Steps, keep_for};
use crate::neighbours::lists::fill;
use crate::neighbours::sample::Sample;
use crate::neighbours::space::Left;
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::tile;
use crate::watch::Watch;

/// New rows that are looked up together.
const BATCH: usize = 1 << 16;

impl Index<'_> {
    /// For every new row its nearest among the rows of the index; their numbers are those of the
    /// index's rows. What is found for a row does not depend on the rows that come with it. A row
    /// that the index has is its own nearest.
    pub fn query(&self, rows: Rows, watch: &dyn Watch) -> Result<Graph> {
        let asking = self.space.prepared.like(rows)?;
        let k = self.options.k;
        let mut graph = Graph {
            k,
            neighbours: vec![NONE; rows.len() * k],
            distances: vec![0.0; rows.len() * k],
            recall: 1.0,
        };
        let probes = match &self.centres {
            None => None,
            Some(centres) => {
                let (probes, recall) = self.calibrated(centres, watch)?;
                graph.recall = recall;
                Some((centres, probes))
            }
        };
        let finished = Steps::new("new rows", rows.len().div_ceil(BATCH), watch);
        for first in (0..rows.len()).step_by(BATCH) {
            let batch = first..rows.len().min(first + BATCH);
            let found = batch.start * k..batch.end * k;
            let neighbours = &mut graph.neighbours[found.clone()];
            let distances = &mut graph.distances[found];
            match probes {
                None => self.ask_all(&asking, first, neighbours, distances, &finished)?,
                Some((centres, probes)) => {
                    let cells =
                        centres.nearest(batch.len(), probes, |i| asking.row(first + i), watch)?;
                    self.ask_cells(&asking, first, &cells, neighbours, distances, &finished)?;
                }
            }
            finished.step()?;
        }
        Ok(graph)
    }

    /// In how many cells a new row looks, and what share of its neighbours it finds there; rows of
    /// the index stand for new ones.
    fn calibrated(&self, centres: &Centres, watch: &dyn Watch) -> Result<(usize, f32)> {
        if let Some(&known) = self.probes.get() {
            return Ok(known);
        }
        let sample =
            Sample::of(&self.space, self.keep().min(self.options.k), self.options.seed, watch)?;
        let found = self.enough(centres, &sample, self.wanted(), false, watch)?;
        Ok(*self.probes.get_or_init(|| found))
    }

    fn ask_all(
        &self,
        asking: &Prepared,
        first: usize,
        neighbours: &mut [u32],
        distances: &mut [f32],
        finished: &Steps,
    ) -> Result<()> {
        let (k, depth) = (self.options.k, self.space.depth());
        let block = tile::left_rows(neighbours.len() / k, depth);
        let blocks = neighbours.par_chunks_mut(block * k).zip(distances.par_chunks_mut(block * k));
        blocks.enumerate().try_for_each_init(Left::default, |left, (i, (neighbours, distances))| {
            let rows = first + i * block..first + i * block + neighbours.len() / k;
            let mut best = Best::new(rows.len(), keep_for(k, self.space.ranks.len()));
            left.pack(depth, rows.clone().map(|row| ((row - rows.start) as u32, asking.row(row))));
            for cell in &self.space.cells {
                finished.go_on()?;
                self.space.offer(cell, left, &mut best);
            }
            let each = neighbours.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            for (j, (neighbours, distances)) in each.enumerate() {
                self.tell(asking, rows.start + j, best.take(j), neighbours, distances);
            }
            Ok(())
        })
    }

    /// The same in some cells of each row only.
    fn ask_cells(
        &self,
        asking: &Prepared,
        first: usize,
        cells: &[u32],
        neighbours: &mut [u32],
        distances: &mut [f32],
        finished: &Steps,
    ) -> Result<()> {
        let (k, depth) = (self.options.k, self.space.depth());
        let count = neighbours.len() / k;
        let probes = cells.len() / count;
        // Rows that look into the same cells are asked for together.
        let mut rows: Vec<(u32, usize, &mut [u32], &mut [f32])> = neighbours
            .chunks_exact_mut(k)
            .zip(distances.chunks_exact_mut(k))
            .enumerate()
            .map(|(i, (neighbours, distances))| (cells[i * probes], i, neighbours, distances))
            .collect();
        rows.par_sort_unstable_by_key(|row| (row.0, row.1));
        let block = tile::left_rows(count, depth);
        rows.par_chunks_mut(block).try_for_each_init(Left::default, |left, rows| {
            let mut best = Best::new(rows.len(), keep_for(k, self.space.ranks.len()));
            let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(rows.len() * probes);
            for (j, row) in (0u32..).zip(rows.iter()) {
                let cells = &cells[row.1 * probes..][..probes];
                pairs.extend(cells.iter().filter(|&&cell| cell != NONE).map(|&cell| (cell, j)));
            }
            pairs.sort_unstable();
            for same in pairs.chunk_by(|a, b| a.0 == b.0) {
                finished.go_on()?;
                let row = |j: u32| asking.row(first + rows[j as usize].1);
                left.pack(depth, same.iter().map(|&(_, j)| (j, row(j))));
                self.space.offer(&self.space.cells[same[0].0 as usize], left, &mut best);
            }
            for (j, (_, row, neighbours, distances)) in rows.iter_mut().enumerate() {
                self.tell(asking, first + *row, best.take(j), neighbours, distances);
            }
            Ok(())
        })
    }

    /// Measures a row's best again and writes them down.
    fn tell(
        &self,
        asking: &Prepared,
        row: usize,
        best: &[u64],
        neighbours: &mut [u32],
        distances: &mut [f32],
    ) {
        let (space, own) = (&self.space, asking.row(row));
        let mut sorted: Vec<(f32, u32)> = best
            .iter()
            .map(|&key| number_of(key))
            .map(|rank| (asking.apart(own, space.row(rank)), rank))
            .collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut to = neighbours.iter_mut().zip(distances);
        for (apart, rank) in sorted {
            fill(&mut to, space.order.group(rank as usize), asking.distance(apart));
        }
    }

    /// What the rows are compared by.
    pub fn metric(&self) -> Metric {
        self.options.metric
    }
}
