//! EXPLAIN.

use datafusion::sql::parser::{ExplainStatement, Statement as Parsed};

use crate::database::Database;
use crate::error::Result;
use crate::result::ResultSet;
use crate::statements::engine;

/// EXPLAIN of what DataFusion plans.
pub async fn run(db: &Database, explain: &ExplainStatement) -> Result<ResultSet> {
    engine(db, &Parsed::Explain(explain.clone())).await
}
