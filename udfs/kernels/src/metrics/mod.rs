//! How good a map is: what it keeps of the neighbourhoods, distances and classes of the rows that it
//! is a map of.
//!
//! Neighbours are the true ones. Above a number of rows that can be chosen not every row is asked but
//! a sample of them (the anchors), against all others. Nothing depends on threads or on the order of
//! rows: of equally near rows the one comes first whose hash is lower.

mod labels;
mod neighbourhood;
mod packed;
mod silhouette;
mod triplets;

pub use labels::label_accuracy;
pub use neighbourhood::{Neighbourhood, neighbourhoods, preservation, trustworthiness};
pub use silhouette::silhouette;
pub use triplets::triplet_accuracy;

use crate::error::{Error, Result};
use crate::neighbours::Metric;
use crate::random;

/// How a map is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How far apart rows are that it is a map of. On the map itself lengths count.
    pub metric: Metric,
    /// Rows that are asked, at most.
    pub anchors: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { metric: Metric::Cosine, anchors: 20_000, seed: 42 }
    }
}

/// The stream of random numbers that says which rows are asked.
const ANCHORS: u64 = 0x616e_6368;

/// Which places are asked; places are without meaning, so every so-manyth is as good as any.
fn anchors(count: usize, options: &Options) -> Result<Vec<u32>> {
    if options.anchors == 0 {
        return Err(Error::Option("at least one row must be asked".into()));
    }
    // Rows are fewer than u32 counts.
    if count <= options.anchors {
        return Ok((0..count as u32).collect());
    }
    let first = random::number(options.seed, ANCHORS, 0) as usize % count;
    let place = |i: usize| (first + i * count / options.anchors) % count;
    Ok((0..options.anchors).map(|i| place(i) as u32).collect())
}

/// An error unless two things are of as many rows.
fn as_many(rows: usize, others: usize, what: &str) -> Result<()> {
    if rows == others {
        return Ok(());
    }
    Err(Error::Shape(format!("{rows} rows cannot have {others} {what}")))
}
