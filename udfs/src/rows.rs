//! Vectors and places of many rows, as kernels take them: numbers side by side, without the rows that
//! cannot be used.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Float32Type};
use arrow::row::{RowConverter, SortField};
use datafusion_common::{Result, exec_err, plan_err};
use portolan_kernels::order::Order;
use portolan_kernels::rows::Rows;

use crate::scalar::arguments::type_name;
use crate::work::LeftOut;

/// An error unless a type is one of vectors or of places.
pub fn check_vectors(function: &str, parameter: &str, given: &DataType) -> Result<()> {
    let fits = match given {
        DataType::Null => true,
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_numeric() || item.data_type().is_null()
        }
        DataType::Struct(fields) => places(fields).is_some(),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let hint = if given.is_string() { "; embed_text makes a vector of a text" } else { "" };
    plan_err!(
        "{function}: {parameter} is a vector or a struct(x, y), not {}{hint}",
        type_name(given)
    )
}

/// Where x and y are.
fn places(fields: &Fields) -> Option<(usize, usize)> {
    let find = |name: &str| {
        let found = fields.iter().position(|field| field.name().eq_ignore_ascii_case(name));
        found.filter(|at| fields[*at].data_type().is_numeric())
    };
    Some((find("x")?, find("y")?))
}

/// Whether a type is one of places on a map.
pub fn is_places(given: &DataType) -> bool {
    matches!(given, DataType::Struct(_))
}

/// A column of vectors or of places.
pub struct Vectors {
    pieces: Vec<Piece>,
    width: usize,
}

/// Rows of the column that came together.
struct Piece {
    array: ArrayRef,
    shape: Shape,
}

enum Shape {
    Nothing,
    Fixed(Float32Array),
    /// Where each row begins and ends.
    Lists(Float32Array, Vec<usize>),
    Places(Float32Array, Float32Array),
}

/// Why a row cannot be used.
enum Unfit {
    Missing,
    NotFinite,
    Zero,
}

fn floats(array: &ArrayRef) -> Result<Float32Array> {
    Ok(cast(array, &DataType::Float32)?.as_primitive::<Float32Type>().clone())
}

impl Vectors {
    /// An error where vectors have different lengths.
    pub fn new(function: &str, parameter: &str, array: &ArrayRef) -> Result<Self> {
        Self::of(function, parameter, std::slice::from_ref(array))
    }

    /// Of a column in pieces, which need not be put together.
    pub fn of(function: &str, parameter: &str, arrays: &[ArrayRef]) -> Result<Self> {
        let (mut pieces, mut empty, mut known) = (Vec::with_capacity(arrays.len()), 0, None);
        for array in arrays {
            let (piece, width) = Piece::new(function, parameter, array)?;
            pieces.push(piece);
            if array.null_count() == array.len() {
                empty = width;
                continue;
            }
            let first = *known.get_or_insert(width);
            if first != width {
                return uneven(function, parameter, first, width);
            }
        }
        Ok(Self { pieces, width: known.unwrap_or(empty) })
    }

    /// Dimensions of every row.
    pub fn width(&self) -> usize {
        self.width
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.array.len()).sum()
    }

    /// Where each row is.
    fn rows(&self) -> impl Iterator<Item = (&Piece, usize)> {
        self.pieces.iter().flat_map(|piece| (0..piece.array.len()).map(move |row| (piece, row)))
    }
}

impl Piece {
    /// With the dimensions of its rows.
    fn new(function: &str, parameter: &str, array: &ArrayRef) -> Result<(Self, usize)> {
        let (shape, width) = match array.data_type() {
            DataType::Null => (Shape::Nothing, 0),
            DataType::FixedSizeList(_, width) => {
                let width = usize::try_from(*width).unwrap_or_default();
                (Shape::Fixed(floats(array.as_fixed_size_list().values())?), width)
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                // Offsets are not negative.
                let ends = list.value_offsets().iter().map(|at| *at as usize).collect();
                lists(function, parameter, array, floats(list.values())?, ends)?
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                // Offsets are not negative.
                let ends = list.value_offsets().iter().map(|at| *at as usize).collect();
                lists(function, parameter, array, floats(list.values())?, ends)?
            }
            DataType::Struct(fields) => match places(fields) {
                Some((x, y)) => {
                    let columns = array.as_struct();
                    let (x, y) = (floats(columns.column(x))?, floats(columns.column(y))?);
                    (Shape::Places(x, y), 2)
                }
                None => return exec_err!("{function}: {parameter} has no x and y"),
            },
            other => return exec_err!("{function}: {parameter} is no vector but {other}"),
        };
        if width == 0 && array.null_count() < array.len() && !matches!(shape, Shape::Nothing) {
            return exec_err!("{function}: {parameter} has vectors of 0 dimensions");
        }
        Ok((Self { array: array.clone(), shape }, width))
    }

