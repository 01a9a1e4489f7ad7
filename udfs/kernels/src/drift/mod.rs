//! How much two embeddings of the same rows differ, and two sets of rows.
//!
//! Neighbourhoods are what searches and maps live on: linear CKA and Procrustes look at the large
//! directions alone and can call two embeddings alike in which hardly a neighbour is the same, so
//! they are to be read beside [`jaccard`].

mod covariance;
mod sets;
mod spectrum;

pub use sets::{Between, between};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;
use covariance::Pairs;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;

/// For every row the share that its `k` nearest in two graphs have in common: those in both over
/// those in either. 1 where neither has any.
pub fn jaccard(one: &Graph, other: &Graph, rows: usize, k: usize) -> Result<Vec<f32>> {
    one.check(rows)?;
    other.check(rows)?;
    if k == 0 || k > one.k.min(other.k) {
        return Err(Error::Option(format!(
            "{k} neighbours cannot be compared: the graphs have {} and {} a row",
            one.k, other.k
        )));
    }
    let near = |graph: &Graph, row: usize, to: &mut Vec<u32>| {
        to.clear();
        let ids = &graph.neighbours[row * graph.k..][..k];
        to.extend(ids.iter().filter(|&&id| id != NONE));
        to.sort_unstable();
        to.dedup();
    };
    let mut shares = vec![0f32; rows];
    shares.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, shares)| {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (i, share) in shares.iter_mut().enumerate() {
            near(one, chunk * GRAIN + i, &mut a);
            near(other, chunk * GRAIN + i, &mut b);
            let both = a.iter().filter(|id| b.binary_search(id).is_ok()).count();
            let either = a.len() + b.len() - both;
            // A few neighbours: exact.
            *share = if either == 0 { 1.0 } else { both as f32 / either as f32 };
        }
    });
    Ok(shares)
}

/// Linear centred kernel alignment (Kornblith and others, 2019): 1 where one embedding is the other
/// turned, scaled and moved, 0 where they have nothing in common.
pub fn linear_cka(one: Rows, other: Rows, watch: &dyn Watch) -> Result<f64> {
    let pairs = Pairs::new(one, other)?;
    let finished = Steps::new("alignment", 3 * pairs.len(), watch);
    let across = squares(&pairs.covariance(&finished)?);
    let first = squares(&Pairs::new(one, one)?.covariance(&finished)?);
    let second = squares(&Pairs::new(other, other)?.covariance(&finished)?);
    let most = (first * second).sqrt();
    Ok(if most > 0.0 { (across / most).clamp(0.0, 1.0) } else { 0.0 })
}

/// What is left of one embedding after the other was moved, scaled and turned onto it as well as can
/// be: the share of its squares, 0 where nothing is left. Narrower rows are filled up with zeros.
pub fn procrustes_residual(one: Rows, other: Rows, watch: &dyn Watch) -> Result<f64> {
    let pairs = Pairs::new(one, other)?;
    let finished = Steps::new("turning", pairs.len(), watch);
    let across = pairs.covariance(&finished)?;
    let (first, second) = pairs.lengths();
    if first <= 0.0 || second <= 0.0 {
        // Rows that are all the same are a turn of others only if those are too.
        return Ok(if first == second { 0.0 } else { 1.0 });
    }
    let sum = spectrum::singular_sum(&across, other.width(), &finished)?;
    Ok((1.0 - sum * sum / (first * second)).clamp(0.0, 1.0))
}

fn squares(of: &[f64]) -> f64 {
    of.iter().map(|x| x * x).sum()
}
