//! Portolan's algorithms: plain slices in, plain slices out. Neighbour graphs, projections, topics,
//! duplicates, boundaries, regression, distances and metrics live here; nothing here knows Arrow,
//! SQL or a file, so that it builds in seconds and can be tested against a plain oracle.

pub mod boundary;
pub mod canonical;
pub mod distance;
pub mod doubt;
pub mod drift;
pub mod duplicates;
pub mod error;
pub mod graph;
pub mod judge;
pub mod labels;
mod lanes;
pub mod logistic;
mod math;
pub mod metrics;
pub mod nearest;
pub mod neighbours;
pub mod nomad;
pub mod order;
pub mod pca;
mod prepare;
pub mod random;
pub mod rows;
mod steps;
mod tile;
pub mod topics;
pub mod umap;
pub mod unusual;
pub mod verdicts;
pub mod watch;

pub use error::{Error, Result};
