//! Our SQL statements: parse, plan, run; one statement family a file.

pub mod named_arguments;
mod secret;
pub mod split;

use datafusion::sql::parser::Statement as Parsed;

use crate::database::Database;
use crate::error::Result;
use crate::files;
use crate::result::ResultSet;

/// One parsed statement.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Planned by DataFusion.
    Planned(Parsed),
    /// About secrets.
    Secret(secret::SecretStatement),
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
            if let Some(secret) = secret::parse(piece.text) {
                // The text is shown in histories and messages; the secret stays out of it.
                let text = secret::shown(piece.text);
                return Ok(Statement { text, kind: Kind::Secret(secret?) });
            }
            let mut parsed = state.sql_to_statement(piece.text, &dialect)?;
            files::functions::rewrite(&mut parsed)?;
            Ok(Statement { text: piece.text.to_string(), kind: Kind::Planned(parsed) })
        })
        .collect()
}

/// Runs a statement.
pub(crate) async fn run(db: &Database, statement: &Statement) -> Result<ResultSet> {
    let parsed = match &statement.kind {
        Kind::Secret(secret) => return secret::run(db, secret).await,
        Kind::Planned(parsed) => parsed,
    };
    let plan = db.context().state().statement_to_plan(parsed.clone()).await?;
    let frame = db.context().execute_logical_plan(plan).await?;
    Ok(ResultSet::rows(frame.execute_stream().await?))
}
