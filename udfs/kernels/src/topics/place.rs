//! Topics of rows that come later.

use rayon::prelude::*;

use super::Topics;
use crate::error::Result;
use crate::graph::{Graph, NONE};

/// Where a new row belongs at one depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Its topic; `NONE` if it is noise.
    pub topic: u32,
    /// The topic of most of its neighbours; `NONE` if it has none.
    pub nearest: u32,
    /// The share of its neighbours that are in that.
    pub certainty: f32,
}

/// Below that a new row is noise. What is asked of old ones is more: their neighbours' neighbours
/// have a say too.
const SURE: f32 = 0.5;

/// The topics of new rows, depth by depth, by those of their neighbours among the old rows:
/// the most frequent, and below it the most frequent of what is under it. Which one a row gets does
/// not depend on the rows that come with it.
pub fn place(near: &Graph, rows: usize, topics: &Topics) -> Result<Vec<Vec<Placed>>> {
    let others = topics.depths.first().map_or(0, |depth| depth.nearest.len());
    near.check_into(rows, others)?;
    let all: Vec<Vec<Placed>> =
        (0..rows).into_par_iter().with_min_len(256).map(|row| line(near, row, topics)).collect();
    let depth = |i: usize| all.iter().map(|line| line[i]).collect();
    Ok((0..topics.depths.len()).map(depth).collect())
}

/// A row's topics, from the first depth to the last.
fn line(near: &Graph, row: usize, topics: &Topics) -> Vec<Placed> {
    let mut ids: Vec<u32> = near.near(row).map(|(id, _)| id).collect();
    let count = ids.len();
    let mut noise = false;
    let depths = topics.depths.iter().map(|depth| {
        let nearest = most(ids.iter().map(|&id| depth.nearest[id as usize]));
        // At the next depth only those under the same topic have a say.
        ids.retain(|&id| depth.nearest[id as usize] == nearest);
        // A few neighbours: exact.
        let certainty = ids.len() as f32 / count.max(1) as f32;
        noise |= certainty <= SURE;
        Placed { topic: if noise { NONE } else { nearest }, nearest, certainty }
    });
    depths.collect()
}

/// The most frequent topic, the first of several.
fn most(of: impl Iterator<Item = u32>) -> u32 {
    let mut seen: Vec<u32> = of.collect();
    seen.sort_unstable();
    let mut most = (0, NONE);
    for same in seen.chunk_by(|a, b| a == b) {
        if same.len() > most.0 {
            most = (same.len(), same[0]);
        }
    }
    most.1
}
