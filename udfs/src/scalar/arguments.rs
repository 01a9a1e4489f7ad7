//! Arguments of functions whose last ones are constants with defaults: what may be given, what is
//! given, and one sentence where it is wrong.

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{ColumnarValue, Signature, TypeSignature, Volatility};

use crate::labels::{self, Label};

/// The signature of a function that checks its arguments itself. The result depends on them alone.
pub fn signature(parameters: &[&str]) -> Signature {
    let names = parameters.iter().map(ToString::to_string).collect::<Vec<_>>();
    let any = |count| TypeSignature::Any(count);
    let counts = (1..=parameters.len()).map(any).collect();
    let plain = Signature::new(TypeSignature::UserDefined, Volatility::Immutable);
    // Names need a fixed number of parameters; the coercion is the function's own all the same.
    match Signature::one_of(counts, Volatility::Immutable).with_parameter_names(names) {
        Ok(named) => Signature { type_signature: plain.type_signature, ..named },
        Err(_) => plain,
    }
}

/// The types that arguments are cast to, at their places.
pub fn coerce(
    function: &str,
    parameters: &[&str],
    wanted: &[DataType],
    given: &[DataType],
) -> Result<Vec<DataType>> {
    if given.is_empty() || given.len() > parameters.len() {
        return plan_err!(
            "{function} takes 1 to {} arguments ({}), not {}",
            parameters.len(),
            parameters.join(", "),
            given.len()
        );
    }
    for (place, ((name, kind), given)) in parameters.iter().zip(wanted).zip(given).enumerate() {
        let fits = match kind {
            DataType::Utf8 => given.is_string() || given.is_null() || is_text_dictionary(given),
            DataType::Int64 => given.is_integer() || given.is_null(),
            _ => true,
        };
        if !fits {
            let kind = if kind == &DataType::Utf8 { "a text" } else { "a whole number" };
            // Whoever leaves one out that comes before a text, such as a model's name.
            let texts = parameters.iter().zip(wanted).skip(place + 1);
            let later =
                texts.filter(|(_, kind)| **kind == DataType::Utf8).map(|(name, _)| name).next();
            let hint = match later.filter(|_| given.is_string()) {
                Some(later) => format!("{later} => … says that it is the {later}"),
                None => "cast it if that is what you mean".to_string(),
            };
            return plan_err!("{function}: {name} is {kind}, not {}; {hint}", type_name(given));
        }
    }
    // A NULL that stands for a default stays the constant that it is; cast, it would be none.
    let kept = |place: usize| place > 0 && given[place].is_null();
    let types = wanted.iter().take(given.len()).enumerate();
    Ok(types.map(|(at, wanted)| if kept(at) { DataType::Null } else { wanted.clone() }).collect())
}

fn is_text_dictionary(given: &DataType) -> bool {
    matches!(given, DataType::Dictionary(_, values) if values.is_string())
}

/// A type as SQL writes it, where it is a common one.
pub fn type_name(given: &DataType) -> String {
    match given {
        DataType::Boolean => "BOOLEAN".to_string(),
        DataType::Int32 => "INT".to_string(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".to_string(),
        DataType::Int64 => "BIGINT".to_string(),
        DataType::Float32 => "FLOAT".to_string(),
        DataType::Float64 => "DOUBLE".to_string(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_string(),
        DataType::FixedSizeList(item, n) if item.data_type() == &DataType::Float32 => {
            format!("VECTOR({n})")
        }
        other => other.to_string(),
    }
}

/// The arguments that are constants.
pub fn constants(arguments: &[ColumnarValue]) -> Vec<Option<&ScalarValue>> {
    arguments
        .iter()
        .map(|argument| match argument {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        })
        .collect()
}

/// The constants of one call, by their parameters' names.
pub struct Arguments<'a> {
    function: &'static str,
    parameters: &'static [&'static str],
    constants: &'a [Option<&'a ScalarValue>],
}

impl<'a> Arguments<'a> {
    /// Of a call with these constants; arguments that are none are `None`.
    pub fn new(
        function: &'static str,
        parameters: &'static [&'static str],
        constants: &'a [Option<&'a ScalarValue>],
    ) -> Self {
        Self { function, parameters, constants }
    }

    /// A text; `None` where it is not given or NULL.
    pub fn text(&self, parameter: &str) -> Result<Option<&'a str>> {
        match self.constant(parameter)? {
            None => Ok(None),
            Some(
                ScalarValue::Utf8(Some(text))
                | ScalarValue::LargeUtf8(Some(text))
                | ScalarValue::Utf8View(Some(text)),
            ) => Ok(Some(text)),
            Some(other) => {
                plan_err!("{}: {parameter} is a text, not {other}", self.function)
            }
        }
    }

    /// A whole number; `None` where it is not given or NULL.
    pub fn whole(&self, parameter: &str) -> Result<Option<i64>> {
        match self.constant(parameter)? {
            None => Ok(None),
            Some(other) => match other.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(Some(number))) if other.data_type().is_integer() => {
                    Ok(Some(number))
                }
                _ => plan_err!("{}: {parameter} is a whole number, not {other}", self.function),
            },
        }
    }

    /// A number; `None` where it is not given or NULL.
    pub fn number(&self, parameter: &str) -> Result<Option<f64>> {
        match self.constant(parameter)? {
            None => Ok(None),
            Some(other) => match other.cast_to(&DataType::Float64) {
                Ok(ScalarValue::Float64(Some(number))) if other.data_type().is_numeric() => {
                    Ok(Some(number))
                }
                _ => plan_err!("{}: {parameter} is a number, not {other}", self.function),
            },
        }
    }

    /// Yes or no; `None` where it is not given or NULL.
    pub fn flag(&self, parameter: &str) -> Result<Option<bool>> {
        match self.constant(parameter)? {
            None => Ok(None),
            Some(ScalarValue::Boolean(given)) => Ok(*given),
            Some(other) => {
                plan_err!("{}: {parameter} is true or false, not {other}", self.function)
            }
        }
    }

    /// A label; `None` where it is not given or NULL.
    pub fn label(&self, parameter: &str) -> Result<Option<Label>> {
        match self.constant(parameter)? {
            None => Ok(None),
            Some(value) if labels::kind(&value.data_type()).is_none() => plan_err!(
                "{}: {parameter} is a TEXT, a whole number or a BOOLEAN, not {value}",
                self.function
            ),
            Some(value) => Label::of(value),
        }
    }

    fn constant(&self, parameter: &str) -> Result<Option<&'a ScalarValue>> {
        let place = self.parameters.iter().position(|name| *name == parameter);
        match place.and_then(|place| self.constants.get(place)) {
            None => Ok(None),
            Some(Some(value)) if value.is_null() => Ok(None),
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => plan_err!(
                "{}: {parameter} must be a constant: it decides what the whole column is",
                self.function
            ),
        }
    }
}
