//! The true neighbours of a few rows, by which a search is judged.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::neighbours::best::{Best, number_of};
use crate::neighbours::lists::Lists;
use crate::neighbours::space::{Left, Space};
use crate::random;
use crate::tile;
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
        let block = tile::left_rows(size, space.depth());
        let mut truth = vec![NONE; size * k];
        let pieces: Vec<_> = ranks.chunks(block).zip(truth.chunks_mut(block * k)).collect();
        watch.stage("sample", size);
        pieces.into_par_iter().try_for_each_init(Left::default, |left, (ranks, truth)| {
            let mut best = Best::new(ranks.len(), k + 1);
            left.pack(
                space.depth(),
                (0u32..)
                    .zip(ranks)
                    .map(|(i, &rank)| (i, space.row(rank)))
                    .collect::<Vec<_>>()
                    .into_iter(),
            );
            for cell in &space.cells {
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                space.offer(cell, left, &mut best);
            }
            for (i, truth) in truth.chunks_exact_mut(k).enumerate() {
                let others = best.take(i).iter().map(|&key| number_of(key));
                let others = others.filter(|&rank| rank != ranks[i]);
                truth.iter_mut().zip(others).for_each(|(to, rank)| *to = rank);
            }
            Ok(())
        })?;
        Ok(Self { ranks, truth, k })
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
