//! The rows of a group, kept until all of them are there.

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::function::StateFieldsArgs;
use datafusion_expr::utils::format_state_name;

/// Columns, in the pieces in which they come.
#[derive(Debug)]
pub struct Columns {
    /// Each column's type, and its pieces.
    columns: Vec<(DataType, Vec<ArrayRef>)>,
}

impl Columns {
    /// Of these types.
    pub fn new(types: impl Iterator<Item = DataType>) -> Self {
        Self { columns: types.map(|kind| (kind, Vec::new())).collect() }
    }

    /// What `count` columns are called and are while they travel from one part of a plan to another.
    pub fn state_fields(
        args: &StateFieldsArgs,
        parameters: &[&str],
        count: usize,
    ) -> Vec<FieldRef> {
        let columns = args.input_fields.iter().take(count).zip(parameters);
        let fields = columns.map(|(field, name)| {
            let item = Field::new_list_field(field.data_type().clone(), true);
            Field::new_list(format_state_name(args.name, name), item, true).into()
        });
        fields.collect()
    }

    /// Takes more rows.
    pub fn add(&mut self, values: &[ArrayRef]) {
        for ((_, pieces), values) in self.columns.iter_mut().zip(values) {
            if !values.is_empty() {
                pieces.push(values.clone());
            }
        }
    }

    /// Takes the rows of others.
    pub fn merge(&mut self, states: &[ArrayRef]) {
        let groups = states.first().map_or(0, |state| state.len());
        for group in 0..groups {
            let rows: Vec<ArrayRef> = states
                .iter()
                .filter(|state| state.is_valid(group))
                .map(|state| state.as_list::<i32>().value(group))
                .collect();
            self.add(&rows);
        }
    }

    /// All rows, a list for each column.
    pub fn state(&self) -> Result<Vec<ScalarValue>> {
        (0..self.columns.len())
            .map(|at| {
                let column = self.column(at)?;
                Ok(SingleRowListArrayBuilder::new(column).with_nullable(true).build_list_scalar())
            })
            .collect()
    }

    /// One column, whole.
    pub fn column(&self, at: usize) -> Result<ArrayRef> {
        let Some((kind, pieces)) = self.columns.get(at) else {
            return internal_err!("there is no column {at}");
        };
        if pieces.is_empty() {
            return Ok(new_empty_array(kind));
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        Ok(concat(&pieces)?)
    }

    /// Bytes of all rows.
    pub fn size(&self) -> usize {
        let pieces = self.columns.iter().flat_map(|(_, pieces)| pieces);
        pieces.map(|piece| piece.to_data().get_slice_memory_size().unwrap_or(0)).sum()
    }
}
