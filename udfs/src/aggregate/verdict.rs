//! What aggregates have in common that judge given labels by true ones: pairs of both are counted.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StructArray, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, UInt64Type};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature};
use portolan_kernels::verdicts::Confusion;

use crate::function::{Function, Kind};
use crate::labels::{Column, Label, Register, checked_kind};
use crate::scalar::arguments::{Arguments, type_name};
use crate::statement::{borrowed, constants};

/// The columns that all of them take, and the options of some.
pub const PARAMETERS: &[&str] = &["pred", "truth", "average", "positive"];

/// One of the functions.
pub struct VerdictKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Which of the parameters it has.
    pub parameters: &'static [&'static str],
    /// What it says.
    pub says: Says,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// What is said of the pairs.
pub enum Says {
    /// One number, of all classes.
    All(fn(&Confusion) -> f64),
    /// One number of a class; with several classes a mean.
    Each(fn(&Confusion, usize) -> f64),
    /// The pairs themselves.
    Pairs,
}

/// How the numbers of several classes become one.
#[derive(Debug, Clone, PartialEq)]
enum Average {
    /// That of one class.
    Of(Label),
    /// Their mean.
    Macro,
    /// Their mean, each counting as much as it has rows.
    Weighted,
    /// Of all rows together.
    Micro,
}

impl Kind for VerdictKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// An aggregate of given and true labels.
pub type Verdict = Function<VerdictKind>;

/// One item of what `confusion` gives.
fn pair_fields(label: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("predicted", label.clone(), true),
        Field::new("truth", label.clone(), true),
        Field::new("n", DataType::Int64, true),
    ])
}

/// The type that two columns of labels are read as.
pub fn both(function: &str, pred: &DataType, truth: &DataType) -> Result<DataType> {
    let one = checked_kind(function, "pred", pred)?;
    let other = checked_kind(function, "truth", truth)?;
    if one.is_null() {
        return Ok(if other.is_null() { DataType::Utf8 } else { other });
    }
    if other.is_null() || one == other {
        return Ok(one);
    }
    plan_err!(
        "{function}: pred is {} and truth {}; labels are compared with labels of their type: cast one",
        type_name(pred),
        type_name(truth)
    )
}

/// How often the call must have arguments, and may.
pub fn counted(function: &str, parameters: &[&str], given: usize) -> Result<()> {
    if (2..=parameters.len()).contains(&given) {
        return Ok(());
    }
    let wanted = match parameters.len() {
        2 => "2 arguments".to_string(),
        most => format!("2 to {most} arguments"),
    };
    plan_err!("{function} takes {wanted} ({}), not {given}", parameters.join(", "))
}

/// Equal rows are told apart by what else they hold, which these functions do not see.
pub fn refuse_distinct(function: &str, distinct: bool) -> Result<()> {
    if distinct {
        return plan_err!(
            "{function} counts rows; with DISTINCT it would count equal ones once: leave it out"
        );
    }
    Ok(())
}

