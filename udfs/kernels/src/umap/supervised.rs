//! Labels in the making of a map: edges between rows of different labels count for less.

use super::Umap;
use super::fuzzy::FuzzySet;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::watch::Watch;

/// How far a row of unknown label is from any other.
const UNKNOWN: f64 = 1.0;

impl Umap {
    /// Like [`Umap::fit`], with what is known of the rows' labels: `target_weight` says how much they
    /// count beside the distances.
    pub fn fit_labelled(
        &self,
        graph: &Graph,
        start: &[f32],
        labels: &[Option<u32>],
        watch: &dyn Watch,
    ) -> Result<Vec<f32>> {
        self.check()?;
        let rows = super::check_input(graph, start, self.dims)?;
        if labels.len() != rows {
            return Err(Error::Shape(format!(
                "{} labels are not those of {rows} rows",
                labels.len()
            )));
        }
        if rows < 3 {
            return Ok(super::in_a_line(rows, self.dims));
        }
        let set = self.fuzzy_set(graph, rows, self.density > 0.0, watch)?;
        self.lay_out(intersect(set, labels, self.target_weight), start, watch)
    }
}

/// The set of edges, each multiplied by how near its ends' labels are.
pub(super) fn intersect(set: FuzzySet, labels: &[Option<u32>], target_weight: f64) -> FuzzySet {
    let far = if target_weight < 1.0 { 2.5 / (1.0 - target_weight) } else { 1e12 };
    let (unknown, far) = ((-UNKNOWN).exp() as f32, (-far).exp() as f32);
    set.reweigh(|from, to| match (labels[from], labels[to as usize]) {
        (Some(a), Some(b)) if a == b => 1.0,
        (Some(_), Some(_)) => far,
        _ => unknown,
    })
}
