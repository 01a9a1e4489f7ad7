//! EXECUTE: the values of its parameters are computed as any expression is. DataFusion would take them
//! as they stand, without casts, and stumble over `[1, 0.5]`, whose items are of two types.

use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Execute, Expr, LogicalPlan, LogicalPlanBuilder, Statement};

use crate::database::Database;
use crate::error::Result;

/// The plan with values as its parameters, if it executes a prepared statement.
pub async fn with_values(db: &Database, plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Statement(Statement::Execute(Execute { name, parameters })) = plan else {
        return Ok(plan);
    };
    let mut values = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let one = LogicalPlanBuilder::empty(true).project([parameter])?.build()?;
        let rows = DataFrame::new(db.context().state(), one).collect().await?;
        let value = match rows.first() {
            Some(row) => ScalarValue::try_from_array(row.column(0), 0)?,
            None => ScalarValue::Null,
        };
        values.push(Expr::Literal(value, None));
    }
    Ok(LogicalPlan::Statement(Statement::Execute(Execute { name, parameters: values })))
}
