//! `'[0.1, 0.2]'::VECTOR(2)`: text as a vector.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListBuilder, Float32Builder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::shortened::shortened;

/// What `CAST(text AS VECTOR(n))` is planned as: Arrow has no such cast.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VectorFromText {
    target: DataType,
    signature: Signature,
}

impl VectorFromText {
    /// The cast to `target`, a fixed-size list of floats.
    pub fn new(target: DataType) -> Self {
        Self { target, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for VectorFromText {
    fn name(&self) -> &str {
        "vector_from_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text] = args.args.as_slice() else {
            return internal_err!("vector_from_text takes one argument");
        };
        let DataType::FixedSizeList(_, dims) = &self.target else {
            return internal_err!("vector_from_text makes vectors, not {}", self.target);
        };
        let is_scalar = matches!(text, ColumnarValue::Scalar(_));
        let text = cast(&text.to_array(args.number_rows)?, &DataType::Utf8)?;
        let vectors = parse_all(&text, *dims)?;
        let vectors = cast(&vectors, &self.target)?;
        Ok(if is_scalar && !vectors.is_empty() {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&vectors, 0)?)
        } else {
            ColumnarValue::Array(vectors)
        })
    }
}

fn parse_all(text: &ArrayRef, dims: i32) -> Result<ArrayRef> {
    let text = text.as_string::<i32>();
    let width = usize::try_from(dims).unwrap_or(0);
    let mut vectors = FixedSizeListBuilder::with_capacity(Float32Builder::new(), dims, text.len())
        .with_field(Arc::new(Field::new("item", DataType::Float32, true)));
    for value in text.iter() {
        match value {
            Some(value) => {
                let numbers = parse(value)?;
                if numbers.len() != width {
                    return exec_err!(
                        "'{}' has {} numbers, but VECTOR({dims}) has {dims}; give as many",
                        shortened(value),
                        numbers.len()
                    );
                }
                vectors.values().append_slice(&numbers);
                vectors.append(true);
            }
            None => {
                vectors.values().append_nulls(width);
                vectors.append(false);
            }
        }
    }
    Ok(Arc::new(vectors.finish()))
}

fn parse(text: &str) -> Result<Vec<f32>> {
    let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(inner) = inner else {
        return exec_err!("'{}' is not a vector; write it as '[0.1, 0.2]'", shortened(text));
    };
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::new();
    for (index, part) in inner.split(',').enumerate() {
        match part.trim().parse::<f32>() {
            Ok(number) if number.is_finite() => numbers.push(number),
            _ => {
                return exec_err!(
                    "'{}' is not a vector: number {} is '{}'; write it as '[0.1, 0.2]'",
                    shortened(text),
                    index + 1,
                    shortened(part.trim())
                );
            }
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_brackets() {
        assert_eq!(parse(" [0.5, -1e3 ,2] ").unwrap(), [0.5, -1000.0, 2.0]);
        assert!(parse("[]").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("1, 2", "is not a vector"),
            ("[1, two]", "number 2 is 'two'"),
            ("[1,,2]", "number 2 is ''"),
            ("[NaN]", "number 1 is 'NaN'"),
            ("[1e99]", "number 1 is '1e99'"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
