//! Portolan's algorithms: plain slices in, plain slices out. Neighbour graphs, projections, topics,
//! duplicates, boundaries, regression, distances and metrics live here; nothing here knows Arrow,
//! SQL or a file, so that it builds in seconds and can be tested against a plain oracle.

pub mod error;
pub mod graph;
mod math;
pub mod nomad;
mod random;
pub mod rows;
pub mod umap;
pub mod watch;

pub use error::{Error, Result};
