//! What functions of many rows know of the statement that they run in: the engine shows them no
//! settings, so they are made anew with them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatchOptions;
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion_expr::{AggregateUDF, ColumnarValue, WindowUDF};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use portolan_kernels::Error;
use portolan_kernels::neighbours::Metric;
use portolan_kernels::watch::Watch;

use crate::aggregate::{Measure, Summary};
use crate::rows::check_vectors;
use crate::scalar::arguments::Arguments;
use crate::scalar::vectors::aside;
use crate::settings::Settings;
use crate::window::{Finding, MapXy, Neighbors};
use crate::work::Work;

/// The settings of the session, and the work of the statement.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    settings: Settings,
    work: Work,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.work.is(&other.work)
    }
}

impl Eq for Statement {}

impl Hash for Statement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
    }
}

impl Statement {
    /// With these settings, as part of this work.
    pub fn new(settings: &Settings, work: &Work) -> Self {
        Self { settings: settings.clone(), work: work.clone() }
    }

    /// A window function of ours, in this statement.
    pub fn window_function(&self, function: &WindowUDF) -> Option<WindowUDF> {
        let function = function.inner();
        if let Some(map) = function.downcast_ref::<MapXy>() {
            return Some(WindowUDF::new_from_impl(map.within(self)));
        }
        if let Some(finding) = function.downcast_ref::<Finding>() {
            return Some(WindowUDF::new_from_impl(finding.within(self)));
        }
        let neighbors = function.downcast_ref::<Neighbors>()?;
        Some(WindowUDF::new_from_impl(neighbors.within(self)))
    }

    /// An aggregate of ours, in this statement.
    pub fn aggregate_function(&self, function: &AggregateUDF) -> Option<AggregateUDF> {
        let function = function.inner();
        if let Some(measure) = function.downcast_ref::<Measure>() {
            return Some(AggregateUDF::new_from_impl(measure.within(self)));
        }
        let summary = function.downcast_ref::<Summary>()?;
        Some(AggregateUDF::new_from_impl(summary.within(self)))
    }

    /// The settings of the session.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What goes on in it.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// The seed of a call: its own, or the session's.
    pub(crate) fn seed(&self, function: &str, arguments: &Arguments) -> Result<u64> {
        match arguments.whole("seed")? {
            Some(seed) => u64::try_from(seed).map_err(|_| {
                DataFusionError::Plan(format!(
                    "{function}: seed is a whole number from 0, not {seed}"
                ))
            }),
            None => Ok(self.settings.get("seed").and_then(|seed| seed.parse().ok()).unwrap_or(42)),
        }
    }

    /// Runs a kernel that takes so much memory, while the engine's other tasks go on.
    pub(crate) fn run<T>(
        &self,
        function: &'static str,
        bytes: usize,
        kernel: impl FnOnce(&Work) -> Result<T, Error>,
    ) -> Result<T> {
        let _held = self.work.reserve(function, bytes)?;
        let done = aside(|| kernel(&self.work));
        self.work.end_stage();
        done.map_err(|error| match error {
            Error::Stopped => exec_datafusion_err!("{function} was stopped before it was done"),
            other => exec_datafusion_err!("{function}: {other}"),
        })
    }

    /// An error if nobody wants the result any more.
    pub(crate) fn go_on(&self, function: &str) -> Result<()> {
        if Watch::stopped(&self.work) {
            return Err(exec_datafusion_err!("{function} was stopped before it was done"));
        }
        Ok(())
    }
}

/// How a metric is called in SQL.
pub const METRICS: &[(&str, Metric)] =
    &[("cosine", Metric::Cosine), ("l2", Metric::L2), ("dot", Metric::Dot)];

/// The option `metric`, one of the first few of [`METRICS`].
pub fn metric(
    function: &str,
    arguments: &Arguments,
    known: usize,
    default: Metric,
) -> Result<Metric> {
    let Some(name) = arguments.text("metric")? else { return Ok(default) };
    let known = &METRICS[..known.min(METRICS.len())];
    match known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, metric)) => Ok(*metric),
        None => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            plan_err!("{function}: metric is one of '{}', not '{name}'", names.join("', '"))
        }
    }
}

/// An option that is a whole number of a range.
pub fn whole(
    function: &str,
    arguments: &Arguments,
    parameter: &str,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>> {
    let Some(given) = arguments.whole(parameter)? else { return Ok(None) };
    match usize::try_from(given).ok().filter(|given| allowed.contains(given)) {
        Some(given) => Ok(Some(given)),
        None => plan_err!(
            "{function}: {parameter} is a whole number from {} to {}, not {given}",
            allowed.start(),
            allowed.end()
        ),
    }
}

/// An option that is a number of a range.
pub fn number(
    function: &str,
    arguments: &Arguments,
    parameter: &str,
    allowed: std::ops::RangeInclusive<f64>,
) -> Result<Option<f64>> {
    let Some(given) = arguments.number(parameter)? else { return Ok(None) };
    if allowed.contains(&given) {
        return Ok(Some(given));
    }
    plan_err!(
        "{function}: {parameter} is a number from {} to {}, not {given}",
        allowed.start(),
        allowed.end()
    )
}

/// The arguments that are constants: those that have a value without any column.
pub fn constants(expressions: &[Arc<dyn PhysicalExpr>]) -> Result<Vec<Option<ScalarValue>>> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let schema = Arc::new(Schema::empty());
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &options)?;
    let values = expressions.iter().map(|expression| match expression.evaluate(&row) {
        Ok(ColumnarValue::Scalar(value)) => Some(value),
        _ => None,
    });
    Ok(values.collect())
}

/// So many, or from so many to so many.
pub fn how_many(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

/// The types of a call, which stay what they are: so many first arguments must be given, and those at
/// some places are vectors.
pub fn coerce(
    function: &str,
    parameters: &[&str],
    required: usize,
    vectors: &[usize],
    given: &[DataType],
) -> Result<Vec<DataType>> {
    if given.len() < required || given.len() > parameters.len() {
        return plan_err!(
            "{function} takes {} arguments ({}), not {}",
            how_many(required, parameters.len()),
            parameters.join(", "),
            given.len()
        );
    }
    for (place, given) in given.iter().enumerate() {
        if vectors.contains(&place) {
            check_vectors(function, parameters[place], given)?;
        }
    }
    Ok(given.to_vec())
}

/// The constants as [`Arguments`] wants them.
pub fn borrowed(constants: &[Option<ScalarValue>]) -> Vec<Option<&ScalarValue>> {
    constants.iter().map(Option::as_ref).collect()
}
