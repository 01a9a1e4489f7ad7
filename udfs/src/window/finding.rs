//! What functions have in common that say something of every row by the others: from vectors, and one
//! more column at most, to a column.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{Documentation, PartitionEvaluator, Signature, WindowUDFImpl};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use portolan_kernels::neighbours::Metric;

use super::labels::check_label;
use super::partition::{Partition, looked_for};
use crate::function::{Function, Kind};
use crate::rows::{Vectors, codes, is_places};
use crate::scalar::arguments::{Arguments, type_name};
use crate::settings::Settings;
use crate::statement::{Statement, borrowed, coerce, constants, metric, number, whole};

/// One of the functions.
pub struct FindingKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its parameters: the vector, another column if it takes one, and options.
    pub parameters: &'static [&'static str],
    /// What the second parameter is.
    pub second: Second,
    /// The type of what it says, by that of the second argument.
    pub returns: fn(&DataType) -> DataType,
    /// What a call wants to know.
    pub recipe: fn(&Call) -> Result<Box<dyn Find>>,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// What a function takes beside vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// What rows are called, of any type; may be left out.
    Id,
    /// What rows are labelled with.
    Label,
    /// Nothing.
    Nothing,
    /// Their texts; may be left out.
    Text,
}

/// How something is found.
pub trait Find: Debug + Send {
    /// How near rows are.
    fn metric(&self) -> Metric;

    /// Neighbours of a row that it looks at.
    fn neighbours(&self) -> usize {
        0
    }

    /// About how much memory it takes, beside the rows and their neighbours, where the second argument
    /// has so many different values.
    fn bytes(&self, rows: usize, second: Option<&ArrayRef>, different: usize) -> usize;

    /// What it says of the rows, in their order: one column, or the fields of a struct. There is a row
    /// at least.
    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>>;
}

/// What a call says.
pub struct Call<'a> {
    /// The function.
    pub function: &'static str,
    /// Whether the second column is one of labels where it might be one of texts.
    pub labelled: bool,
    arguments: Arguments<'a>,
    statement: &'a Statement,
    on_places: bool,
}

impl Call<'_> {
    /// An option that is a whole number of a range.
    pub fn whole(&self, parameter: &str, allowed: RangeInclusive<usize>) -> Result<Option<usize>> {
        whole(self.function, &self.arguments, parameter, allowed)
    }

    /// An option that is a number of a range.
    pub fn number(&self, parameter: &str, allowed: RangeInclusive<f64>) -> Result<Option<f64>> {
        number(self.function, &self.arguments, parameter, allowed)
    }

    /// How near rows are: places on a map have no direction.
    pub fn metric(&self) -> Result<Metric> {
        let default = if self.on_places { Metric::L2 } else { Metric::Cosine };
        metric(self.function, &self.arguments, 2, default)
    }

    /// What the session wants.
    pub fn settings(&self) -> &Settings {
        self.statement.settings()
    }

    /// Where chance begins.
    pub fn seed(&self) -> Result<u64> {
        self.statement.seed(self.function, &self.arguments)
    }
}

impl Kind for FindingKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// A function that says something of every row, in a statement.
pub type Finding = Function<FindingKind>;

impl Finding {
    /// Where a call has its second column: as the second argument, or labels in its place.
    fn second_at(&self, fields: &[FieldRef]) -> Option<usize> {
        let given = |at: &usize| fields.get(*at).is_some_and(|field| !field.data_type().is_null());
        let usual = Some(1).filter(|_| self.kind.second != Second::Nothing);
        usual.filter(given).or(self.labels_at().filter(given))
    }

    /// Where labels are that may be given in the place of texts.
    fn labels_at(&self) -> Option<usize> {
        let FindingKind { second, parameters, .. } = self.kind;
        let at = parameters.iter().position(|parameter| *parameter == "label");
        at.filter(|_| *second == Second::Text)
    }
}

impl Second {
    /// How many arguments must be given.
    fn required(self) -> usize {
        match self {
            Self::Id | Self::Nothing | Self::Text => 1,
            Self::Label => 2,
        }
    }

