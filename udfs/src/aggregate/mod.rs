//! Aggregates that say how good a map is.

mod knn_accuracy;
mod measure;
mod neighborhood_preservation;
mod random_triplet;
mod silhouette;
mod trustworthiness;

pub use knn_accuracy::KNN_ACCURACY;
pub use measure::{Measure, MeasureKind};
pub use neighborhood_preservation::NEIGHBORHOOD_PRESERVATION;
pub use random_triplet::RANDOM_TRIPLET;
pub use silhouette::SILHOUETTE;
pub use trustworthiness::TRUSTWORTHINESS;

#[cfg(test)]
mod tests;
