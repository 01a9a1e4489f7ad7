//! The true neighbours of a few rows, by which a search is judged.

use crate::error::Result;
use crate::graph::NONE;
use crate::neighbours::index::keep_for;
use crate::neighbours::lists::Lists;
use crate::neighbours::near::{Near, blurred, nearest};
use crate::neighbours::space::Space;
use crate::random;
use crate::steps::Steps;
use crate::tile::Form;
use crate::watch::Watch;

/// The stream of random numbers that says which rows are in the sample.
const SAMPLED: u64 = 0x7361_6d70;
/// How many are.
const SIZE: usize = 1000;

/// A few rows with their true neighbours.
pub struct Sample {
    /// Their ranks.
    pub ranks: Vec<u32>,
    /// `k` a row, as ranks.
    pub truth: Vec<u32>,
    k: usize,
}

impl Sample {
    /// Compares a thousand rows, or all if there are fewer, with all others.
    pub fn of(space: &Space, k: usize, seed: u64, watch: &dyn Watch) -> Result<Self> {
        let count = space.ranks.len();
        let size = SIZE.min(count);
        // Ranks are without meaning: every so-manyth is as good as any. They fit u32.
        let first = random::number(seed, SAMPLED, 0) as usize % count.max(1);
        let ranks: Vec<u32> =
            (0..size).map(|i| ((first + i * count / size) % count) as u32).collect();
        let finished = Steps::new("sample", size, watch);
        let keep = keep_for(k, count.saturating_sub(1));
        let form = space.prepared.form();
        let row = |i: usize| (ranks[i], space.row(ranks[i]));
        let mut found = nearest(space, size, row, keep, form, None, &finished)?;
        let blurred = |i: &usize| blurred(space, k, &found[i * keep..][..keep]);
        let unsure: Vec<usize> = (0..size).filter(blurred).collect();
        let (row, part) = (|i: usize| row(unsure[i]), Steps::within(watch));
        let again = nearest(space, unsure.len(), row, keep, Form::Squares, None, &part)?;
        for (&i, again) in unsure.iter().zip(again.chunks_exact(keep)) {
            found[i * keep..][..keep].copy_from_slice(again);
        }
        let first =
            |near: &[Near]| -> Vec<u32> { near.iter().take(k).map(|near| near.1).collect() };
        let truth = found.chunks_exact(keep).flat_map(first).collect();
        Ok(Self { ranks, truth, k: k.min(keep) })
    }

    /// The true neighbours of the rows, each with the row's rank.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.ranks.iter().zip(self.truth.chunks_exact(self.k));
        rows.flat_map(|(&rank, truth)| truth.iter().map(move |&other| (rank, other)))
            .filter(|pair| pair.1 != NONE)
    }

    /// The share of the true neighbours that lists have among their first.
    pub fn recall(&self, space: &Space, lists: &Lists) -> f32 {
        let places = space.places();
        let (mut found, mut all) = (0u32, 0u32);
        for (rank, other) in self.pairs() {
            let place = places[rank as usize] as usize;
            found += u32::from(lists.ranks[place * lists.keep..][..self.k].contains(&other));
            all += 1;
        }
        // Counts of thousands.
        if all == 0 { 1.0 } else { found as f32 / all as f32 }
    }
}
