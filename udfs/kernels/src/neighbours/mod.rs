//! One neighbour graph for everything that asks who is near whom.
//!
//! Up to [`EXACT`] rows all are compared with all, by blocked products; above, rows are compared with
//! those of the cells that they lie nearest to, and with the rows that look into theirs. In how many
//! cells they look, a sample of a thousand rows says, whose true neighbours are found. (Asking
//! neighbours' neighbours instead took several times as long for the same share of right ones: pairs
//! that are met one by one come from memory, those of cells from the caches.)
//!
//! Same rows and seed, same graph, to the bit: on any number of threads and in whichever order the
//! rows come. Rows are numbered by a hash of what they hold; of equally near rows the one whose hash
//! is lower comes first. Repeats of a row are one row until the end; they are then each other's
//! nearest, every one beginning with the one after it.

mod best;
mod cells;
mod index;
mod join;
mod lists;
mod near;
mod query;
mod sample;
mod space;

pub(crate) use best::{Best, key, number_of, score_of};
use cells::Centres;
pub use index::Index;
pub use query::of_new;
pub(crate) use space::Left;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::rows::Rows;
use crate::watch::Watch;

/// Different rows up to which all are compared with all, if nothing else is asked for.
pub const EXACT: usize = 50_000;

/// What "near" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metric {
    /// 1 - the cosine of the angle. Rows of zeros have none.
    #[default]
    Cosine,
    /// The length of the difference.
    L2,
    /// 1 - the sum of products: not a distance in the strict sense, and negative for long rows.
    Dot,
}

/// How neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// As the number of rows demands.
    #[default]
    Auto,
    /// Everyone with everyone.
    Exact,
    /// In the nearest cells.
    Cells,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What "near" means.
    pub metric: Metric,
    /// Neighbours of a row.
    pub k: usize,
    /// Where chance begins.
    pub seed: u64,
    /// How they are looked for.
    pub method: Method,
    /// The share of the true neighbours that must be found.
    pub recall: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { metric: Metric::Cosine, k: 15, seed: 42, method: Method::Auto, recall: 0.95 }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::Option("k must be at least 1".into()));
        }
        if !(0.0..=1.0).contains(&self.recall) {
            return Err(Error::Option(format!("recall is a share of 0 to 1, not {}", self.recall)));
        }
        Ok(())
    }
}

/// The middles of `count` cells that rows fall into, one after another: learnt from the rows as they
/// come, the same for the same rows and seed. With `unit`, only directions count.
pub fn centres(
    rows: Rows,
    count: usize,
    unit: bool,
    seed: u64,
    watch: &dyn Watch,
) -> Result<Vec<f32>> {
    if rows.is_empty() || count == 0 {
        return Ok(Vec::new());
    }
    let scaled = |row: usize| {
        let row = rows.row(row);
        let length = if unit { crate::distance::norm(row) } else { 1.0 };
        (row, if length > 0.0 { 1.0 / length } else { 0.0 })
    };
    Centres::middles(count.min(rows.len()), rows.len(), rows.width(), unit, scaled, seed, watch)
}

/// Every row's nearest other rows.
///
/// ```
/// use portolan_kernels::neighbours::{Metric, Options, graph};
/// use portolan_kernels::{rows::Rows, watch::Unwatched};
/// let values = [0.0, 0.0, 1.0, 0.0, 5.0, 0.0];
/// let rows = Rows::new(&values, 2).ok_or("not whole rows")?;
/// let options = Options { metric: Metric::L2, k: 1, ..Options::default() };
/// let near = graph(rows, &options, &Unwatched)?;
/// assert_eq!(near.neighbours, [1, 0, 1]);
/// assert_eq!(near.distances, [1.0, 1.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn graph(rows: Rows, options: &Options, watch: &dyn Watch) -> Result<Graph> {
    Index::build(rows, options, watch)?.graph(watch)
}
