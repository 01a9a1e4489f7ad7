//! Portolan's SQL functions. They depend on Arrow and on DataFusion's expression crates, on no
//! table format and no planner, so that any DataFusion program can register them.

pub mod scalar;

use datafusion::prelude::SessionContext;

/// Registers every function of this crate with a session.
pub fn register_functions(_context: &SessionContext) {}
