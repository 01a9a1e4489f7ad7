//! What becomes of one vector: `normalize`, `truncate_vector`, `to_half`, `binarize`.

use std::sync::{Arc, LazyLock};

use arrow::array::BinaryBuilder;
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl,
    Signature,
};
use portolan_kernels::distance;

use super::operand::{Dense, coerced, dense, dims_of, item_field, vectors_of};
use crate::fingerprint::Fingerprint;
use crate::scalar::{arguments, vectors};

/// A function of one vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    kind: Kind,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Binarize,
    Normalize,
    ToHalf,
    Truncate,
}

impl Change {
    /// All of them.
    pub fn all() -> Vec<Self> {
        [Kind::Binarize, Kind::Normalize, Kind::ToHalf, Kind::Truncate]
            .into_iter()
            .map(|kind| Self { kind, signature: arguments::signature(kind.parameters()) })
            .collect()
    }

    /// The length to cut to.
    fn wanted(&self, given: &ColumnarValue, dims: usize) -> Result<usize> {
        let constants = arguments::constants(std::slice::from_ref(given));
        self.check_wanted(constants[0].map_or(Ok(None), whole)?, Some(dims))
    }

    fn check_wanted(&self, wanted: Option<i64>, dims: Option<usize>) -> Result<usize> {
        let Some(wanted) = wanted else {
            return plan_err!(
                "truncate_vector: dims must be a constant: it decides what the whole column is"
            );
        };
        match usize::try_from(wanted) {
            Ok(wanted) if wanted > 0 && dims.is_none_or(|dims| wanted <= dims) => Ok(wanted),
            _ => plan_err!(
                "truncate_vector: dims is 1 to {}, the length of the vector, not {wanted}",
                dims.map_or("…".to_string(), |dims| dims.to_string())
            ),
        }
    }
}

fn whole(value: &ScalarValue) -> Result<Option<i64>> {
    match value.cast_to(&DataType::Int64)? {
        ScalarValue::Int64(number) => Ok(number),
        _ => Ok(None),
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Binarize => "binarize",
            Self::Normalize => "normalize",
            Self::ToHalf => "to_half",
            Self::Truncate => "truncate_vector",
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        if self == Self::Truncate { &["v", "dims"] } else { &["v"] }
    }
}

