//! Columns of vectors as they are compared: numbers side by side, kept in memory while there is room.
//!
//! A data file never changes, so what was decoded of one stays true for every version of the table.
//! A version's deletions are looked at when rows are compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float16Array, Float32Array, RecordBatch,
};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::{FutureExt, TryStreamExt};
use half::f16;
use lance::Dataset;
use lance::dataset::fragment::FileFragment;
use moka::future::Cache;

use super::candidates::Passed;
use super::column::all_rows;
use super::shown::Shown;
use crate::error::{Error, Result};
use crate::recent::recent;

/// A column of a table that is searched.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table, at one version.
    pub dataset: Arc<Dataset>,
    /// The column.
    pub column: String,
    /// Its id in the table's files.
    pub field: i32,
    /// Numbers in a vector.
    pub width: usize,
    /// Whether they are halves.
    pub half: bool,
}

impl Target {
    /// A column of vectors; `None` if it is none.
    pub fn new(dataset: &Arc<Dataset>, column: &str) -> Option<Self> {
        let field = dataset.schema().fields.iter().find(|field| field.name == column)?;
        let DataType::FixedSizeList(item, width) = field.data_type() else { return None };
        let half = match item.data_type() {
            DataType::Float16 => true,
            DataType::Float32 => false,
            _ => return None,
        };
        let width = usize::try_from(width).ok().filter(|width| *width > 0)?;
        let (dataset, column) = (dataset.clone(), column.to_string());
        Some(Self { dataset, column, field: field.id, width, half })
    }

    /// Rows of the table, deleted ones included.
    pub fn rows(&self) -> usize {
        self.dataset.fragments().iter().filter_map(|fragment| fragment.physical_rows).sum()
    }

    /// What that many rows take in memory.
    pub fn bytes(&self, rows: usize) -> usize {
        rows * self.width * if self.half { 2 } else { 4 }
    }
}

/// Vectors side by side. A row without a vector is NaN throughout, and so has no distance.
#[derive(Debug)]
pub enum Values {
    /// Of `VECTOR`.
    Full(Vec<f32>),
    /// Of `HALFVEC`.
    Half(Vec<f16>),
}

impl Values {
    /// Room for so many numbers.
    pub fn new(half: bool, numbers: usize) -> Self {
        match half {
            true => Self::Half(Vec::with_capacity(numbers)),
            false => Self::Full(Vec::with_capacity(numbers)),
        }
    }

    /// The vectors of one batch of a target.
    pub fn of_batch(target: &Target, batch: &RecordBatch) -> Result<Self> {
        let mut values = Self::new(target.half, batch.num_rows() * target.width);
        values.push(target, batch)?;
        Ok(values)
    }

    fn push(&mut self, target: &Target, batch: &RecordBatch) -> Result<()> {
        let column = batch.column_by_name(&target.column);
        let column = column.and_then(|column| column.as_fixed_size_list_opt());
        let Some(vectors) = column.filter(|v| v.value_length() as usize == target.width) else {
            return Err(Error::Invalid(format!(
                "column '{}' is not read as it is declared; its table is damaged",
                target.column
            )));
        };
        let numbers =
            vectors.values().slice(vectors.value_offset(0) as usize, vectors.len() * target.width);
        match self {
            Self::Full(all) => {
                let from = all.len();
                all.extend_from_slice(numbers.as_primitive::<Float32Type>().values());
                blank(vectors, &numbers, target.width, |at| all[from + at] = f32::NAN);
            }
            Self::Half(all) => {
                let from = all.len();
                all.extend_from_slice(numbers.as_primitive::<Float16Type>().values());
                blank(vectors, &numbers, target.width, |at| all[from + at] = f16::NAN);
            }
        }
        Ok(())
    }

    /// One vector after the other.
    pub fn rows(&self, width: usize) -> Box<dyn Iterator<Item = Vec<f32>> + Send + '_> {
        match self {
            Self::Full(all) => Box::new(all.chunks_exact(width).map(<[f32]>::to_vec)),
            Self::Half(all) => Box::new(
                all.chunks_exact(width).map(|row| row.iter().map(|x| x.to_f32()).collect()),
            ),
        }
    }

    /// A column of a table of them; `None` where one lacks a number, which may have been NULL.
    pub fn into_column(self, target: &Target, item: &FieldRef) -> Option<ArrayRef> {
        let numbers: ArrayRef = match self {
            Self::Full(all) if all.iter().all(|x| !x.is_nan()) => Arc::new(Float32Array::from(all)),
            Self::Half(all) if all.iter().all(|x| !x.is_nan()) => Arc::new(Float16Array::from(all)),
            _ => return None,
        };
        let width = i32::try_from(target.width).ok()?;
        Some(Arc::new(FixedSizeListArray::try_new(item.clone(), width, numbers, None).ok()?))
    }

    fn len(&self) -> usize {
        match self {
            Self::Full(all) => all.len(),
            Self::Half(all) => all.len(),
        }
    }
}

