//! Lays a map out: epochs of two steps, in each of which all rows move at once.
//!
//! In a step every row sees the map as it was when the step began and gathers the forces on it. So no
//! result depends on which thread did what. An edge takes part in both steps of an epoch, and in each
//! it pulls both its ends: what one gains the other loses, and no group of rows drives itself
//! along, as it would if one end jumped first and the other followed. Steps see each other's moves, so
//! that rows pulled by many do not jump past all of them.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::density::{Density, Now};
use super::forces::{Forces, Moment, Scratch};
use super::schedule::{STEPS, Schedule, Selected};
use crate::error::{Error, Result};
use crate::random::number;
use crate::watch::Watch;

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

/// What else there is to a map than its edges.
#[derive(Clone, Copy)]
pub(super) struct Extra<'a, const D: usize> {
    /// Densities, and the share of the epochs, the last ones, in which they count.
    pub(super) density: Option<(&'a Density, f32)>,
    /// Places that the rows are drawn to, and how much of the way in an epoch.
    pub(super) anchors: Option<(&'a [[f32; D]], f32)>,
}

impl<const D: usize> Extra<'_, D> {
    /// Nothing else.
    pub(super) const NONE: Self = Self { density: None, anchors: None };
}

impl Layout<'_> {
    /// Moves the rows from where they are to where they belong.
    pub(super) fn run<const D: usize>(
        &self,
        places: &mut [[f32; D]],
        extra: Extra<D>,
        watch: &dyn Watch,
    ) -> Result<()> {
        // On one of the pool's own threads, which then need not be called for every block.
        rayon::scope(|_| self.run_here(places, extra, watch))
    }

    fn run_here<const D: usize>(
        &self,
        places: &mut [[f32; D]],
        extra: Extra<D>,
        watch: &dyn Watch,
    ) -> Result<()> {
        watch.stage("layout", self.epochs);
        let mut moved = vec![[0f32; D]; places.len()];
        for epoch in 0..self.epochs {
            let rate = self.learning_rate * (1.0 - epoch as f32 / self.epochs as f32);
            let last = (epoch + 1) as f32 / self.epochs as f32;
            let density = match extra.density {
                Some((density, share)) if last > 1.0 - share => {
                    Some(density.now(self.schedule, places, self.forces.curve()))
                }
                _ => None,
            };
            for step in 0..STEPS {
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                moved.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, moved)| {
                    Arch::new().dispatch(Step {
                        layout: self,
                        places,
                        first: chunk * GRAIN,
                        // Epochs are counted in 32 bits.
                        epoch: epoch as u32,
                        step,
                        rate,
                        density: density.as_ref(),
                        anchors: extra.anchors,
                        moved,
                    });
                });
                places.copy_from_slice(&moved);
            }
            watch.done(epoch + 1);
        }
        Ok(())
    }
}

/// One step of some rows, to be compiled for each vector unit.
struct Step<'a, const D: usize> {
    layout: &'a Layout<'a>,
    places: &'a [[f32; D]],
    first: usize,
    epoch: u32,
    step: u32,
    rate: f32,
    density: Option<&'a Now>,
    anchors: Option<(&'a [[f32; D]], f32)>,
    moved: &'a mut [[f32; D]],
}

impl<const D: usize> WithSimd for Step<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Layout { schedule, forces, seed, .. } = self.layout;
        let (mut selected, mut scratch) = (Selected::default(), Scratch::new());
        let stream = number(*seed, 0, u64::from(self.epoch * STEPS + self.step));
        for (i, moved) in self.moved.iter_mut().enumerate() {
            let row = self.first + i;
            selected.of_step(schedule.row(row), self.epoch + 1, self.step);
            let key = stream ^ row as u64;
            let mut at = self.places[row];
            if let Some(density) = self.density {
                at = density.go(row, selected.edges(), self.places, forces.curve(), self.rate);
            }
            if let Some((anchors, strength)) = self.anchors {
                let part = strength * self.rate / STEPS as f32;
                at.iter_mut().zip(anchors[row]).for_each(|(x, anchor)| *x += part * (anchor - *x));
            }
            let (tails, pushes) = (selected.tails(), forces.pushes(selected.own));
            let moment = Moment { rate: self.rate, key };
            *moved = forces.go(at, tails, pushes, self.places, moment, &mut scratch);
        }
    }
}
