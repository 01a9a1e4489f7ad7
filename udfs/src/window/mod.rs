//! Functions of whole partitions: maps, and who is near whom.

mod map_xy;
mod neighbors;
mod nomad_xy;
mod pca_xy;
mod umap_xy;
mod xy;

pub use map_xy::MAP_XY;
pub use neighbors::Neighbors;
pub use nomad_xy::NOMAD_XY;
pub use pca_xy::PCA_XY;
pub use umap_xy::UMAP_XY;
pub use xy::{MapKind, MapXy};

#[cfg(test)]
mod tests;
