//! One cell as text for a person: vectors and bytes short, nested values readable, nothing that
//! would disturb a terminal. Programs get the formats of [`super::render::machine`] instead.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};

use crate::repl::text::{bytes, push_escaped};

/// Lists of numbers up to this length are shown whole, longer ones are vectors.
const SHORT_LIST: usize = 4;
/// Elements of any list that are shown at most.
const LIST_SHOWN: usize = 50;
/// Binary values up to this length are shown whole.
const SHORT_BINARY: usize = 16;

/// Times as PostgreSQL writes them.
const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
    .with_duration_format(DurationFormat::Pretty);

/// The values of an array, as text.
pub struct ColumnText<'a> {
    form: Form<'a>,
    nulls: Option<NullBuffer>,
}

enum Form<'a> {
    Plain(ArrayFormatter<'a>),
    Float(Box<dyn Fn(usize) -> f64 + 'a>, ArrayFormatter<'a>),
    Text(Box<dyn Fn(usize) -> &'a str + 'a>),
    Binary(Box<dyn Fn(usize) -> &'a [u8] + 'a>),
    List(Box<dyn Fn(usize) -> (usize, usize) + 'a>, Box<ColumnText<'a>>),
    Struct(Vec<(&'a str, ColumnText<'a>)>),
    Map(Box<dyn Fn(usize) -> (usize, usize) + 'a>, Box<[ColumnText<'a>; 2]>),
    Dictionary(Vec<usize>, Box<ColumnText<'a>>),
}

