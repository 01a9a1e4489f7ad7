//! `cosine(v, [0.1, …])` with its vector taken in: `cosine([0.1, …])(v)`. A planner compares and
//! hashes expressions many times over; here that costs as much for a thousand numbers as for one.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::between::{Between, Ranking};
use crate::scalar::vectors;

/// Longer vectors are not written whole where a person reads.
const MOST_NUMBERS: usize = 16;

/// A function of two vectors of which one is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToOne {
    between: Between,
    one: Arc<One>,
    signature: Signature,
}

impl ToOne {
    /// What `between` says of a vector and this one.
    pub fn new(between: Between, one: Vec<f32>) -> Self {
        let one = Arc::new(One::new(&between, one));
        Self { between, one, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// The vector.
    pub fn one(&self) -> &[f32] {
        &self.one.numbers
    }

    /// How it ranks rows, where a search can do the same.
    pub fn ranking(&self) -> Option<Ranking> {
        self.between.ranking()
    }
}

impl ScalarUDFImpl for ToOne {
    fn name(&self) -> &str {
        &self.one.name
    }

    /// Where a name must be of this vector alone, all of its numbers are in it.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let whole = self.one.whole.get_or_init(|| named(&self.between, &self.one.numbers));
        let of: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("{whole}({})", of.join(",")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.between.result())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.between.name(), self.between.result(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(many)] => {
                vectors::value(self.between.to_one(&self.one.numbers, many)?, false)
            }
            [ColumnarValue::Scalar(other)] => {
                let other = other.to_array()?;
                vectors::value(self.between.to_one(&self.one.numbers, &other)?, true)
            }
            _ => internal_err!("{} takes one vector", self.name()),
        }
    }
}

/// The vector, its name and its hash.
#[derive(Debug)]
struct One {
    numbers: Vec<f32>,
    hash: u64,
    name: String,
    whole: OnceLock<String>,
}

impl One {
    fn new(between: &Between, numbers: Vec<f32>) -> Self {
        let mut hasher = DefaultHasher::new();
        numbers.iter().for_each(|x| x.to_bits().hash(&mut hasher));
        let name = match numbers.get(..3) {
            Some([a, b, c]) if numbers.len() > MOST_NUMBERS => {
                format!("{}([{a:?}, {b:?}, {c:?}, … {} numbers])", between.name(), numbers.len())
            }
            _ => named(between, &numbers),
        };
        Self { numbers, hash: hasher.finish(), name, whole: OnceLock::new() }
    }
}

fn named(between: &Between, numbers: &[f32]) -> String {
    let mut name = format!("{}([", between.name());
    for (at, x) in numbers.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(name, "{comma}{x:?}");
    }
    name.push_str("])");
    name
}

/// The same are vectors of the same bits: 0 and -0 are two, and NaN is itself.
impl PartialEq for One {
    fn eq(&self, other: &Self) -> bool {
        let bits = |x: &f32| x.to_bits();
        let same = || self.numbers.iter().map(bits).eq(other.numbers.iter().map(bits));
        std::ptr::eq(self, other) || (self.hash == other.hash && same())
    }
}

impl Eq for One {}

impl Hash for One {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use datafusion_expr::ScalarUDF;

    use super::*;

    fn hash(function: &ToOne) -> u64 {
        let mut hasher = DefaultHasher::new();
        function.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn two_are_the_same_if_function_and_vector_are() {
        let one = ToOne::new(Between::cosine(), vec![1.0, 0.0]);
        let same = ToOne::new(Between::cosine(), vec![1.0, 0.0]);
        assert_eq!(one, same);
        assert_eq!(hash(&one), hash(&same));
        assert_ne!(one, ToOne::new(Between::l2_distance(), vec![1.0, 0.0]));
        assert_ne!(one, ToOne::new(Between::cosine(), vec![1.0, -0.0]));
        assert_ne!(one, ToOne::new(Between::cosine(), vec![0.0, 1.0]));
        assert_ne!(one, ToOne::new(Between::cosine(), vec![1.0]));
    }

    #[test]
    fn vectors_that_begin_alike_have_two_names_in_a_schema() {
        let long = |last: f32| {
            let mut numbers = vec![0.5; 20];
            numbers.push(last);
            ToOne::new(Between::cosine(), numbers)
        };
        let (one, other) = (long(1.0), long(2.0));
        assert_eq!(one.name(), "cosine([0.5, 0.5, 0.5, … 21 numbers])");
        assert_eq!(one.name(), other.name());
        let name = |function: ToOne| ScalarUDF::new_from_impl(function).schema_name(&[]).unwrap();
        assert_ne!(name(one), name(other));
    }
}
