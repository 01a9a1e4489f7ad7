//! What all functions that embed have in common: the type of their result, rows that fail, and
//! letting the engine's other tasks go on meanwhile.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion_expr::ColumnarValue;
use portolan_models::{Embedded, Error, Manifest};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::settings::Settings;
use crate::shortened::shortened;
use crate::work::{RowFailure, Work};

/// `VECTOR(dims)`.
pub fn vector_type(dims: usize) -> Result<DataType> {
    let dims = i32::try_from(dims)
        .map_err(|_| exec_datafusion_err!("vectors of {dims} dimensions are too long"))?;
    Ok(DataType::FixedSizeList(item(), dims))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

/// The length of a model's vectors: its own, or a shorter one that they can be cut to.
pub fn dims(function: &str, manifest: &Manifest, wanted: Option<i64>) -> Result<usize> {
    let Some(wanted) = wanted else { return Ok(manifest.dims) };
    match usize::try_from(wanted) {
        Ok(dims) if (manifest.min_dims..=manifest.dims).contains(&dims) => Ok(dims),
        _ if manifest.min_dims == manifest.dims => plan_err!(
            "{function}: vectors of {} have {} dimensions and cannot be cut to {wanted}",
            manifest.name,
            manifest.dims
        ),
        _ => plan_err!(
            "{function}: vectors of {} have {} to {} dimensions, not {wanted}",
            manifest.name,
            manifest.min_dims,
            manifest.dims
        ),
    }
}

/// An error of the models as one of the engine.
pub fn failure(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// An error of the kernels as one of the engine.
pub fn kernel_failure(error: portolan_kernels::Error) -> DataFusionError {
    exec_datafusion_err!("{error}")
}

/// The vectors of some rows. Rows without an input are NULL; so are rows that fail, where the
/// session says so, and otherwise the first of them is the error.
pub fn embed<I: Copy>(
    function: &'static str,
    config: &ConfigOptions,
    settings: &Settings,
    inputs: &[Option<I>],
    dims: usize,
    show: impl Fn(I) -> String,
    run: impl FnOnce(&[I], &Work) -> Result<Embedded, Error>,
) -> Result<ArrayRef> {
    let work = config.extensions.get::<Work>().cloned().unwrap_or_default();
    let given: Vec<I> = inputs.iter().copied().flatten().collect();
    let lone = inputs.len() == 1;
    let embedded = if given.is_empty() {
        Embedded { dims, ..Embedded::default() }
    } else if let Some(reason) = work.why_unanswered().filter(|_| lone) {
        return Err(failure(Error::Remote(reason.to_string())));
    } else {
        let ran = aside(|| work.timed(|| run(&given, &work)));
        if let (Err(Error::Remote(reason)), true) = (&ran, lone) {
            work.unanswered(reason);
        }
        ran.map_err(failure)?
    };
    let mut failed = vec![false; given.len()];
    // Of the rows that have an input, which of all rows they are.
    let places: Vec<usize> = match embedded.failures.is_empty() {
        true => Vec::new(),
        false => (0..inputs.len()).filter(|&row| inputs[row].is_some()).collect(),
    };
    for (row, error) in &embedded.failures {
        let (Some(input), Some(place)) = (given.get(*row), places.get(*row)) else { continue };
        let input = shortened(&show(*input));
        if settings.get("on_error") != Some("null") {
            let row = work.keys().map(|keys| format!(" in the row with {}", keys.named(*place)));
            let row = row.unwrap_or_default();
            return Err(exec_datafusion_err!("{function}('{input}'){row}: {error}"));
        }
        let key = work.keys().map(|keys| keys.text(*place));
        work.failed(RowFailure { function, key, input, reason: error.to_string() });
        failed[*row] = true;
    }
    let mut values = embedded.values;
    let mut next = 0;
    let valid: Vec<bool> = inputs
        .iter()
        .map(|input| {
            input.is_some() && {
                next += 1;
                !failed[next - 1]
            }
        })
        .collect();
    if given.len() < inputs.len() {
        values = spread(&values, inputs, dims);
    }
    let length = i32::try_from(dims).map_err(|error| exec_datafusion_err!("{error}"))?;
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let values = Arc::new(Float32Array::from(values));
    Ok(Arc::new(FixedSizeListArray::try_new(item(), length, values, nulls)?))
}

/// Vectors of the rows that have an input, with zeros for the others.
fn spread<I>(values: &[f32], inputs: &[Option<I>], dims: usize) -> Vec<f32> {
    let mut spread = vec![0.0; inputs.len() * dims];
    let rows = spread.chunks_exact_mut(dims).zip(inputs).filter(|(_, input)| input.is_some());
    for ((row, _), vector) in rows.zip(values.chunks_exact(dims)) {
        row.copy_from_slice(vector);
    }
    spread
}

/// A function's value: the array, or its only row where all arguments were constants.
pub fn value(vectors: ArrayRef, is_scalar: bool) -> Result<ColumnarValue> {
    Ok(if is_scalar {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&vectors, 0)?)
    } else {
        ColumnarValue::Array(vectors)
    })
}

/// Does something that takes long, while the other tasks of this thread go on elsewhere.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Float32Type;

    fn run(settings: &Settings, config: &ConfigOptions) -> Result<ArrayRef> {
        let inputs = [Some("a"), None, Some("bad"), Some("c")];
        embed("f", config, settings, &inputs, 2, str::to_string, |texts, _| {
            assert_eq!(texts, ["a", "bad", "c"]);
            Ok(Embedded {
                dims: 2,
                values: vec![1.0, 2.0, 0.0, 0.0, 5.0, 6.0],
                failures: vec![(1, Error::Input("is bad".to_string()))],
                tokens: None,
            })
        })
    }

    #[test]
    fn a_row_that_fails_is_the_error_or_null() {
        let mut config = ConfigOptions::new();
        let work = Work::default();
        config.extensions.insert(work.clone());
        let mut settings = Settings::default();
        let error = run(&settings, &config).unwrap_err().to_string();
        assert!(error.contains("f('bad'): is bad"), "{error}");

        datafusion_common::config::ExtensionOptions::set(&mut settings, "on_error", "null")
            .unwrap();
        let vectors = run(&settings, &config).unwrap();
        let nulls: Vec<bool> = (0..4).map(|row| vectors.is_null(row)).collect();
        assert_eq!(nulls, [false, true, true, false]);
        let last = vectors.as_fixed_size_list().value(3);
        assert_eq!(last.as_primitive::<Float32Type>().values(), &[5.0, 6.0]);
        assert_eq!(work.usage().failed, 1);
        assert_eq!(work.take_failures()[0].input, "bad");
    }
}
