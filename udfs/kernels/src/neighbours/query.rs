//! Neighbours of rows that come later, among those that an index has.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::graph::{Graph, NONE};
use crate::neighbours::cells::Centres;
use crate::neighbours::index::{Index, keep_for};
use crate::neighbours::lists::fill;
use crate::neighbours::near::{Near, blurred, nearest};
use crate::neighbours::sample::Sample;
use crate::neighbours::{Metric, Options};
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::tile::Form;
use crate::watch::Watch;

/// New rows that are looked up together.
const BATCH: usize = 1 << 16;

/// For every new row its nearest among others, which are asked this once.
pub fn of_new(rows: Rows, new: Rows, options: &Options, watch: &dyn Watch) -> Result<Graph> {
    Index::made(rows, options, false, watch)?.query(new, watch)
}

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
        let finished = Steps::new("new rows", rows.len(), watch);
        for first in (0..rows.len()).step_by(BATCH) {
            let count = BATCH.min(rows.len() - first);
            let cells = match probes {
                None => None,
                Some((centres, probes)) => {
                    let part = Steps::within(watch);
                    Some(centres.nearest(count, probes, |i| asking.row(first + i), &part)?)
                }
            };
            let found = self.found(&asking, first..first + count, cells, &finished)?;
            let neighbours = graph.neighbours[first * k..].par_chunks_mut(k);
            let distances = graph.distances[first * k..].par_chunks_mut(k);
            neighbours.zip(distances).zip(found).for_each(|((neighbours, distances), near)| {
                let mut to = neighbours.iter_mut().zip(distances);
                for (apart, rank) in near.into_iter().filter(|near| near.1 != NONE) {
                    let group = self.space.order.group(rank as usize);
                    fill(&mut to, group, asking.distance(apart));
                }
            });
        }
        Ok(graph)
    }

    /// The nearest of new rows, in the cells of each or in all.
    fn found(
        &self,
        asking: &Prepared,
        rows: Range<usize>,
        cells: Option<Vec<u32>>,
        finished: &Steps,
    ) -> Result<Vec<Vec<Near>>> {
        let (space, k) = (&self.space, self.options.k);
        let keep = keep_for(k, space.ranks.len());
        let looks = cells.as_ref().map_or(0, |cells| cells.len() / rows.len());
        // Rows that look into the same cells are asked for together.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if let Some(cells) = &cells {
            order.par_sort_unstable_by_key(|&i| (cells[i * looks], i));
        }
        let look = |order: &[usize], form: Form, finished: &Steps| {
            let row = |i: usize| (NONE, asking.row(rows.start + order[i]));
            let cells: Option<Vec<u32>> = cells.as_ref().map(|cells| {
                order.iter().flat_map(|&i| &cells[i * looks..][..looks]).copied().collect()
            });
            nearest(space, order.len(), row, keep, form, cells.as_deref(), finished)
        };
        let mut all = vec![Vec::new(); rows.len()];
        let found = look(&order, space.prepared.form(), finished)?;
        for (&i, near) in order.iter().zip(found.chunks_exact(keep)) {
            all[i] = near.to_vec();
        }
        order.retain(|&i| blurred(space, k, &all[i]));
        let again = look(&order, Form::Squares, &finished.part())?;
        for (&i, near) in order.iter().zip(again.chunks_exact(keep)) {
            all[i] = near.to_vec();
        }
        Ok(all)
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

    /// What the rows are compared by.
    pub fn metric(&self) -> Metric {
        self.options.metric
    }
}
