//! Sums, differences and multiples of vectors: `v + w`, `v - w`, `v * s`, `v / s`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type};
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl,
    Signature,
};

use super::operand::{coerced, dense, dims_of, item_field, vectors_of};
use crate::fingerprint::Fingerprint;
use crate::scalar::{arguments, vectors};
use crate::shortened::shortened;

/// The sum or difference of two vectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VectorArithmetic {
    subtract: bool,
    signature: Signature,
}

impl VectorArithmetic {
    /// `vector_add`.
    pub fn add() -> Self {
        Self { subtract: false, signature: arguments::signature(&["a", "b"]) }
    }

    /// `vector_subtract`.
    pub fn subtract() -> Self {
        Self { subtract: true, signature: arguments::signature(&["a", "b"]) }
    }
}

impl ScalarUDFImpl for VectorArithmetic {
    fn name(&self) -> &str {
        if self.subtract { "vector_subtract" } else { "vector_add" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() != 2 {
            return plan_err!("{} takes two vectors, not {}", self.name(), types.len());
        }
        types.iter().map(|given| coerced(self.name(), given)).collect()
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("{} says its type by its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [a, b] = args.arg_fields else {
            return internal_err!("{} takes two vectors", self.name());
        };
        let (first, second) = (dims_of(a.data_type()), dims_of(b.data_type()));
        if let (Some(first), Some(second)) = (first, second)
            && first != second
        {
            return plan_err!(
                "'{}' has {first} dimensions and '{}' has {second}; only vectors of one length can be added up",
                shortened(a.name()),
                shortened(b.name())
            );
        }
        Fingerprint::check(a, b)?;
        let field = Field::new(self.name(), vector_or_list(first.or(second)), true);
        let from = if Fingerprint::of(a).is_some() { a } else { b };
        Ok(Arc::new(Fingerprint::carry(from, field)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b] = args.args.as_slice() else {
            return internal_err!("{} takes two vectors", self.name());
        };
        let constant = args.args.iter().all(|given| matches!(given, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let known = dims_of(&a.data_type()).or(dims_of(&b.data_type()));
        let left = dense(self.name(), &a.to_array(rows)?, known)?;
        let right = dense(self.name(), &b.to_array(rows)?, known.or(Some(left.dims)))?;
        let sign = if self.subtract { -1.0 } else { 1.0 };
        let sums = left.values.full();
        let sums = sums.iter().zip(&right.values.full()[..]).map(|(x, y)| x + sign * y).collect();
        let nulls = NullBuffer::union(left.nulls.as_ref(), right.nulls.as_ref());
        let made = vectors_of(sums, left.dims, nulls)?;
        vectors::value(cast(&made, args.return_field.data_type())?, constant)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(if self.subtract { &SUBTRACT } else { &ADD })
    }
}

/// A vector times a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VectorScale {
    divide: bool,
    signature: Signature,
}

impl VectorScale {
    /// `vector_scale`.
    pub fn multiply() -> Self {
        Self { divide: false, signature: arguments::signature(&["v", "factor"]) }
    }

    /// `vector_divide`.
    pub fn divide() -> Self {
        Self { divide: true, signature: arguments::signature(&["v", "divisor"]) }
    }
}

impl ScalarUDFImpl for VectorScale {
    fn name(&self) -> &str {
        if self.divide { "vector_divide" } else { "vector_scale" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [vector, number] = types else {
            return plan_err!("{} takes a vector and a number", self.name());
        };
        if !number.is_numeric() && !number.is_null() {
            return plan_err!("{} takes a vector and a number, not {number}", self.name());
        }
        Ok(vec![coerced(self.name(), vector)?, DataType::Float32])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("{} says its type by its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Some(vector) = args.arg_fields.first() else {
            return internal_err!("{} takes a vector and a number", self.name());
        };
        let kind = vector_or_list(dims_of(vector.data_type()));
        Ok(Arc::new(Fingerprint::carry(vector, Field::new(self.name(), kind, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [vector, number] = args.args.as_slice() else {
            return internal_err!("{} takes a vector and a number", self.name());
        };
        let constant = args.args.iter().all(|given| matches!(given, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let vectors = dense(self.name(), &vector.to_array(rows)?, None)?;
        let numbers = number.to_array(rows)?;
        let numbers = numbers.as_primitive::<Float32Type>();
        let values = vectors.values.full();
        let mut scaled = Vec::with_capacity(values.len());
        for (row, factor) in values.chunks_exact(vectors.dims.max(1)).zip(numbers.values()) {
            let factor = if self.divide { 1.0 / factor } else { *factor };
            scaled.extend(row.iter().map(|x| x * factor));
        }
        let nulls = NullBuffer::union(vectors.nulls.as_ref(), numbers.nulls());
        let made = vectors_of(scaled, vectors.dims, nulls)?;
        vectors::value(cast(&made, args.return_field.data_type())?, constant)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(if self.divide { &DIVIDE } else { &MULTIPLY })
    }
}

/// `VECTOR(dims)`, or a list where the length is not known.
pub fn vector_or_list(dims: Option<usize>) -> DataType {
    let item = item_field(DataType::Float32);
    match dims.map(i32::try_from) {
        Some(Ok(dims)) => DataType::FixedSizeList(item, dims),
        _ => DataType::List(item),
    }
}

fn document(call: &str, text: &str, example: &str) -> Documentation {
    let section = DocSection { include: true, label: "Vectors", description: None };
    Documentation::builder(section, text, call)
        .with_sql_example(format!("```sql\nSELECT {example} FROM notes;\n```"))
        .build()
}

static ADD: LazyLock<Documentation> = LazyLock::new(|| {
    document("vector_add(a, b)", "The sum of two vectors, also written `a + b`.", "v + w")
});

static SUBTRACT: LazyLock<Documentation> = LazyLock::new(|| {
    document(
        "vector_subtract(a, b)",
        "The difference of two vectors, also written `a - b`.",
        "v - w",
    )
});

static MULTIPLY: LazyLock<Documentation> = LazyLock::new(|| {
    document("vector_scale(v, factor)", "A vector times a number, also written `v * 2`.", "v * 2")
});

static DIVIDE: LazyLock<Documentation> = LazyLock::new(|| {
    document(
        "vector_divide(v, divisor)",
        "A vector divided by a number, also written `v / 2`.",
        "v / 2",
    )
});
