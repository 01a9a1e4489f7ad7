//! Rows that say the same twice: which to keep and which to delete.
//!
//! Rows that are equal are one from the beginning. The others are joined where their cosine distance
//! is at most the cutoff, which is measured anew for every pair that a quick look lets through; what
//! hangs together by such pairs is a cluster, unless it is wider than twice the cutoff: then it is
//! taken apart, so that a chain of small steps does not lead from one text to another one. Of every
//! cluster the row is kept from which the others are the least far.
//!
//! Nothing depends on threads or on the order of rows: rows are told apart by what they hold and by
//! their ids.

mod again;
mod join;
mod parts;
mod sets;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::neighbours::Metric;
use crate::order::Order;
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;
pub use again::{Known, again};
use parts::Parts;

/// What is to become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// No other row says the same.
    #[default]
    Singleton,
    /// Others do; this one is kept.
    Retained,
    /// Others do, and one of them is kept.
    Deletable,
}

/// When two rows say the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The cosine distance up to which they do, from 0 (equal directions) to 1.
    pub cutoff: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { cutoff: 0.1 }
    }
}

/// What is known of every row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Duplicates {
    /// What is to become of it.
    pub classes: Vec<Class>,
    /// Its cluster, numbered by the lowest ids of what they keep; `NONE` where a row is alone.
    pub clusters: Vec<u32>,
    /// The row of its cluster that is kept; a row that is alone keeps itself.
    pub retained: Vec<u32>,
    /// The cosine distance to that.
    pub distances: Vec<f32>,
    /// What it hangs together with by pairs within the cutoff, of which clusters are parts; `NONE` where
    /// it is near no other.
    pub components: Vec<u32>,
}

/// Finds the rows that say the same. Of rows that could be kept alike the one with the lowest id is.
pub fn duplicates(
    rows: Rows,
    ids: &[u64],
    options: &Options,
    watch: &dyn Watch,
) -> Result<Duplicates> {
    let found = Found::new(rows, ids, options)?;
    let together = join::components(&found.prepared, &found.order, options.cutoff, watch)?;
    found.duplicates(together, watch)
}

/// The same, where only rows that are neighbours are compared: for so many rows that comparing all with all would
/// take hours. What it misses are rows that say the same though neither is among the other's neighbours, nor
/// any chain of such rows leads from one to the other.
pub fn among_neighbours(
    rows: Rows,
    ids: &[u64],
    graph: &Graph,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Duplicates> {
    graph.check(rows.len())?;
    let found = Found::new(rows, ids, options)?;
    let together = join::along(&found.prepared, &found.order, graph, options.cutoff, watch)?;
    found.duplicates(together, watch)
}

/// The different rows, and what they are compared by.
struct Found<'a> {
    prepared: Prepared<'a>,
    order: Order,
    ids: &'a [u64],
    cutoff: f32,
}

/// Rows that say the same, by rank, and which is kept.
struct Cluster {
    ranks: Vec<u32>,
    /// The rank of what is kept.
    kept: u32,
    /// The row of that rank that is.
    row: u32,
}

