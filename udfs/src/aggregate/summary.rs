//! What aggregates have in common that look at two columns and say more than a number.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature};

use super::columns::Columns;
use crate::function::{Function, Kind};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, borrowed, coerce, constants};

/// Arguments that are columns, of every one.
const COLUMNS: usize = 2;

/// What a call wants to know, of columns of these types.
pub type Recipe = fn(&Arguments, &[DataType], &Statement) -> Result<Box<dyn Summarise>>;

/// One of the functions.
pub struct SummaryKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its parameters: two columns, and options.
    pub parameters: &'static [&'static str],
    /// Which of the columns are vectors.
    pub vectors: &'static [usize],
    /// An error unless it takes columns of these types, else the type of what it says.
    pub returns: fn(&[DataType]) -> Result<DataType>,
    /// What a call wants to know.
    pub recipe: Recipe,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// How rows are summarised.
pub trait Summarise: Debug + Send + Sync {
    /// What is said of all rows of a group; of type `returns`.
    fn summarise(
        &self,
        columns: [ArrayRef; COLUMNS],
        returns: &DataType,
        statement: &Statement,
    ) -> Result<ScalarValue>;
}

impl Kind for SummaryKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// An aggregate, in a statement.
pub type Summary = Function<SummaryKind>;

impl AggregateUDFImpl for Summary {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let SummaryKind { name, parameters, vectors, .. } = self.kind;
        let types = coerce(name, parameters, COLUMNS, vectors, types)?;
        (self.kind.returns)(&types)?;
        Ok(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.kind.returns)(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let constants = constants(args.exprs)?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(self.kind.name, self.kind.parameters, &constants);
        let types: Vec<DataType> =
            args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Box::new(Collected {
            recipe: (self.kind.recipe)(&arguments, &types, &self.statement)?,
            returns: (self.kind.returns)(&types)?,
            columns: Columns::new(types.into_iter().take(COLUMNS)),
            name: self.kind.name,
            statement: self.statement.clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(Columns::state_fields(&args, self.kind.parameters, COLUMNS))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some((self.kind.documentation)())
    }
}

/// The rows of a group.
#[derive(Debug)]
struct Collected {
    name: &'static str,
    recipe: Box<dyn Summarise>,
    returns: DataType,
    columns: Columns,
    statement: Statement,
}

impl Accumulator for Collected {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.columns.add(values);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.columns.merge(states);
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.columns.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.statement.go_on(self.name)?;
        let columns = [self.columns.column(0)?, self.columns.column(1)?];
        self.recipe.summarise(columns, &self.returns, &self.statement)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.columns.size()
    }
}
