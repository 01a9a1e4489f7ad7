//! Functions of whole partitions: maps, who is near whom, and what that says of the rows.

mod boundary;
mod cluster_id;
mod duplicates;
mod finding;
mod label_issue;
mod labels;
mod map_xy;
mod neighbors;
mod nomad_xy;
mod partition;
mod pca_xy;
mod topics;
mod umap_xy;
mod unusual;
mod xy;

pub use boundary::BOUNDARY;
pub use cluster_id::CLUSTER_ID;
pub use duplicates::DUPLICATES;
pub(crate) use duplicates::duplicate_class;
pub use finding::{Finding, FindingKind};
pub use label_issue::LABEL_ISSUE;
pub(crate) use labels::{check_label, classes, numbers};
pub use map_xy::MAP_XY;
pub use neighbors::{NEIGHBORS, Neighbors};
pub use nomad_xy::NOMAD_XY;
pub(crate) use partition::{Partition, nearest};
pub use pca_xy::PCA_XY;
pub use topics::{TOPIC_LABEL, TOPICS};
pub(crate) use topics::{counted, counts, label_names};
pub use umap_xy::UMAP_XY;
pub use unusual::{OUTLIER_SCORE, UNIQUENESS};
pub(crate) use xy::{Layout, MANY, Recipe};
pub use xy::{MapKind, MapXy};

#[cfg(test)]
mod findings_tests;
#[cfg(test)]
mod tests;
