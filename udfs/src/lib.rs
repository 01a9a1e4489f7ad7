//! Portolan's SQL functions. They depend on Arrow and on DataFusion's expression crates, on no
//! table format and no planner, so that any DataFusion program can register them.

mod files;
mod fingerprint;
mod reference;
pub mod scalar;
mod settings;
pub mod vector;
mod work;

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, ScalarUDF};
use portolan_models::Models;

pub use files::{Files, LocalFiles};
pub use fingerprint::Fingerprint;
pub use reference::markdown;
pub use settings::{Settings, parse_bytes};
pub use work::{RowFailure, Usage, Work};

use scalar::{ChunkText, CountTokens, EmbedImage, EmbedText};
use vector::{Between, Change, Medoid, Norm, VectorArithmetic, VectorScale, VectorSum};

/// Every function of one row, by its name in SQL. Casts to vectors are planned, not called, and so
/// are not among them.
pub fn scalar_functions(models: &Arc<Models>, files: &Arc<dyn Files>) -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        ScalarUDF::new_from_impl(ChunkText::new(models.clone())),
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
    functions.into_iter().map(Arc::new).collect()
}

/// Every aggregate, by its name in SQL.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(AggregateUDF::new_from_impl(Medoid::default())),
        Arc::new(AggregateUDF::new_from_impl(VectorSum::centroid())),
        Arc::new(AggregateUDF::new_from_impl(VectorSum::sum())),
    ]
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