    /// Puts a row behind others; leaves them as they were if it cannot be used.
    fn push(
        &self,
        row: usize,
        width: usize,
        needs_direction: bool,
        to: &mut Vec<f32>,
    ) -> Result<(), Unfit> {
        if self.array.is_null(row) {
            return Err(Unfit::Missing);
        }
        let before = to.len();
        let (values, range) = match &self.shape {
            Shape::Nothing => return Err(Unfit::Missing),
            Shape::Fixed(values) => (values, row * width..(row + 1) * width),
            Shape::Lists(values, ends) => (values, ends[row]..ends[row + 1]),
            Shape::Places(x, y) => {
                if x.is_null(row) || y.is_null(row) {
                    return Err(Unfit::Missing);
                }
                to.extend([x.value(row), y.value(row)]);
                (x, 0..0)
            }
        };
        if values.null_count() > 0 && range.clone().any(|at| values.is_null(at)) {
            return Err(Unfit::Missing);
        }
        to.extend_from_slice(&values.values()[range]);
        let fit = if to[before..].iter().any(|value| !value.is_finite()) {
            Err(Unfit::NotFinite)
        } else if needs_direction && to[before..].iter().all(|value| *value == 0.0) {
            Err(Unfit::Zero)
        } else {
            Ok(())
        };
        if fit.is_err() {
            to.truncate(before);
        }
        fit
    }
}

fn uneven<T>(function: &str, parameter: &str, one: usize, other: usize) -> Result<T> {
    exec_err!(
        "{function}: {parameter} has vectors of {one} and of {other} dimensions; they must be of one length"
    )
}

fn lists(
    function: &str,
    parameter: &str,
    array: &ArrayRef,
    values: Float32Array,
    ends: Vec<usize>,
) -> Result<(Shape, usize)> {
    let mut width = None;
    for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
        let length = ends[row + 1] - ends[row];
        let first = *width.get_or_insert(length);
        if first != length {
            return uneven(function, parameter, first, length);
        }
    }
    Ok((Shape::Lists(values, ends), width.unwrap_or_default()))
}

/// The rows that can be used.
pub struct Gathered {
    /// The numbers of each column's rows.
    pub values: Vec<Vec<f32>>,
    /// Which rows they are.
    pub kept: Vec<u32>,
    /// How many could not be used.
    pub left_out: LeftOut,
}

impl Gathered {
    /// Of columns as long as each other, of which the first needs a direction or not. Rows are left out
    /// where any column is not fit, or where `also` is NULL.
    pub fn new(columns: &[&Vectors], needs_direction: bool, also: Option<&ArrayRef>) -> Self {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut values: Vec<Vec<f32>> =
            columns.iter().map(|column| Vec::with_capacity(rows * column.width)).collect();
        let mut pieces: Vec<_> = columns.iter().map(|column| column.rows()).collect();
        let (mut kept, mut left_out) = (Vec::with_capacity(rows), LeftOut::default());
        for row in 0..rows {
            let mut fit = match also {
                Some(also) if also.is_null(row) => Err(Unfit::Missing),
                _ => Ok(()),
            };
            for (at, column) in columns.iter().enumerate() {
                if let Some((piece, row)) = pieces[at].next()
                    && fit.is_ok()
                {
                    let needs_direction = needs_direction && at == 0;
                    fit = piece.push(row, column.width, needs_direction, &mut values[at]);
                }
            }
            match fit {
                // Batches hold fewer rows than u32 counts.
                Ok(()) => kept.push(row as u32),
                Err(why) => {
                    for (column, values) in columns.iter().zip(&mut values) {
                        values.truncate(kept.len() * column.width);
                    }
                    match why {
                        Unfit::Missing => left_out.missing += 1,
                        Unfit::NotFinite => left_out.not_finite += 1,
                        Unfit::Zero => left_out.zero += 1,
                    }
                }
            }
        }
        Self { values, kept, left_out }
    }
}

/// The rows in an order that depends on what they hold alone, and on `ties` where they hold the same.
pub fn canonical(rows: Rows, ties: Option<&[u32]>) -> Vec<u32> {
    let order = Order::of(rows);
    let mut sorted = Vec::with_capacity(rows.len());
    for rank in 0..order.different() {
        let from = sorted.len();
        sorted.extend_from_slice(order.group(rank));
        if let Some(ties) = ties {
            sorted[from..].sort_by_key(|row| ties[*row as usize]);
        }
    }
    sorted
}

/// Puts rows into another order, each where it is named: where they are, for there may be many.
pub fn arrange(values: &mut [f32], width: usize, order: &[u32]) {
    let at = |row: usize| row * width..(row + 1) * width;
    let mut first = vec![0.0; width];
    let mut done = vec![false; order.len()];
    for start in 0..order.len() {
        if done[start] {
            continue;
        }
        first.copy_from_slice(&values[at(start)]);
        let mut row = start;
        loop {
            done[row] = true;
            let from = order[row] as usize;
            // Once around: what lay first is missing last.
            if done[from] {
                values[at(row)].copy_from_slice(&first);
                break;
            }
            values.copy_within(at(from), row * width);
            row = from;
        }
    }
}