impl<'a> ColumnText<'a> {
    /// Looks at the type of the array once, for all its rows.
    pub fn try_new(array: &'a ArrayRef) -> Result<Self, ArrowError> {
        let form = match array.data_type() {
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                Form::Text(Box::new(|row| array.value(row)))
            }
            DataType::LargeUtf8 => {
                let array = array.as_string::<i64>();
                Form::Text(Box::new(|row| array.value(row)))
            }
            DataType::Utf8View => {
                let array = array.as_string_view();
                Form::Text(Box::new(|row| array.value(row)))
            }
            DataType::Binary => {
                let array = array.as_binary::<i32>();
                Form::Binary(Box::new(|row| array.value(row)))
            }
            DataType::LargeBinary => {
                let array = array.as_binary::<i64>();
                Form::Binary(Box::new(|row| array.value(row)))
            }
            DataType::BinaryView => {
                let array = array.as_binary_view();
                Form::Binary(Box::new(|row| array.value(row)))
            }
            DataType::FixedSizeBinary(_) => {
                let array = array.as_fixed_size_binary();
                Form::Binary(Box::new(|row| array.value(row)))
            }
            DataType::Float16 => {
                let floats = array.as_primitive::<arrow::datatypes::Float16Type>();
                Form::Float(Box::new(|row| floats.value(row).to_f64()), plain(array)?)
            }
            DataType::Float32 => {
                let floats = array.as_primitive::<arrow::datatypes::Float32Type>();
                Form::Float(Box::new(|row| f64::from(floats.value(row))), plain(array)?)
            }
            DataType::Float64 => {
                let floats = array.as_primitive::<arrow::datatypes::Float64Type>();
                Form::Float(Box::new(|row| floats.value(row)), plain(array)?)
            }
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                let range =
                    |row| (index(array.value_offsets()[row]), index(array.value_length(row)));
                Form::List(Box::new(range), Box::new(Self::try_new(array.values())?))
            }
            DataType::LargeList(_) => {
                let array = array.as_list::<i64>();
                let range =
                    |row| (index(array.value_offsets()[row]), index(array.value_length(row)));
                Form::List(Box::new(range), Box::new(Self::try_new(array.values())?))
            }
            DataType::ListView(_) => {
                let array = array.as_list_view::<i32>();
                let range = |row| (index(array.value_offset(row)), index(array.value_size(row)));
                Form::List(Box::new(range), Box::new(Self::try_new(array.values())?))
            }
            DataType::LargeListView(_) => {
                let array = array.as_list_view::<i64>();
                let range = |row| (index(array.value_offset(row)), index(array.value_size(row)));
                Form::List(Box::new(range), Box::new(Self::try_new(array.values())?))
            }
            DataType::FixedSizeList(_, _) => {
                let array = array.as_fixed_size_list();
                let range = |row| (index(array.value_offset(row)), index(array.value_length()));
                Form::List(Box::new(range), Box::new(Self::try_new(array.values())?))
            }
            DataType::Struct(_) => {
                let array = array.as_struct();
                let fields = array.fields().iter().map(|field| field.name().as_str());
                let columns = array.columns().iter().map(Self::try_new);
                let fields = fields.zip(columns).map(|(name, column)| Ok((name, column?)));
                Form::Struct(fields.collect::<Result<_, ArrowError>>()?)
            }
            DataType::Map(_, _) => {
                let array = array.as_map();
                let range =
                    |row| (index(array.value_offsets()[row]), index(array.value_length(row)));
                let entries = [Self::try_new(array.keys())?, Self::try_new(array.values())?];
                Form::Map(Box::new(range), Box::new(entries))
            }
            DataType::Dictionary(_, _) => {
                let array = array.as_any_dictionary();
                let values = Self::try_new(array.values())?;
                Form::Dictionary(array.normalized_keys(), Box::new(values))
            }
            _ => Form::Plain(plain(array)?),
        };
        Ok(Self { form, nulls: array.logical_nulls() })
    }

    /// Whether the value is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The value as a cell of its own; `None` for NULL.
    pub fn cell(&self, row: usize) -> Result<Option<String>, ArrowError> {
        if self.is_null(row) {
            return Ok(None);
        }
        let mut out = String::new();
        match &self.form {
            Form::Text(value) => push_escaped(value(row), &mut out),
            _ => self.push(row, &mut out)?,
        }
        Ok(Some(out))
    }

    /// A text with its line breaks, where it is text; `None` for everything else.
    pub fn lines(&self, row: usize) -> Option<impl Iterator<Item = &'a str>> {
        match &self.form {
            Form::Text(value) if !self.is_null(row) => Some(value(row).lines()),
            _ => None,
        }
    }

    /// Appends the value as a part of a larger one: text in quotes, NULL by name.
    fn push(&self, row: usize, out: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            out.push_str("NULL");
            return Ok(());
        }
        match &self.form {
            Form::Plain(formatter) | Form::Float(_, formatter) => {
                let mut text = String::new();
                formatter.value(row).write(&mut text)?;
                push_escaped(&text, out);
            }
            Form::Text(value) => {
                out.push('\'');
                push_escaped(&value(row).replace('\'', "''"), out);
                out.push('\'');
            }
            Form::Binary(value) => push_binary(value(row), out),
            Form::List(range, values) => {
                let (start, length) = range(row);
                values.push_list(start, length, out)?;
            }
            Form::Struct(fields) => {
                out.push('{');
                for (at, (name, values)) in fields.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    push_escaped(name, out);
                    out.push_str(": ");
                    values.push(row, out)?;
                }
                out.push('}');
            }
            Form::Map(range, entries) => {
                let [keys, values] = entries.as_ref();
                let (start, length) = range(row);
                out.push('{');
                for at in 0..length.min(LIST_SHOWN) {
                    out.push_str(if at > 0 { ", " } else { "" });
                    keys.push(start + at, out)?;
                    out.push_str(": ");
                    values.push(start + at, out)?;
                }
                push_rest(length, LIST_SHOWN, out);
                out.push('}');
            }
            Form::Dictionary(keys, values) => match keys.get(row) {
                Some(&key) => match values.cell(key)? {
                    Some(text) => out.push_str(&text),
                    None => out.push_str("NULL"),
                },
                None => out.push_str("NULL"),
            },
        }
        Ok(())
    }

    fn push_list(&self, start: usize, length: usize, out: &mut String) -> Result<(), ArrowError> {
        let is_vector = matches!(self.form, Form::Float(..)) && length > SHORT_LIST;
        let shown = if is_vector { 2 } else { LIST_SHOWN };
        out.push('[');
        for at in 0..length.min(shown) {
            out.push_str(if at > 0 { ", " } else { "" });
            let row = start + at;
            match &self.form {
                Form::Float(value, _) if is_vector && !self.is_null(row) => {
                    out.push_str(&short_float(value(row)));
                }
                _ => self.push(row, out)?,
            }
        }
        push_rest(length, shown, out);
        out.push(']');
        Ok(())
    }
}

/// ` … 512`: how many there are, when not all are shown.
fn push_rest(length: usize, shown: usize, out: &mut String) {
    if length > shown {
        // Writing to a string cannot fail.
        let _ = write!(out, ", … {length}");
    }
}

