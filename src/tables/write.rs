//! Rows on their way into a table: checked against its promises, then written as fragments that
//! nobody sees before they are committed.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{FutureExt, Stream, StreamExt};
use lance::Dataset;
use lance::dataset::transaction::{Operation, Transaction};
use lance::dataset::{CommitBuilder, InsertBuilder, WriteMode, WriteParams};
use lance_io::object_store::ObjectStore;
use lance_table::format::{Fragment, IndexMetadata, Manifest, Transaction as TableTransaction};
use lance_table::io::commit::{
    CommitError, CommitHandler, ConditionalPutCommitHandler, ManifestLocation,
    ManifestNamingScheme, ManifestWriter,
};
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::tables::{Definition, Storage, TableName};

/// Fewer rows a file than Lance's default of a million, so that a backfill's steps and a
/// rewrite's units stay small.
const MAX_ROWS_PER_FILE: usize = 256 * 1024;

/// A stream of rows that keeps the table's promises: no NULL where there may be none, no NaN or
/// infinity in a vector. The first row that breaks one ends the stream with an error naming it.
pub struct CheckedRows {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    table: String,
    key: Option<(Vec<usize>, SeenKeys)>,
    seen: u64,
    progress: Progress,
}

impl CheckedRows {
    /// Checks `input`, whose columns are the table's, in the table's order and types.
    pub fn new(
        input: SendableRecordBatchStream,
        definition: &Definition,
        table: impl Into<String>,
        progress: Progress,
    ) -> Self {
        let schema = definition.schema().clone();
        Self { input, schema, table: table.into(), key: None, seen: 0, progress }
    }

    /// Checks too that no primary key comes twice in the stream.
    pub fn with_unique_key(mut self, definition: &Definition) -> Result<Self> {
        let key = definition.key_columns();
        if !key.is_empty() {
            self.key = Some((key, SeenKeys::of(definition)?));
        }
        Ok(self)
    }

    fn check(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            if !field.is_nullable() && column.null_count() > 0 {
                let row = (0..column.len()).find(|&row| column.is_null(row)).unwrap_or(0);
                return Err(Error::Constraint(format!(
                    "column '{}' of table '{}' is NOT NULL, but row {} has NULL there{}; give it a value",
                    field.name(),
                    self.table,
                    self.seen + row as u64 + 1,
                    shown(batch, row, field.name()),
                )));
            }
            if let Some(row) = first_not_finite(column) {
                return Err(Error::Constraint(format!(
                    "the vector in column '{}' of row {}{} holds NaN or infinity; a stored vector must be finite",
                    field.name(),
                    self.seen + row as u64 + 1,
                    shown(batch, row, field.name()),
                )));
            }
        }
        if let Some((columns, seen)) = &mut self.key {
            let key: Vec<ArrayRef> =
                columns.iter().map(|&index| batch.column(index).clone()).collect();
            if let Some(row) = seen.admit(&key)?.iter().position(|new| !new) {
                let names = Definition::of(self.schema.clone()).primary_key();
                return Err(Error::Constraint(format!(
                    "primary key {} of table '{}' comes twice in the query; make it unique",
                    key_as_text(&names, &key, row),
                    self.table
                )));
            }
        }
        self.seen += batch.num_rows() as u64;
        self.progress.advance(batch.num_rows() as u64);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            batch.columns().to_vec(),
            &options,
        )?)
    }
}

/// The first columns of a row, for an error that must name it.
fn shown(batch: &RecordBatch, row: usize, but: &str) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let values: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, column)| field.name() != but && !column.data_type().is_nested())
        .take(2)
        .filter_map(|(field, column)| {
            let value =
                ArrayFormatter::try_new(column.as_ref(), &options).ok()?.value(row).to_string();
            let cut: String = value.chars().take(40).collect();
            Some(format!("{} = {cut}", field.name()))
        })
        .collect();
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
}

