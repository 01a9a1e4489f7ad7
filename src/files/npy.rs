//! `read_npy('x.npy')`: the rows of NumPy arrays. Two dimensions are a column `vector` of 32-bit
//! floats, whatever numbers were saved; one dimension is a column `value` of those numbers.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, RecordBatchOptions, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float16Type, Schema, SchemaRef,
};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, project_schema};
use futures::{Stream, StreamExt, TryStreamExt};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use object_store_datafusion::{GetOptions, GetRange, ObjectMeta};

use super::listing::Listing;
use crate::error::{Error, Result};

/// More than any header of a plain array.
const HEAD: u64 = 64 * 1024;
/// How many bytes of numbers make a batch.
const BATCH_BYTES: usize = 4 << 20;
/// Most rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A table over NumPy files of one shape of rows.
#[derive(Debug)]
pub struct NpyTable {
    listing: Arc<Listing>,
    schema: SchemaRef,
    layout: Layout,
}

/// What the header of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Numbers in a row; none for one dimension.
    width: Option<i32>,
    number: Number,
    rows: u64,
    /// Where the numbers begin.
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    kind: Kind,
    bytes: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Float,
}

impl NpyTable {
    /// The files of a listing; the first one tells the columns.
    pub async fn open(listing: Listing) -> Result<Self> {
        let Some(first) = listing.files.first() else {
            return Err(Error::Invalid(format!("'{}' holds no file", listing.location)));
        };
        let layout = layout(&listing, first).await?;
        let field = match layout.width {
            Some(width) => {
                let item = Arc::new(Field::new_list_field(DataType::Float32, true));
                Field::new("vector", DataType::FixedSizeList(item, width), false)
            }
            None => Field::new("value", layout.number.data_type(), false),
        };
        let schema = Arc::new(Schema::new(vec![field]));
        Ok(Self { listing: Arc::new(listing), schema, layout })
    }
}

async fn layout(listing: &Listing, file: &ObjectMeta) -> Result<Layout> {
    let name = listing.display(&file.location);
    let refuse = |why: String| Error::Invalid(format!("cannot read '{name}': {why}"));
    let range = Some(GetRange::Bounded(0..HEAD.min(file.size.max(1))));
    let options = GetOptions { range, ..GetOptions::default() };
    let got = listing.store.get_opts(&file.location, options).await;
    let head = match got {
        Ok(got) => got.bytes().await.map_err(|error| refuse(error.to_string()))?,
        Err(error) => return Err(refuse(error.to_string())),
    };
    let mut rest = head.as_ref();
    let header = NpyHeader::from_reader(&mut rest)
        .map_err(|error| refuse(format!("it is no NumPy array ({error})")))?;
    let start = (head.len() - rest.len()) as u64;
    let DType::Plain(dtype) = header.dtype() else {
        return Err(refuse("it holds records, not numbers; save one field of them".to_string()));
    };
    let kind = match dtype.type_char() {
        TypeChar::Bool => Kind::Bool,
        TypeChar::Int => Kind::Int,
        TypeChar::Uint => Kind::Uint,
        TypeChar::Float => Kind::Float,
        _ => return Err(refuse(format!("it holds '{dtype}', not numbers"))),
    };
    let number = Number {
        kind,
        bytes: dtype.num_bytes().unwrap_or_default(),
        big_endian: dtype.endianness() == Endianness::Big,
    };
    let known = match number.kind {
        Kind::Bool => number.bytes == 1,
        Kind::Int | Kind::Uint => matches!(number.bytes, 1 | 2 | 4 | 8),
        Kind::Float => matches!(number.bytes, 2 | 4 | 8),
    };
    if !known {
        return Err(refuse(format!("'{dtype}' has no match here; save it as float32")));
    }
    let (rows, width) = match header.shape() {
        [rows] => (*rows, None),
        [rows, width] => {
            let width = i32::try_from(*width).ok().filter(|width| *width > 0);
            let width =
                width.ok_or_else(|| refuse("its rows have no or too many numbers".to_string()))?;
            (*rows, Some(width))
        }
        shape => {
            return Err(refuse(format!(
                "it has {} dimensions, a table has one or two; reshape it",
                shape.len()
            )));
        }
    };
    if width.is_some() && rows > 1 && header.order() == Order::Fortran {
        return Err(refuse(
            "it is saved column by column; save numpy.ascontiguousarray(x) instead".to_string(),
        ));
    }
    Ok(Layout { width, number, rows, start })
}

impl Number {
    fn data_type(self) -> DataType {
        match (self.kind, self.bytes) {
            (Kind::Bool, _) => DataType::Boolean,
            (Kind::Int, 1) => DataType::Int8,
            (Kind::Int, 2) => DataType::Int16,
            (Kind::Int, 4) => DataType::Int32,
            (Kind::Int, _) => DataType::Int64,
            (Kind::Uint, 1) => DataType::UInt8,
            (Kind::Uint, 2) => DataType::UInt16,
            (Kind::Uint, 4) => DataType::UInt32,
            (Kind::Uint, _) => DataType::UInt64,
            (Kind::Float, 8) => DataType::Float64,
            (Kind::Float, _) => DataType::Float32,
        }
    }

