//! Lays a map out: epochs in which all rows move, block after block.
//!
//! The rows of a block all see the map as it was when the block began, each gathers the forces on it,
//! and they move together when the block ends. So no result depends on which thread did what, while
//! the next block already sees where the last one went, which keeps two ends of an edge from jumping
//! past each other.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::forces::{Forces, Moment};
use super::schedule::{Schedule, select};
use crate::error::{Error, Result};
use crate::random::number;
use crate::watch::Watch;

/// Blocks of an epoch.
const BLOCKS: usize = 8;
/// Rows that a thread works on at once.
const GRAIN: usize = 256;

/// How a map is laid out.
pub(super) struct Layout<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) forces: Forces,
    pub(super) epochs: usize,
    pub(super) learning_rate: f32,
    pub(super) seed: u64,
}

impl Layout<'_> {
    /// Moves the rows from where they are to where they belong.
    pub(super) fn run<const D: usize>(
        &self,
        places: &mut [[f32; D]],
        watch: &dyn Watch,
    ) -> Result<()> {
        // On one of the pool's own threads, which then need not be called for every block.
        rayon::scope(|_| self.run_here(places, watch))
    }

    fn run_here<const D: usize>(&self, places: &mut [[f32; D]], watch: &dyn Watch) -> Result<()> {
        watch.stage("layout", self.epochs);
        let block = places.len().div_ceil(BLOCKS).next_multiple_of(GRAIN);
        let mut moved = vec![[0f32; D]; block.min(places.len())];
        for epoch in 0..self.epochs {
            let rate = self.learning_rate * (1.0 - epoch as f32 / self.epochs as f32);
            for first in (0..places.len()).step_by(block) {
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                let moved = &mut moved[..block.min(places.len() - first)];
                moved.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, moved)| {
                    Arch::new().dispatch(Step {
                        layout: self,
                        places,
                        first: first + chunk * GRAIN,
                        epoch,
                        rate,
                        moved,
                    });
                });
                places[first..][..moved.len()].copy_from_slice(moved);
            }
            watch.done(epoch + 1);
        }
        Ok(())
    }
}

/// One epoch of some rows, to be compiled for each vector unit.
struct Step<'a, const D: usize> {
    layout: &'a Layout<'a>,
    places: &'a [[f32; D]],
    first: usize,
    epoch: usize,
    rate: f32,
    moved: &'a mut [[f32; D]],
}

impl<const D: usize> WithSimd for Step<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Layout { schedule, forces, seed, .. } = self.layout;
        let mut buffer = Vec::with_capacity(256);
        for (i, moved) in self.moved.iter_mut().enumerate() {
            let row = self.first + i;
            // Epochs are counted in 32 bits.
            let neighbours = select(schedule.row(row), self.epoch as u32 + 1, &mut buffer);
            let key = number(*seed, self.epoch as u64, row as u64);
            let moment = Moment { rate: self.rate, pulls: 2.0, key };
            *moved = forces.go(self.places[row], neighbours, self.places, moment);
        }
    }
}
