//! Runs one .slt file against one engine.

use std::future::Future;
use std::path::Path;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use sqllogictest::{
    AsyncDB, DBOutput, Record, Runner, TestErrorKind, parse_file, strict_column_validator,
};

use super::values::{self, Letter};

/// Why a statement failed, in the engine's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// Something that answers SQL. Its clones are connections to the same database.
pub trait Engine: Clone + Send {
    /// Runs one statement.
    fn query(
        &mut self,
        sql: &str,
    ) -> impl Future<Output = Result<SendableRecordBatchStream, Failure>> + Send;

    /// How this engine says what went wrong while its result was read.
    fn failure(error: datafusion::error::DataFusionError) -> Failure;
}

/// What a file may assume.
pub struct Surroundings {
    /// Names for `skipif` and `onlyif`.
    pub labels: &'static [&'static str],
    /// Values for `$NAME` in a file that says `control substitution on`.
    pub variables: Vec<(&'static str, String)>,
    /// Paths that differ from run to run, and what results show for them.
    pub paths: Vec<(String, &'static str)>,
    /// Whether an error that was expected may say something else than expected.
    pub own_words: bool,
}

/// Runs a file and gives every mismatch: place, expected, actual.
pub async fn check<E: Engine>(file: &Path, engine: &E, around: &Surroundings) -> Vec<String> {
    let mut runner = runner(engine, around);
    let records = match parse_file::<Letter>(file) {
        Ok(records) => records,
        Err(error) => return vec![format!("{}: {}", error.location(), error.kind())],
    };
    let mut mismatches = Vec::new();
    for record in records {
        if matches!(record, Record::Halt { .. }) {
            break;
        }
        if let Err(error) = runner.run_async(record).await {
            if around.own_words && matches!(error.kind(), TestErrorKind::ErrorMismatch { .. }) {
                continue;
            }
            let place = error.location();
            mismatches.push(format!("{}:{}: {}", place.file(), place.line(), error.kind()));
        }
    }
    mismatches
}

/// A runner with DataFusion's rules of comparing.
pub fn runner<E: Engine>(
    engine: &E,
    around: &Surroundings,
) -> Runner<Connection<E>, impl sqllogictest::MakeConnection<Conn = Connection<E>> + use<E>> {
    let connection = Connection { engine: engine.clone(), paths: around.paths.clone() };
    let mut runner = Runner::new(move || {
        let connection = connection.clone();
        async move { Ok(connection) }
    });
    runner.with_column_validator(strict_column_validator);
    runner.with_normalizer(without_blanks_at_end);
    runner.with_validator(same_rows);
    for label in around.labels {
        runner.add_label(label);
    }
    for (name, value) in &around.variables {
        runner.set_var(name.to_string(), value.clone());
    }
    runner
}

/// One connection of a runner.
#[derive(Clone)]
pub struct Connection<E> {
    engine: E,
    paths: Vec<(String, &'static str)>,
}

impl<E: Engine> Connection<E> {
    fn rows(&self, schema: &Schema, batch: &RecordBatch) -> Result<Vec<Vec<String>>, Failure> {
        if !schema.contains(&batch.schema()) {
            let actual = batch.schema();
            return Err(Failure(format!("the result promised {schema:#?}\n\nand is {actual:#?}")));
        }
        let mut rows = values::rows(batch).map_err(|error| Failure(error.to_string()))?;
        for cell in rows.iter_mut().flatten() {
            for (path, shown) in &self.paths {
                if cell.contains(path) {
                    *cell = cell.replace(path, shown);
                }
            }
        }
        Ok(rows)
    }
}

#[async_trait]
impl<E: Engine> AsyncDB for Connection<E> {
    type Error = Failure;
    type ColumnType = Letter;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Letter>, Failure> {
        let stream = self.engine.query(sql).await?;
        let schema = stream.schema();
        let batches: Vec<_> = stream.try_collect().await.map_err(E::failure)?;
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(self.rows(&schema, batch)?);
        }
        let types = values::letters(&schema);
        if rows.is_empty() && types.is_empty() {
            Ok(DBOutput::StatementComplete(0))
        } else {
            Ok(DBOutput::Rows { types, rows })
        }
    }

    async fn shutdown(&mut self) {}
}

/// Editors strip blanks at a line's end, so they do not count.
#[allow(clippy::ptr_arg)] // the signature that sqllogictest asks for
pub fn without_blanks_at_end(line: &String) -> String {
    line.trim_end().to_string()
}

/// Compares a result with what the file expects; `<slt:ignore>` there stands for any text.
pub fn same_rows(
    normalize: sqllogictest::Normalizer,
    actual: &[Vec<String>],
    expected: &[String],
) -> bool {
    const ANYTHING: &str = "<slt:ignore>";
    let expected: Vec<_> = expected.iter().map(normalize).collect();
    let actual: Vec<_> = actual.iter().map(|row| normalize(&row.join(" "))).collect();
    if !expected.iter().any(|line| line.contains(ANYTHING)) {
        return actual == expected;
    }
    let (actual, expected) = (actual.join("\n"), expected.join("\n"));
    let mut rest = actual.as_str();
    for (index, fragment) in expected.split(ANYTHING).enumerate() {
        match rest.find(fragment) {
            Some(at) if index > 0 || at == 0 => rest = &rest[at + fragment.len()..],
            _ => return false,
        }
    }
    true
}
