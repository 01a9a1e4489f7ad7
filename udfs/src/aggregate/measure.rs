//! What all measures of a map have in common: rows are collected, and judged together in the end.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDFImpl, Documentation, Signature};
use portolan_kernels::metrics::Options;
use portolan_kernels::neighbours::Metric;
use portolan_kernels::rows::Rows;

use super::columns::Columns;
use crate::function::{Function, Kind};
use crate::rows::{Gathered, Vectors, codes, is_places};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, borrowed, coerce, constants, metric, whole};
use crate::work::Work;

/// Arguments that are columns, of every measure.
const COLUMNS: usize = 2;

/// One of the functions.
pub struct MeasureKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its parameters: two columns, and options.
    pub parameters: &'static [&'static str],
    /// What the second column is.
    pub second: Second,
    /// Neighbours that are looked at if the call does not say, for those that have the parameter.
    pub k: usize,
    /// Judges the rows.
    pub judge: fn(&Judged, &Work) -> portolan_kernels::Result<f64>,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// What a measure holds vectors against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// Places on a map, or other vectors.
    Places,
    /// Labels.
    Labels,
}

/// What is judged.
pub struct Judged<'a> {
    /// The first column.
    pub rows: Rows<'a>,
    /// The second column, where it is places.
    pub places: Rows<'a>,
    /// The second column, where it is labels.
    pub labels: &'a [u32],
    /// Neighbours that are looked at.
    pub k: usize,
    /// How rows are compared.
    pub options: Options,
}

impl Kind for MeasureKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// A measure, in a statement.
pub type Measure = Function<MeasureKind>;

impl Measure {
    fn takes(&self, parameter: &str) -> bool {
        self.kind.parameters.contains(&parameter)
    }
}

impl AggregateUDFImpl for Measure {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let vectors: &[usize] = if self.kind.second == Second::Places { &[0, 1] } else { &[0] };
        coerce(self.kind.name, self.kind.parameters, COLUMNS, vectors, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let name = self.kind.name;
        let constants = constants(args.exprs)?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(name, self.kind.parameters, &constants);
        let on_places = args.expr_fields.first().is_some_and(|field| is_places(field.data_type()));
        // Places have no direction.
        let default = if on_places || !self.takes("metric") { Metric::L2 } else { Metric::Cosine };
        let k = whole(name, &arguments, "k", 1..=10_000)?.unwrap_or(self.kind.k);
        let options = Options {
            metric: metric(name, &arguments, 2, default)?,
            seed: self.statement.seed(name, &arguments)?,
            ..Options::default()
        };
        let types = args.expr_fields.iter().take(COLUMNS).map(|field| field.data_type().clone());
        Ok(Box::new(Collected {
            kind: self.kind,
            statement: self.statement.clone(),
            k,
            options,
            columns: Columns::new(types),
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
struct Collected {
    kind: &'static MeasureKind,
    statement: Statement,
    k: usize,
    options: Options,
    columns: Columns,
}

impl std::fmt::Debug for Collected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collected").field("measure", &self.kind.name).finish_non_exhaustive()
    }
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
        let name = self.kind.name;
        self.statement.go_on(name)?;
        let (first, second) = (self.columns.column(0)?, self.columns.column(1)?);
        let vectors = Vectors::new(name, self.kind.parameters[0], &first)?;
        let by_direction = self.options.metric == Metric::Cosine;
        // What is gathered of both columns, and the first as it is compared.
        let bytes = vectors.width().saturating_add(8).saturating_mul(first.len() * 12);
        let judged = match self.kind.second {
            Second::Places => {
                let places = Vectors::new(name, self.kind.parameters[1], &second)?;
                self.statement.run(name, bytes, |work| {
                    let found = Gathered::new(&[&vectors, &places], by_direction, None);
                    let widths = [vectors.width(), places.width()];
                    Ok((self.judge(&found, widths, &[], work)?, found.left_out))
                })
            }
            Second::Labels => {
                let codes = codes(&second)?;
                self.statement.run(name, bytes, |work| {
                    let found = Gathered::new(&[&vectors], by_direction, Some(&second));
                    let labels = found.kept.iter().map(|row| codes[*row as usize]);
                    let labels: Vec<u32> = labels.map(Option::unwrap_or_default).collect();
                    let widths = [vectors.width(), 0];
                    Ok((self.judge(&found, widths, &labels, work)?, found.left_out))
                })
            }
        };
        let (judged, left_out) = judged?;
        self.statement.work().left_out(name, left_out);
        Ok(ScalarValue::Float64(judged))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.columns.size()
    }
}

impl Collected {
    /// What the measure says of the rows; of none it says nothing.
    fn judge(
        &self,
        found: &Gathered,
        widths: [usize; 2],
        labels: &[u32],
        work: &Work,
    ) -> portolan_kernels::Result<Option<f64>> {
        if found.kept.is_empty() {
            return Ok(None);
        }
        let whole = || portolan_kernels::Error::Shape("rows are not whole".to_string());
        let rows = |at: usize| {
            let values = found.values.get(at).map(Vec::as_slice).unwrap_or_default();
            Rows::new(values, widths[at]).ok_or_else(whole)
        };
        let judged = Judged {
            rows: rows(0)?,
            places: rows(1)?,
            labels,
            k: self.k,
            options: self.options.clone(),
        };
        (self.kind.judge)(&judged, work).map(Some)
    }
}