impl AggregateUDFImpl for Verdict {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        counted(self.kind.name, self.kind.parameters, types.len())?;
        let [pred, truth, options @ ..] = types else { return Ok(types.to_vec()) };
        let kind = both(self.kind.name, pred, truth)?;
        Ok([kind.clone(), kind].into_iter().chain(options.iter().cloned()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let label = types.first().cloned().unwrap_or(DataType::Utf8);
        Ok(match self.kind.says {
            Says::Pairs => DataType::new_list(DataType::Struct(pair_fields(&label)), true),
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let name = self.kind.name;
        refuse_distinct(name, args.is_distinct)?;
        let constants = constants(args.exprs)?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(name, self.kind.parameters, &constants);
        let label =
            args.expr_fields.first().map_or(DataType::Utf8, |field| field.data_type().clone());
        Ok(Box::new(Pairs {
            kind: self.kind,
            average: average(name, &arguments, &label)?,
            label,
            register: Register::default(),
            counts: HashMap::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let label =
            args.input_fields.first().map_or(DataType::Utf8, |field| field.data_type().clone());
        let types = [("pred", label.clone()), ("truth", label), ("n", DataType::UInt64)];
        let fields = types.map(|(name, kind)| {
            let item = Field::new_list_field(kind, true);
            Arc::new(Field::new_list(format_state_name(args.name, name), item, true))
        });
        Ok(fields.to_vec())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some((self.kind.documentation)())
    }
}

/// How several classes are put together, as a call says: truths are about the true ones.
fn average(function: &str, arguments: &Arguments, label: &DataType) -> Result<Average> {
    let named = arguments.text("average")?;
    let positive = arguments.label("positive")?;
    match (named, positive) {
        (Some(_), Some(_)) => plan_err!(
            "{function}: average is for all classes and positive for one; give one of the two"
        ),
        (None, Some(positive)) if &positive.data_type() == label => Ok(Average::Of(positive)),
        (None, Some(positive)) => plan_err!(
            "{function}: positive is one of the labels, which are {}, not {}",
            type_name(label),
            type_name(&positive.data_type())
        ),
        (None, None) if label == &DataType::Boolean => Ok(Average::Of(Label::Truth(true))),
        (None, None) => Ok(Average::Macro),
        (Some(name), None) => match name.to_ascii_lowercase().as_str() {
            "macro" => Ok(Average::Macro),
            "micro" => Ok(Average::Micro),
            "weighted" => Ok(Average::Weighted),
            _ => plan_err!("{function}: average is 'macro', 'micro' or 'weighted', not '{name}'"),
        },
    }
}

/// How often each pair of a given and a true label occurs in a group.
struct Pairs {
    kind: &'static VerdictKind,
    average: Average,
    label: DataType,
    register: Register,
    /// By given and true label.
    counts: HashMap<(u32, u32), u64>,
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairs").field("function", &self.kind.name).finish_non_exhaustive()
    }
}

impl Pairs {
    fn count(&mut self, pred: &ArrayRef, truth: &ArrayRef, n: Option<&UInt64Array>) -> Result<()> {
        let (pred, truth, rows) = (Column::new(pred)?, Column::new(truth)?, pred.len());
        for row in 0..rows {
            let (Some(given), Some(class)) = (pred.cell(row), truth.cell(row)) else { continue };
            let pair = (self.register.number(given), self.register.number(class));
            *self.counts.entry(pair).or_default() += n.map_or(1, |n| n.value(row));
        }
        Ok(())
    }

    /// The pairs with their labels' places in order, by true label and then by given.
    fn sorted(&self) -> (Vec<Label>, Vec<(u32, u32, u64)>) {
        let (labels, places) = self.register.sorted();
        let place = |number: &u32| places.get(*number as usize).copied().unwrap_or_default();
        let mut pairs: Vec<(u32, u32, u64)> = self
            .counts
            .iter()
            .map(|((given, class), n)| (place(class), place(given), *n))
            .collect();
        pairs.sort_unstable();
        (labels, pairs)
    }

    /// Given label, true label and number of each pair.
    fn columns(&self) -> Result<[ArrayRef; 3]> {
        let (labels, pairs) = self.sorted();
        let column = |of: fn(&(u32, u32, u64)) -> u32| {
            let values = pairs.iter().map(|pair| labels[of(pair) as usize].value());
            values_of(values, &self.label)
        };
        let n = UInt64Array::from_iter_values(pairs.iter().map(|pair| pair.2));
        Ok([column(|pair| pair.1)?, column(|pair| pair.0)?, Arc::new(n)])
    }

    fn pairs(&self) -> Result<ScalarValue> {
        let [pred, truth, n] = self.columns()?;
        let n = n.as_primitive::<UInt64Type>().values().iter().map(|n| n.cast_signed());
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(n));
        let pairs = StructArray::try_new(pair_fields(&self.label), vec![pred, truth, n], None)?;
        let list = SingleRowListArrayBuilder::new(Arc::new(pairs)).with_nullable(true);
        Ok(list.build_list_scalar())
    }
}

/// Values of a type as an array, which may be empty.
fn values_of(values: impl Iterator<Item = ScalarValue>, kind: &DataType) -> Result<ArrayRef> {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(arrow::array::new_empty_array(kind));
    }
    ScalarValue::iter_to_array(values)
}

impl Accumulator for Pairs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [pred, truth, ..] = values else { return Ok(()) };
        self.count(pred, truth, None)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    /// For frames whose rows leave them again.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [pred, truth, ..] = values else { return Ok(()) };
        let (pred, truth, rows) = (Column::new(pred)?, Column::new(truth)?, pred.len());
        for row in 0..rows {
            let (Some(given), Some(class)) = (pred.cell(row), truth.cell(row)) else { continue };
            let pair = (self.register.number(given), self.register.number(class));
            if let Some(n) = self.counts.get_mut(&pair) {
                *n = n.saturating_sub(1);
            }
        }
        self.counts.retain(|_, n| *n > 0);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [pred, truth, n, ..] = states else { return Ok(()) };
        for group in (0..n.len()).filter(|group| n.is_valid(*group)) {
            let of = |state: &ArrayRef| state.as_list::<i32>().value(group);
            let n = of(n);
            self.count(&of(pred), &of(truth), Some(n.as_primitive::<UInt64Type>()))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list =
            |column| SingleRowListArrayBuilder::new(column).with_nullable(true).build_list_scalar();
        Ok(self.columns()?.map(list).to_vec())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Says::Pairs = self.kind.says {
            return self.pairs();
        }
        if self.counts.is_empty() {
            return Ok(ScalarValue::Float64(None));
        }
        let (labels, pairs) = self.sorted();
        let all = Confusion::of_counts(pairs, labels.len())
            .map_err(|error| exec_datafusion_err!("{}: {error}", self.kind.name))?;
        let said = match &self.kind.says {
            Says::Pairs => return self.pairs(),
            Says::All(of) => of(&all),
            Says::Each(of) => match &self.average {
                Average::Macro => all.mean(of),
                Average::Weighted => all.weighted(of),
                // Whatever one class loses another wins: of all rows together they are the same.
                Average::Micro => all.accuracy(),
                Average::Of(label) => match labels.binary_search(label) {
                    Ok(class) => of(&all, class),
                    // No row is of that class, or was said to be.
                    Err(_) => 0.0,
                },
            },
        };
        Ok(ScalarValue::Float64(Some(said)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.register.size() + self.counts.capacity() * 24
    }
}
