//! What aggregates have in common that judge scores by what rows are: both are collected, and ranked
//! in the end.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature};

use super::verdict::{counted, refuse_distinct};
use crate::function::{Function, Kind};
use crate::labels::{Cell, Column, Label, checked_kind};
use crate::scalar::arguments::{Arguments, type_name};
use crate::statement::{borrowed, constants};

/// What is said of which rows are of the class, and their scores.
pub type Judge = fn(&[bool], &[f64], &Aimed) -> portolan_kernels::Result<Option<f64>>;

/// One of the functions.
pub struct RankedKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its parameters: two columns, and options.
    pub parameters: &'static [&'static str],
    /// Judges rows, some of which are of the class and some not.
    pub judge: Judge,
    /// Whether it needs rows that are not of the class, too.
    pub needs_others: bool,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// The options of a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Aimed {
    /// The precision that is wanted.
    pub precision: Option<f64>,
    /// The label whose rows the scores are to find.
    positive: Option<Label>,
}

impl Kind for RankedKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// An aggregate of scores and true labels.
pub type Ranked = Function<RankedKind>;

impl AggregateUDFImpl for Ranked {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.kind.name;
        counted(name, self.kind.parameters, types.len())?;
        let [score, truth, options @ ..] = types else { return Ok(types.to_vec()) };
        if !score.is_numeric() && !score.is_null() {
            return plan_err!("{name}: score is a number, not {}", type_name(score));
        }
        let truth = match checked_kind(name, "truth", truth)? {
            DataType::Null => DataType::Boolean,
            kind => kind,
        };
        Ok([DataType::Float64, truth].into_iter().chain(options.iter().cloned()).collect())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let name = self.kind.name;
        refuse_distinct(name, args.is_distinct)?;
        let constants = constants(args.exprs)?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(name, self.kind.parameters, &constants);
        let truth =
            args.expr_fields.get(1).map_or(DataType::Boolean, |field| field.data_type().clone());
        let positive = arguments.label("positive")?;
        match &positive {
            None if truth != DataType::Boolean => {
                return plan_err!(
                    "{name}: truth is BOOLEAN, or positive says which label the scores are for: {name}(…, positive => 'x')"
                );
            }
            Some(label) if label.data_type() != truth => {
                return plan_err!(
                    "{name}: positive is one of the labels, which are {}, not {}",
                    type_name(&truth),
                    type_name(&label.data_type())
                );
            }
            _ => {}
        }
        let precision = arguments.number("precision")?;
        if let Some(wrong) = precision.filter(|share| !(0.0..=1.0).contains(share)) {
            return plan_err!("{name}: precision is a share from 0 to 1, not {wrong}");
        }
        let aimed = Aimed { precision, positive };
        Ok(Box::new(Scores { kind: self.kind, aimed, scores: Vec::new(), inside: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types = [("score", DataType::Float64), ("inside", DataType::Boolean)];
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

/// The scores of a group, and which of its rows are of the class.
struct Scores {
    kind: &'static RankedKind,
    aimed: Aimed,
    scores: Vec<f64>,
    inside: Vec<bool>,
}

impl std::fmt::Debug for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scores").field("function", &self.kind.name).finish_non_exhaustive()
    }
}

impl Scores {
    fn is_inside(&self, cell: Cell) -> bool {
        match (cell, &self.aimed.positive) {
            (Cell::Truth(truth), None) => truth,
            (Cell::Truth(truth), Some(Label::Truth(positive))) => truth == *positive,
            (Cell::Whole(number), Some(Label::Whole(positive))) => number == *positive,
            (Cell::Text(text), Some(Label::Text(positive))) => text == positive,
            _ => false,
        }
    }
}

impl Accumulator for Scores {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [score, truth, ..] = values else { return Ok(()) };
        let (scores, truth) = (score.as_primitive::<Float64Type>(), Column::new(truth)?);
        for row in (0..scores.len()).filter(|row| scores.is_valid(*row)) {
            let Some(cell) = truth.cell(row) else { continue };
            let score = scores.value(row);
            if score.is_nan() {
                return exec_err!(
                    "{}: a score is NaN, which has no rank; leave such rows out: FILTER (WHERE NOT isnan(score))",
                    self.kind.name
                );
            }
            self.scores.push(score);
            self.inside.push(self.is_inside(cell));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [scores, inside, ..] = states else { return Ok(()) };
        for group in (0..scores.len()).filter(|group| scores.is_valid(*group)) {
            let some = scores.as_list::<i32>().value(group);
            self.scores.extend_from_slice(some.as_primitive::<Float64Type>().values());
            let some = inside.as_list::<i32>().value(group);
            self.inside.extend(some.as_boolean().values().iter());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let scores: ArrayRef = Arc::new(Float64Array::from(self.scores.clone()));
        let inside: ArrayRef = Arc::new(BooleanArray::from(self.inside.clone()));
        let list =
            |column| SingleRowListArrayBuilder::new(column).with_nullable(true).build_list_scalar();
        Ok(vec![list(scores), list(inside)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let inside = self.inside.iter().filter(|inside| **inside).count();
        // Of rows that are all of one kind no ranking can be said to be good or bad.
        if inside == 0 || (self.kind.needs_others && inside == self.inside.len()) {
            return Ok(ScalarValue::Float64(None));
        }
        let said = (self.kind.judge)(&self.inside, &self.scores, &self.aimed);
        let said = said.map_err(|error| exec_datafusion_err!("{}: {error}", self.kind.name))?;
        Ok(ScalarValue::Float64(said))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.scores.capacity() * 8 + self.inside.capacity()
    }
}
