//! Aggregates that say how good a map is, or a classifier, and what vectors and labels say in all.

mod accuracy;
mod average_precision;
mod best_threshold;
mod class_overlap;
mod columns;
mod confusion;
mod drift;
mod f1;
mod knn_accuracy;
mod measure;
mod neighborhood_preservation;
mod precision;
mod random_triplet;
mod ranked;
mod recall;
mod roc_auc;
mod set_drift;
mod silhouette;
mod summary;
mod trustworthiness;
mod verdict;

pub use accuracy::ACCURACY;
pub use average_precision::AVERAGE_PRECISION;
pub use best_threshold::BEST_THRESHOLD;
pub use class_overlap::CLASS_OVERLAP;
pub use confusion::CONFUSION;
pub use drift::DRIFT;
pub use f1::F1;
pub use knn_accuracy::KNN_ACCURACY;
pub use measure::{Measure, MeasureKind};
pub use neighborhood_preservation::NEIGHBORHOOD_PRESERVATION;
pub use precision::PRECISION;
pub use random_triplet::RANDOM_TRIPLET;
pub use ranked::{Aimed, Ranked, RankedKind};
pub use recall::RECALL;
pub use roc_auc::ROC_AUC;
pub use set_drift::SET_DRIFT;
pub use silhouette::SILHOUETTE;
pub use summary::{Summary, SummaryKind};
pub use trustworthiness::TRUSTWORTHINESS;
pub use verdict::{Says, Verdict, VerdictKind};

#[cfg(test)]
mod summary_tests;
#[cfg(test)]
mod tests;
