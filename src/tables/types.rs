//! Which Arrow types a table stores, and as what.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};

/// The type that a column of `data_type` is stored as: views become plain strings, since Lance has
/// none. The error is the part of the type that cannot be stored.
pub fn storable(data_type: &DataType) -> Result<DataType, DataType> {
    let inner = |field: &FieldRef| -> Result<FieldRef, DataType> {
        let stored = storable(field.data_type())?;
        Ok(Arc::new(Field::new(field.name(), stored, field.is_nullable())))
    };
    Ok(match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) | DataType::ListView(item) => DataType::List(inner(item)?),
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(inner(item)?)
        }
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(inner(item)?, *n),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(inner).collect::<Result<_, _>>()?)
        }
        // A dictionary is an encoding, and Lance chooses its own.
        DataType::Dictionary(_, values) => storable(values)?,
        DataType::RunEndEncoded(_, values) => storable(values.data_type())?,
        DataType::Interval(
            IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
        )
        | DataType::Map(..)
        | DataType::Union(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..) => return Err(data_type.clone()),
        plain => plain.clone(),
    })
}