    /// An error unless a type is one of those.
    fn check(self, function: &str, given: &DataType) -> Result<()> {
        let plain = match given {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        match self {
            Self::Id | Self::Nothing => Ok(()),
            Self::Label => check_label(function, given),
            Self::Text if plain.is_string() || plain.is_null() => Ok(()),
            Self::Text => plan_err!(
                "{function}: text is a text, not {}; cast it if that is what you mean",
                type_name(given)
            ),
        }
    }
}

impl WindowUDFImpl for Finding {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let FindingKind { name, parameters, second, .. } = self.kind;
        let types = coerce(name, parameters, second.required(), &[0], types)?;
        if let Some(given) = types.get(1) {
            second.check(name, given)?;
        }
        if let Some(given) = self.labels_at().and_then(|at| types.get(at))
            && !given.is_null()
        {
            check_label(name, given)?;
            if types.get(1).is_some_and(|text| !text.is_null()) {
                return plan_err!("{name}: topics are named by text or by label; give one of them");
            }
        }
        Ok(types)
    }

    /// Only the columns: a constant would become as many rows as there are.
    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        let second = self.second_at(args.input_fields());
        let columns = [Some(0), second].into_iter().flatten();
        columns.filter_map(|at| args.input_exprs().get(at)).cloned().collect()
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let constants = constants(args.input_exprs())?;
        let constants = borrowed(&constants);
        let FindingKind { name, parameters, returns, .. } = self.kind;
        let fields = args.input_fields();
        let second = self.second_at(fields);
        let recipe = (self.kind.recipe)(&Call {
            function: name,
            labelled: second.is_some() && second == self.labels_at(),
            arguments: Arguments::new(name, parameters, &constants),
            statement: &self.statement,
            on_places: fields.first().is_some_and(|field| is_places(field.data_type())),
        })?;
        Ok(Box::new(Evaluator {
            function: name,
            recipe,
            has_second: second.is_some(),
            returns: returns(fields.get(1).map_or(&DataType::Null, |field| field.data_type())),
            statement: self.statement.clone(),
        }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let second = args.get_input_field(1);
        let second = second.as_ref().map_or(&DataType::Null, |field| field.data_type());
        Ok(Arc::new(Field::new(args.name(), (self.kind.returns)(second), true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some((self.kind.documentation)())
    }
}

#[derive(Debug)]
struct Evaluator {
    function: &'static str,
    recipe: Box<dyn Find>,
    has_second: bool,
    returns: DataType,
    statement: Statement,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Some(vectors) = values.first() else {
            return internal_err!("{} without vectors", self.function);
        };
        self.statement.go_on(self.function)?;
        let vectors = Vectors::new(self.function, "v", vectors)?;
        let second = values.get(1).filter(|_| self.has_second);
        let numbers = second.map(codes).transpose()?;
        // The rows, as they are and as they are compared, their neighbours, and what is said of them.
        let k = looked_for(self.recipe.neighbours(), rows);
        let each = vectors.width() * 8 + k * 40 + 96;
        let most = numbers.iter().flatten().flatten().max();
        let different = most.map_or(0, |most| *most as usize + 1);
        let more = self.recipe.bytes(rows, second, different);
        let bytes = each.saturating_mul(rows).saturating_add(more);
        let (found, kept, left_out) = self.statement.run(self.function, bytes, |work| {
            let second = second.zip(numbers.as_deref());
            let by_direction = self.recipe.metric() == Metric::Cosine;
            let of = Partition::new(self.function, &vectors, by_direction, second, work)?;
            let found = if of.len() == 0 { Vec::new() } else { self.recipe.find(&of)? };
            Ok((found, of.kept, of.left_out))
        })?;
        self.statement.work().left_out(self.function, left_out);
        self.column(rows, &kept, found)
    }
}

impl Evaluator {
    /// What was found of some rows, for all: NULL where nothing was.
    fn column(&self, rows: usize, kept: &[u32], mut found: Vec<ArrayRef>) -> Result<ArrayRef> {
        if kept.is_empty() {
            return Ok(new_null_array(&self.returns, rows));
        }
        let found: ArrayRef = match &self.returns {
            DataType::Struct(fields) => {
                Arc::new(StructArray::try_new(fields.clone(), found, None)?)
            }
            _ => match found.pop() {
                Some(column) => column,
                None => return internal_err!("{} found nothing", self.function),
            },
        };
        let mut places = vec![None; rows];
        // No more rows are kept than u32 counts.
        for (place, row) in (0u32..).zip(kept) {
            places[*row as usize] = Some(place);
        }
        Ok(take(&found, &UInt32Array::from(places), None)?)
    }
}
