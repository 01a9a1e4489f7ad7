//! Portolan's SQL functions. They depend on Arrow and on DataFusion's expression crates, on no
//! table format and no planner, so that any DataFusion program can register them.

mod files;
mod fingerprint;
mod reference;
pub mod scalar;
mod settings;
mod work;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;
use portolan_models::Models;

pub use files::{Files, LocalFiles};
pub use fingerprint::Fingerprint;
pub use reference::markdown;
pub use settings::{Settings, parse_bytes};
pub use work::{RowFailure, Usage, Work};

use scalar::{ChunkText, CountTokens, EmbedImage, EmbedText};

/// Every function of one row, by its name in SQL. Casts to vectors are planned, not called, and so
/// are not among them.
pub fn scalar_functions(models: &Arc<Models>, files: &Arc<dyn Files>) -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::new_from_impl(ChunkText::new(models.clone()))),
        Arc::new(ScalarUDF::new_from_impl(CountTokens::new(models.clone()))),
        Arc::new(ScalarUDF::new_from_impl(EmbedImage::new(models.clone(), files.clone()))),
        Arc::new(ScalarUDF::new_from_impl(EmbedText::new(models.clone()))),
    ]
}

/// Whether a function runs a model, and so costs more than everything around it.
pub fn runs_a_model(function: &ScalarUDF) -> bool {
    ["embed_text", "embed_image"].contains(&function.name())
}