/// Makes what is NULL, and whatever lies in its place, no number.
fn blank(
    vectors: &FixedSizeListArray,
    numbers: &dyn Array,
    width: usize,
    mut put: impl FnMut(usize),
) {
    if vectors.null_count() > 0 {
        for row in (0..vectors.len()).filter(|row| vectors.is_null(*row)) {
            (row * width..(row + 1) * width).for_each(&mut put);
        }
    }
    if numbers.null_count() > 0 {
        (0..numbers.len()).filter(|at| numbers.is_null(*at)).for_each(&mut put);
    }
}

/// All vectors of one fragment of a table, in the order in which they lie there, deleted rows too.
#[derive(Debug)]
pub struct Block {
    /// The vectors.
    pub values: Values,
    /// Holds the block's memory in the account of the engine's operators.
    _memory: MemoryReservation,
}

/// A column of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    table: String,
    base: Option<u32>,
    file: String,
    field: i32,
}

impl Key {
    /// That of a fragment's; `None` where its files do not have the column.
    pub fn of(dataset: &Dataset, field: i32, fragment: &FileFragment) -> Option<Self> {
        let files = &fragment.metadata().files;
        let file = files.iter().find(|file| file.fields.contains(&field))?;
        Some(Self {
            table: dataset.uri().to_string(),
            base: file.base_id,
            file: file.path.clone(),
            field,
        })
    }
}

/// Columns that results show take a part of what decoded columns take.
const SHOWN_SHARE: usize = 8;

/// Rows that passed filters take a part of what decoded columns take.
const PASSED_SHARE: usize = 16;

/// Looking a row up takes about as long as reading so many in a row.
const LOOKED_UP: u64 = 12;

/// The decoded columns of all tables; the longest unused leave first.
#[derive(Debug)]
pub struct Columns {
    /// Which rows passed filters before.
    pub passed: Passed,
    /// Other columns, of the rows that were found.
    pub shown: Shown,
    blocks: Cache<Key, Arc<Block>>,
    /// Rows that were looked up of blocks that are not here.
    looked_up: Cache<Key, Arc<AtomicU64>>,
    most: usize,
}

impl Columns {
    /// Keeps up to so many bytes.
    pub fn new(most: usize) -> Self {
        let blocks = recent(most, |_, block: &Block| match &block.values {
            Values::Full(all) => size_of_val(all.as_slice()),
            Values::Half(all) => size_of_val(all.as_slice()),
        });
        let passed = Passed::new(most / PASSED_SHARE);
        let shown = Shown::new(most / SHOWN_SHARE);
        Self { passed, shown, blocks, looked_up: Cache::new(4096), most }
    }

    /// Whether a whole column can be kept. One that cannot would only drive others out.
    pub fn fits(&self, target: &Target, rows: usize) -> bool {
        target.bytes(rows) <= self.most
    }

    fn key(target: &Target, fragment: &FileFragment) -> Option<Key> {
        Key::of(&target.dataset, target.field, fragment)
    }

    /// Whether a few rows are better looked up than read with all the others. They are until it has
    /// taken as long as reading all of them once: so it never takes more than twice as long as what
    /// would have been best.
    pub async fn look_up(&self, target: &Target, fragment: &FileFragment, few: u64) -> bool {
        let Some(key) = Self::key(target, fragment) else { return true };
        let all = fragment.metadata().physical_rows.unwrap_or_default() as u64;
        let before = self.looked_up.get_with(key, async { Arc::default() }).await;
        let so_far = before.fetch_add(few, Ordering::Relaxed);
        so_far.saturating_add(few).saturating_mul(LOOKED_UP) < all
    }

    /// The vectors of a fragment if they are here.
    pub async fn known(&self, target: &Target, fragment: &FileFragment) -> Option<Arc<Block>> {
        self.blocks.get(&Self::key(target, fragment)?).await
    }

    /// The vectors of a fragment, read if they are not here; `None` where memory does not allow it.
    pub async fn block(
        &self,
        target: &Target,
        fragment: &FileFragment,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Option<Arc<Block>>> {
        let Some(key) = Self::key(target, fragment) else { return Ok(None) };
        if let Some(known) = self.blocks.get(&key).await {
            return Ok(Some(known));
        }
        let rows = fragment.physical_rows().boxed().await?;
        let memory = MemoryConsumer::new("vectors kept for search").register(pool);
        if memory.try_grow(target.bytes(rows)).is_err() {
            return Ok(None);
        }
        // Several statements that want the same block wait for one of them to read it.
        let read = async {
            let values = read(target, fragment, rows).await?;
            Ok::<_, Error>(Arc::new(Block { values, _memory: memory }))
        };
        let block = self.blocks.try_get_with(key, read).boxed().await;
        match block {
            Ok(block) => Ok(Some(block)),
            Err(error) => Err(Error::Invalid(format!(
                "the vectors of column '{}' cannot be read: {error}",
                target.column
            ))),
        }
    }
}

async fn read(target: &Target, fragment: &FileFragment, rows: usize) -> Result<Values> {
    let mut batches = all_rows(&target.dataset, &target.column, fragment).await?;
    let mut values = Values::new(target.half, rows * target.width);
    while let Some(batch) = batches.try_next().await? {
        values.push(target, &batch)?;
    }
    if values.len() != rows * target.width {
        return Err(Error::Invalid(format!(
            "{} numbers were read where {rows} vectors of {} were expected",
            values.len(),
            target.width
        )));
    }
    Ok(values)
}