impl<'a> Found<'a> {
    fn new(rows: Rows<'a>, ids: &'a [u64], options: &Options) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.cutoff) {
            return Err(Error::Option(format!(
                "the cutoff of duplicates is a cosine distance from 0 to 1, not {}",
                options.cutoff
            )));
        }
        if ids.len() != rows.len() {
            return Err(Error::Shape(format!("{} rows cannot have {} ids", rows.len(), ids.len())));
        }
        if rows.len() >= NONE as usize {
            return Err(Error::Shape(format!("{} rows are more than can be numbered", rows.len())));
        }
        let prepared = Prepared::new(rows, Metric::Cosine)?;
        let order = Order::by(prepared.len(), |i| prepared.row(i));
        Ok(Self { prepared, order, ids, cutoff: options.cutoff })
    }

    /// What is to become of rows, of which these ranks hang together.
    fn duplicates(&self, together: Vec<Vec<u32>>, watch: &dyn Watch) -> Result<Duplicates> {
        let components = self.components(&together);
        let finished = Steps::new("clusters", together.len(), watch);
        let parts: Vec<Vec<Vec<u32>>> = together
            .into_par_iter()
            .with_max_len(16)
            .map(|ranks| {
                let parts = Parts::new(self, &finished).of(ranks)?;
                finished.take(1)?;
                Ok(parts)
            })
            .collect::<Result<_>>()?;
        let mut clusters: Vec<Cluster> = parts
            .into_par_iter()
            .flatten()
            .filter_map(|ranks| self.cluster(ranks, &finished).transpose())
            .collect::<Result<_>>()?;
        // Ids may be those of several rows: then the rows' content decides.
        clusters.sort_unstable_by_key(|cluster| (self.ids[cluster.row as usize], cluster.ranks[0]));
        Ok(self.classes(&clusters, components))
    }

    /// How far apart the rows of two ranks are.
    fn distance(&self, a: u32, b: u32) -> f32 {
        let row = |rank: u32| self.prepared.row(self.order.first(rank as usize));
        self.prepared.distance(self.prepared.apart(row(a), row(b)))
    }

    /// The row of a rank that is kept of its repeats.
    fn lowest(&self, rank: u32) -> (u64, u32) {
        let rows = self.order.group(rank as usize).iter();
        rows.map(|&row| (self.ids[row as usize], row)).min().unwrap_or((u64::MAX, NONE))
    }

    /// Which row of some is kept; nothing if there is only one.
    fn cluster(&self, ranks: Vec<u32>, steps: &Steps) -> Result<Option<Cluster>> {
        let repeats = |rank: u32| self.order.group(rank as usize).len();
        if ranks.iter().map(|&rank| repeats(rank)).sum::<usize>() < 2 {
            return Ok(None);
        }
        let sums: Vec<f64> = ranks
            .par_iter()
            .with_min_len(64)
            .map(|&rank| {
                steps.go_on()?;
                // Distances of 24 bits and numbers of rows: hardly anything is rounded.
                let far =
                    |&other: &u32| f64::from(self.distance(rank, other)) * repeats(other) as f64;
                Ok(ranks.iter().map(far).sum())
            })
            .collect::<Result<_>>()?;
        let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
        // What differs by rounding alone is a tie.
        let tied = ranks.iter().zip(&sums).filter(|(_, sum)| **sum <= least * (1.0 + 1e-9));
        let best = tied.map(|(&rank, _)| (self.lowest(rank), rank)).min();
        Ok(best.map(|((_, row), kept)| Cluster { ranks, kept, row }))
    }

    /// The number of every row's component.
    fn components(&self, together: &[Vec<u32>]) -> Vec<u32> {
        let mut numbers = vec![NONE; self.prepared.len()];
        let rows = |ranks: &[u32]| -> Vec<u32> {
            ranks.iter().flat_map(|&rank| self.order.group(rank as usize)).copied().collect()
        };
        let several = together.iter().map(|ranks| rows(ranks)).filter(|rows| rows.len() > 1);
        // Fewer than rows, which u32 counts.
        for (number, rows) in (0u32..).zip(several) {
            rows.iter().for_each(|&row| numbers[row as usize] = number);
        }
        numbers
    }

    fn classes(&self, clusters: &[Cluster], components: Vec<u32>) -> Duplicates {
        let count = self.prepared.len();
        let mut all = Duplicates {
            classes: vec![Class::Singleton; count],
            clusters: vec![NONE; count],
            // Rows are fewer than u32 counts; so are clusters.
            retained: (0..count as u32).collect(),
            distances: vec![0.0; count],
            components,
        };
        for (number, cluster) in (0u32..).zip(clusters) {
            for &rank in &cluster.ranks {
                let far =
                    if rank == cluster.kept { 0.0 } else { self.distance(rank, cluster.kept) };
                for &row in self.order.group(rank as usize) {
                    let at = row as usize;
                    all.classes[at] =
                        if row == cluster.row { Class::Retained } else { Class::Deletable };
                    all.clusters[at] = number;
                    all.retained[at] = cluster.row;
                    all.distances[at] = far;
                }
            }
        }
        all
    }
}
