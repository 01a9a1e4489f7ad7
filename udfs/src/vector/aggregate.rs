//! What sums many vectors up: `sum_vector`, `centroid`, `medoid`.

use std::cmp::Ordering;
use std::mem::size_of;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, UInt64Type};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDFImpl, DocSection, Documentation, Signature};
use portolan_kernels::distance;

use super::arithmetic::vector_or_list;
use super::operand::{coerced, dense, dims_of, item_field};
use crate::fingerprint::Fingerprint;
use crate::scalar::arguments;

/// The sum of vectors, or their mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VectorSum {
    mean: bool,
    signature: Signature,
}

impl VectorSum {
    /// `sum_vector`.
    pub fn sum() -> Self {
        Self { mean: false, signature: arguments::signature(&["v"]) }
    }

    /// `centroid`.
    pub fn centroid() -> Self {
        Self { mean: true, signature: arguments::signature(&["v"]) }
    }
}

impl AggregateUDFImpl for VectorSum {
    fn name(&self) -> &str {
        if self.mean { "centroid" } else { "sum_vector" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = types else {
            return plan_err!("{} takes one vector, not {} arguments", self.name(), types.len());
        };
        Ok(vec![coerced(self.name(), given)?])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(vector_or_list(types.first().and_then(dims_of)))
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let Some(given) = fields.first() else {
            return internal_err!("{} takes a vector", self.name());
        };
        let kind = vector_or_list(dims_of(given.data_type()));
        Ok(Arc::new(Fingerprint::carry(given, Field::new(self.name(), kind, true))))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let sums = DataType::List(item_field(DataType::Float64));
        Ok(vec![
            Arc::new(Field::new(format!("{}[sums]", args.name), sums, true)),
            Arc::new(Field::new(format!("{}[count]", args.name), DataType::UInt64, true)),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sums {
            name: if self.mean { "centroid" } else { "sum_vector" },
            mean: self.mean,
            result: args.return_field.data_type().clone(),
            sums: Vec::new(),
            count: 0,
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(if self.mean { &CENTROID } else { &SUM })
    }
}

/// In f64, so that the order of the rows is not seen in f32.
#[derive(Debug)]
struct Sums {
    name: &'static str,
    mean: bool,
    result: DataType,
    sums: Vec<f64>,
    count: u64,
}

impl Sums {
    /// Makes room for vectors of this length, which must be that of those before.
    fn fit(&mut self, dims: usize) -> Result<()> {
        if self.sums.is_empty() {
            self.sums = vec![0.0; dims];
        }
        if self.sums.len() == dims {
            return Ok(());
        }
        exec_err!(
            "{}: vectors of {} and {dims} dimensions cannot meet; all must be of one length",
            self.name,
            self.sums.len()
        )
    }
}

impl Accumulator for Sums {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else { return Ok(()) };
        let rows = dense(self.name, array, None)?;
        let numbers = rows.values.full();
        for (row, numbers) in numbers.chunks_exact(rows.dims.max(1)).enumerate() {
            if rows.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            self.fit(rows.dims)?;
            for (sum, x) in self.sums.iter_mut().zip(numbers) {
                *sum += f64::from(*x);
            }
            self.count += 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else {
            return internal_err!("{} has two parts of state", self.name);
        };
        let (sums, counts) = (sums.as_list::<i32>(), counts.as_primitive::<UInt64Type>());
        for row in 0..sums.len() {
            if sums.is_null(row) || counts.is_null(row) || counts.value(row) == 0 {
                continue;
            }
            let numbers = sums.value(row);
            let numbers = numbers.as_primitive::<Float64Type>().values();
            self.fit(numbers.len())?;
            for (sum, x) in self.sums.iter_mut().zip(numbers) {
                *sum += x;
            }
            self.count += counts.value(row);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sums: Vec<ScalarValue> = self.sums.iter().map(|x| ScalarValue::from(*x)).collect();
        let sums = ScalarValue::new_list(&sums, &DataType::Float64, true);
        Ok(vec![ScalarValue::List(sums), ScalarValue::from(self.count)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.result);
        }
        let share = if self.mean { self.count as f64 } else { 1.0 };
        let numbers: Vec<ScalarValue> =
            self.sums.iter().map(|x| ScalarValue::from((x / share) as f32)).collect();
        let list = ScalarValue::List(ScalarValue::new_list(&numbers, &DataType::Float32, true));
        list.cast_to(&self.result)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.capacity() * size_of::<f64>()
    }
}

/// The row in the middle of others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Medoid {
    signature: Signature,
}

impl Default for Medoid {
    fn default() -> Self {
        Self { signature: arguments::signature(&["v", "id"]) }
    }
}

impl AggregateUDFImpl for Medoid {
    fn name(&self) -> &str {
        "medoid"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given, id] = types else {
            return plan_err!("medoid takes a vector and an id, not {} arguments", types.len());
        };
        Ok(vec![coerced("medoid", given)?, id.clone()])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.get(1).cloned().map_or_else(|| internal_err!("medoid takes a vector and an id"), Ok)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let Some(id) = args.input_fields.get(1) else {
            return internal_err!("medoid takes a vector and an id");
        };
        let list = |kind| DataType::List(item_field(kind));
        Ok(vec![
            Arc::new(Field::new(format!("{}[v]", args.name), list(DataType::Float32), true)),
            Arc::new(Field::new(format!("{}[id]", args.name), list(id.data_type().clone()), true)),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let id = args.return_field.data_type().clone();
        Ok(Box::new(Middle { id, dims: 0, units: Vec::new(), ids: Vec::new() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&MEDOID)
    }
}

/// All rows: which is in the middle is known only when all have been seen.
#[derive(Debug)]
struct Middle {
    id: DataType,
    dims: usize,
    /// Vectors of length 1.
    units: Vec<f32>,
    ids: Vec<ScalarValue>,
}

impl Middle {
    fn add(&mut self, vector: &[f32], id: ScalarValue) -> Result<()> {
        if self.ids.is_empty() {
            self.dims = vector.len();
        }
        if self.dims != vector.len() {
            return exec_err!(
                "medoid: vectors of {} and {} dimensions cannot meet; all must be of one length",
                self.dims,
                vector.len()
            );
        }
        let from = self.units.len();
        self.units.extend_from_slice(vector);
        // A zero vector has no direction and is in no middle.
        if distance::normalize(&mut self.units[from..]) {
            self.ids.push(id);
        } else {
            self.units.truncate(from);
        }
        Ok(())
    }
}

impl Accumulator for Middle {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [vectors, ids] = values else {
            return internal_err!("medoid takes a vector and an id");
        };
        let rows = dense("medoid", vectors, None)?;
        let numbers = rows.values.full();
        for (row, numbers) in numbers.chunks_exact(rows.dims.max(1)).enumerate() {
            let there = rows.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if there && ids.is_valid(row) {
                self.add(numbers, ScalarValue::try_from_array(ids, row)?)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [vectors, ids] = states else { return internal_err!("medoid has two parts of state") };
        let (vectors, ids) = (vectors.as_list::<i32>(), ids.as_list::<i32>());
        for row in 0..vectors.len() {
            if vectors.is_null(row) || ids.is_null(row) || ids.value_length(row) == 0 {
                continue;
            }
            let (numbers, ids) = (vectors.value(row), ids.value(row));
            let numbers = numbers.as_primitive::<Float32Type>().values();
            for (at, vector) in numbers.chunks_exact(numbers.len() / ids.len()).enumerate() {
                self.add(vector, ScalarValue::try_from_array(&ids, at)?)?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let units: Vec<ScalarValue> = self.units.iter().map(|x| ScalarValue::from(*x)).collect();
        let units = ScalarValue::new_list(&units, &DataType::Float32, true);
        let ids = ScalarValue::new_list(&self.ids, &self.id, true);
        Ok(vec![ScalarValue::List(units), ScalarValue::List(ids)])
    }

    /// The sum of cosines to all others is the product with the sum of all.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = vec![0.0f64; self.dims];
        for unit in self.units.chunks_exact(self.dims.max(1)) {
            for (sum, x) in sum.iter_mut().zip(unit) {
                *sum += f64::from(*x);
            }
        }
        let near = |unit: &[f32]| unit.iter().zip(&sum).map(|(x, y)| f64::from(*x) * y).sum();
        let mut best: Option<(f64, &ScalarValue)> = None;
        for (unit, id) in self.units.chunks_exact(self.dims.max(1)).zip(&self.ids) {
            let score: f64 = near(unit);
            let better = best.is_none_or(|(most, known)| {
                score > most || (score == most && id.partial_cmp(known) == Some(Ordering::Less))
            });
            if better {
                best = Some((score, id));
            }
        }
        best.map_or_else(|| ScalarValue::try_from(&self.id), |(_, id)| Ok(id.clone()))
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.units.capacity() * size_of::<f32>()
            + self.ids.iter().map(ScalarValue::size).sum::<usize>()
    }
}

fn document(call: &str, text: &str, arguments: &[(&str, &str)]) -> Documentation {
    let section = DocSection { include: true, label: "Vectors", description: None };
    let mut documentation = Documentation::builder(section, text, call)
        .with_sql_example(format!("```sql\nSELECT topic, {call} FROM notes GROUP BY topic;\n```"));
    for (name, text) in arguments {
        documentation = documentation.with_argument(*name, *text);
    }
    documentation.build()
}

static CENTROID: LazyLock<Documentation> = LazyLock::new(|| {
    document("centroid(v)", "The mean of vectors.", &[("v", "Vectors of one length.")])
});

static SUM: LazyLock<Documentation> = LazyLock::new(|| {
    document("sum_vector(v)", "The sum of vectors.", &[("v", "Vectors of one length.")])
});

static MEDOID: LazyLock<Documentation> = LazyLock::new(|| {
    document(
        "medoid(v, id)",
        "The id of the row in the middle: the one whose cosines to all others have the greatest sum. Of several the lowest id.",
        &[("v", "Vectors of one length."), ("id", "What is given back.")],
    )
});
