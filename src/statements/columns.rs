//! Rows brought into a table's shape: columns in its order and types, defaults filled in,
//! generated columns computed.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use portolan_udfs::Fingerprint;

use crate::error::{Error, Result};
use crate::statements::row_keys;
use crate::tables::{ColumnRole, Definition};

/// The plan whose rows are `source`'s in the table's shape. `targets` says which of the table's
/// columns each column of the source is for.
pub fn shape(
    context: &SessionContext,
    definition: &Definition,
    source: LogicalPlan,
    targets: &[String],
) -> Result<LogicalPlan> {
    let provided: Vec<Column> = source.schema().columns();
    let mut stored = Vec::new();
    for field in definition.schema().fields() {
        let value = match targets.iter().position(|name| name == field.name()) {
            Some(index) => provided.get(index).map(|column| Expr::Column(column.clone())),
            None => None,
        };
        let index = targets.iter().position(|name| name == field.name());
        if let Some(given) = index.and_then(|index| source.schema().fields().get(index)) {
            Fingerprint::check(field, given)?;
        }
        let value = match (value, Definition::role(field)) {
            (_, ColumnRole::Generated(_)) => continue,
            (Some(value), _) => value,
            (None, ColumnRole::Default(expression)) => constant(context, &expression)?,
            (None, ColumnRole::Plain) => lit(ScalarValue::Null),
        };
        stored.push(cast(value, field.data_type().clone()).alias(field.name()));
    }
    let plan = LogicalPlanBuilder::from(source).project(stored)?.build()?;
    let plan = with_generated(context, definition, plan, &|_, _, generated| Ok(Some(generated)))?;
    row_keys::known(plan, definition)
}

/// Decides what becomes of one generated column: `None` keeps what the plan has for it.
pub type Regenerate<'a> = &'a dyn Fn(&Field, &[String], Expr) -> Result<Option<Expr>>;

/// Adds the generated columns to a plan that has the others, all in the table's order; columns of
/// the plan that are not the table's stay in front.
pub fn with_generated(
    context: &SessionContext,
    definition: &Definition,
    plan: LogicalPlan,
    regenerate: Regenerate<'_>,
) -> Result<LogicalPlan> {
    if definition.generated().next().is_none() {
        return Ok(plan);
    }
    let schema = plan.schema().clone();
    let mut columns: Vec<Expr> = schema
        .columns()
        .into_iter()
        .filter(|column| definition.column(&column.name).is_none())
        .map(Expr::Column)
        .collect();
    for field in definition.schema().fields() {
        let kept = Expr::Column(Column::from_name(field.name()));
        let value = match Definition::role(field) {
            ColumnRole::Generated(expression) => {
                let value = context.state().create_logical_expr(&expression, &schema)?;
                let (_, made) = value.to_field(&schema)?;
                Fingerprint::check(field, &made)?;
                let inputs: Vec<String> =
                    value.column_refs().into_iter().map(|column| column.name.clone()).collect();
                let value = cast(value, field.data_type().clone());
                regenerate(field, &inputs, value)?.unwrap_or(kept)
            }
            _ => kept,
        };
        columns.push(value.alias(field.name()));
    }
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// An expression without columns, such as a default.
pub fn constant(context: &SessionContext, expression: &str) -> Result<Expr> {
    Ok(context.state().create_logical_expr(expression, &DFSchema::empty())?)
}

/// A default's value in its column's type: a default that cannot be stored is found out when it is
/// declared, not at the first insert.
pub fn constant_value(
    context: &SessionContext,
    expression: &str,
    field: &Field,
) -> Result<ColumnarValue> {
    let value = cast(constant(context, expression)?, field.data_type().clone());
    let value = context.create_physical_expr(value, &DFSchema::empty())?;
    let row = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    Ok(value.evaluate(&row)?)
}

/// Checks a statement's list of columns and gives it back, or all columns that can be given.
pub fn targets(definition: &Definition, table: &str, listed: Vec<String>) -> Result<Vec<String>> {
    if listed.is_empty() {
        return Ok(definition
            .schema()
            .fields()
            .iter()
            .filter(|field| !matches!(Definition::role(field), ColumnRole::Generated(_)))
            .map(|field| field.name().clone())
            .collect());
    }
    for (index, name) in listed.iter().enumerate() {
        assignable(definition, table, name)?;
        if listed[..index].contains(name) {
            return Err(Error::sql(format!("column '{name}' is given twice; name it once")));
        }
    }
    Ok(listed)
}

/// Checks that a statement may give values to a column.
pub fn assignable<'a>(definition: &'a Definition, table: &str, name: &str) -> Result<&'a Field> {
    let Some(field) = definition.column(name) else {
        return Err(unknown(definition, table, name));
    };
    match Definition::role(field) {
        ColumnRole::Generated(expression) => Err(Error::Constraint(format!(
            "column '{name}' of table '{table}' is generated always as ({expression}); leave it out"
        ))),
        _ => Ok(field),
    }
}

/// The error for a column that is not there.
pub fn unknown(definition: &Definition, table: &str, name: &str) -> Error {
    let nearest = definition
        .names()
        .min_by_key(|known| strsim::damerau_levenshtein(known, name))
        .unwrap_or_default();
    Error::not_found(
        "column",
        name,
        format!(
            " in table '{table}'; did you mean '{nearest}'? Its columns are {}",
            definition.names().collect::<Vec<_>>().join(", ")
        ),
    )
}
