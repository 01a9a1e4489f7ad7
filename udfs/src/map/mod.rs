//! Maps that are kept: their points, topics and neighbours, as the tables that they are stored in.

mod aligned;
mod build;
mod duplicates;
mod ground;
mod neighbours;
mod order;
mod placing;
mod points;
mod refresh;
mod stages;
mod stored;
mod topics;

pub use build::build;
pub use ground::{Ground, Maps, NoMaps};
pub use refresh::{Refreshed, refresh};
pub use stages::Shelf;
pub use stored::{Stored, among};

use arrow::array::{ArrayRef, RecordBatch};
use datafusion_common::{DataFusionError, exec_datafusion_err};
use portolan_kernels::Error;
use portolan_kernels::neighbours::Metric;
use serde::{Deserialize, Serialize};

/// Depths of topics that are told.
const DEPTHS: usize = 3;
/// Neighbours that are kept of every row, at least.
const NEIGHBOURS: usize = 15;

/// What a map is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// How rows are laid out.
    pub projection: Projection,
    /// Neighbours of a row that the layout is made of.
    pub n_neighbors: usize,
    /// Passes over the rows.
    pub n_epochs: Option<usize>,
    /// How near rows may come to each other, where UMAP lays them out.
    pub min_dist: Option<f64>,
    /// What near means.
    pub metric: Nearness,
    /// Where chance begins.
    pub seed: u64,
    /// Whether topics are found.
    pub topics: bool,
    /// How many at the first depth.
    pub n_topics: Option<usize>,
    /// Whether duplicates are found.
    pub duplicates: bool,
    /// The cosine distance up to which rows say the same.
    pub duplicate_cutoff: f64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            projection: Projection::Auto,
            n_neighbors: 15,
            n_epochs: None,
            min_dist: None,
            metric: Nearness::Cosine,
            seed: 42,
            topics: true,
            n_topics: None,
            duplicates: true,
            duplicate_cutoff: 0.1,
        }
    }
}

/// How rows are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// As the number of rows demands.
    Auto,
    /// UMAP.
    Umap,
    /// NOMAD.
    Nomad,
    /// The first two principal components.
    Pca,
}

impl Projection {
    /// All, by their names in SQL.
    pub const ALL: [(&str, Self); 4] =
        [("auto", Self::Auto), ("umap", Self::Umap), ("nomad", Self::Nomad), ("pca", Self::Pca)];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("auto", |(name, _)| name)
    }
}

/// What near means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nearness {
    /// A small angle.
    Cosine,
    /// A short way.
    L2,
}

impl Nearness {
    /// Both, by their names in SQL.
    pub const ALL: [(&str, Self); 2] = [("cosine", Self::Cosine), ("l2", Self::L2)];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("cosine", |(name, _)| name)
    }

    fn metric(self) -> Metric {
        match self {
            Self::Cosine => Metric::Cosine,
            Self::L2 => Metric::L2,
        }
    }
}

/// The rows of a table that is to be mapped.
#[derive(Debug)]
pub struct Given<'a> {
    /// What each is called.
    pub ids: &'a ArrayRef,
    /// Their lasting numbers.
    pub row_ids: &'a ArrayRef,
    /// Their vectors, in as many pieces as they came.
    pub vectors: &'a [ArrayRef],
    /// Their texts, from whose words topics have their names.
    pub texts: Option<&'a ArrayRef>,
    /// Their labels, by which topics are called where there are no texts.
    pub labels: Option<&'a ArrayRef>,
}

/// A map as it is stored.
#[derive(Debug, Clone)]
pub struct Map {
    /// A row for each that is on the map: where it lies and what is known of it.
    pub points: RecordBatch,
    /// A row for each topic.
    pub topics: RecordBatch,
    /// The nearest other rows of each, in the order of the points.
    pub neighbors: RecordBatch,
    /// How many rows could not be used.
    pub left_out: u64,
    /// How it was laid out in the end.
    pub projection: Projection,
    /// The share of the true neighbours that were found.
    pub recall: f32,
}

fn failed(error: Error) -> DataFusionError {
    match error {
        Error::Stopped => exec_datafusion_err!("the map was stopped before it was done"),
        other => exec_datafusion_err!("the map could not be made: {other}"),
    }
}

/// Whether rows of zeros are of no use: they have no direction, by which rows are compared.
fn by_direction(wanted: &Wanted) -> bool {
    wanted.metric == Nearness::Cosine || wanted.duplicates
}
