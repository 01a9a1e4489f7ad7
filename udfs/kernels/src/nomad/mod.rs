//! NOMAD projection: maps of very many rows, cell by cell.
//!
//! A row is pulled to its neighbours, weighted by rank, and pushed from everything else: from a few
//! rows of its own cell, drawn by chance, and from the means of all other cells (Duderstadt, Nussbaum,
//! van der Maaten: NOMAD Projection, 2025). An epoch takes as many steps as there are rows, times a
//! number that does not grow with them, and cells need nothing of each other but their means.

mod cells;
mod edges;
mod far;
mod layout;
mod placing;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::rows::Rows;
use crate::watch::Watch;
use cells::Cells;
use edges::Edges;
use layout::Layout;
pub use placing::place;

use crate::umap::{by_dims, start::spread_out};

/// Rows of a cell, if nothing else is asked for.
const CELL: usize = 4096;
/// Cells that a map has at least, and at most.
const CELLS: std::ops::RangeInclusive<usize> = 16..=4096;
/// More neighbours than ranks are counted to are not used.
const MOST_NEIGHBOURS: usize = 255;

/// How a map is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Nomad {
    /// Dimensions of the map, 1 to 8.
    pub dims: usize,
    /// How many neighbours of the graph are used.
    pub neighbours: usize,
    /// Epochs.
    pub epochs: usize,
    /// The scale of the map: what its numbers are multiplied by in the end.
    pub spread: f32,
    /// Rows of a cell: from so many, a row is pushed one by one; from all others by their cells'
    /// means. The number of cells stays between 16 and 4096. 4096 if not given.
    pub local_neighborhood_size: Option<usize>,
    /// How large a crowd a row's neighbours are told from, from 0 to 1: of n rows, n^(3/8 + 5/8 rho).
    /// At 1 every row counts for itself and the crowd keeps neighbours apart as well; at 0 they come
    /// together in clumps with room between them.
    pub rho: f64,
    /// One seed, one map.
    pub seed: u64,
}

impl Default for Nomad {
    fn default() -> Self {
        Self {
            dims: 2,
            neighbours: 15,
            epochs: 50,
            spread: 1.0,
            local_neighborhood_size: None,
            rho: 0.2,
            seed: 0,
        }
    }
}

impl Nomad {
    /// Lays out the rows of a graph: `dims` numbers a row. `start` has as many: the first principal
    /// components of the rows. Cells are made of `rows`, the vectors themselves or some more of their
    /// principal components. As with [`crate::umap::Umap`], rows are to come in an order that does not
    /// depend on how they happened to be stored.
    pub fn fit(
        &self,
        graph: &Graph,
        rows: Rows,
        start: &[f32],
        watch: &dyn Watch,
    ) -> Result<Vec<f32>> {
        self.check()?;
        let count = crate::umap::check_input(graph, start, self.dims)?;
        if rows.len() != count {
            return Err(Error::Shape(format!(
                "{} rows are not the {count} of the start",
                rows.len()
            )));
        }
        if count < 3 {
            return Ok(crate::umap::in_a_line(count, self.dims));
        }
        let size = self.local_neighborhood_size.unwrap_or(CELL).max(1);
        let wanted = (count / size).clamp(*CELLS.start(), *CELLS.end()).min(count);
        let cells = Cells::new(rows, wanted, self.seed, watch)?;
        watch.stage("edges", 1);
        let k = self.neighbours.min(graph.k).min(MOST_NEIGHBOURS);
        let edges = Edges::new(graph, &cells, k);
        watch.done(1);
        let weights = rank_weights(k);
        let layout = Layout {
            cells: &cells,
            edges: &edges,
            weights: &weights,
            epochs: self.epochs,
            weight: (count as f64).powf((3.0 + 5.0 * self.rho) / 8.0 - 1.0),
            seed: self.seed,
        };
        fn run<const D: usize>(
            layout: &Layout,
            start: &[f32],
            spread: f32,
            watch: &dyn Watch,
        ) -> Result<Vec<f32>> {
            let rows = &layout.cells.rows;
            let start = spread_out::<D>(start, layout.seed);
            let mut places: Vec<[f32; D]> = rows.iter().map(|&row| start[row as usize]).collect();
            drop(start);
            layout.run(&mut places, watch)?;
            let mut map = vec![[0f32; D]; places.len()];
            for (&row, place) in rows.iter().zip(places) {
                map[row as usize] = place.map(|x| x * spread);
            }
            Ok(map.into_flattened())
        }
        by_dims!(self.dims, run(&layout, start, self.spread, watch))
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::Option(what.to_owned()));
        if !(1..=8).contains(&self.dims) {
            return wrong("a map has 1 to 8 dimensions");
        }
        if self.neighbours == 0 {
            return wrong("a map needs at least 1 neighbour");
        }
        if self.epochs > 1_000_000 {
            return wrong("a map takes at most 1000000 epochs");
        }
        if !(self.spread > 0.0 && self.spread <= 1e6) {
            return wrong("spread must be above 0");
        }
        if !(0.0..=1.0).contains(&self.rho) {
            return wrong("rho must be between 0 and 1");
        }
        Ok(())
    }
}

/// How much the neighbours of each rank weigh: e^(1/rank), in all 1.
fn rank_weights(k: usize) -> Vec<f32> {
    let all: Vec<f64> = (1..=k).map(|rank| (1.0 / rank as f64).exp()).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|x| (x / sum) as f32).collect()
}
