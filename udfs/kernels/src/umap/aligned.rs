//! A second map of the same rows, laid out to be compared with the first.

use super::layout::{Extra, Layout};
use super::procrustes::Similarity;
use super::start::spread_out;
use super::{Umap, check_input};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::watch::Watch;

impl Umap {
    /// Like [`Umap::fit`], near to where another map has the same rows: the start is turned, mirrored
    /// and scaled to it, in every epoch rows are drawn to their places on it (as strongly as
    /// `alignment` says), and what comes out is turned to it once more. So what differs between the
    /// maps differs between the graphs.
    pub fn fit_aligned(
        &self,
        graph: &Graph,
        start: &[f32],
        align_to: &[f32],
        watch: &dyn Watch,
    ) -> Result<Vec<f32>> {
        self.check()?;
        let rows = check_input(graph, start, self.dims)?;
        if align_to.len() != start.len() {
            return Err(Error::Shape(format!(
                "a map of {} numbers is not one of {rows} rows of {}",
                align_to.len(),
                self.dims
            )));
        }
        if let Some(place) = align_to.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { row: place / self.dims });
        }
        if rows < 3 {
            return Ok(align_to.to_vec());
        }
        let set = self.fuzzy_set(graph, rows, false, watch)?;
        let passed_on = self.start(&set, start, watch)?;
        let start = passed_on.as_deref().unwrap_or(start);
        let (schedule, epochs) = self.schedule(set);
        let layout = self.layout(&schedule, epochs);
        fn run<const D: usize>(
            layout: &Layout,
            start: &[f32],
            align_to: &[f32],
            strength: f32,
            watch: &dyn Watch,
        ) -> Result<Vec<f32>> {
            let there = align_to.as_chunks::<D>().0;
            let mut places = spread_out::<D>(start, layout.seed);
            let turn = Similarity::between(&places, there);
            places.iter_mut().for_each(|place| *place = turn.apply(*place));
            layout.run(
                &mut places,
                Extra { density: None, anchors: Some((there, strength)) },
                watch,
            )?;
            let turn = Similarity::between(&places, there).rigid();
            Ok(places.iter().flat_map(|place| turn.apply(*place)).collect())
        }
        super::by_dims!(self.dims, run(&layout, start, align_to, self.alignment, watch))
    }
}

/// A map of two dimensions turned, mirrored and shifted so that its rows lie as near as that allows to where
/// another one has them; what is near to what on it stays as it is.
pub fn turned(map: &[f32], there: &[f32]) -> Vec<f32> {
    let (rows, others) = (map.as_chunks::<2>().0, there.as_chunks::<2>().0);
    let turn = Similarity::between(rows, others).rigid();
    rows.iter().flat_map(|row| turn.apply(*row)).collect()
}
