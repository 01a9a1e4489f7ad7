//! Whether a row's neighbours carry its label.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::metrics::packed::{self, Packed};
use crate::metrics::{Options, anchors, as_many};
use crate::neighbours::Metric;
use crate::rows::Rows;
use crate::watch::Watch;

/// The share of rows whose label is the one that most of their `k` nearest others carry, by length;
/// of labels that as many carry the lowest counts.
pub fn label_accuracy(
    low: Rows,
    labels: &[u32],
    k: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<f64> {
    as_many(low.len(), labels.len(), "labels")?;
    let count = low.len();
    if k == 0 {
        return Err(Error::Option("k must be at least 1".into()));
    }
    if k >= count {
        return Err(Error::Option(format!("{count} rows do not have {k} neighbours each")));
    }
    let order = packed::places(count, |i| [packed::hash(low, i), u64::from(labels[i]), 0])?;
    let anchors = anchors(count, options)?;
    watch.stage("neighbours on the map", 1);
    let near = Packed::new(low, Metric::L2, &order)?.nearest(&anchors, k, watch)?;
    let label = |place: u32| labels[order[place as usize] as usize];
    let right = anchors.par_iter().zip(near.par_chunks_exact(k)).filter(|&(&anchor, near)| {
        let near = near.iter().filter(|&&place| place != NONE);
        let mut seen: Vec<u32> = near.map(|&place| label(place)).collect();
        seen.sort_unstable();
        let mut most = (0, 0);
        for same in seen.chunk_by(|a, b| a == b) {
            if same.len() > most.0 {
                most = (same.len(), same[0]);
            }
        }
        most.1 == label(anchor)
    });
    // Counts: exact in f64.
    Ok(right.count() as f64 / anchors.len() as f64)
}
