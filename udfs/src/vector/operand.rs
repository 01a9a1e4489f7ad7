//! Arguments that are vectors: which types are taken as such, and their values row by row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float16Type, Float32Type};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use half::f16;

use crate::scalar::type_name;

/// What a column of vectors is cast to: vectors of a known length stay what they are, lists become
/// lists of f32.
pub fn coerced(function: &str, given: &DataType) -> Result<DataType> {
    let number = |field: &FieldRef| field.data_type().is_numeric() || field.data_type().is_null();
    match given {
        DataType::FixedSizeList(item, _)
            if matches!(item.data_type(), DataType::Float16 | DataType::Float32) =>
        {
            Ok(given.clone())
        }
        DataType::FixedSizeList(item, dims) if number(item) => {
            Ok(DataType::FixedSizeList(item_field(DataType::Float32), *dims))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
            if number(item) =>
        {
            Ok(DataType::List(item_field(DataType::Float32)))
        }
        DataType::Null => Ok(DataType::List(item_field(DataType::Float32))),
        other => plan_err!(
            "{function} takes vectors, not {}; write one as [0.1, 0.2] or '[0.1, 0.2]'::VECTOR(2)",
            type_name(other)
        ),
    }
}

/// The field of a vector's numbers.
pub fn item_field(kind: DataType) -> FieldRef {
    Arc::new(Field::new("item", kind, true))
}

/// The length of a type's vectors, where all have the same.
pub fn dims_of(kind: &DataType) -> Option<usize> {
    match kind {
        DataType::FixedSizeList(_, dims) => usize::try_from(*dims).ok(),
        _ => None,
    }
}

/// Vectors of one length, one after another.
pub struct Dense {
    /// Their numbers; zeros where a row is NULL.
    pub values: Values,
    /// Their length.
    pub dims: usize,
    /// Rows without a vector, or with one that lacks a number.
    pub nulls: Option<NullBuffer>,
}

/// Numbers as they are stored.
pub enum Values {
    /// Single precision, and where in the array they begin and end.
    Full(Float32Array),
    /// Half precision.
    Half(arrow::array::Float16Array),
}

impl Values {
    /// In single precision.
    pub fn full(&self) -> std::borrow::Cow<'_, [f32]> {
        match self {
            Self::Full(values) => std::borrow::Cow::Borrowed(values.values()),
            Self::Half(values) => values.values().iter().map(|x: &f16| x.to_f32()).collect(),
        }
    }
}

/// The vectors of a column, all of one length: the type's, or for lists `dims`, or else the first
/// row's.
pub fn dense(function: &str, array: &ArrayRef, dims: Option<usize>) -> Result<Dense> {
    match array.data_type() {
        DataType::FixedSizeList(..) => fixed(array.as_fixed_size_list()),
        DataType::List(_) => listed(function, array, dims),
        other => internal_err!("{function}: {other} is not a type of vectors"),
    }
}

/// A constant as one vector; `None` where it is none, is NULL or lacks a number.
pub fn constant(value: &ScalarValue) -> Option<Vec<f32>> {
    let array = value.to_array().ok()?;
    let kind = coerced("", array.data_type()).ok()?;
    let dense = dense("", &cast(&array, &kind).ok()?, None).ok()?;
    let whole = array.is_valid(0) && dense.nulls.is_none_or(|nulls| nulls.null_count() == 0);
    (whole && dense.dims > 0).then(|| dense.values.full().to_vec())
}

fn fixed(array: &FixedSizeListArray) -> Result<Dense> {
    let dims = usize::try_from(array.value_length()).unwrap_or_default();
    let (from, length) = (array.value_offset(0) as usize, array.len() * dims);
    let numbers = array.values().slice(from, length);
    let nulls = NullBuffer::union(array.nulls(), whole_rows(&numbers, dims, array.len()).as_ref());
    let values = match numbers.data_type() {
        DataType::Float16 => Values::Half(numbers.as_primitive::<Float16Type>().clone()),
        DataType::Float32 => Values::Full(numbers.as_primitive::<Float32Type>().clone()),
        _ => {
            Values::Full(cast(&numbers, &DataType::Float32)?.as_primitive::<Float32Type>().clone())
        }
    };
    Ok(Dense { values, dims, nulls })
}

/// Which rows have all their numbers, where some lack one.
fn whole_rows(numbers: &ArrayRef, dims: usize, rows: usize) -> Option<NullBuffer> {
    let lacking = numbers.nulls().filter(|nulls| nulls.null_count() > 0)?;
    Some((0..rows).map(|row| lacking.slice(row * dims, dims).null_count() == 0).collect())
}

fn listed(function: &str, array: &ArrayRef, dims: Option<usize>) -> Result<Dense> {
    let lists = array.as_list::<i32>();
    let valid = |row: &usize| lists.is_valid(*row);
    let length = |row: usize| lists.value_length(row) as usize;
    let first = (0..lists.len()).find(valid);
    let dims = dims.or_else(|| first.map(length)).unwrap_or_default();
    if let Some(other) = (0..lists.len()).filter(valid).map(length).find(|other| *other != dims) {
        return exec_err!(
            "{function}: vectors of {dims} and {other} dimensions cannot meet; all must be of one length"
        );
    }
    // What is before the first list and behind the last belongs to other batches.
    let starts = lists.value_offsets();
    let (first, end) = (starts.first().copied(), starts.last().copied());
    let (first, end) = (first.unwrap_or_default() as usize, end.unwrap_or_default() as usize);
    let numbers = cast(&lists.values().slice(first, end - first), &DataType::Float32)?;
    let numbers = numbers.as_primitive::<Float32Type>();
    let mut values = Vec::with_capacity(lists.len() * dims);
    let mut whole = Vec::with_capacity(lists.len());
    for (row, &start) in starts.iter().enumerate().take(lists.len()) {
        if lists.is_null(row) {
            values.resize(values.len() + dims, 0.0);
            whole.push(false);
            continue;
        }
        let vector = numbers.slice(start as usize - first, dims);
        values.extend_from_slice(vector.values());
        whole.push(vector.null_count() == 0);
    }
    let nulls = whole.contains(&false).then(|| NullBuffer::from(whole));
    Ok(Dense { values: Values::Full(Float32Array::from(values)), dims, nulls })
}

/// A column of vectors of one length.
pub fn vectors_of(values: Vec<f32>, dims: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let length = i32::try_from(dims).unwrap_or(i32::MAX);
    let (item, values) = (item_field(DataType::Float32), Arc::new(Float32Array::from(values)));
    Ok(Arc::new(FixedSizeListArray::try_new(item, length, values, nulls)?))
}
