//! Functions that run models are told the keys of the rows that they are called for, so that a row
//! that fails is named by its key. The functions see nothing but a text or an image; only the
//! statement knows what the table calls the row.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, SubqueryAlias};
use portolan_udfs::{runs_a_model, with_key};

use crate::error::Result;
use crate::tables::Definition;

/// The plan of a statement whose rows are, or become, those of a table: its functions know the keys
/// wherever a row of the plan can be followed down to the call.
pub fn known(plan: LogicalPlan, definition: &Definition) -> Result<LogicalPlan> {
    let names = definition.primary_key();
    if names.is_empty() {
        return Ok(plan);
    }
    let schema = plan.schema().clone();
    let key = names.iter().map(|name| schema.qualified_field_with_unqualified_name(name));
    // A plan that lacks the key, such as that of DELETE, is none that brings rows.
    let Ok(key) = key.map(|found| found.map(|found| Expr::Column(Column::from(found)))).collect()
    else {
        return Ok(plan);
    };
    descend(plan, &Key { names, values: key })
}

/// An expression over the columns of a table.
pub fn known_in(expression: Expr, definition: &Definition) -> Result<Expr> {
    let names = definition.primary_key();
    let values = names.iter().map(|name| Expr::Column(Column::from_name(name))).collect();
    Key { names, values }.tell(expression)
}

/// A table's key, as expressions over the rows of one node of a plan.
struct Key {
    names: Vec<String>,
    values: Vec<Expr>,
}

impl Key {
    /// The expression, with calls that know the key. Of constants the engine makes one call for all
    /// rows; they stay as they are.
    fn tell(&self, expression: Expr) -> Result<Expr> {
        self.tell_where(expression, &|call| call.args.iter().any(Expr::any_column_refs))
    }

    fn tell_where(
        &self,
        expression: Expr,
        wanted: &dyn Fn(&ScalarFunction) -> bool,
    ) -> Result<Expr> {
        let told = expression.transform_up(|part| {
            let Expr::ScalarFunction(call) = &part else { return Ok(Transformed::no(part)) };
            let Some(function) = with_key(&call.func, &self.names).filter(|_| wanted(call)) else {
                return Ok(Transformed::no(part));
            };
            let args = call.args.iter().chain(&self.values).cloned().collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
                Arc::new(function),
                args,
            ))))
        });
        Ok(told.data()?)
    }

    /// The same key over what the columns of `schema` are computed from, one expression for each;
    /// `None` where it cannot be computed twice.
    fn over(&self, schema: &DFSchema, below: &[Expr]) -> Option<Self> {
        let source = |column: &Column| below.get(schema.maybe_index_of_column(column)?);
        let values = self.values.iter().map(|value| {
            let mut whole = true;
            let value = value.clone().transform_up(|part| {
                let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
                let found = source(column).cloned();
                whole &= found.is_some();
                Ok(found.map_or_else(|| Transformed::no(part), |e| Transformed::yes(e.unalias())))
            });
            value.data().ok().filter(|value| whole && is_repeatable(value))
        });
        Some(Self { names: self.names.clone(), values: values.collect::<Option<_>>()? })
    }
}

/// Tells the calls of a node, and of those below it through which its rows can be followed.
fn descend(plan: LogicalPlan, key: &Key) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Projection(node) => {
            let Some(below) = key.over(&node.schema, &node.expr) else {
                return Ok(LogicalPlan::Projection(node));
            };
            let told = node.expr.into_iter().map(|expr| below.tell(expr));
            let told = told.collect::<Result<_>>()?;
            let input = descend_into(node.input, &below)?;
            LogicalPlan::Projection(Projection::try_new_with_schema(told, input, node.schema)?)
        }
        LogicalPlan::SubqueryAlias(node) => {
            let columns: Vec<Expr> =
                node.input.schema().columns().into_iter().map(Expr::Column).collect();
            let Some(below) = key.over(&node.schema, &columns) else {
                return Ok(LogicalPlan::SubqueryAlias(node));
            };
            let input = descend_into(node.input, &below)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, node.alias)?)
        }
        LogicalPlan::Filter(node) => {
            let predicate = key.tell(node.predicate)?;
            LogicalPlan::Filter(Filter::try_new(predicate, descend_into(node.input, key)?)?)
        }
        LogicalPlan::Sort(mut node) => {
            node.input = descend_into(node.input, key)?;
            LogicalPlan::Sort(node)
        }
        LogicalPlan::Limit(mut node) => {
            node.input = descend_into(node.input, key)?;
            LogicalPlan::Limit(node)
        }
        LogicalPlan::Values(mut node) => {
            for row in &mut node.values {
                let Some(own) = key.over(&node.schema, row) else { continue };
                let told = row.iter().map(|value| own.tell_where(value.clone(), &|_| true));
                *row = told.collect::<Result<_>>()?;
            }
            LogicalPlan::Values(node)
        }
        other => other,
    })
}

fn descend_into(plan: Arc<LogicalPlan>, key: &Key) -> Result<Arc<LogicalPlan>> {
    Ok(Arc::new(descend(Arc::unwrap_or_clone(plan), key)?))
}

fn is_repeatable(value: &Expr) -> bool {
    let costly = value.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(call) => runs_a_model(&call.func),
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => true,
            Expr::Unnest(_) => true,
            _ => false,
        })
    });
    !value.is_volatile() && !costly.unwrap_or(true)
}