/// A number for every row, the same for the same values and the lower the lower they sort; `None` for NULL.
pub fn codes(array: &ArrayRef) -> Result<Vec<Option<u32>>> {
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())])?;
    let rows = converter.convert_columns(&[Arc::clone(array)])?;
    let mut sorted: Vec<usize> = (0..array.len()).filter(|row| array.is_valid(*row)).collect();
    sorted.sort_by(|a, b| rows.row(*a).cmp(&rows.row(*b)));
    let mut codes = vec![None; array.len()];
    let mut code = 0;
    for (at, row) in sorted.iter().enumerate() {
        if at > 0 && rows.row(*row) != rows.row(sorted[at - 1]) {
            code += 1;
        }
        codes[*row] = Some(code);
    }
    Ok(codes)
}

/// Makes a row's length 1. In f64, where no length is out of range.
pub fn normalise(row: &mut [f32]) {
    let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = square.sqrt();
    if length > 0.0 {
        // Between -1 and 1.
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{FixedSizeListArray, Float64Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::{Field, Float64Type};

    fn gathered(array: ArrayRef) -> Gathered {
        let vectors = Vectors::new("f", "v", &array).unwrap();
        Gathered::new(&[&vectors], true, None)
    }

    #[test]
    fn rows_that_cannot_be_used_are_left_out() {
        let rows = vec![
            Some(vec![Some(1.0), Some(2.0)]),
            None,
            Some(vec![Some(0.0), Some(0.0)]),
            Some(vec![Some(f32::NAN), Some(0.0)]),
            Some(vec![None, Some(0.0)]),
            Some(vec![Some(3.0), Some(4.0)]),
        ];
        let array = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
        let found = gathered(Arc::new(array.clone()));
        assert_eq!(found.values, [[1.0, 2.0, 3.0, 4.0]]);
        assert_eq!(found.kept, [0, 5]);
        assert_eq!(found.left_out, LeftOut { missing: 2, not_finite: 1, zero: 1 });
        let found = gathered(Arc::new(array.slice(4, 2)));
        assert_eq!((found.values, found.kept), (vec![vec![3.0, 4.0]], vec![1]));
    }

    #[test]
    fn lists_and_places_are_vectors_too() {
        let rows = vec![Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(3.0), Some(4.0)])];
        let list = ListArray::from_iter_primitive::<Float64Type, _, _>(rows);
        assert_eq!(gathered(Arc::new(list)).values, [[1.0, 2.0, 3.0, 4.0]]);
        let places = StructArray::from(vec![
            (
                Arc::new(Field::new("x", DataType::Float64, true)),
                Arc::new(Float64Array::from(vec![Some(1.0), None])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("y", DataType::Float64, true)),
                Arc::new(Float64Array::from(vec![2.0, 2.0])) as ArrayRef,
            ),
        ]);
        assert_eq!(gathered(Arc::new(places)).values, [[1.0, 2.0]]);
        let uneven = vec![Some(vec![Some(1.0)]), Some(vec![Some(3.0), Some(4.0)])];
        let uneven = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(uneven)) as _;
        let error = Vectors::new("f", "v", &uneven).err().unwrap().to_string();
        assert!(error.contains("of 1 and of 2 dimensions"), "{error}");
    }

    #[test]
    fn a_column_in_pieces_is_one_column() {
        let piece = |rows: Vec<Option<Vec<Option<f32>>>>, width| -> ArrayRef {
            let array = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, width);
            Arc::new(array)
        };
        let one = piece(vec![Some(vec![Some(1.0), Some(2.0)]), None], 2);
        let two = piece(vec![None, Some(vec![Some(3.0), Some(4.0)])], 2);
        let vectors = Vectors::of("f", "v", &[one.clone(), two]).unwrap();
        let found = Gathered::new(&[&vectors], true, None);
        assert_eq!((found.values, found.kept), (vec![vec![1.0, 2.0, 3.0, 4.0]], vec![0, 3]));
        let wider = piece(vec![Some(vec![Some(1.0); 3])], 3);
        let error = Vectors::of("f", "v", &[one, wider]).err().unwrap().to_string();
        assert!(error.contains("of 2 and of 3 dimensions"), "{error}");
        assert_eq!(Vectors::of("f", "v", &[]).unwrap().width(), 0);
    }

    #[test]
    fn rows_are_arranged_where_they_are() {
        for count in [0usize, 1, 2, 7, 100] {
            let mut order: Vec<u32> = (0..count as u32).collect();
            order.sort_by_key(|row| (row * 37 % 11, *row));
            let mut values: Vec<f32> = (0..count * 3).map(|at| at as f32).collect();
            let expected: Vec<f32> =
                (order.iter()).flat_map(|row| values[*row as usize * 3..][..3].to_vec()).collect();
            arrange(&mut values, 3, &order);
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn labels_become_numbers_in_their_order() {
        let labels: ArrayRef =
            Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        assert_eq!(codes(&labels).unwrap(), [Some(1), None, Some(0), Some(1)]);
    }

    #[test]
    fn equal_rows_are_told_apart_by_ties() {
        let values = [1.0, 5.0, 1.0, 5.0];
        let rows = Rows::new(&values, 1).unwrap();
        let one = canonical(rows, Some(&[3, 2, 1, 0]));
        let places = |row: u32| one.iter().position(|other| *other == row).unwrap();
        assert!(places(2) < places(0) && places(3) < places(1));
    }
}
