//! Small answers as rows, and what kind of answer a plan of DataFusion gives.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::{LogicalPlan, Statement, WriteOp};

use crate::error::Result;
use crate::result::{ResultSet, Tag};

/// What kind of answer a plan gives.
pub fn tag(plan: &LogicalPlan) -> Tag {
    match plan {
        LogicalPlan::Dml(dml) => Tag::Count(match dml.op {
            WriteOp::Delete => "DELETE",
            WriteOp::Update => "UPDATE",
            _ => "INSERT",
        }),
        LogicalPlan::Copy(_) => Tag::Count("COPY"),
        LogicalPlan::Ddl(ddl) => Tag::Done(match ddl.name() {
            "CreateExternalTable" => "CREATE EXTERNAL TABLE",
            "CreateMemoryTable" => "CREATE TABLE",
            "CreateView" => "CREATE VIEW",
            "CreateCatalogSchema" => "CREATE SCHEMA",
            "DropTable" => "DROP TABLE",
            "DropView" => "DROP VIEW",
            _ => "OK",
        }),
        LogicalPlan::Statement(statement) => match statement {
            Statement::SetVariable(_) => Tag::Done("SET"),
            Statement::ResetVariable(_) => Tag::Done("RESET"),
            Statement::Prepare(_) => Tag::Done("PREPARE"),
            Statement::Deallocate(_) => Tag::Done("DEALLOCATE"),
            Statement::Execute(_) => Tag::Rows,
            _ => Tag::Done("OK"),
        },
        _ => Tag::Rows,
    }
}

/// A table of texts and numbers.
pub fn table(columns: Vec<(&str, ArrayRef)>) -> Result<ResultSet> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    Ok(ResultSet::batches(schema, vec![batch]))
}

/// A column of texts.
pub fn texts<T: Into<String>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| value.map(Into::into)).collect::<StringArray>())
}
