//! Columns that results of searches show, kept in memory while there is room: looking ten rows up in files takes as
//! long as reading a narrow column whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{concat, interleave};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::{FutureExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::fragment::FileFragment;
use lance::dataset::{ProjectionRequest, TakeBuilder};
use moka::future::Cache;

use super::column::all_rows;
use super::decoded::{Columns, Key, Target};
use super::exact;
use crate::error::Result;
use crate::recent::recent;

/// The rows at some addresses, with those of their columns from memory that are there.
pub async fn rows(
    columns: &Columns,
    dataset: &Arc<Dataset>,
    addresses: Vec<u64>,
    schema: SchemaRef,
    pool: &Arc<dyn MemoryPool>,
) -> Result<RecordBatch> {
    if addresses.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let mut arrays: Vec<Option<ArrayRef>> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let known = match (Target::new(dataset, field.name()), field.data_type()) {
            (Some(target), DataType::FixedSizeList(item, _)) => {
                let known = exact::known(columns, &target, &addresses).await;
                known.and_then(|vectors| vectors.into_column(&target, item))
            }
            _ => columns.shown.column(dataset, field.name(), &addresses, pool).await,
        };
        arrays.push(known.filter(|known| known.data_type() == field.data_type()));
    }
    let missing: Vec<usize> =
        arrays.iter().enumerate().filter(|(_, known)| known.is_none()).map(|(at, _)| at).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(addresses.len()));
    if !missing.is_empty() {
        let read = looked_up(dataset, addresses, &schema.project(&missing)?).await?;
        for (at, column) in missing.into_iter().zip(read) {
            if let Some(place) = arrays.get_mut(at) {
                *place = Some(column);
            }
        }
    }
    let arrays = arrays.into_iter().flatten().collect();
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// The same, from files.
async fn looked_up(
    dataset: &Arc<Dataset>,
    addresses: Vec<u64>,
    schema: &Schema,
) -> Result<Vec<ArrayRef>> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let columns = ProjectionRequest::from_columns(&names, dataset.schema());
    let plan = Arc::new(columns.into_projection_plan(dataset.clone())?);
    let taken = TakeBuilder::try_new_from_addresses(dataset.clone(), addresses, plan)?;
    let batch = taken.execute().boxed().await?;
    Ok(names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect())
}

/// Looking a few rows up takes about as long as reading so many numbers.
const NUMBERS: u64 = 16 << 10;

/// The same of texts.
const TEXTS: u64 = 2 << 10;

/// A column takes at most this part of what all may.
const SHARE: usize = 4;

/// The columns of all tables; the longest unused leave first.
#[derive(Debug)]
pub struct Shown {
    kept: Cache<Key, Arc<Kept>>,
    /// Rows that could have been read while others were looked up.
    missed: Cache<Key, Arc<AtomicU64>>,
    most: usize,
}

/// A column of one data file, deleted rows too.
#[derive(Debug)]
enum Kept {
    Column {
        rows: ArrayRef,
        /// Holds its memory in the account of the engine's operators.
        _memory: MemoryReservation,
    },
    /// One that takes more memory than it may.
    TooWide,
}

impl Shown {
    /// Keeps up to so many bytes.
    pub fn new(most: usize) -> Self {
        let kept = recent(most, |_, kept: &Kept| match kept {
            Kept::Column { rows, .. } => rows.get_array_memory_size(),
            Kept::TooWide => 64,
        });
        Self { kept, missed: Cache::new(4096), most }
    }

    /// A column of the rows at some addresses, if it is here or better read than looked up in the files.
    pub async fn column(
        &self,
        dataset: &Arc<Dataset>,
        column: &str,
        addresses: &[u64],
        pool: &Arc<dyn MemoryPool>,
    ) -> Option<ArrayRef> {
        let field = dataset.schema().field(column)?;
        let looked_up = looked_up_rows(&field.data_type())?;
        let mut blocks: Vec<Arc<Kept>> = Vec::new();
        let mut known: HashMap<u32, usize> = HashMap::new();
        let mut places = Vec::with_capacity(addresses.len());
        for address in addresses {
            // The two halves of an address.
            let (id, row) = ((address >> 32) as u32, *address as u32 as usize);
            let at = match known.get(&id) {
                Some(at) => *at,
                None => {
                    let fragment = dataset.get_fragment(id as usize)?;
                    let key = Key::of(dataset, field.id, &fragment)?;
                    let read = read(dataset, column, &fragment, self.most / SHARE, pool);
                    blocks.push(self.block(key, &fragment, looked_up, read).await?);
                    known.insert(id, blocks.len() - 1);
                    blocks.len() - 1
                }
            };
            places.push((at, row));
        }
        let mut columns: Vec<&dyn Array> = Vec::with_capacity(blocks.len());
        for block in &blocks {
            let Kept::Column { rows, .. } = block.as_ref() else { return None };
            columns.push(rows.as_ref());
        }
        if columns.is_empty()
            || places.iter().any(|(at, row)| columns.get(*at).is_none_or(|c| *row >= c.len()))
        {
            return None;
        }
        interleave(&columns, &places).ok()
    }

    /// A column of a fragment, read once that takes no longer than it took to look rows up.
    async fn block(
        &self,
        key: Key,
        fragment: &FileFragment,
        looked_up: u64,
        read: impl Future<Output = Result<Option<Arc<Kept>>>> + Send,
    ) -> Option<Arc<Kept>> {
        if let Some(kept) = self.kept.get(&key).await {
            return Some(kept);
        }
        let all = fragment.metadata().physical_rows.unwrap_or_default() as u64;
        let missed = self.missed.get_with(key.clone(), async { Arc::default() }).await;
        if missed.fetch_add(looked_up, Ordering::Relaxed) < all {
            return None;
        }
        // Several statements that want the same column wait for one of them to read it. Where that fails, looking
        // rows up may not, or says why.
        let read = async { read.await.ok().flatten() };
        let kept = self.kept.optionally_get_with(key, read).boxed().await;
        if kept.is_none() {
            missed.store(0, Ordering::Relaxed);
        }
        kept
    }
}

/// How many rows of a type are read in the time in which a few are looked up; `None` where a row may take much memory.
fn looked_up_rows(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Boolean => Some(NUMBERS),
        DataType::Utf8 | DataType::LargeUtf8 => Some(TEXTS),
        _ if data_type.is_primitive() => Some(NUMBERS),
        _ => None,
    }
}

/// A column of a fragment; `None` where there is no memory for it now.
async fn read(
    dataset: &Arc<Dataset>,
    column: &str,
    fragment: &FileFragment,
    most: usize,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Option<Arc<Kept>>> {
    let memory = MemoryConsumer::new("columns kept for results").register(pool);
    let mut batches = all_rows(dataset, column, fragment).await?;
    let (mut parts, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = batches.try_next().await? {
        let Some(part) = batch.column_by_name(column) else { return Ok(None) };
        bytes += part.to_data().get_slice_memory_size()?;
        if bytes > most {
            return Ok(Some(Arc::new(Kept::TooWide)));
        }
        if memory.try_resize(bytes).is_err() {
            return Ok(None);
        }
        parts.push(part.clone());
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let rows = concat(&parts)?;
    Ok(Some(Arc::new(Kept::Column { rows, _memory: memory })))
}
