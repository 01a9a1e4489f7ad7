//! `norm(v)`: the length of a vector.

use std::sync::{Arc, LazyLock};

use arrow::array::Float32Array;
use arrow::datatypes::DataType;
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use portolan_kernels::distance;

use super::operand::{coerced, dense};
use crate::scalar::{arguments, vectors};

/// The function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Norm {
    signature: Signature,
}

impl Default for Norm {
    fn default() -> Self {
        Self { signature: arguments::signature(&["v"]) }
    }
}

impl ScalarUDFImpl for Norm {
    fn name(&self) -> &str {
        "norm"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = types else {
            return plan_err!("norm takes one vector, not {} arguments", types.len());
        };
        Ok(vec![coerced("norm", given)?])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [given] = args.args.as_slice() else {
            return internal_err!("norm takes one vector");
        };
        let constant = matches!(given, ColumnarValue::Scalar(_));
        let array = given.to_array(if constant { 1 } else { args.number_rows })?;
        let mut norms = Vec::with_capacity(array.len());
        if array.data_type().is_nested() && matches!(array.data_type(), DataType::List(_)) {
            // Lists may have another length in every row.
            for row in 0..array.len() {
                let row = dense("norm", &array.slice(row, 1), None)?;
                let null = row.nulls.is_some_and(|nulls| nulls.null_count() > 0);
                norms.push((!null).then(|| distance::norm(&row.values.full()[..])));
            }
        } else {
            let rows = dense("norm", &array, None)?;
            let values = rows.values.full();
            norms.extend(values.chunks_exact(rows.dims.max(1)).enumerate().map(|(at, row)| {
                let there = rows.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at));
                there.then(|| distance::norm(row))
            }));
        }
        vectors::value(Arc::new(Float32Array::from(norms)), constant)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let section = DocSection { include: true, label: "Vectors", description: None };
    Documentation::builder(section, "The length of a vector.", "norm(v)")
        .with_sql_example("```sql\nSELECT norm([3, 4]);\n```")
        .with_argument("v", "A vector, or a list of numbers.")
        .build()
});
