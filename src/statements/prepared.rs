//! EXECUTE: the values of its parameters are computed as any expression is. DataFusion would take them
//! as they stand, without casts, and stumble over `[1, 0.5]`, whose items are of two types.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Execute, Expr, LogicalPlan, LogicalPlanBuilder, Statement};

use crate::database::Database;
use crate::error::Result;
use crate::session;

/// The plan with values as its parameters, if it executes a prepared statement.
pub async fn with_values(db: &Database, plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Statement(Statement::Execute(Execute { name, parameters })) = plan else {
        return Ok(plan);
    };
    let state = db.context().state();
    let mut values = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let value = match is_plain(&parameter)? {
            true => evaluated(&state, parameter)?,
            false => queried(state.clone(), parameter).await?,
        };
        values.push(Expr::Literal(value, None));
    }
    Ok(LogicalPlan::Statement(Statement::Execute(Execute { name, parameters: values })))
}

/// Whether an expression is a value as one writes it, with nothing to ask or to compute for long. Those
/// need no query of their own, which would cost a search as much as half its planning.
fn is_plain(expr: &Expr) -> Result<bool> {
    let is_more = expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(call) => call.name() != "make_array",
            Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Negative(_) => false,
            _ => true,
        })
    })?;
    Ok(!is_more)
}

fn evaluated(state: &SessionState, expr: Expr) -> Result<ScalarValue> {
    let expr = state.create_physical_expr(session::cast_in(expr)?, &DFSchema::empty())?;
    let one_row = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    let value = expr.evaluate(&one_row)?.into_array(1)?;
    Ok(ScalarValue::try_from_array(&value, 0)?)
}

async fn queried(state: SessionState, expr: Expr) -> Result<ScalarValue> {
    let one = LogicalPlanBuilder::empty(true).project([expr])?.build()?;
    let rows = DataFrame::new(state, one).collect().await?;
    Ok(match rows.first() {
        Some(row) => ScalarValue::try_from_array(row.column(0), 0)?,
        None => ScalarValue::Null,
    })
}