fn push_binary(value: &[u8], out: &mut String) {
    let shown = if value.len() > SHORT_BINARY { 3 } else { SHORT_BINARY };
    out.push_str("\\x");
    for byte in value.iter().take(shown) {
        let _ = write!(out, "{byte:02x}");
    }
    if value.len() > shown {
        let _ = write!(out, "…({})", bytes(value.len()));
    }
}

/// Three digits that matter: enough to tell vectors apart.
fn short_float(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let decimals = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

fn plain(array: &ArrayRef) -> Result<ArrayFormatter<'_>, ArrowError> {
    ArrayFormatter::try_new(array.as_ref(), &FORMAT)
}

/// An offset or a length of a valid array, which is never negative.
fn index(offset: impl TryInto<usize>) -> usize {
    offset.try_into().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::datatypes::{Float32Type, Int32Type};
    use std::sync::Arc;

    fn cells(array: impl Array + 'static) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        let column = ColumnText::try_new(&array).unwrap();
        (0..array.len())
            .map(|row| column.cell(row).unwrap().unwrap_or_else(|| "NULL".to_string()))
            .collect()
    }

    #[test]
    fn vectors_are_short() {
        let long: Vec<Option<f32>> =
            [0.012345, -0.22].into_iter().cycle().take(512).map(Some).collect();
        let short = vec![Some(1.5), None];
        let vectors =
            ListArray::from_iter_primitive::<Float32Type, _, _>([Some(long), None, Some(short)]);
        assert_eq!(cells(vectors), ["[0.0123, -0.22, … 512]", "NULL", "[1.5, NULL]"]);
        let values = Float32Array::from_iter_values((0..10).map(|n| n as f32));
        let field = Arc::new(arrow::datatypes::Field::new_list_field(DataType::Float32, true));
        let fixed = FixedSizeListArray::new(field, 5, Arc::new(values), None);
        assert_eq!(cells(fixed), ["[0, 1, … 5]", "[5, 6, … 5]"]);
    }

    #[test]
    fn sliced_lists_show_their_own_elements() {
        let rows = [Some(vec![Some(1)]), Some(vec![Some(2), Some(3)]), Some(vec![])];
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(rows);
        assert_eq!(cells(list.slice(1, 2)), ["[2, 3]", "[]"]);
    }

    #[test]
    fn binary_is_short() {
        let png: Vec<u8> = [0x89, 0x50, 0x4e].into_iter().chain([0; 2097]).collect();
        let array = BinaryArray::from_opt_vec(vec![Some(&png), Some(b"\x01\x02"), None]);
        assert_eq!(cells(array), ["\\x89504e…(2.1 kB)", "\\x0102", "NULL"]);
    }

    #[test]
    fn nested_values_are_readable() {
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("it's\n"), None]));
        let n: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let fields = [("name", name), ("n", n)].map(|(name, array)| {
            let field = arrow::datatypes::Field::new(name, array.data_type().clone(), true);
            (Arc::new(field), array)
        });
        let array = StructArray::from(fields.to_vec());
        assert_eq!(cells(array), ["{name: 'it''s\\n', n: 1}", "{name: NULL, n: 2}"]);

        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        map.keys().append_value("a");
        map.values().append_value(1);
        map.append(true).unwrap();
        assert_eq!(cells(map.finish()), ["{'a': 1}"]);
    }

    #[test]
    fn text_times_and_dictionaries() {
        assert_eq!(cells(StringArray::from(vec!["it's", "a\tb"])), ["it's", "a\\tb"]);
        let dictionary: DictionaryArray<Int32Type> =
            [Some("x"), None, Some("x")].into_iter().collect();
        assert_eq!(cells(dictionary), ["x", "NULL", "x"]);
        let time = TimestampMicrosecondArray::from(vec![1_700_000_000_123_000]);
        assert_eq!(cells(time), ["2023-11-14 22:13:20.123"]);
        assert_eq!(cells(NullArray::new(1)), ["NULL"]);
    }

    #[test]
    fn floats_keep_three_digits() {
        for (value, text) in
            [(0.5, "0.5"), (-0.021949, "-0.0219"), (123.456, "123"), (1.0e-9, "1.00e-9")]
        {
            assert_eq!(short_float(value), text);
        }
    }
}
