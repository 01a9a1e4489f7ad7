//! Functions of whole partitions in an operator of our own. DataFusion's keeps all columns of its
//! input, puts them behind one another, which is as much memory again, and counts none of it. Ours
//! keeps what the functions read, counted; the other columns wait aside, on disk where memory is short.

mod kept;
mod operator;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{WindowAggExec, WindowUDFExpr};
use portolan_udfs::Statement;

use operator::WholePartitions;

/// Exchanges the operator. A rule for finished plans, so that all that is known of windows, such as
/// which columns they need and how rows are shared out, stays DataFusion's.
#[derive(Debug)]
pub struct WindowRule;

impl PhysicalOptimizerRule for WindowRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<WindowAggExec>() {
            Some(window) if window.window_expr().iter().any(is_ours) => {
                Ok(Transformed::yes(Arc::new(WholePartitions::new(window.clone()))))
            }
            _ => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "whole_partitions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_ours(expr: &Arc<dyn WindowExpr>) -> bool {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>();
    standard
        .and_then(|expr| expr.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>())
        .is_some_and(|call| Statement::default().window_function(call.fun()).is_some())
}

#[cfg(test)]
mod tests;
