//! How sure it is which topic a row is in, by its neighbours.

use rayon::prelude::*;

use super::Depth;
use crate::error::Result;
use crate::graph::{Graph, NONE};
use crate::steps::Steps;
use crate::watch::Watch;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;
/// Below that a row is noise, as far as there may be noise: more than a quarter of those around
/// it lie elsewhere.
const SURE: f32 = 0.75;

/// The share of a row's neighbours that lie in its topic, and the mean of the same over its
/// neighbours, each counting half: one row in a hundred within a foreign topic is found out by those
/// around it.
pub fn certainty(graph: &Graph, topics: &[u32], watch: &dyn Watch) -> Result<Vec<f32>> {
    let finished = Steps::new("certainty", 2 * topics.len(), watch);
    let mut own = vec![0f32; topics.len()];
    by_rows(&mut own, &finished, |row| {
        mean(graph.near(row).map(|(id, _)| f32::from(u8::from(topics[id as usize] == topics[row]))))
    })?;
    let mut certainty = vec![0f32; topics.len()];
    by_rows(&mut certainty, &finished, |row| {
        let around = mean(graph.near(row).map(|(id, _)| own[id as usize]));
        0.5 * (own[row] + around)
    })?;
    Ok(certainty)
}

fn by_rows(to: &mut [f32], finished: &Steps, of: impl Fn(usize) -> f32 + Sync) -> Result<()> {
    to.par_chunks_mut(GRAIN).enumerate().try_for_each(|(chunk, to)| {
        for (i, to) in to.iter_mut().enumerate() {
            *to = of(chunk * GRAIN + i);
        }
        finished.take(to.len())
    })
}

/// 1 of nothing: a row without neighbours is where it is.
fn mean(of: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = of.fold((0.0, 0u16), |(sum, count), x| (sum + x, count + 1));
    if count == 0 { 1.0 } else { sum / f32::from(count) }
}

/// The topics of rows that are sure enough; at most a share of the rows is not.
pub fn without_noise(depth: &Depth, most: f32) -> Vec<u32> {
    let mut sorted = depth.certainty.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    // A share of the rows; what is as sure as the first that is kept is kept too.
    let kept = (sorted.len() as f64 * f64::from(most)).floor() as usize;
    let least = sorted.get(kept).map_or(SURE, |&least| least.min(SURE));
    let rows = depth.nearest.iter().zip(&depth.certainty);
    rows.map(|(&topic, &sure)| if sure < least { NONE } else { topic }).collect()
}
