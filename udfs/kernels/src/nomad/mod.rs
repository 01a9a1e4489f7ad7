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

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::rows::Rows;
use crate::watch::Watch;
use cells::Cells;
use edges::Edges;
use layout::Layout;

/// How a map is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Nomad {
    /// Dimensions of the map, 1 to 8.
    pub dims: usize,
    /// How many neighbours of the graph are used.
    pub neighbours: usize,
    /// Epochs.
    pub epochs: usize,
    /// The scale of the map: what its numbers are multiplied by.
    pub spread: f32,
    /// rho.
    pub rho: f64,
    /// One seed, one map.
    pub seed: u64,
}

impl Default for Nomad {
    fn default() -> Self {
        Self { dims: 2, neighbours: 15, epochs: 50, spread: 1.0, rho: 0.2, seed: 0 }
    }
}

impl Nomad {
    /// Lays out.
    pub fn fit(
        &self,
        graph: &Graph,
        rows: Rows,
        start: &[f32],
        watch: &dyn Watch,
    ) -> Result<Vec<f32>> {
        let count = rows.len();
        let k = self.neighbours.min(graph.k);
        let t = std::time::Instant::now();
        let cells = Cells::new(rows, (count / 4096).clamp(16, 4096), self.seed, watch)?;
        eprintln!("cells {:?}", t.elapsed());
        let edges = Edges::new(graph, &cells, k);
        eprintln!("edges {:?}", t.elapsed());
        let raw: Vec<f64> = (1..=k).map(|rank| (1.0 / rank as f64).exp()).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f32> = raw.iter().map(|x| (x / sum) as f32).collect();
        let layout = Layout {
            cells: &cells,
            edges: &edges,
            weights: &weights,
            epochs: self.epochs,
            rho: self.rho,
            seed: self.seed,
        };
        let started = crate::umap::start::spread_out::<2>(start, self.seed);
        let mut places: Vec<[f32; 2]> =
            cells.rows.iter().map(|&row| started[row as usize]).collect();
        layout.run(&mut places, watch)?;
        eprintln!("layout {:?}", t.elapsed());
        let mut map = vec![0f32; count * 2];
        for (&row, place) in cells.rows.iter().zip(&places) {
            map[row as usize * 2..][..2].copy_from_slice(place);
        }
        let _ = Error::Stopped;
        Ok(map)
    }
}
