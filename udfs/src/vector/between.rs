//! What lies between two vectors: `cosine`, `dot`, `l2_distance` and their like.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use portolan_kernels::distance::{self, Measure};

use super::operand::{Dense, Values, coerced, constant, dense, dims_of};
use super::to_one::ToOne;
use crate::fingerprint::Fingerprint;
use crate::scalar::{arguments, vectors};
use crate::shortened::shortened;

const PARAMETERS: &[&str] = &["a", "b"];

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Cosine,
    CosineDistance,
    Dot,
    L1Distance,
    L2Distance,
    HammingDistance,
}

/// A function of two vectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Between {
    name: &'static str,
    kind: Kind,
    /// DataFusion's function of that name, which keeps its meaning for what is not a `VECTOR`.
    given: Option<Arc<ScalarUDF>>,
    signature: Signature,
}

impl Between {
    fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, given: None, signature: arguments::signature(PARAMETERS) }
    }

    /// `cosine`.
    pub fn cosine() -> Self {
        Self::new("cosine", Kind::Cosine)
    }

    /// `l2_distance`.
    pub fn l2_distance() -> Self {
        Self::new("l2_distance", Kind::L2Distance)
    }

    /// All that are ours alone.
    pub fn ours() -> Vec<Self> {
        vec![
            Self::cosine(),
            Self::new("dot", Kind::Dot),
            Self::new("hamming_distance", Kind::HammingDistance),
            Self::new("l1_distance", Kind::L1Distance),
            Self::l2_distance(),
        ]
    }

    /// Ours for `VECTOR` and `HALFVEC`, in place of a function of the engine that keeps all else.
    pub fn instead_of(given: &Arc<ScalarUDF>) -> Option<Self> {
        let (name, kind) = match given.name() {
            "array_distance" => ("array_distance", Kind::L2Distance),
            "cosine_distance" => ("cosine_distance", Kind::CosineDistance),
            "inner_product" => ("inner_product", Kind::Dot),
            _ => return None,
        };
        Some(Self { given: Some(given.clone()), ..Self::new(name, kind) })
    }

    /// How it ranks rows by one vector, where a search can do the same; `None` for what the kernels
    /// do not measure.
    pub fn ranking(&self) -> Option<Ranking> {
        let descending = matches!(self.kind, Kind::Cosine | Kind::Dot);
        Some(Ranking { measure: self.measure()?, descending })
    }

    /// Whether the engine's function is asked: for anything but a vector of ours.
    fn theirs(&self, types: &[DataType]) -> Option<&Arc<ScalarUDF>> {
        self.given.as_ref().filter(|_| !types.iter().any(is_vector))
    }

    /// The engine's functions give DOUBLE.
    pub(super) fn result(&self) -> DataType {
        if self.given.is_some() { DataType::Float64 } else { DataType::Float32 }
    }

    /// Checks that two columns can meet.
    fn check(&self, fields: &[FieldRef]) -> Result<()> {
        let [a, b] = fields else {
            return internal_err!("{} takes two vectors", self.name);
        };
        if let (Some(first), Some(second)) = (dims_of(a.data_type()), dims_of(b.data_type()))
            && first != second
        {
            return plan_err!(
                "{}: '{}' has {first} dimensions and '{}' has {second}; only vectors of one length can be compared",
                self.name,
                shortened(a.name()),
                shortened(b.name())
            );
        }
        Fingerprint::check(a, b)
    }
}

/// An order of rows by how near their vectors are to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranking {
    /// What the order is by. Of a distance that is one less the cosine, the cosine.
    pub measure: Measure,
    /// Whether the function's larger values are the nearer ones.
    pub descending: bool,
}

/// Whether a type is `VECTOR` or `HALFVEC`.
pub fn is_vector(kind: &DataType) -> bool {
    matches!(kind, DataType::FixedSizeList(item, _)
        if matches!(item.data_type(), DataType::Float16 | DataType::Float32))
}

