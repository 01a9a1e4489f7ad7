//! How values look in .slt files: exactly as in DataFusion's own suite, so that its files and ours
//! are read by one set of rules.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal256Array, Float16Array,
    Float32Array, Float64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::ArrayFormatter;
use datafusion::config::FormatOptions;
use sqllogictest::ColumnType;

const NULL: &str = "NULL";

/// The letter that a .slt file gives a column.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Letter {
    Boolean,
    DateTime,
    Integer,
    Timestamp,
    Real,
    Text,
    Other,
}

impl ColumnType for Letter {
    fn from_char(value: char) -> Option<Self> {
        Some(match value {
            'B' => Self::Boolean,
            'D' => Self::DateTime,
            'I' => Self::Integer,
            'P' => Self::Timestamp,
            'R' => Self::Real,
            'T' => Self::Text,
            _ => Self::Other,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Self::Boolean => 'B',
            Self::DateTime => 'D',
            Self::Integer => 'I',
            Self::Timestamp => 'P',
            Self::Real => 'R',
            Self::Text => 'T',
            Self::Other => '?',
        }
    }
}

/// The letters of a result's columns.
pub fn letters(schema: &Schema) -> Vec<Letter> {
    schema.fields().iter().map(|field| letter(field.data_type())).collect()
}

fn letter(data_type: &DataType) -> Letter {
    match data_type {
        DataType::Boolean => Letter::Boolean,
        DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Letter::Real,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Letter::Text,
        DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => {
            Letter::DateTime
        }
        DataType::Timestamp(..) => Letter::Timestamp,
        DataType::Dictionary(key, value) if key.is_integer() && value.is_string() => Letter::Text,
        integer if integer.is_integer() => Letter::Integer,
        _ => Letter::Other,
    }
}

/// The rows of a batch, one text a column. A last column of several lines becomes several rows,
/// each with its number, as in EXPLAIN.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let mut rows = Vec::new();
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| cell(column, row));
        push_lines(&mut rows, cells.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(rows)
}

fn push_lines(rows: &mut Vec<Vec<String>>, mut row: Vec<String>) {
    let Some(last) = row.pop_if(|last| last.contains('\n')) else {
        rows.push(row);
        return;
    };
    rows.push(row);
    for (index, line) in last.split('\n').enumerate() {
        // Blanks at a line's begin would be lost in the file.
        let content = line.trim_start();
        let indent = "-".repeat(line.len() - content.len());
        rows.push(vec![format!("{:02}){indent}{content}", index + 1)]);
    }
}

fn cell(column: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    if column.is_null(row) {
        return Ok(NULL.to_string());
    }
    fn typed<T: 'static>(column: &ArrayRef) -> &T {
        column.as_any().downcast_ref::<T>().unwrap()
    }
    Ok(match column.data_type() {
        DataType::Null => NULL.to_string(),
        DataType::Boolean => typed::<BooleanArray>(column).value(row).to_string(),
        DataType::Float16 => {
            let value = typed::<Float16Array>(column).value(row);
            float(value.to_f64(), value.to_string())
        }
        DataType::Float32 => {
            let value = typed::<Float32Array>(column).value(row);
            float(value.into(), value.to_string())
        }
        DataType::Float64 => {
            let value = typed::<Float64Array>(column).value(row);
            float(value, value.to_string())
        }
        DataType::Decimal128(..) => decimal(&typed::<Decimal128Array>(column).value_as_string(row)),
        DataType::Decimal256(..) => decimal(&typed::<Decimal256Array>(column).value_as_string(row)),
        DataType::Utf8 => text(typed::<StringArray>(column).value(row)),
        DataType::LargeUtf8 => text(typed::<LargeStringArray>(column).value(row)),
        DataType::Utf8View => text(typed::<StringViewArray>(column).value(row)),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            cell(dictionary.values(), dictionary.normalized_keys()[row])?
        }
        _ => {
            let options = FormatOptions { null: NULL.to_string(), ..FormatOptions::default() };
            let options = (&options).try_into().unwrap();
            ArrayFormatter::try_new(column.as_ref(), &options)?.value(row).to_string()
        }
    })
}

fn text(value: &str) -> String {
    if value.is_empty() {
        "(empty)".to_string()
    } else {
        value.trim_end_matches('\n').replace('\0', "\\0")
    }
}

fn float(value: f64, digits: String) -> String {
    if value.is_nan() {
        "NaN".to_string() // without its sign, which differs between platforms
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_string()
    } else {
        decimal(&digits)
    }
}

/// A number to at most 12 places, without zeros at its end.
fn decimal(digits: &str) -> String {
    BigDecimal::from_str(digits).unwrap().round(12).normalized().to_plain_string()
}