    /// The numbers in `bytes`, as the array of their type.
    fn array(self, bytes: &[u8]) -> ArrayRef {
        macro_rules! numbers {
            ($array:ident, $number:ty) => {
                Arc::new($array::from_iter_values(self.each(bytes, <$number>::from_le_bytes)))
            };
        }
        match (self.kind, self.bytes) {
            (Kind::Bool, _) => {
                Arc::new(bytes.iter().map(|byte| Some(*byte != 0)).collect::<BooleanArray>())
            }
            (Kind::Int, 1) => numbers!(Int8Array, i8),
            (Kind::Int, 2) => numbers!(Int16Array, i16),
            (Kind::Int, 4) => numbers!(Int32Array, i32),
            (Kind::Int, _) => numbers!(Int64Array, i64),
            (Kind::Uint, 1) => numbers!(UInt8Array, u8),
            (Kind::Uint, 2) => numbers!(UInt16Array, u16),
            (Kind::Uint, 4) => numbers!(UInt32Array, u32),
            (Kind::Uint, _) => numbers!(UInt64Array, u64),
            (Kind::Float, 2) => {
                let halves = self.each(bytes, |half| Half::from_le_bytes(half).to_f32());
                Arc::new(Float32Array::from_iter_values(halves))
            }
            (Kind::Float, 4) => numbers!(Float32Array, f32),
            (Kind::Float, _) => numbers!(Float64Array, f64),
        }
    }

    fn each<'a, const N: usize, T: 'a>(
        self,
        bytes: &'a [u8],
        from_little_endian: impl Fn([u8; N]) -> T + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        let (numbers, _) = bytes.as_chunks::<N>();
        numbers.iter().map(move |number| {
            let mut number = *number;
            if self.big_endian {
                number.reverse();
            }
            from_little_endian(number)
        })
    }
}

/// A 16-bit float, as Arrow has it.
type Half = <Float16Type as ArrowPrimitiveType>::Native;

impl Layout {
    fn row_bytes(&self) -> usize {
        let width = self.width.and_then(|width| usize::try_from(width).ok()).unwrap_or(1);
        width.saturating_mul(self.number.bytes)
    }

    fn column(&self, bytes: &[u8]) -> Result<ArrayRef> {
        let numbers = self.number.array(bytes);
        let Some(width) = self.width else { return Ok(numbers) };
        let floats = cast(&numbers, &DataType::Float32)?;
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        Ok(Arc::new(FixedSizeListArray::try_new(item, width, floats, None)?))
    }
}

#[async_trait]
impl TableProvider for NpyTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.schema, projection)?;
        let partitions = self
            .listing
            .files
            .iter()
            .map(|file| -> Arc<dyn PartitionStream> {
                Arc::new(Partition {
                    listing: self.listing.clone(),
                    expected: self.layout,
                    file: file.clone(),
                    schema: schema.clone(),
                })
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

#[derive(Debug, Clone)]
struct Partition {
    listing: Arc<Listing>,
    expected: Layout,
    file: ObjectMeta,
    schema: SchemaRef,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = futures::stream::once(self.clone().batches()).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches.map_err(Into::into)))
    }
}

impl Partition {
    async fn batches(self) -> Result<impl Stream<Item = Result<RecordBatch>>> {
        let layout = layout(&self.listing, &self.file).await?;
        let name = self.listing.display(&self.file.location);
        if (layout.width, layout.number.data_type())
            != (self.expected.width, self.expected.number.data_type())
        {
            return Err(Error::Invalid(format!(
                "'{name}' has other rows than the first file of '{}'; read it by itself",
                self.listing.location
            )));
        }
        let range = Some(GetRange::Offset(layout.start));
        let options = GetOptions { range, ..GetOptions::default() };
        let failed = {
            let name = name.clone();
            move |error| Error::Invalid(format!("cannot read '{name}': {error}"))
        };
        let bytes: futures::stream::BoxStream<'static, Result<Bytes>> =
            match layout.rows == 0 || self.schema.fields().is_empty() {
                true => futures::stream::empty().boxed(),
                false => {
                    let got = self.listing.store.get_opts(&self.file.location, options).await;
                    got.map_err(&failed)?.into_stream().map_err(failed).boxed()
                }
            };
        let rows = Rows {
            bytes,
            pending: BytesMut::new(),
            left: layout.rows,
            layout,
            schema: self.schema,
            name,
        };
        Ok(futures::stream::try_unfold(rows, Rows::next))
    }
}

/// Rows cut out of a stream of bytes.
struct Rows {
    bytes: futures::stream::BoxStream<'static, Result<Bytes>>,
    pending: BytesMut,
    left: u64,
    layout: Layout,
    schema: SchemaRef,
    name: String,
}

impl Rows {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let row_bytes = self.layout.row_bytes();
        let most = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS);
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        // Counting rows needs none of them.
        let is_count = self.schema.fields().is_empty();
        while !is_count && self.pending.len() < wanted * row_bytes {
            match self.bytes.try_next().await? {
                Some(bytes) => self.pending.extend_from_slice(&bytes),
                None => {
                    return Err(Error::Invalid(format!(
                        "'{}' ends {} rows too early; it was not written to its end",
                        self.name, self.left
                    )));
                }
            }
        }
        let columns = match is_count {
            true => vec![],
            false => vec![self.layout.column(&self.pending.split_to(wanted * row_bytes))?],
        };
        let options = RecordBatchOptions::new().with_row_count(Some(wanted));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        self.left -= wanted as u64;
        Ok(Some((batch, self)))
    }
}
