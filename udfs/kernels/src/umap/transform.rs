//! New rows on a map that is there.
//!
//! A row starts at the mean of its neighbours, weighted by how near they are, and then follows the same
//! forces for some epochs while the old rows stay. Its chances come from its own neighbours and
//! distances: where it ends up depends on the map and on itself, never on which rows came with it.

use std::sync::atomic::{AtomicUsize, Ordering};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::forces::{Forces, Moment, Scratch};
use super::membership::{Neighbours, Smoothing, memberships};
use super::schedule::{Selected, rate};
use super::{Umap, check_graph};
use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::random::{mix, number};
use crate::watch::Watch;

/// Epochs that new rows move for, if not given.
const EPOCHS: usize = 100;
/// New rows move more cautiously than the first ones did.
const CAUTION: f32 = 0.25;
/// Rows that a thread works on at once.
const GRAIN: usize = 64;

impl Umap {
    /// Places new rows on a map: `dims` numbers a row. The graph holds their neighbours among the map's
    /// rows. A row that is at no distance from an old one goes where that is; one without neighbours
    /// goes to the middle of the map.
    pub fn transform(&self, map: &[f32], graph: &Graph, watch: &dyn Watch) -> Result<Vec<f32>> {
        self.check()?;
        let old = map.len() / self.dims;
        if old * self.dims != map.len() {
            return Err(Error::Shape(format!(
                "a map of {} numbers is not whole rows of {}",
                map.len(),
                self.dims
            )));
        }
        if let Some(place) = map.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { row: place / self.dims });
        }
        if graph.k == 0 || old == 0 {
            return Err(Error::Shape(
                "new rows need neighbours on the map, and there are none".into(),
            ));
        }
        let rows = graph.neighbours.len() / graph.k;
        check_graph(graph, rows, old)?;
        let neighbours = Neighbours::new(graph, rows, self.neighbours);
        let scales = Smoothing::of_new_rows(neighbours, self.local_connectivity).scales(neighbours);
        let weights = memberships(neighbours, &scales);
        let placing = Placing {
            neighbours,
            weights: &weights,
            forces: self.forces(),
            epochs: self.epochs.map_or(EPOCHS, |epochs| epochs / 3),
            rate: self.learning_rate * CAUTION,
            seed: self.seed,
        };
        fn run<const D: usize>(
            placing: &Placing,
            map: &[f32],
            watch: &dyn Watch,
        ) -> Result<Vec<f32>> {
            let places = placing.run(map.as_chunks::<D>().0, watch)?;
            Ok(places.into_flattened())
        }
        super::by_dims!(self.dims, run(&placing, map, watch))
    }
}

/// How new rows are placed.
struct Placing<'a> {
    neighbours: Neighbours<'a>,
    weights: &'a [f32],
    forces: Forces,
    epochs: usize,
    rate: f32,
    seed: u64,
}

impl Placing<'_> {
    fn run<const D: usize>(&self, map: &[[f32; D]], watch: &dyn Watch) -> Result<Vec<[f32; D]>> {
        let rows = self.neighbours.rows();
        watch.stage("placing", rows);
        let middle = middle(map);
        let mut places = vec![[0f32; D]; rows];
        let done = AtomicUsize::new(0);
        places.par_chunks_mut(GRAIN).enumerate().try_for_each(|(chunk, places)| {
            if watch.stopped() {
                return Err(Error::Stopped);
            }
            let first = chunk * GRAIN;
            let count = places.len();
            Arch::new().dispatch(Place { placing: self, map, middle, first, places });
            watch.done(done.fetch_add(count, Ordering::Relaxed) + count);
            Ok(())
        })?;
        Ok(places)
    }

    /// What a row's chances come from.
    fn key(&self, row: usize) -> u64 {
        let ids = self.neighbours.ids(row).iter().zip(self.neighbours.distances(row));
        ids.fold(mix(self.seed), |key, (&id, &distance)| {
            mix(key ^ (u64::from(id) << 32 | u64::from(distance.to_bits())))
        })
    }
}

/// Some new rows, to be compiled for each vector unit.
struct Place<'a, const D: usize> {
    placing: &'a Placing<'a>,
    map: &'a [[f32; D]],
    middle: [f32; D],
    first: usize,
    places: &'a mut [[f32; D]],
}

impl<const D: usize> WithSimd for Place<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Placing { neighbours, weights, forces, epochs, rate: first_rate, .. } = self.placing;
        let (mut tails, mut rates, mut selected) = (Vec::new(), Vec::new(), Selected::default());
        let mut scratch = Scratch::new();
        for (i, place) in self.places.iter_mut().enumerate() {
            let row = self.first + i;
            let ids = neighbours.ids(row);
            let weights = &weights[row * neighbours.k..][..neighbours.k];
            let there =
                ids.iter().zip(neighbours.distances(row)).find(|x| *x.0 != NONE && *x.1 <= 0.0);
            if let Some((&id, _)) = there {
                *place = self.map[id as usize];
                continue;
            }
            let all: f32 = weights.iter().sum();
            if all <= 0.0 {
                *place = self.middle;
                continue;
            }
            let mut at = [0f32; D];
            for (&id, &weight) in ids.iter().zip(weights).filter(|x| *x.0 != NONE) {
                for (x, old) in at.iter_mut().zip(self.map[id as usize]) {
                    *x = (weight / all).mul_add(old, *x);
                }
            }
            let most = weights.iter().copied().fold(0.0, f32::max);
            tails.clear();
            rates.clear();
            for (&id, &weight) in ids.iter().zip(weights) {
                if id != NONE && weight * *epochs as f32 >= most {
                    tails.push(id);
                    rates.push(rate(weight / most));
                }
            }
            let key = self.placing.key(row);
            for epoch in 0..*epochs {
                let left = 1.0 - epoch as f32 / *epochs as f32;
                // Epochs are counted in 32 bits.
                selected.of_epoch((&tails, &rates), epoch as u32 + 1);
                let key = number(key, 0, epoch as u64);
                let (due, pushes) = (selected.tails(), forces.pushes(selected.own));
                let moment = Moment { rate: first_rate * left, key };
                at = forces.go(at, due, pushes, self.map, moment, &mut scratch);
            }
            *place = at;
        }
    }
}

fn middle<const D: usize>(map: &[[f32; D]]) -> [f32; D] {
    let mut sums = [0f64; D];
    for place in map {
        for d in 0..D {
            sums[d] += f64::from(place[d]);
        }
    }
    sums.map(|sum| (sum / map.len() as f64) as f32)
}
