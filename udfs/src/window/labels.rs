//! Labels as kernels take them, numbers, and back.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion_common::plan_err;
use portolan_kernels::graph::NONE;
use portolan_kernels::{Error, Result};

use super::partition::Partition;
use crate::scalar::arguments::type_name;

/// An error unless a type is one of labels: of few values that are told apart exactly.
pub fn check_label(function: &str, given: &DataType) -> datafusion_common::Result<()> {
    let plain = match given {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    if plain.is_string() || plain.is_integer() || plain == &DataType::Boolean {
        return Ok(());
    }
    plan_err!(
        "{function}: label is a text, a whole number or a boolean, not {}; cast it if that is what you mean",
        type_name(given)
    )
}

/// Every row's label as a number; `NONE` for NULL.
pub fn numbers(of: &Partition) -> Vec<u32> {
    of.codes.iter().map(|code| code.unwrap_or(NONE)).collect()
}

/// One more than the highest number of a label.
pub fn classes(of: &Partition) -> usize {
    of.codes.iter().flatten().max().map_or(0, |most| *most as usize + 1)
}

/// What numbers stand for; NULL for `NONE`.
pub fn values(of: &Partition, numbers: impl Iterator<Item = u32>) -> Result<ArrayRef> {
    let Some(labels) = &of.second else {
        return Err(Error::Shape("there are no labels".to_string()));
    };
    let mut first = vec![None; classes(of)];
    // No more rows are kept than u32 counts.
    for (row, code) in (0u32..).zip(&of.codes) {
        if let Some(code) = code {
            first[*code as usize].get_or_insert(row);
        }
    }
    let rows: UInt32Array =
        numbers.map(|number| first.get(number as usize).copied().flatten()).collect();
    take(labels, &rows, None).map_err(|error| Error::Shape(error.to_string()))
}

/// NULL where a kernel does not know.
pub fn known(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}