impl ScalarUDFImpl for Change {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.kind.name();
        match (types, self.kind) {
            ([given], Kind::Binarize | Kind::Normalize | Kind::ToHalf) => {
                Ok(vec![coerced(name, given)?])
            }
            ([given, dims], Kind::Truncate) => {
                if !dims.is_integer() {
                    return plan_err!("truncate_vector: dims is a whole number, not {dims}");
                }
                Ok(vec![coerced(name, given)?, DataType::Int64])
            }
            _ => plan_err!("{name} takes {}", self.kind.parameters().join(", ")),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("{} says its type by its arguments", self.kind.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Some(given) = args.arg_fields.first() else {
            return internal_err!("{} takes a vector", self.kind.name());
        };
        let dims = dims_of(given.data_type());
        let number = match given.data_type() {
            DataType::FixedSizeList(item, _) => item.data_type().clone(),
            _ => DataType::Float32,
        };
        let vector = |number, dims: Option<usize>| match dims.map(i32::try_from) {
            Some(Ok(dims)) => DataType::FixedSizeList(item_field(number), dims),
            _ => DataType::List(item_field(number)),
        };
        let kind = match self.kind {
            Kind::Binarize => DataType::Binary,
            Kind::Normalize => vector(number, dims),
            Kind::ToHalf => vector(DataType::Float16, dims),
            Kind::Truncate => {
                let wanted = match args.scalar_arguments.get(1) {
                    Some(Some(value)) => whole(value)?,
                    _ => None,
                };
                vector(number, Some(self.check_wanted(wanted, dims)?))
            }
        };
        let field = Field::new(self.kind.name(), kind, true);
        // Bits are no vectors of the model's any more.
        let field = match (self.kind, Fingerprint::of(given)) {
            (Kind::Binarize, _) | (_, None) => field,
            (_, Some(mut made)) => {
                made.dims = dims_of(field.data_type()).unwrap_or(made.dims);
                made.mark(field)
            }
        };
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = self.kind.name();
        let Some(given) = args.args.first() else {
            return internal_err!("{name} takes a vector");
        };
        let constant = matches!(given, ColumnarValue::Scalar(_));
        let array = given.to_array(if constant { 1 } else { args.number_rows })?;
        let Dense { values, dims, nulls } = dense(name, &array, None)?;
        let values = values.full();
        let rows = values.chunks_exact(dims.max(1));
        let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        if self.kind == Kind::Binarize {
            let mut bits =
                BinaryBuilder::with_capacity(array.len(), array.len() * dims.div_ceil(8));
            for (row, numbers) in rows.enumerate() {
                if valid(row) { bits.append_value(signs(numbers)) } else { bits.append_null() }
            }
            return vectors::value(Arc::new(bits.finish()), constant);
        }
        let length = match self.kind {
            Kind::Truncate => match args.args.get(1) {
                Some(wanted) => self.wanted(wanted, dims)?,
                None => dims,
            },
            _ => dims,
        };
        let mut out = Vec::with_capacity(array.len() * length);
        let mut there = vec![true; array.len()];
        for (row, numbers) in rows.enumerate() {
            let from = out.len();
            out.extend_from_slice(&numbers[..length]);
            // A zero vector has no direction.
            there[row] =
                valid(row) && (self.kind == Kind::ToHalf || distance::normalize(&mut out[from..]));
        }
        let nulls = there.contains(&false).then(|| NullBuffer::from(there));
        let made = vectors_of(out, length, nulls)?;
        // Half vectors come back as such, and lists as lists.
        vectors::value(cast(&made, args.return_field.data_type())?, constant)
    }

    fn documentation(&self) -> Option<&Documentation> {
        DOCUMENTATION.iter().find(|(kind, _)| *kind == self.kind).map(|(_, text)| text)
    }
}

/// A bit for each number, set where it is positive; the first is the highest of the first byte.
fn signs(numbers: &[f32]) -> Vec<u8> {
    let byte = |eight: &[f32]| {
        eight.iter().enumerate().fold(0, |byte, (at, x)| byte | (u8::from(*x > 0.0) << (7 - at)))
    };
    numbers.chunks(8).map(byte).collect()
}

static DOCUMENTATION: LazyLock<Vec<(Kind, Documentation)>> = LazyLock::new(|| {
    let document = |kind: Kind, text: &str, example: &str| {
        let section = DocSection { include: true, label: "Vectors", description: None };
        let call = format!("{}({})", kind.name(), kind.parameters().join(", "));
        let mut documentation = Documentation::builder(section, text, call)
            .with_sql_example(format!("```sql\nSELECT {example};\n```"))
            .with_argument("v", "A vector, or a list of numbers.");
        if kind == Kind::Truncate {
            documentation =
                documentation.with_argument("dims", "How many numbers are kept; a constant.");
        }
        (kind, documentation.build())
    };
    vec![
        document(
            Kind::Binarize,
            "A bit for each number of a vector, set where it is positive, eight to a byte, the first highest.",
            "binarize([1, -1, 2, 0, 0, 0, 0, 3])",
        ),
        document(
            Kind::Normalize,
            "The vector of length 1 in the same direction. NULL for a zero vector.",
            "normalize([3, 4])",
        ),
        document(Kind::ToHalf, "The vector in half precision, as HALFVEC.", "to_half([3, 4])"),
        document(
            Kind::Truncate,
            "The first numbers of a vector, made length 1 again: how vectors of Matryoshka models are shortened.",
            "truncate_vector([3, 4, 12], 2)",
        ),
    ]
});
