//! Lists of neighbours with their distances, while the rows are known by rank and place.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::neighbours::best::{Best, number_of};
use crate::neighbours::space::Space;
use crate::watch::Watch;

/// For the row at every place its nearest others, the nearest first; of equally near ones the one of
/// lower rank.
pub struct Lists {
    /// Entries of a row.
    pub keep: usize,
    /// Ranks; `NONE` where there are no more.
    pub ranks: Vec<u32>,
    /// What `Prepared::apart` says of them.
    pub apart: Vec<f32>,
}

impl Lists {
    /// Measures again what has the best scores, and sorts it by that.
    pub fn measured(
        space: &Space,
        best: Vec<Best>,
        keep: usize,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let count = space.ranks.len();
        let mut lists =
            Self { keep, ranks: vec![NONE; count * keep], apart: vec![0.0; count * keep] };
        let mut tasks = Vec::with_capacity(best.len());
        let (mut ranks, mut apart) = (lists.ranks.as_mut_slice(), lists.apart.as_mut_slice());
        for (cell, best) in space.cells.iter().zip(best) {
            let (cell_ranks, other_ranks) = ranks.split_at_mut(cell.len() * keep);
            let (cell_apart, other_apart) = apart.split_at_mut(cell.len() * keep);
            tasks.push((cell, best, cell_ranks, cell_apart));
            (ranks, apart) = (other_ranks, other_apart);
        }
        tasks.into_par_iter().try_for_each(|(cell, mut best, ranks, apart)| {
            if watch.stopped() {
                return Err(Error::Stopped);
            }
            let mut sorted = Vec::new();
            for i in 0..cell.len() {
                let row = space.row(space.ranks[cell.places.start + i]);
                sorted.clear();
                sorted.extend(best.take(i).iter().map(|&key| {
                    let rank = number_of(key);
                    (space.prepared.apart(row, space.row(rank)), rank)
                }));
                put(&mut sorted, &mut ranks[i * keep..][..keep], &mut apart[i * keep..][..keep]);
            }
            Ok(())
        })?;
        Ok(lists)
    }

    fn row(&self, place: usize) -> &[u32] {
        &self.ranks[place * self.keep..][..self.keep]
    }

    /// The graph of all rows, repeats and all.
    pub fn graph(&self, space: &Space, k: usize, recall: f32) -> Graph {
        let rows = space.order.rows();
        let mut neighbours = vec![NONE; rows.len() * k];
        let mut distances = vec![0.0; rows.len() * k];
        let (places, ranks) = (space.places(), space.order.ranks());
        neighbours.par_chunks_mut(k).zip(distances.par_chunks_mut(k)).enumerate().for_each(
            |(row, (neighbours, distances))| {
                let rank = ranks[row] as usize;
                let place = places[rank] as usize;
                let mut to = neighbours.iter_mut().zip(distances);
                let near = self.row(place).iter().zip(&self.apart[place * self.keep..]);
                let mut near = near.take_while(|(rank, _)| **rank != NONE).peekable();
                let own = space.row(rank as u32);
                let repeated = space.prepared.apart(own, own);
                // Longer rows can be nearer than a repeat where products are compared.
                while let Some((&near, &apart)) = near.next_if(|(_, apart)| **apart < repeated) {
                    fill(&mut to, space.order.group(near as usize), space.prepared.distance(apart));
                }
                let distance = space.prepared.distance(repeated);
                fill(&mut to, twins(space.order.group(rank), row), distance);
                for (&near, &apart) in near {
                    fill(&mut to, space.order.group(near as usize), space.prepared.distance(apart));
                }
            },
        );
        Graph { k, neighbours, distances, recall }
    }
}

/// The repeats of a row, from the next one around: large groups hang together in a ring, where all
/// of them would otherwise point to the first few.
fn twins(group: &[u32], row: usize) -> impl Iterator<Item = &u32> {
    let own = group.partition_point(|&other| (other as usize) < row);
    group[own..].iter().skip(1).chain(&group[..own])
}

/// Writes rows of one distance down while there is room.
pub fn fill<'a, 'b>(
    to: &mut impl Iterator<Item = (&'a mut u32, &'a mut f32)>,
    rows: impl IntoIterator<Item = &'b u32>,
    distance: f32,
) {
    // The row first: a slot that is taken out is one that is filled.
    for &row in rows {
        let Some((neighbour, far)) = to.next() else { return };
        (*neighbour, *far) = (row, distance);
    }
}

/// Puts the nearest where they go.
fn put(sorted: &mut [(f32, u32)], ranks: &mut [u32], apart: &mut [f32]) {
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for ((&(distance, rank), to), far) in sorted.iter().zip(ranks).zip(apart) {
        *to = rank;
        *far = distance;
    }
}
