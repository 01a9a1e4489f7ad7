//! A statement's rows while models work for it: dropping them stops the models, and rows that failed
//! are remembered.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use portolan_udfs::{RowFailure, Work};

use crate::database::Database;

/// Failures that a session remembers; the oldest are forgotten first.
const REMEMBERED: usize = 100_000;

/// Rows that became NULL because they failed, of all statements of a session. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    rows: Arc<Mutex<VecDeque<Failure>>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When its statement ended.
    pub time: DateTime<Utc>,
    /// What failed.
    pub row: RowFailure,
}

impl Failures {
    /// All that are remembered, oldest first.
    pub fn all(&self) -> Vec<Failure> {
        self.rows.lock().iter().cloned().collect()
    }

    fn remember(&self, failed: Vec<RowFailure>) {
        let time = Utc::now();
        let mut rows = self.rows.lock();
        rows.extend(failed.into_iter().map(|row| Failure { time, row }));
        let surplus = rows.len().saturating_sub(REMEMBERED);
        rows.drain(..surplus);
    }
}

/// The work of a statement that runs.
pub struct Watched {
    db: Database,
    work: Work,
}

impl Watched {
    /// Begins to watch.
    pub fn new(db: &Database, work: &Work) -> Self {
        db.progress().watch(work);
        Self { db: db.clone(), work: work.clone() }
    }

    /// The rows; they end the work when they are dropped.
    pub fn over(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        Box::pin(WatchedRows { rows, _watched: self })
    }

    /// The rows, made by a task of their own: whoever waits for them can stop waiting, and so end the
    /// work, while a function of many rows keeps that task to itself.
    pub fn aside(self, mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(rows.schema(), 1);
        let sender = builder.tx();
        builder.spawn(async move {
            while let Some(batch) = rows.next().await {
                // Sending fails when nobody waits any more.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        self.over(builder.build())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.work.stop();
        self.db.progress().unwatch(&self.work);
        if let Some(error) = self.db.models().take_cache_error() {
            self.db.notice(format!("vectors are not cached: {error}"));
        }
        for notice in self.work.take_notices() {
            self.db.notice(notice);
        }
        let failed = self.work.usage().failed;
        if failed > 0 {
            let rows = if failed == 1 { "row" } else { "rows" };
            self.db.failures().remember(self.work.take_failures());
            self.db.notice(format!(
                "{failed} {rows} could not be embedded and became NULL; SELECT * FROM portolan.errors says why"
            ));
        }
    }
}

/// Ends a statement's work when it is dropped, whoever has its rows by then: Lance reads them in
/// tasks that outlive whoever waits for Lance.
pub struct StopsWork(pub Work);

impl Drop for StopsWork {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct WatchedRows {
    rows: SendableRecordBatchStream,
    /// Dropped after the rows.
    _watched: Watched,
}

impl Stream for WatchedRows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(cx)
    }
}

impl RecordBatchStream for WatchedRows {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
