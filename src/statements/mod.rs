//! Our SQL statements: parse, plan, run; one statement family a file.

pub mod split;

use datafusion::sql::parser::Statement as Parsed;

use crate::database::Database;
use crate::error::Result;
use crate::result::ResultSet;

/// One parsed statement.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    parsed: Parsed,
}

impl Statement {
    /// The statement as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The statements of a text.
pub(crate) fn parse(db: &Database, text: &str) -> Result<Vec<Statement>> {
    let state = db.context().state();
    let dialect = state.config().options().sql_parser.dialect;
    split::split(text)
        .into_iter()
        .map(|piece| {
            let parsed = state.sql_to_statement(piece.text, &dialect)?;
            Ok(Statement { text: piece.text.to_string(), parsed })
        })
        .collect()
}

/// Runs a statement.
pub(crate) async fn run(db: &Database, statement: &Statement) -> Result<ResultSet> {
    let plan = db.context().state().statement_to_plan(statement.parsed.clone()).await?;
    let frame = db.context().execute_logical_plan(plan).await?;
    Ok(ResultSet::rows(frame.execute_stream().await?))
}