/// The first row whose vector is not finite.
fn first_not_finite(column: &ArrayRef) -> Option<usize> {
    let DataType::FixedSizeList(item, _) = column.data_type() else { return None };
    let list = column.as_fixed_size_list();
    let finite: Box<dyn Fn(&ArrayRef) -> bool> = match item.data_type() {
        DataType::Float16 => Box::new(|values| {
            values.as_primitive::<Float16Type>().values().iter().all(|v| v.is_finite())
        }),
        DataType::Float32 => Box::new(|values| {
            values.as_primitive::<Float32Type>().values().iter().all(|v| v.is_finite())
        }),
        DataType::Float64 => Box::new(|values| {
            values.as_primitive::<Float64Type>().values().iter().all(|v| v.is_finite())
        }),
        _ => return None,
    };
    // Nearly every batch is good: look at it as a whole before looking for the row.
    if finite(list.values()) {
        return None;
    }
    (0..list.len()).find(|&row| !list.is_null(row) && !finite(&list.value(row)))
}

impl Stream for CheckedRows {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.input.poll_next_unpin(cx).map(|next| {
            next.map(|batch| {
                let checked = batch.map_err(Error::from).and_then(|batch| self.check(&batch));
                checked.map_err(Error::through_lance)
            })
        })
    }
}

impl RecordBatchStream for CheckedRows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// The keys that a statement has seen so far: finds the one that comes twice. It keeps 128 bits of
/// each, so that a statement of many million rows fits in memory; two keys of a billion share them
/// with a chance of one in 10^20.
pub struct SeenKeys {
    converter: RowConverter,
    seen: HashSet<u128>,
}

impl SeenKeys {
    /// For the primary key of a table.
    pub fn of(definition: &Definition) -> Result<Self> {
        let schema = definition.schema();
        let fields = definition
            .key_columns()
            .into_iter()
            .map(|index| SortField::new(schema.field(index).data_type().clone()));
        Ok(Self { converter: RowConverter::new(fields.collect())?, seen: HashSet::new() })
    }

    /// For each row, whether its key is new; remembers it.
    pub fn admit(&mut self, key: &[ArrayRef]) -> Result<Vec<bool>> {
        let rows = self.converter.convert_columns(key)?;
        let half = |salt: u8, bytes: &[u8]| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(bytes);
            u128::from(hasher.finish())
        };
        Ok(rows
            .iter()
            .map(|row| self.seen.insert(half(0, row.as_ref()) << 64 | half(1, row.as_ref())))
            .collect())
    }
}

/// A hash of each row that is the same in every process.
pub fn hash_rows(columns: &[ArrayRef]) -> Result<Vec<u64>> {
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(columns)?;
    // FNV-1a: a collision costs one needless retry.
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    Ok(rows.iter().map(|row| hash(row.as_ref())).collect())
}

/// A key as an error names it: `(id)=(3)`.
pub fn key_as_text(names: &[String], key: &[ArrayRef], row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let values: Vec<String> = key
        .iter()
        .map(|column| match ArrayFormatter::try_new(column.as_ref(), &options) {
            Ok(formatter) => formatter.value(row).to_string(),
            Err(_) => "?".to_string(),
        })
        .collect();
    format!("({})=({})", names.join(", "), values.join(", "))
}

/// Deletes the files of fragments that will not be committed. What cannot be deleted now is left
/// to VACUUM.
pub async fn discard(dataset: &Dataset, fragments: &[Fragment]) {
    let Ok(store) = dataset.object_store(None).await else { return };
    for file in fragments.iter().flat_map(|fragment| &fragment.files) {
        let _ = store.delete(&dataset.data_dir().join(file.path.as_str())).await;
    }
}

/// What is told to Lance about every write.
fn parameters(storage: &Storage, mode: WriteMode) -> WriteParams {
    WriteParams {
        mode,
        max_rows_per_file: MAX_ROWS_PER_FILE,
        enable_stable_row_ids: true,
        session: Some(storage.session()),
        store_params: Some(storage.params()),
        skip_auto_cleanup: true,
        ..Default::default()
    }
}

