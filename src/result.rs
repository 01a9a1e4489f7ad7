//! What a statement gives back: a stream of record batches, and what kind of answer it is.

use std::pin::Pin;
use std::task::{Context, Poll};

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};
use std::sync::Arc;

use crate::error::Result;

/// What kind of answer a statement gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Rows for the reader: SELECT, SHOW, EXPLAIN, DESCRIBE, VALUES.
    Rows,
    /// One row with one column `count`: how many rows INSERT, UPDATE, DELETE, … touched.
    Count(&'static str),
    /// No rows: the statement did what its name says.
    Done(&'static str),
}

/// A statement's result. It is a stream: nothing is computed before it is asked for, and dropping
/// it stops the statement.
pub struct ResultSet {
    tag: Tag,
    stream: SendableRecordBatchStream,
}

impl ResultSet {
    pub(crate) fn rows(stream: SendableRecordBatchStream) -> Self {
        Self { tag: Tag::Rows, stream }
    }

    pub(crate) fn new(tag: Tag, stream: SendableRecordBatchStream) -> Self {
        Self { tag, stream }
    }

    /// A statement that is finished and has nothing to show.
    pub(crate) fn done(tag: &'static str) -> Self {
        let schema = Arc::new(Schema::empty());
        Self { tag: Tag::Done(tag), stream: Box::pin(EmptyRecordBatchStream::new(schema)) }
    }

    /// A statement that is finished and touched `count` rows.
    pub(crate) fn count(tag: &'static str, count: u64) -> Self {
        let schema = Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]));
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
        let batch = RecordBatch::try_new(schema.clone(), vec![column]);
        let stream = futures::stream::once(async move { batch.map_err(Into::into) });
        Self {
            tag: Tag::Count(tag),
            stream: Box::pin(RecordBatchStreamAdapter::new(schema, stream)),
        }
    }

    /// Batches that are already there.
    pub(crate) fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let stream = futures::stream::iter(batches.into_iter().map(Ok));
        Self::rows(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    /// What kind of answer this is.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// All batches, in memory.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.try_next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// DataFusion's form of the stream, for programs that go on with it.
    pub fn into_stream(self) -> SendableRecordBatchStream {
        self.stream
    }
}

impl Stream for ResultSet {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(cx).map(|next| next.map(|batch| batch.map_err(Into::into)))
    }
}
