//! The engine optimizes a plan until it no longer changes, and the last time only finds that out. A query of one table
//! is at its best after the second time; the third would cost a search a twentieth of its time.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Whether going through a plan twice is enough: rows of one table, filtered, computed, sorted and cut, in this order. A
/// filter of what was computed moves below it, where there may be more to simplify.
pub fn two_are_enough(plan: &LogicalPlan) -> Result<bool> {
    let (mut straight, mut filtered) = (true, false);
    plan.apply(|node| {
        straight &= match node {
            LogicalPlan::Filter(_) => {
                filtered = true;
                true
            }
            LogicalPlan::Projection(_) => !filtered,
            LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::Explain(_) => true,
            _ => false,
        };
        if straight {
            node.apply_expressions(|expr| {
                straight &= !expr.exists(|part| Ok(asks_more(part)))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(if straight { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(straight)
}

fn asks_more(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::WindowFunction(_)
            | Expr::AggregateFunction(_)
    )
}