/// What a version remembers of the statement that made it.
pub fn properties(sql: &str) -> Option<Arc<HashMap<String, String>>> {
    Some(Arc::new(HashMap::from([("portolan.sql".to_string(), sql.to_string())])))
}

/// Writes `rows` as fragments of an existing table, uncommitted.
pub async fn write_fragments(
    storage: &Storage,
    dataset: &Arc<Dataset>,
    rows: SendableRecordBatchStream,
) -> Result<Vec<Fragment>> {
    let params = parameters(storage, WriteMode::Append);
    let transaction = InsertBuilder::new(dataset.clone())
        .with_params(&params)
        .execute_uncommitted_stream(rows)
        .boxed()
        .await?;
    match transaction.operation {
        Operation::Append { fragments } => {
            Ok(fragments.into_iter().filter(|f| f.physical_rows != Some(0)).collect())
        }
        other => Err(Error::Unsupported(format!("Lance answered an append with {other}"))),
    }
}

/// Makes a table of `rows`, or with `existing` makes a new version of one that has only them.
/// Nothing is visible before all is written.
pub async fn create(
    storage: &Storage,
    name: &TableName,
    existing: Option<Arc<Dataset>>,
    rows: SendableRecordBatchStream,
    sql: &str,
) -> Result<Dataset> {
    let schema = rows.schema();
    let mut transaction = match &existing {
        Some(dataset) => {
            let params = parameters(storage, WriteMode::Overwrite);
            InsertBuilder::new(dataset.clone())
                .with_params(&params)
                .execute_uncommitted_stream(rows)
                .boxed()
                .await?
        }
        None => {
            // What a killed statement left there stays: it may be of one that is still running.
            storage.mark_format().await?;
            let params = parameters(storage, WriteMode::Create);
            InsertBuilder::new(storage.table_uri(name).as_str())
                .with_params(&params)
                .execute_uncommitted_stream(rows)
                .boxed()
                .await?
        }
    };
    transaction.transaction_properties = properties(sql);
    keep_schema_metadata(&mut transaction, &schema);
    let uri = storage.table_uri(name);
    let commit = match existing {
        Some(dataset) => CommitBuilder::new(dataset),
        // Without retries: the retry of a create is an overwrite, and would destroy the table
        // that another process has made meanwhile. So would the first attempt, where that table is
        // there already when it begins.
        None => CommitBuilder::new(uri.as_str())
            .with_commit_handler(Arc::new(FirstVersion))
            .with_store_params(storage.params())
            .with_session(storage.session())
            .use_stable_row_ids(true)
            .with_max_retries(0),
    };
    Ok(commit.with_skip_auto_cleanup(true).execute(transaction).boxed().await?)
}

/// Commits the first version of a table, and no later one.
#[derive(Debug)]
struct FirstVersion;

#[async_trait]
impl CommitHandler for FirstVersion {
    async fn commit(
        &self,
        manifest: &mut Manifest,
        indices: Option<Vec<IndexMetadata>>,
        base_path: &Path,
        object_store: &ObjectStore,
        manifest_writer: ManifestWriter,
        naming_scheme: ManifestNamingScheme,
        transaction: Option<TableTransaction>,
    ) -> std::result::Result<ManifestLocation, CommitError> {
        if manifest.version > 1 {
            return Err(CommitError::CommitConflict);
        }
        // What Lance itself takes for every store that we open.
        ConditionalPutCommitHandler
            .commit(
                manifest,
                indices,
                base_path,
                object_store,
                manifest_writer,
                naming_scheme,
                transaction,
            )
            .await
    }
}

/// An overwrite numbers the fields afresh and may leave the schema's own metadata behind.
fn keep_schema_metadata(transaction: &mut Transaction, schema: &Schema) {
    if let Operation::Overwrite { schema: written, .. } = &mut transaction.operation {
        written.metadata.extend(schema.metadata().clone());
    }
}
