//! Labels of rows: texts, whole numbers or truths, and a number for each that occurs.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion_common::{Result, ScalarValue, internal_err, plan_err};
use serde::{Deserialize, Serialize};

use crate::scalar::arguments::type_name;

/// One label. Labels of a column are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Of two classes.
    Truth(bool),
    /// A number that names a class.
    Whole(i64),
    /// A name.
    Text(String),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text}"),
        }
    }
}

impl Label {
    /// A constant as a label; `None` for NULL.
    pub fn of(value: &ScalarValue) -> Result<Option<Self>> {
        if value.is_null() {
            return Ok(None);
        }
        let Some(kind) = kind(&value.data_type()) else {
            return plan_err!("a label is a text, a whole number or a truth, not {value}");
        };
        let array = value.cast_to(&kind)?.to_array()?;
        Ok(Column::new(&array)?.cell(0).map(|cell| cell.label()))
    }

    /// The type of columns of such labels.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Truth(_) => DataType::Boolean,
            Self::Whole(_) => DataType::Int64,
            Self::Text(_) => DataType::Utf8,
        }
    }

    /// As a value of that type.
    pub fn value(&self) -> ScalarValue {
        match self {
            Self::Truth(truth) => ScalarValue::Boolean(Some(*truth)),
            Self::Whole(number) => ScalarValue::Int64(Some(*number)),
            Self::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        }
    }
}

/// What a column of labels is read as; `None` where its values are none. NULL is of any kind.
pub fn kind(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Null | DataType::Boolean => Some(given.clone()),
        DataType::Dictionary(_, values) => kind(values),
        _ if given.is_integer() => Some(DataType::Int64),
        _ if given.is_string() => Some(DataType::Utf8),
        _ => None,
    }
}

/// The kind of a parameter's labels, or an error that says what labels are.
pub fn checked_kind(function: &str, parameter: &str, given: &DataType) -> Result<DataType> {
    match kind(given) {
        Some(kind) => Ok(kind),
        None => plan_err!(
            "{function}: {parameter} is a label, a TEXT, a whole number or a BOOLEAN, not {}; cast it",
            type_name(given)
        ),
    }
}

/// A column of labels, of a type that [`kind`] says.
pub enum Column {
    /// Truths.
    Truths(BooleanArray),
    /// Whole numbers.
    Wholes(Int64Array),
    /// Texts.
    Texts(StringArray),
    /// Nothing but NULL.
    Nothing,
}

/// The label of a row.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// Of two classes.
    Truth(bool),
    /// A number that names a class.
    Whole(i64),
    /// A name.
    Text(&'a str),
}

impl Cell<'_> {
    /// The label, to be kept.
    pub fn label(&self) -> Label {
        match self {
            Self::Truth(truth) => Label::Truth(*truth),
            Self::Whole(number) => Label::Whole(*number),
            Self::Text(text) => Label::Text(text.to_string()),
        }
    }
}

impl Column {
    /// Of an array of one of these types.
    pub fn new(array: &ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Boolean => Ok(Self::Truths(array.as_boolean().clone())),
            DataType::Int64 => Ok(Self::Wholes(array.as_primitive::<Int64Type>().clone())),
            DataType::Utf8 => Ok(Self::Texts(array.as_string::<i32>().clone())),
            DataType::Null => Ok(Self::Nothing),
            other => internal_err!("{other} was not made a type of labels"),
        }
    }

    /// The label of a row, if it has one.
    pub fn cell(&self, row: usize) -> Option<Cell<'_>> {
        match self {
            Self::Truths(all) => all.is_valid(row).then(|| Cell::Truth(all.value(row))),
            Self::Wholes(all) => all.is_valid(row).then(|| Cell::Whole(all.value(row))),
            Self::Texts(all) => all.is_valid(row).then(|| Cell::Text(all.value(row))),
            Self::Nothing => None,
        }
    }
}

/// Labels that have occurred, each with a number, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Register {
    texts: HashMap<String, u32>,
    wholes: HashMap<i64, u32>,
    labels: Vec<Label>,
}

impl Register {
    /// The number of a label.
    pub fn number(&mut self, cell: Cell) -> u32 {
        let known = match cell {
            Cell::Truth(truth) => self.wholes.get(&i64::from(truth)),
            Cell::Whole(number) => self.wholes.get(&number),
            Cell::Text(text) => self.texts.get(text),
        };
        if let Some(known) = known {
            return *known;
        }
        // Labels are far fewer than u32 counts: each takes more memory than its number.
        let number = self.labels.len() as u32;
        match cell {
            Cell::Truth(truth) => drop(self.wholes.insert(i64::from(truth), number)),
            Cell::Whole(whole) => drop(self.wholes.insert(whole, number)),
            Cell::Text(text) => drop(self.texts.insert(text.to_string(), number)),
        }
        self.labels.push(cell.label());
        number
    }

    /// The labels by their numbers.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The labels in their own order, and for every number the place there.
    pub fn sorted(&self) -> (Vec<Label>, Vec<u32>) {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by(|a, b| self.labels[*a].cmp(&self.labels[*b]));
        let mut places = vec![0; order.len()];
        for (place, number) in (0u32..).zip(&order) {
            places[*number] = place;
        }
        (order.into_iter().map(|number| self.labels[number].clone()).collect(), places)
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let texts: usize = self.texts.keys().map(|text| 2 * text.len() + 80).sum();
        texts + self.labels.len() * size_of::<Label>() + self.wholes.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn labels_are_numbered_as_they_come_and_sorted_as_they_are() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-1), Some(7)]));
        let (column, mut register) = (Column::new(&array).unwrap(), Register::default());
        let numbers: Vec<Option<u32>> =
            (0..4).map(|row| column.cell(row).map(|cell| register.number(cell))).collect();
        assert_eq!(numbers, [Some(0), None, Some(1), Some(0)]);
        let (labels, places) = register.sorted();
        assert_eq!(labels, [Label::Whole(-1), Label::Whole(7)]);
        assert_eq!(places, [1, 0]);
    }

    #[test]
    fn constants_are_labels_of_their_kind() {
        let of = |value: ScalarValue| Label::of(&value);
        assert_eq!(of(ScalarValue::Int8(Some(3))).unwrap(), Some(Label::Whole(3)));
        assert_eq!(of(ScalarValue::from("a")).unwrap(), Some(Label::Text("a".to_string())));
        assert_eq!(of(ScalarValue::Boolean(Some(true))).unwrap(), Some(Label::Truth(true)));
        assert_eq!(of(ScalarValue::Null).unwrap(), None);
        assert!(of(ScalarValue::Float64(Some(0.5))).is_err());
    }

    #[test]
    fn a_label_lasts_in_json() {
        for label in [Label::Truth(true), Label::Whole(4), Label::Text("4".to_string())] {
            let text = serde_json::to_string(&label).unwrap();
            assert_eq!(serde_json::from_str::<Label>(&text).unwrap(), label);
        }
    }
}
