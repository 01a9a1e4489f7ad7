//! Portolan's SQL functions. They depend on Arrow and on DataFusion's expression crates, on no
//! table format and no planner, so that any DataFusion program can register them.

pub mod scalar;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

/// Every function of one row, by its name in SQL. Casts to vectors are planned, not called, and so
/// are not among them.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    Vec::new()
}