impl ScalarUDFImpl for Between {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        self.given.as_ref().map_or(&[], |given| given.aliases())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let Some(given) = self.theirs(types) {
            return given.coerce_types(types);
        }
        if types.len() != 2 {
            return plan_err!("{} takes two vectors, not {} arguments", self.name, types.len());
        }
        types.iter().map(|given| coerced(self.name, given)).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match self.theirs(types) {
            Some(given) => given.return_type(types),
            None => Ok(self.result()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        if let Some(given) = self.theirs(&types) {
            return given.return_field_from_args(args);
        }
        self.check(args.arg_fields)?;
        Ok(Arc::new(Field::new(self.name, self.result(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        if let Some(given) = self.theirs(&types) {
            return given.invoke_with_args(args);
        }
        let [a, b] = args.args.as_slice() else {
            return internal_err!("{} takes two vectors", self.name);
        };
        let (constant, numbers, nulls) = match (a, b) {
            (ColumnarValue::Scalar(a), ColumnarValue::Scalar(b)) => {
                let (numbers, nulls) = self.pairs(&a.to_array()?, &b.to_array()?)?;
                (true, numbers, nulls)
            }
            (ColumnarValue::Array(many), ColumnarValue::Scalar(one))
            | (ColumnarValue::Scalar(one), ColumnarValue::Array(many)) => {
                let (numbers, nulls) = self.one_to_many(&one.to_array()?, many)?;
                (false, numbers, nulls)
            }
            (ColumnarValue::Array(a), ColumnarValue::Array(b)) => {
                let (numbers, nulls) = self.pairs(a, b)?;
                (false, numbers, nulls)
            }
        };
        vectors::value(self.answers(numbers, nulls), constant)
    }

    /// A vector that is known is taken into the function.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let (of, one) = match args.as_slice() {
            [Expr::Literal(one, _), of] | [of, Expr::Literal(one, _)] => (of, constant(one)),
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        let kind = info.get_data_type(of)?;
        match one.filter(|one| is_vector(&kind) && dims_of(&kind) == Some(one.len())) {
            Some(one) => {
                let function = ScalarUDF::new_from_impl(ToOne::new(self.clone(), one));
                Ok(ExprSimplifyResult::Simplified(function.call(vec![of.clone()])))
            }
            None => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        match &self.given {
            Some(given) => given.documentation(),
            None => documentation(self.kind),
        }
    }
}

impl Between {
    fn one_to_many(
        &self,
        one: &ArrayRef,
        many: &ArrayRef,
    ) -> Result<(Vec<f32>, Option<NullBuffer>)> {
        let query = dense(self.name, one, dims_of(many.data_type()))?;
        if query.nulls.is_some_and(|nulls| nulls.null_count() > 0) {
            return Ok((vec![f32::NAN; many.len()], None));
        }
        self.near(&query.values.full(), many)
    }

    /// What it says of one vector, all of it there, and each of a column.
    pub(super) fn to_one(&self, one: &[f32], many: &ArrayRef) -> Result<ArrayRef> {
        let (numbers, nulls) = self.near(one, many)?;
        Ok(self.answers(numbers, nulls))
    }

    fn near(&self, one: &[f32], many: &ArrayRef) -> Result<(Vec<f32>, Option<NullBuffer>)> {
        let Dense { values, dims, nulls } = dense(self.name, many, Some(one.len()))?;
        self.same_dims(one.len(), dims)?;
        let mut numbers = vec![0.0; many.len()];
        let Some(measure) = self.measure() else {
            for (out, row) in numbers.iter_mut().zip(values.full().chunks_exact(dims.max(1))) {
                *out = signs_differ(one, row);
            }
            return Ok((numbers, nulls));
        };
        match &values {
            Values::Full(values) => {
                distance::one_to_many(measure, one, values.values(), &mut numbers)
            }
            Values::Half(values) => {
                distance::one_to_many(measure, one, values.values(), &mut numbers)
            }
        }
        .map_err(vectors::kernel_failure)?;
        self.finish(&mut numbers);
        Ok((numbers, nulls))
    }

    fn pairs(&self, a: &ArrayRef, b: &ArrayRef) -> Result<(Vec<f32>, Option<NullBuffer>)> {
        let known = dims_of(a.data_type()).or(dims_of(b.data_type()));
        if known.is_none() && a.len() > 1 {
            return self.lists(a, b);
        }
        let left = dense(self.name, a, known)?;
        let right = dense(self.name, b, known.or(Some(left.dims)))?;
        // A NULL has no length of its own.
        let nothing = |dense: &Dense| {
            dense.nulls.as_ref().is_some_and(|nulls| nulls.null_count() == nulls.len())
        };
        if nothing(&left) || nothing(&right) {
            return Ok((vec![f32::NAN; a.len()], None));
        }
        self.same_dims(left.dims, right.dims)?;
        let nulls = NullBuffer::union(left.nulls.as_ref(), right.nulls.as_ref());
        let (x, y) = (left.values.full(), right.values.full());
        let mut numbers = vec![0.0; a.len()];
        match self.measure() {
            Some(measure) => {
                distance::pairwise(measure, &x[..], &y[..], left.dims, &mut numbers)
                    .map_err(vectors::kernel_failure)?;
                self.finish(&mut numbers);
            }
            None => {
                let dims = left.dims.max(1);
                let rows = x.chunks_exact(dims).zip(y.chunks_exact(dims));
                for (out, (x, y)) in numbers.iter_mut().zip(rows) {
                    *out = signs_differ(x, y);
                }
            }
        }
        Ok((numbers, nulls))
    }

    /// Lists may have another length in every row.
    fn lists(&self, a: &ArrayRef, b: &ArrayRef) -> Result<(Vec<f32>, Option<NullBuffer>)> {
        let mut numbers = Vec::with_capacity(a.len());
        for row in 0..a.len() {
            let (found, nulls) = self.pairs(&a.slice(row, 1), &b.slice(row, 1))?;
            let null = nulls.is_some_and(|nulls| nulls.null_count() > 0);
            numbers.push(if null { f32::NAN } else { found[0] });
        }
        Ok((numbers, None))
    }

    fn same_dims(&self, first: usize, second: usize) -> Result<()> {
        if first == second {
            return Ok(());
        }
        plan_err!(
            "{}: vectors of {first} and {second} dimensions cannot be compared; both must be of one length",
            self.name
        )
    }

    /// None where the kernels do not measure it.
    fn measure(&self) -> Option<Measure> {
        match self.kind {
            Kind::Cosine | Kind::CosineDistance => Some(Measure::Cosine),
            Kind::Dot => Some(Measure::Dot),
            Kind::L1Distance => Some(Measure::L1),
            Kind::L2Distance => Some(Measure::SquaredL2),
            Kind::HammingDistance => None,
        }
    }

    /// The column of a function's results. What is no number, as the cosine of a zero vector, is
    /// NULL and never the best match.
    fn answers(&self, numbers: Vec<f32>, nulls: Option<NullBuffer>) -> ArrayRef {
        let numbers = numbers.into_iter().enumerate().map(|(row, x)| {
            let there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            (there && !x.is_nan()).then_some(x)
        });
        match self.result() {
            DataType::Float64 => {
                Arc::new(numbers.map(|x| x.map(f64::from)).collect::<Float64Array>())
            }
            _ => Arc::new(numbers.collect::<Float32Array>()),
        }
    }

    /// From what the kernels measure to what the function gives.
    fn finish(&self, numbers: &mut [f32]) {
        match self.kind {
            Kind::CosineDistance => numbers.iter_mut().for_each(|x| *x = 1.0 - *x),
            Kind::L2Distance => numbers.iter_mut().for_each(|x| *x = x.sqrt()),
            Kind::Cosine | Kind::Dot | Kind::L1Distance | Kind::HammingDistance => {}
        }
    }
}

/// In how many places one vector is positive and the other is not: the distance of their binarised
/// forms.
fn signs_differ(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).filter(|(x, y)| (**x > 0.0) != (**y > 0.0)).count() as f32
}

fn documentation(kind: Kind) -> Option<&'static Documentation> {
    static ALL: LazyLock<Vec<(Kind, Documentation)>> = LazyLock::new(|| {
        let document = |kind, name: &str, text: &str, example: &str| {
            let section = DocSection { include: true, label: "Vectors", description: None };
            let documentation = Documentation::builder(section, text, format!("{name}(a, b)"))
                .with_sql_example(format!("```sql\nSELECT {example};\n```"))
                .with_argument("a", "A vector, or a list of numbers.")
                .with_argument("b", "Another of the same length, and of the same model.")
                .build();
            (kind, documentation)
        };
        vec![
            document(
                Kind::Cosine,
                "cosine",
                "The cosine of the angle between two vectors: 1 for the same direction, -1 for the opposite. NULL where one of them is zero.",
                "cosine([1, 0], [1, 1])",
            ),
            document(
                Kind::Dot,
                "dot",
                "The inner product of two vectors: their cosine, if both have length 1.",
                "dot([1, 2], [3, 4])",
            ),
            document(
                Kind::HammingDistance,
                "hamming_distance",
                "In how many places one vector is positive and the other is not: the distance of what binarize makes of them.",
                "hamming_distance([1, -1], [1, 1])",
            ),
            document(
                Kind::L1Distance,
                "l1_distance",
                "The sum of the absolute differences of two vectors.",
                "l1_distance([1, 2], [3, 4])",
            ),
            document(
                Kind::L2Distance,
                "l2_distance",
                "The Euclidean distance of two vectors.",
                "l2_distance([1, 2], [4, 6])",
            ),
        ]
    });
    ALL.iter().find(|(known, _)| *known == kind).map(|(_, documentation)| documentation)
}
