//! What waits for the last row: the columns that functions read, whole, and the others as they came.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, NullBufferBuilder, PrimitiveArray, RecordBatch,
    new_empty_array,
};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, FieldRef, Float16Type, Float32Type, SchemaRef,
};
use datafusion::error::Result;
use datafusion::execution::disk_manager::RefCountedTempFile;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{self, StreamExt, TryStreamExt};

/// A column that is put together as it comes.
pub enum Column {
    /// Vectors of f32: their numbers behind one another, without a second copy at the end.
    Full(Vectors<Float32Type>),
    /// Vectors of f16.
    Half(Vectors<Float16Type>),
    /// Anything else.
    Pieces(DataType, Vec<ArrayRef>),
}

impl Column {
    /// A column without rows.
    pub fn new(kind: &DataType) -> Self {
        match kind {
            DataType::FixedSizeList(item, width) if item.data_type() == &DataType::Float32 => {
                Self::Full(Vectors::new(item, *width))
            }
            DataType::FixedSizeList(item, width) if item.data_type() == &DataType::Float16 => {
                Self::Half(Vectors::new(item, *width))
            }
            other => Self::Pieces(other.clone(), Vec::new()),
        }
    }

    /// Puts rows behind those that are there.
    pub fn push(&mut self, rows: &ArrayRef) -> Result<()> {
        let kept = match self {
            Self::Full(vectors) => vectors.push(rows),
            Self::Half(vectors) => vectors.push(rows),
            Self::Pieces(_, pieces) => {
                pieces.push(rows.clone());
                true
            }
        };
        if !kept {
            // Vectors that lack numbers: rare enough to be copied once more.
            let kind = rows.data_type().clone();
            let so_far =
                std::mem::replace(self, Self::Pieces(kind.clone(), Vec::new())).finish()?;
            *self = Self::Pieces(kind, vec![so_far, rows.clone()]);
        }
        Ok(())
    }

    /// The whole column.
    pub fn finish(self) -> Result<ArrayRef> {
        match self {
            Self::Full(vectors) => vectors.finish(),
            Self::Half(vectors) => vectors.finish(),
            Self::Pieces(kind, pieces) => {
                let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
                if pieces.is_empty() {
                    return Ok(new_empty_array(&kind));
                }
                Ok(concat(&pieces)?)
            }
        }
    }
}

/// Vectors whose numbers are all there.
pub struct Vectors<T: ArrowPrimitiveType> {
    item: FieldRef,
    width: i32,
    numbers: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Vectors<T> {
    fn new(item: &FieldRef, width: i32) -> Self {
        Self { item: item.clone(), width, numbers: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    /// False, and nothing done, if a vector lacks a number.
    fn push(&mut self, rows: &ArrayRef) -> bool {
        let lists = rows.as_fixed_size_list();
        let items = lists.values().as_primitive::<T>();
        if items.null_count() > 0 {
            return false;
        }
        self.numbers.extend_from_slice(items.values());
        match lists.nulls() {
            Some(nulls) => self.nulls.append_buffer(nulls),
            None => self.nulls.append_n_non_nulls(lists.len()),
        }
        true
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let numbers = PrimitiveArray::<T>::new(self.numbers.into(), None);
        let nulls = self.nulls.finish();
        Ok(Arc::new(FixedSizeListArray::try_new(self.item, self.width, Arc::new(numbers), nulls)?))
    }
}

/// The memory of an array's rows alone, not of all that its buffers hold.
pub fn bytes(rows: &ArrayRef) -> usize {
    rows.to_data().get_slice_memory_size().unwrap_or_else(|_| rows.get_array_memory_size())
}

/// Columns that only wait: in memory while there is some, else in files.
pub struct Rest {
    files: Vec<RefCountedTempFile>,
    /// Those that came after what is in the files.
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
    spill: SpillManager,
}

impl Rest {
    /// Of this schema.
    pub fn new(schema: SchemaRef, context: &TaskContext, metrics: SpillMetrics) -> Self {
        let memory = MemoryConsumer::new("WholePartitions, other columns")
            .with_can_spill(true)
            .register(context.memory_pool());
        let spill = SpillManager::new(context.runtime_env(), metrics, schema);
        Self { files: Vec::new(), batches: Vec::new(), memory, spill }
    }

    /// Puts rows behind those that are there.
    pub fn push(&mut self, rows: RecordBatch) -> Result<()> {
        let fits = self.memory.try_grow(get_record_batch_memory_size(&rows)).is_ok();
        self.batches.push(rows);
        if !fits {
            let file =
                self.spill.spill_record_batch_and_finish(&self.batches, "WholePartitions")?;
            self.files.extend(file);
            self.batches.clear();
            self.memory.free();
        }
        Ok(())
    }

    /// The rows in their order.
    pub fn finish(self) -> SendableRecordBatchStream {
        let Self { files, batches, memory, spill } = self;
        let schema = spill.schema().clone();
        let stored = stream::iter(files)
            .map(move |file| spill.read_spill_as_stream(file, None))
            .try_flatten();
        let others = stream::iter(batches).map(move |batch| {
            // It is held until the last one is given out.
            let _ = &memory;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, stored.chain(others)))
    }
}
