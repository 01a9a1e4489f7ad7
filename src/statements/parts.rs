//! Queries that are parts of other statements.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::memory::exhausted;
use crate::tables::Table;

/// What a query gives, in as many pieces as it comes.
pub struct Pieces {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Pieces {
    /// What its columns are.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// A column as it came, in one piece at least.
    pub fn of(&self, column: usize) -> Vec<ArrayRef> {
        match self.batches.as_slice() {
            [] => vec![new_empty_array(self.schema.field(column).data_type())],
            batches => batches.iter().map(|batch| batch.column(column).clone()).collect(),
        }
    }

    /// A column that is put together: it is there twice, until the pieces are gone.
    pub fn column(&self, column: usize) -> std::result::Result<ArrayRef, DataFusionError> {
        let pieces = self.of(column);
        let pieces: Vec<&dyn Array> = pieces.iter().map(ArrayRef::as_ref).collect();
        Ok(concat(&pieces)?)
    }

    fn whole(&self) -> Result<RecordBatch> {
        let columns = (0..self.schema.fields().len()).map(|at| self.column(at));
        let columns: Vec<ArrayRef> = columns.collect::<std::result::Result<_, _>>()?;
        // Some batches promise more than the stream does.
        let fields = self.schema.fields().iter().zip(&columns).map(|(field, column)| {
            let kind = column.data_type().clone();
            field.as_ref().clone().with_data_type(kind).with_nullable(true)
        });
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}

/// The rows of a query as one batch.
pub async fn query(db: &Database, text: &str) -> Result<RecordBatch> {
    pieces(db, text).await?.whole()
}

/// All rows of a table, as it is in this version.
pub async fn whole(db: &Database, table: Table) -> Result<RecordBatch> {
    let pin = db.catalog().pin(Arc::new(table));
    query(db, &format!("SELECT * FROM {}", db.pinned(&pin))).await
}

/// The rows of a query as they come.
pub async fn pieces(db: &Database, text: &str) -> Result<Pieces> {
    ran(db, text, None).await.map_err(Error::without_place)
}

/// The same, in memory that is counted: there may be many.
pub async fn counted(
    db: &Database,
    text: &str,
    held: &MemoryReservation,
    statement: &str,
) -> Result<Pieces> {
    ran(db, text, Some((held, statement))).await.map_err(Error::without_place)
}

/// A place in this text is none in the one that was written.
fn ran<'a>(
    db: &'a Database,
    text: &'a str,
    held: Option<(&'a MemoryReservation, &'a str)>,
) -> BoxFuture<'a, Result<Pieces>> {
    async move {
        let mut result = db.sql(text).await?;
        let (schema, mut batches) = (result.schema(), Vec::new());
        while let Some(batch) = result.try_next().await? {
            if let Some((held, statement)) = held {
                let bytes = batch.columns().iter().map(|column| column.to_data());
                let more = bytes.map(|data| data.get_slice_memory_size().unwrap_or(0)).sum();
                held.try_grow(more).map_err(|_| exhausted(statement, held.size() + more))?;
            }
            batches.push(batch);
        }
        Ok(Pieces { schema, batches })
    }
    .boxed()
}
