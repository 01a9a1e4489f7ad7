//! Portolan's SQL functions. They depend on Arrow and on DataFusion's expression crates, on no
//! table format and no planner, so that any DataFusion program can register them.

pub mod aggregate;
pub mod classifier;
mod files;
mod fingerprint;
mod function;
mod labels;
pub mod map;
mod naming;
mod once;
mod reference;
mod rows;
pub mod scalar;
mod settings;
mod shortened;
mod statement;
pub mod vector;
pub mod window;
mod work;

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use portolan_models::Models;

pub use files::{Files, LocalFiles};
pub use fingerprint::Fingerprint;
pub use labels::Label;
pub use naming::Namer;
pub use reference::markdown;
pub use scalar::with_key;
pub use settings::{Settings, parse_bytes};
pub use statement::Statement;
pub use work::{LeftOut, Memory, RowFailure, Stage, Usage, Work};

use aggregate::{
    ACCURACY, AVERAGE_PRECISION, BEST_THRESHOLD, CLASS_OVERLAP, CONFUSION, DRIFT, F1, KNN_ACCURACY,
    Measure, NEIGHBORHOOD_PRESERVATION, PRECISION, RANDOM_TRIPLET, RECALL, ROC_AUC, Ranked,
    SET_DRIFT, SILHOUETTE, Summary, TRUSTWORTHINESS, Verdict,
};
use classifier::Classifiers;
use map::Maps;
use scalar::{ChunkText, Classify, CountTokens, EmbedImage, EmbedText, OnMap};
use vector::{Between, Change, Medoid, Norm, VectorArithmetic, VectorScale, VectorSum};
use window::{
    BOUNDARY, CLUSTER_ID, DUPLICATES, Finding, LABEL_ISSUE, MAP_XY, MapXy, NEIGHBORS, NOMAD_XY,
    Neighbors, OUTLIER_SCORE, PCA_XY, TOPIC_LABEL, TOPICS, UMAP_XY, UNIQUENESS,
};

/// Every function of one row, by its name in SQL. Casts to vectors are planned, not called, and so
/// are not among them.
pub fn scalar_functions(
    models: &Arc<Models>,
    files: &Arc<dyn Files>,
    classifiers: &Arc<dyn Classifiers>,
    maps: &Arc<dyn Maps>,
) -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        ScalarUDF::new_from_impl(ChunkText::new(models.clone())),
        ScalarUDF::new_from_impl(Classify::new(classifiers.clone())),
        ScalarUDF::new_from_impl(CountTokens::new(models.clone())),
        ScalarUDF::new_from_impl(EmbedImage::new(models.clone(), files.clone())),
        ScalarUDF::new_from_impl(EmbedText::new(models.clone())),
        ScalarUDF::new_from_impl(Norm::default()),
        ScalarUDF::new_from_impl(VectorArithmetic::add()),
        ScalarUDF::new_from_impl(VectorArithmetic::subtract()),
        ScalarUDF::new_from_impl(VectorScale::divide()),
        ScalarUDF::new_from_impl(VectorScale::multiply()),
    ];
    functions.extend(Between::ours().into_iter().map(ScalarUDF::new_from_impl));
    functions.extend(Change::all().into_iter().map(ScalarUDF::new_from_impl));
    functions.extend(OnMap::all(maps).into_iter().map(ScalarUDF::new_from_impl));
    functions.into_iter().map(Arc::new).collect()
}

/// Every aggregate, by its name in SQL.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let measures =
        [&KNN_ACCURACY, &NEIGHBORHOOD_PRESERVATION, &RANDOM_TRIPLET, &SILHOUETTE, &TRUSTWORTHINESS];
    let mut functions = vec![
        AggregateUDF::new_from_impl(Medoid::default()),
        AggregateUDF::new_from_impl(VectorSum::centroid()),
        AggregateUDF::new_from_impl(VectorSum::sum()),
    ];
    functions.extend(measures.map(|kind| AggregateUDF::new_from_impl(Measure::new(kind))));
    let summaries = [&CLASS_OVERLAP, &DRIFT, &SET_DRIFT];
    functions.extend(summaries.map(|kind| AggregateUDF::new_from_impl(Summary::new(kind))));
    let verdicts = [&ACCURACY, &CONFUSION, &F1, &PRECISION, &RECALL];
    functions.extend(verdicts.map(|kind| AggregateUDF::new_from_impl(Verdict::new(kind))));
    let ranked = [&AVERAGE_PRECISION, &BEST_THRESHOLD, &ROC_AUC];
    functions.extend(ranked.map(|kind| AggregateUDF::new_from_impl(Ranked::new(kind))));
    functions.into_iter().map(Arc::new).collect()
}

/// Every function of a whole partition.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    let maps = [&MAP_XY, &NOMAD_XY, &PCA_XY, &UMAP_XY];
    let maps = maps.map(|kind| WindowUDF::new_from_impl(MapXy::new(kind)));
    let neighbors = WindowUDF::new_from_impl(Neighbors::new(&NEIGHBORS));
    let findings = [
        &BOUNDARY,
        &CLUSTER_ID,
        &DUPLICATES,
        &LABEL_ISSUE,
        &OUTLIER_SCORE,
        &TOPIC_LABEL,
        &TOPICS,
        &UNIQUENESS,
    ];
    let findings = findings.map(|kind| WindowUDF::new_from_impl(Finding::new(kind)));
    maps.into_iter().chain([neighbors]).chain(findings).map(Arc::new).collect()
}

/// What takes the place of a function of the engine, if something does: the same meaning, and our
/// speed for our vectors.
pub fn instead_of(given: &Arc<ScalarUDF>) -> Option<ScalarUDF> {
    Between::instead_of(given).map(ScalarUDF::new_from_impl)
}

/// Whether a function runs a model, and so costs more than everything around it.
pub fn runs_a_model(function: &ScalarUDF) -> bool {
    ["embed_text", "embed_image"].contains(&function.name())
}
