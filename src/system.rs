//! The schema `portolan`: what a session knows of itself. Not listed, so that a database shows only
//! what is in it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::Result;

use crate::classifiers::{Shelf, listed};
use crate::watched::Failures;

/// The schema's name.
pub const SYSTEM_SCHEMA: &str = "portolan";

/// The tables in it.
const TABLES: [&str; 2] = ["classifiers", "errors"];

/// The schema of a session.
#[derive(Debug)]
pub struct SystemSchema {
    failures: Failures,
    shelf: Shelf,
}

impl SystemSchema {
    /// With the failures that a session remembers, and the classifiers of its database.
    pub fn new(failures: Failures, shelf: Shelf) -> Self {
        Self { failures, shelf }
    }

    /// The classifiers, as they are now.
    async fn classifiers(&self) -> Result<MemTable> {
        let batch = listed(&self.shelf.store().list().await?)?;
        MemTable::try_new(batch.schema(), vec![vec![batch]])
    }

    /// Rows that became NULL because they failed, as they are known now.
    fn errors(&self) -> Result<MemTable> {
        let failures = self.failures.all();
        let text = |of: fn(&crate::watched::Failure) -> &str| -> ArrayRef {
            Arc::new(failures.iter().map(|failure| Some(of(failure))).collect::<StringArray>())
        };
        let times = failures.iter().map(|failure| failure.time.timestamp_micros());
        let schema = Arc::new(Schema::new(vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            Field::new("function", DataType::Utf8, false),
            Field::new("key", DataType::Utf8, true),
            Field::new("input", DataType::Utf8, false),
            Field::new("reason", DataType::Utf8, false),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(times)),
            text(|failure| failure.row.function),
            Arc::new(
                failures.iter().map(|failure| failure.row.key.clone()).collect::<StringArray>(),
            ),
            text(|failure| &failure.row.input),
            text(|failure| &failure.row.reason),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        MemTable::try_new(schema, vec![vec![batch]])
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.map(str::to_string).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match name {
            "classifiers" => Ok(Some(Arc::new(self.classifiers().await?))),
            "errors" => Ok(Some(Arc::new(self.errors()?))),
            _ => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name)
    }
}
