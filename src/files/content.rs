//! Tables with one row a file: its name, and what a reader makes of its bytes. Files are read only as
//! far as the wanted columns need, a bounded number of bytes at a time.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, project_schema};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store_datafusion::{GetOptions, GetRange, ObjectMeta};

use super::listing::Listing;
use crate::error::{Error, Result};

/// How many bytes of files one batch may hold; a larger file is a batch of its own.
const BATCH_BYTES: u64 = 32 << 20;
/// How many files one batch may hold when their bytes are read.
const BATCH_FILES: usize = 64;
/// How many rows one batch may hold when names are enough.
const BATCH_NAMES: usize = 8192;
/// How many files one partition reads at the same time.
const READS_AT_ONCE: usize = 4;

/// How much of its files a reader must see for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Name, size and time are enough.
    Nothing,
    /// The first bytes.
    Head,
    /// The whole file.
    Everything,
}

/// One file, read as far as it was needed.
#[derive(Debug)]
pub struct ReadFile {
    /// Its name as a user would write it.
    pub name: String,
    /// Size and time.
    pub meta: ObjectMeta,
    /// Its bytes, as many as were needed.
    pub bytes: Bytes,
}

/// What makes columns of files.
pub trait Reader: Debug + Send + Sync {
    /// All columns, each with what it needs.
    fn columns(&self) -> Vec<(Field, Need)>;

    /// How many bytes the head of a file is, for columns that need no more.
    fn head(&self) -> u64;

    /// Whether the head of this file was too short after all.
    fn wants_more(&self, _file: &ReadFile) -> bool {
        false
    }

    /// One column of files.
    fn column(&self, name: &str, files: &[ReadFile]) -> Result<ArrayRef>;
}

/// A table over files with one row each.
#[derive(Debug)]
pub struct ContentTable {
    listing: Arc<Listing>,
    reader: Arc<dyn Reader>,
    schema: SchemaRef,
}

impl ContentTable {
    /// The files of a listing.
    pub fn new(listing: Listing, reader: Arc<dyn Reader>) -> Self {
        let fields: Vec<_> = reader.columns().into_iter().map(|(field, _)| field).collect();
        Self { listing: Arc::new(listing), reader, schema: Arc::new(Schema::new(fields)) }
    }
}

#[async_trait]
impl TableProvider for ContentTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.schema, projection)?;
        let columns = self.reader.columns();
        let need = columns
            .iter()
            .filter(|(field, _)| schema.field_with_name(field.name()).is_ok())
            .map(|(_, need)| *need)
            .max()
            .unwrap_or(Need::Nothing);
        // A row a file: a limit of rows is one of files.
        let files: Vec<_> =
            self.listing.files.iter().take(limit.unwrap_or(usize::MAX)).cloned().collect();
        let share = files.len().div_ceil(state.config().target_partitions().max(1)).max(1);
        let partition = |files: &[ObjectMeta]| -> Arc<dyn PartitionStream> {
            Arc::new(Partition {
                listing: self.listing.clone(),
                reader: self.reader.clone(),
                schema: schema.clone(),
                files: files.to_vec(),
                need,
            })
        };
        let partitions = files.chunks(share).map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(
            schema.clone(),
            partitions,
            None,
            [],
            false,
            limit,
        )?))
    }
}

#[derive(Debug)]
struct Partition {
    listing: Arc<Listing>,
    reader: Arc<dyn Reader>,
    schema: SchemaRef,
    files: Vec<ObjectMeta>,
    need: Need,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let work = Work {
            listing: self.listing.clone(),
            reader: self.reader.clone(),
            schema: self.schema.clone(),
            need: self.need,
        };
        let batches = work.batches(batches_of(&self.files, self.need));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches.map_err(Into::into)))
    }
}

/// Files cut into batches whose bytes fit into memory together.
fn batches_of(files: &[ObjectMeta], need: Need) -> Vec<Vec<ObjectMeta>> {
    let (most_files, most_bytes) = match need {
        Need::Nothing => (BATCH_NAMES, u64::MAX),
        Need::Head => (BATCH_FILES, u64::MAX),
        Need::Everything => (BATCH_FILES, BATCH_BYTES),
    };
    let mut batches: Vec<Vec<ObjectMeta>> = Vec::new();
    let mut bytes = 0u64;
    for file in files {
        let fits = bytes.saturating_add(file.size) <= most_bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < most_files && fits => {
                bytes = bytes.saturating_add(file.size);
                batch.push(file.clone());
            }
            _ => {
                bytes = file.size;
                batches.push(vec![file.clone()]);
            }
        }
    }
    batches
}

#[derive(Clone)]
struct Work {
    listing: Arc<Listing>,
    reader: Arc<dyn Reader>,
    schema: SchemaRef,
    need: Need,
}

impl Work {
    fn batches(self, files: Vec<Vec<ObjectMeta>>) -> impl Stream<Item = Result<RecordBatch>> {
        futures::stream::iter(files).then(move |files| self.clone().batch(files))
    }

    async fn batch(self, files: Vec<ObjectMeta>) -> Result<RecordBatch> {
        let files: Vec<ReadFile> = futures::stream::iter(files)
            .map(|file| self.read(file))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| self.reader.column(field.name(), &files))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    async fn read(&self, meta: ObjectMeta) -> Result<ReadFile> {
        let mut file =
            ReadFile { name: self.listing.display(&meta.location), meta, bytes: Bytes::new() };
        if self.need == Need::Nothing || file.meta.size == 0 {
            return Ok(file);
        }
        let most = match self.need {
            Need::Head => self.reader.head().min(file.meta.size),
            _ => file.meta.size,
        };
        file.bytes = self.get(&file, most).await?;
        if most < file.meta.size && self.reader.wants_more(&file) {
            file.bytes = self.get(&file, file.meta.size).await?;
        }
        Ok(file)
    }

    async fn get(&self, file: &ReadFile, length: u64) -> Result<Bytes> {
        let range = (length < file.meta.size).then_some(GetRange::Bounded(0..length));
        let options = GetOptions { range, ..GetOptions::default() };
        let failed = |error| Error::Invalid(format!("cannot read '{}': {error}", file.name));
        let got =
            self.listing.store.get_opts(&file.meta.location, options).await.map_err(failed)?;
        got.bytes().await.map_err(failed)
    }
}

/// The columns that are the same for every reader.
pub fn about(name: &str) -> (Field, Need) {
    let data_type = match name {
        "size" => DataType::Int64,
        "modified" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    };
    (Field::new(name, data_type, false), Need::Nothing)
}
