//! Aggregates that say how good a map is, and what vectors and labels say in all.

mod class_overlap;
mod columns;
mod drift;
mod knn_accuracy;
mod measure;
mod neighborhood_preservation;
mod random_triplet;
mod silhouette;
mod summary;
mod trustworthiness;

pub use class_overlap::CLASS_OVERLAP;
pub use drift::DRIFT;
pub use knn_accuracy::KNN_ACCURACY;
pub use measure::{Measure, MeasureKind};
pub use neighborhood_preservation::NEIGHBORHOOD_PRESERVATION;
pub use random_triplet::RANDOM_TRIPLET;
pub use silhouette::SILHOUETTE;
pub use summary::{Summary, SummaryKind};
pub use trustworthiness::TRUSTWORTHINESS;

#[cfg(test)]
mod summary_tests;
#[cfg(test)]
mod tests;
